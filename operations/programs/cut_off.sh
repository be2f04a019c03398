# shellcheck shell=sh
# Tells about an action of a release that a power cut cut off.
#
#   is_cut_off FILE       whether there are notes of an action, and nobody is at it. The directory of FILE has the environment's name
#   cut_off_action FILE   prints the action and its version, or "unknown" if its notes are damaged

is_cut_off() {
    [ -e "$1" ] || return
    directory=${1%/*} name=${directory##*/}
    ! systemctl show --property ActiveState --value "$name-switch.service" "$name-boot-switch.service" 2> /dev/null |
        grep -qE '^(active|activating|deactivating|reloading)$'
}

cut_off_action() {
    action=$(sed -n 's/^action=\([a-z-]*\)$/\1/p' "$1" 2> /dev/null | tail -n 1)
    version=$(sed -n 's/^version=\([0-9A-Za-z.+_-]*\)$/\1/p' "$1" 2> /dev/null | tail -n 1)
    echo "${action:-unknown}${version:+ $version}"
}
