# shellcheck shell=sh
# Follows a transient unit of systemd.
#
#   new_run                     sets `run` to a match for one run of a unit that systemd starts with LogExtraFields="$run"
#   follow WHICH UNIT [OTHER]   prints the journal's lines of UNIT with its identifier, and of OTHER with the same identifier,
#                               until UNIT has ended, and leaves all of them in `seen`
#   said_by_root WHICH UNIT     prints the last line that root wrote in UNIT
#
# WHICH is the match of a run, or --since=TIME where another command has started the unit. A time is second to a match: when the
# clock is set back, later lines have earlier times.
#
# Neither match nor identifier proves anything: every local user may write lines with them. Unit and user come from the kernel.
#
# `journalctl --follow` is not used: it shows lines up to a quarter of a second late, and does not tell when it has shown all.
# Cursors are not used: Debian 12 leaves out the first line after one.

# In memory: a full disk must not hide how the unit has ended.
seen='' shown=0

new_run() {
    read -r run < /proc/sys/kernel/random/uuid
    run=DEPLOY_RUN=$run
}

# $1: match of a run, or --since=TIME, $2: unit, the rest: further matches
journal() {
    which=$1 identifier=${2%.service}
    shift 2
    journalctl --quiet --output=cat "$which" SYSLOG_IDENTIFIER="$identifier" _TRANSPORT=stdout "$@"
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
