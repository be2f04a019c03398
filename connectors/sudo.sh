# shellcheck shell=sh
# A function in place of sudo, for a machine without it where root logs in. Comments are not sent.
command -v sudo > /dev/null || sudo() {
    user=root
    while :; do
        case ${1-} in
            -u) user=$2; shift 2 ;;
            -H | -n) shift ;;
            *) break ;;
        esac
    done
    id -u "$user" > /dev/null 2>&1 || { echo "sudo: unknown user $user" >&2; return 1; }
    if [ "$user" = root ]; then "$@"; else HOME=$(getent passwd "$user" | cut -d : -f 6) runuser -u "$user" -- "$@"; fi
}
