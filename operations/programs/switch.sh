#!/bin/bash
# Managed by the deploy repository: changes here are overwritten.
#
# Brings a release into service, or goes back. It runs as a transient unit of systemd, so the operator's connection may break.
# systemd calls "switch end" after the work, with or without success. "switch end" goes back unless all steps succeeded.
# docs/releases.md describes the steps.
#
#   switch release VERSION        migrate, switch, restart, check
#   switch rollback VERSION [M]   take migrations back down to M (a version, or repo:version) with the running release, switch,
#                                 restart, check
#   switch restart                restart, check
#   switch migrate                with the running release
#   switch migrate-down M         with the running release
#
# Settings of the environment: the file with the same name and .conf at its end (templates/switch.conf.j2).
#
# Environment: WHO: the operator, REVISION of the release, BEFORE: the version that ran when the plan was made, or "-"; empty
# without a plan. For "end" also systemd's result of the main process: SERVICE_RESULT, EXIT_STATUS (systemd.exec(5)).
set -Eeuo pipefail
umask 077

# For shellcheck; the settings set all of these.
app='' unit='' unit_path='' variables_path='' user='' root='' releases='' state='' task_unit='' domain='' url='' url_port=''
health_path='' health_timeout='' settle_time='' migrate='' task_timeout='' keep='' database='' eval='' rpc=''
running_version='' migrate_expression='' migrate_down_expression='' migrations_expression='' readable_program=''
migration_lock_timeout='' migrations_connection=''
# shellcheck source=/dev/null
. "$0.conf"
. ./unit_settings.sh
. ./migrations.sh

# The progress of the action, one `name=value` a line; the last line of a name counts. The file exists from the beginning of an
# action to its end, also after a power failure.
progress=$state/switching

say() { printf '%s\n' "$*"; }

# One line, whatever the value holds.
note() { printf '%s=%s\n' "$1" "${2//$'\n'/ }" >> "$progress"; }

noted() { [ ! -e "$progress" ] || sed -n "s/^$1=//p" "$progress" | tail -n 1; }

# Ends the action with a reason. On a full disk only the journal has the reason.
fail() {
    [ ! -e "$progress" ] || note reason "$*" || true
    # To standard error, because a caller may read standard output.
    say "FAILED: $*" >&2
    exit 1
}

# Ends the action with a reason that says nothing against the version: the same one may do well next time.
undecided() {
    [ ! -e "$progress" ] || note outcome ended || true
    fail "$@"
}

# Handles an unexpected failure of a command. BASH_COMMAND is the program's text, so it shows no values.
trap 'unforeseen "$?" "$LINENO" "$BASH_COMMAND"' ERR
unforeseen() {
    trap - ERR
    [ -n "$(noted reason)" ] || undecided "line $2 of ${0##*/} failed with status $1: ${3%%$'\n'*}"
    exit 1
}

# Makes what a VM prints readable (operations/programs/readable.pl): standard input to standard output.
readable() { perl -e "$readable_program"; }

property() { systemctl show --property "$1" --value "$unit"; }

# --- The running release ---------------------------------------------------------------------------------------------

# Runs a command of the running release, as the application user.
node() {
    # In a subshell: only the release gets the variables.
    (
        set -a
        # shellcheck source=/dev/null
        . "$variables_path"
        cd "$root/$app"
        exec timeout 30 setpriv --reuid "$user" --regid "$user" --init-groups "bin/$app" "$@"
    )
}

