# shellcheck shell=sh
# Sourced. certbot takes settings from cli.ini for every order and renewal of a host, and prefers them to those of a certificate.
# They are meant for certificates of others.
#
#   without_defaults COMMAND…   runs a command that finds these files empty. All other processes read them as ever

without_defaults() {
    # shellcheck disable=SC2016
    XDG_CONFIG_HOME=/nonexistent unshare --mount sh -euc '
        for defaults in /etc/letsencrypt/cli.ini; do
            [ ! -e "$defaults" ] || mount --bind /dev/null "$defaults"
        done
        exec "$@"' sh "$@"
}
