# shellcheck shell=sh
# Follows a transient unit of systemd.
#
#   follow UNIT IDENTIFIER SINCE   prints the journal's lines with the unit's identifier until the unit has ended, and leaves
#                                  all of them in the file "$seen"
#
# `journalctl --follow` is not used: it shows lines up to a quarter of a second late, and does not tell when it has shown all.
# Cursors are not used: Debian 12 leaves out the first line after one.

seen=$(mktemp) shown=0
trap 'rm -f "$seen"' EXIT

news() {
    journalctl --quiet --output=cat --since="@$2" SYSLOG_IDENTIFIER="$1" _TRANSPORT=stdout > "$seen"
    tail -n +"$((shown + 1))" "$seen"
    shown=$(wc -l < "$seen")
}

follow() {
    while systemctl show --property ActiveState --value "$1" | grep -qE '^(active|activating|deactivating|reloading)$'; do
        news "$2" "$3"
        sleep 0.3
    done
    journalctl --sync
    news "$2" "$3"
}