# Prints the linked version, or nothing. The application user can change the link, so a name that is no version is ignored.
current() {
    local name
    name=$(readlink "$root/$app") || return 0
    name=${name##*/}
    [[ ! $name =~ ^[0-9A-Za-z][0-9A-Za-z.+_-]*$ ]] || printf '%s\n' "$name"
}

# Sets the link with one rename. The directory belongs to the application user, so root enters it and then checks where it is:
# from then on a link cannot redirect it.
link() {
    cd "$root"
    [ "$(pwd -P)" = "$root" ] || undecided "$root leads elsewhere: apply first"
    ln -sfnT "releases/$1" ".$app.new" || undecided "the link $root/.$app.new could not be made, for the reason above"
    mv -fT ".$app.new" "$app" || undecided "the link $root/$app could not be renamed into place, for the reason above"
    cd /
}

unlink_current() {
    cd "$root" || return
    [ "$(pwd -P)" = "$root" ] && rm -f "$app"
    cd /
}

# Sets `refused` if systemd left the process from before running, which may answer as well as ever. Whether the release runs
# otherwise, `healthy` says, with a reason.
restart() {
    local process
    process=$(property MainPID)
    refused=''
    local now
    now=$(date +%s)
    note restarted "$now"
    systemctl reset-failed "$unit" 2> /dev/null || true
    systemctl restart "$unit" || [ "$process" = 0 ] || [ "$(property MainPID)" != "$process" ] || refused=yes
}

# Prints nginx's status for the health page. The request stays on the host, so it needs no DNS and no route. It does not verify
# the certificate: visitors do that.
site_status() {
    local status
    status=$(curl --disable --globoff --silent --output /dev/null --write-out '%{http_code}' --max-time 10 --insecure --noproxy '*' \
        --user-agent release --resolve "$domain:$url_port:127.0.0.1" "$url$health_path" || true)
    [ "$status" = 000 ] || printf '%s\n' "$status"
}

# Succeeds if the release answers, has the requested version, and keeps running for a while. Otherwise prints the reason and
# fails.
healthy() {
    local version=$1 process status deadline=$((SECONDS + health_timeout)) runs
    process=$(property MainPID)
    until status=$(site_status) && [[ $status == 2?? ]]; do
        same_process "$process" || return 1
        if ((SECONDS >= deadline)); then
            say "$health_path answered ${status:-nothing} through nginx, still after $health_timeout seconds"
            return 1
        fi
        sleep 0.3
    done
    # The node itself reports the version that it booted.
    if ! runs=$(node "$rpc" "$running_version" 2> /dev/null | head -n 1); then
        say "the site answers, and the node does not: bin/$app $rpc failed"
        return 1
    fi
    if [ "$runs" != "$version" ]; then
        say "version $runs runs, not $version: the release boots another one than it says"
        return 1
    fi
    for ((second = 0; second < settle_time; second++)); do
        sleep 1
        same_process "$process" || return 1
    done
    status=$(site_status)
    same_process "$process" || return 1
    [[ $status == 2?? ]] && return
    say "$health_path answered ${status:-nothing} through nginx after $settle_time seconds"
    return 1
}

same_process() {
    local now
    now=$(property MainPID) && [ -n "$now" ] && [ "$now" = "$1" ] && [ "$1" != 0 ] && return
    say "$unit ended by itself"
    return 1
}

last_words() {
    say "The journal's last lines:"
    journalctl --quiet --unit "$unit" --since "@$(noted restarted)" --lines 20 --no-hostname | sed 's/^/    /'
}

# Restarts the release. If it is not healthy, fails with the reason and the journal's last lines.
restart_and_check() {
    local reason
    restart
    [ -z "$refused" ] || undecided "systemd did not restart $unit, for the reason above"
    say "Restarted; waiting for $1 to answer"
    if ! reason=$(healthy "$1"); then
        last_words
        fail "$reason"
    fi
    say "$1 runs and answers."
}

# --- The actions -----------------------------------------------------------------------------------------------------

# $1: action, $2: version; the default is the running version.
begin() {
    local now
    [ ! -e "$progress" ] || take_up
    now=$(current)
    if [ "${BEFORE:-${now:--}}" != "${now:--}" ]; then
        [ "$BEFORE" != - ] || BEFORE="no release"
        fail "${now:-no release} runs now, and $BEFORE ran when the plan was made: make the plan again"
    fi
    # The file appears complete or not at all, so on a full disk no action begins.
    printf '%s=%s\n' action "$1" version "${2:-$now}" before "$now" since "$(date +%s)" who "${WHO:--}" \
        revision "${REVISION:--}" > "$progress.new"
    mv -f "$progress.new" "$progress"
}

# An earlier action that nothing ended: the machine went down meanwhile. When the machine came up, systemd started the linked
# release. So the action counts as one that restarted.
take_up() {
    say "$(noted action) $(noted version) was cut off: ending that first"
    [ -z "$(noted since)" ] || note restarted "$(date +%s)"
    "$0" end
}

release() {
    begin release "$1"
    [ -x "$releases/$1/bin/$app" ] || fail "there is no release $1"
    [ "$migrate" != before ] || migrate "$releases/$1"
    link "$1"
    restart_and_check "$1"
    if [ "$migrate" = after ]; then
        migrate "$releases/$1"
    fi
}

rollback() {
    begin rollback "$1"
    [ -x "$releases/$1/bin/$app" ] || fail "there is no release $1"
    [ -z "${2:-}" ] || migrate_down "$releases/$(current)" "$2"
    link "$1"
    restart_and_check "$1"
}

# Actions with the running release.
in_place() {
    local action=$1
    shift
    begin "$action" ''
    [ -n "$(current)" ] || fail "there is no release yet: make release"
    case $action in
        restart) restart_and_check "$(current)" ;;
        migrate) migrate "$releases/$(current)" ;;
        migrate-down) migrate_down "$releases/$(current)" "$1" ;;
    esac
}

