# shellcheck shell=sh
# Follows a transient unit of systemd.
#
#   follow SINCE UNIT [OTHER]   prints the journal's lines of UNIT with its identifier, and of OTHER with the same identifier,
#                               until UNIT has ended, and leaves all of them in `seen`
#   said_by_root SINCE UNIT     prints the last line that root wrote in UNIT
#
# The identifier alone proves nothing: every local user may write lines with it. Unit and user come from the kernel.
#
# `journalctl --follow` is not used: it shows lines up to a quarter of a second late, and does not tell when it has shown all.
# Cursors are not used: Debian 12 leaves out the first line after one.

# In memory: a full disk must not hide how the unit has ended.
seen='' shown=0

# $1: since, $2: unit, the rest: further matches
journal() {
    since=$1 identifier=${2%.service}
    shift 2
    journalctl --quiet --output=cat --since="@$since" SYSLOG_IDENTIFIER="$identifier" _TRANSPORT=stdout "$@"
}

news() {
    seen=$(journal "$1" "$2" _SYSTEMD_UNIT="$2" ${3:+_SYSTEMD_UNIT="$3"})
    [ -n "$seen" ] || return 0
    printf '%s\n' "$seen" | tail -n +"$((shown + 1))"
    shown=$(printf '%s\n' "$seen" | wc -l)
}

follow() {
    while systemctl show --property ActiveState --value "$2" | grep -qE '^(active|activating|deactivating|reloading)$'; do
        news "$@"
        sleep 0.3
    done
    journalctl --sync
    news "$@"
}

said_by_root() { journal "$1" "$2" _SYSTEMD_UNIT="$2" _UID=0 | tail -n 1; }
