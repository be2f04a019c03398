"""Following a transient unit of systemd: what it says, as it says it, until it has ended."""

# follow UNIT IDENTIFIER SINCE: prints the unit's lines, those with its identifier in the journal, and leaves all of them in
# the file "$seen". Not by journalctl --follow, which is told of new lines up to a quarter of a second late and does not say
# when it has shown all; nor by cursor, after which Debian 12's leaves out the first line.
FOLLOW = """\
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
"""