# --- The end, called by systemd --------------------------------------------------------------------------------------

# Success is what the program noted, not what systemd reports: systemd also counts a stopped unit as a success.
end() {
    local outcome reason
    [ -e "$progress" ] || return 0
    if [ -z "$(noted since)" ]; then
        say "$progress does not say which action it is about: it is removed, and nothing else is changed"
    elif [ "$(noted finished)" = yes ]; then
        record good
        # The operator had a reason to leave this release, so a later rollback does not choose it.
        [ "$(noted action)" != rollback ] || record left "$(noted before)"
        say "$(noted action) $(noted version): done"
    else
        reason=$(noted reason) outcome=$(noted outcome)
        outcome=${outcome:-failed}
        # If memory or time ran out, a noted reason is only a consequence.
        if [ -z "$reason" ] || [[ ${SERVICE_RESULT:-} =~ ^(oom-kill|timeout)$ ]]; then
            [ "${SERVICE_RESULT:-}" = exit-code ] || outcome=ended
            reason=$(reason_of_systemd)
        fi
        if [ "$outcome" = failed ] && database_is_down; then
            outcome=ended
            reason="$reason; PostgreSQL does not answer, so this says nothing against $(noted version)"
        fi
        abandon_migration
        # A dump that was cut short.
        rm -f "$state"/backups/*.part
        go_back
        database_stands
        record "$outcome"
        say "$(noted action) $(noted version): FAILED: $reason"
    fi
    rm -f "$progress" "$progress".errors "$progress".said
}

# Prints a reason for an action that noted none. Without systemd's result, the machine went down in the middle.
reason_of_systemd() {
    case ${SERVICE_RESULT:-} in
        exit-code) say "it ended with status ${EXIT_STATUS:-unknown} and noted no reason: its last words are above" ;;
        success) say "it was ended from outside: somebody stopped it" ;;
        signal | core-dump) say "it was ended from outside: by signal ${EXIT_STATUS:-unknown}" ;;
        oom-kill) say "it was ended from outside: no memory was left" ;;
        timeout) say "it was ended from outside: it took too long" ;;
        '') say "it was ended from outside: the machine went down" ;;
        *) say "it was ended from outside: $SERVICE_RESULT" ;;
    esac
}

# Goes back to the release before the action. If that fails as well, adds it to `reason`.
go_back() {
    local before trouble
    before=$(noted before)
    [ "$(current)" != "$before" ] || [ -n "$(noted restarted)" ] || return 0
    if [ -z "$before" ]; then
        say "There was no release before: stopping"
        timeout 5 systemctl stop "$unit" || systemctl kill --signal SIGKILL "$unit"
        systemctl reset-failed "$unit" 2> /dev/null
        unlink_current
    elif [ "$(current)" != "$before" ]; then
        say "Going back to $before"
        # In a subshell, because `fail` may end it.
        (link "$before") || reason="$reason; and the link could not be set back to $before"
        [ -n "$(noted restarted)" ] || return 0
        # A VM that is still starting does not react to SIGTERM, and nobody needs it any more.
        timeout 5 systemctl stop "$unit" || systemctl kill --signal SIGKILL "$unit"
        restart
        if trouble=$(healthy "$before"); then
            say "$before runs and answers again."
        else
            last_words
            reason="$reason; and $before, which ran before, is not well either: $trouble"
        fi
    fi
}

# Writes one line of the log: time, operator, action, version, revision, outcome, seconds.
record() {
    local now
    now=$(date +%s)
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$(date -u -d "@$now" '+%Y-%m-%dT%H:%M:%SZ')" "$(noted who)" "$(noted action)" \
        "${2:-$(noted version)}" "$(noted revision)" "$1" "$((now - $(noted since)))" >> "$state/revisions.log" ||
        say "This could not be written to $state/revisions.log: make room there"
}

case ${1:-} in
    release | rollback)
        "$@"
        note finished yes
        ;;
    restart | migrate | migrate-down)
        in_place "$@"
        note finished yes
        ;;
    end)
        # A failure must not stop the remaining steps.
        trap - ERR
        set +Ee
        end
        ;;
    *)
        say "usage: switch release VERSION | rollback VERSION [MIGRATION] | restart | migrate | migrate-down MIGRATION"
        exit 64
        ;;
esac
