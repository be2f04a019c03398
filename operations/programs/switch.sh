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
#   switch restore DUMP SHA256    into a new database, which takes the place of the old one (restore.sh); restart, check
#   switch console                a shell in the running node; the alias of the login account runs it by sudo
#   switch resume                 at boot: end an action that a power cut cut off
#
# Settings of the environment: the file with the same name and .conf at its end (templates/switch.conf.j2).
#
# Environment: WHO: the operator, REVISION of the release, BEFORE: the version that ran when the plan was made, or "-"; empty
# without a plan. RUN: a field for the journal's lines of commands (follow.sh). For "end" also systemd's result of the main process:
# SERVICE_RESULT, EXIT_STATUS (systemd.exec(5)).
set -Eeuo pipefail
umask 077

# For shellcheck; the settings set all of these.
app='' script='' unit='' unit_path='' root='' releases='' state='' revision_path='' task_unit='' domain=''
environment='' switch_unit='' boot_unit=''
url='' url_port='' port='' open_ports='' scheme='' server_names='' websocket_port=''
mark='' mark_path='' health_path='' health_timeout='' settle_time='' migrate='' task_timeout='' keep='' database='' eval='' rpc=''
running_version='' remote='' migrate_expression='' migrate_down_expression='' migrations_expression='' readable_program=''
strategy='' drain_time='' start='' slice='' standin_unit='' standin_table='' standin_node='' standin_port='' appsignal=''
web_app='' assets='' user=''
standin_variables=()
migration_lock_timeout='' migrations_connection='' migrations_command=''
database_role='' database_host='' database_port='' database_extensions=''
# shellcheck source=/dev/null
. "$0.conf"
# Of the cluster that the machine has for this environment.
[ -z "$database" ] || export PGPORT="$database_port"
. ./durable.sh
. ./unit_settings.sh
. ./migrations.sh
. ./dump_list.sh
. ./dumps.sh
. ./restore.sh
. ./health.sh
. ./network.sh
. ./websocket.sh
. ./taken_port.sh
. ./started_port.sh
. ./stand_in.sh
. ./assets.sh

# The progress of the action, one `name=value` a line; the last line of a name counts. The file exists from the beginning of an
# action to its end, also after a power failure.
progress=$state/switching

# The names that the file has from its beginning. Without one of them it is damaged, and tells nothing about the action.
evidence='action version before since who revision'

say() { printf '%s\n' "$*"; }

# One line, whatever the value holds.
note() { append "$progress" "$1=${2//$'\n'/ }"; }

# Read without a program: this is asked dozens of times in an action.
noted() {
    local line value=''
    [ -f "$progress" ] || return 0
    while IFS= read -r line || [ -n "$line" ]; do
        [[ $line != "$1="* ]] || value=${line#*=}
    done < "$progress"
    printf '%s\n' "$value"
}

# Sets `damage` to what is missing in the progress; to nothing if it tells which action it is about.
find_damage() {
    local name names
    damage=''
    names=$(grep -aoE '^[a-z]+=' "$progress" 2> /dev/null || true)
    for name in $evidence; do
        [[ $'\n'$names$'\n' == *$'\n'$name=$'\n'* ]] || damage+=" $name"
    done
    [ -n "$damage" ] || [[ $(noted since) =~ ^[0-9]+$ ]] || damage=' since'
    damage=${damage# }
}

# Where the way out of a damaged progress leads.
way_out() {
    say "$progress does not say which action was cut off (it lacks: $damage). Nothing was changed, and ${1:-no release} stays" \
        "linked. If it is the one to run, make restart ENV=$environment goes on from it"
}

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

# Whether systemd has room for what it needs to start a process: 64 KiB and 8 files are less than that.
has_room_in_run() {
    local free inodes total
    awk '$2 == "/run" { options = $4 } END { exit options ~ /^ro(,|$)/ }' /proc/mounts || return
    read -r free inodes total < <(df --block-size=1 --output=avail,iavail,itotal /run | tail -n 1)
    # Not every file system has a number of inodes.
    [[ $total =~ ^[1-9] && $inodes =~ ^[0-9]+$ ]] || inodes=8
    ((${free:-0} >= 65536 && inodes >= 8))
}

property() { systemctl show --property "$1" --value "${judged:-$unit}"; }

# --- The running release ---------------------------------------------------------------------------------------------

# Runs a command of the running release, in the application's sandbox, about the process that is judged.
node() {
    local release command
    if [ "${judged:-$unit}" = "$standin_unit" ]; then
        release=$releases/$(noted standin)
        command=("${as_standin[@]}" "$release/$script" "$@")
        name_in_vm_args "$release"
        in_sandbox "$unit_path" "$release" --property=RuntimeMaxSec=30 -- "${command[@]}" < /dev/null
        return
    fi
    release=$(readlink --canonicalize-existing "$root/$app") || return
    in_sandbox "$unit_path" "$release" --property=RuntimeMaxSec=30 -- "$release/$script" "$@" < /dev/null
}

# A shell in the running node, for whoever may run this program.
console() {
    local release
    [ -t 0 ] || { say "a console needs a terminal" >&2 && exit 1; }
    release=$(readlink --canonicalize-existing "$root/$app") || { say "there is no release yet: make release ENV=$environment" >&2 && exit 1; }
    in_terminal "$unit_path" "$release" -- "$release/$script" "$remote"
}

# Prints the linked version, or nothing. Before an apply gives the link to root, the application user can change it, so a name
# that is no version is ignored.
current() {
    local name
    name=$(readlink "$root/$app") || return 0
    name=${name##*/}
    ! is_version "$name" || printf '%s\n' "$name"
}

is_version() { [[ $1 =~ ^[0-9A-Za-z][0-9A-Za-z.+_-]*$ ]]; }

# Sets the link with one rename, or prints why not. The directory is in somebody else's home, so root enters it and then checks
# where it is: from then on a link cannot redirect it. The kernel says where: bash would look the name up once more (pwd -P).
set_link() (
    if ! cd "$root" || [ "$(readlink /proc/self/cwd)" != "$root" ]; then
        say "$root leads elsewhere: apply first"
    elif ! ln -sfnT "releases/$1" ".$app.new"; then
        say "the link $root/.$app.new could not be made, for the reason above"
    elif ! replace ".$app.new" "$app"; then
        say "the link $root/$app could not be renamed into place, for the reason above"
    else
        return 0
    fi
    return 1
)

link() {
    local trouble
    trouble=$(set_link "$1") || undecided "$trouble"
}

unlink_current() {
    cd "$root" || return
    [ "$(readlink /proc/self/cwd)" = "$root" ] && rm -f "$app" && cd /
}

# Gives the unit the revision of version $1. A release is not worth less without it.
write_revision() {
    local revision
    revision=$(revision_of "$1" || true)
    rm -f "$revision_path"
    is_revision "$revision" || return 0
    { printf '%s\n' "APP_REVISION=$revision" "RELEASE_REVISION=$revision" > "$revision_path.new" &&
        replace "$revision_path.new" "$revision_path"; } ||
        say "The revision could not be written to $revision_path: APP_REVISION is not set"
}

is_revision() { [[ $1 =~ ^[0-9a-f]{7,64}$ ]]; }

# The log has the revisions of all releases but the one under way.
revision_of() {
    if [ "$(noted action) $(noted version)" = "release $1" ]; then
        noted revision
    elif [ -e "$state/revisions.log" ]; then
        awk -F '\t' -v version="$1" '$3 == "release" && $4 == version { revision = $5 } END { print revision }' \
            "$state/revisions.log"
    fi
}

# Sets `refused` if systemd left the process from before running, which may answer as well as ever. Whether the release runs
# otherwise, `healthy` says, with a reason.
restart() {
    local process
    process=$(property MainPID)
    refused=''
    local now
    now=$(date +%s)
    read_uptime
    note restarted "$now"
    note restarted_uptime "$uptime"
    write_revision "$(current)"
    systemctl reset-failed "$unit" 2> /dev/null || true
    systemctl restart "$unit" || [ "$process" = 0 ] || [ "$(property MainPID)" != "$process" ] || refused=yes
}

# Puts the release $1 into service.
serve() {
    keep_assets "$(current)" || true
    keep_assets "$1" || true
    if stands_in; then
        switch_over "$1"
    else
        [ "$(current)" = "$1" ] || link "$1"
        restart_and_check "$1"
    fi
}

# Restarts the release. If it is not healthy, fails with the reason and the journal's last lines.
restart_and_check() {
    local reason words
    has_room_in_run || undecided "/run has no room: $unit would stop, and not start again. Make room there"
    restart
    [ -z "$refused" ] || undecided "systemd did not restart $unit, for the reason above"
    say "Restarted; waiting for $1 to answer"
    if ! reason=$(healthy "$1"); then
        # Whatever becomes of the journal's lines, this is the reason.
        note reason "$reason"
        last_words
        ! words=$(stranger "$port") || undecided "$reason; $words"
        fail "$reason"
    fi
    require_listens_well
    say_origins
    say "$1 runs and answers."
}

require_listens_well() {
    local reason listening=0
    reason=$(listens_well) || listening=$?
    # A restart and a rollback run what ran before. To end them would help nobody.
    case $listening:$(noted action) in
        0:*) ;;
        1:release | 3:release) fail "$reason" ;;
        2:release) undecided "$reason" ;;
        *) say "ATTENTION: $reason" ;;
    esac
}

# A page without its websocket is no reason to go back: the release before may have had none either.
say_origins() {
    local names refused
    read -ra names <<< "$server_names"
    refused=$(origins_refused "$scheme" "$websocket_port" "${names[@]}" | sort | joined) || return 0
    [ -z "$refused" ] || say "ATTENTION: the application refuses websockets from $refused: pages load there, and LiveView does" \
        "not work. List the name in check_origin of the endpoint"
}

# --- The actions -----------------------------------------------------------------------------------------------------

# $1: action, $2: version; the default is the running version.
begin() {
    local now since
    # The end at boot and an action never work at the same time: each is at work before it looks for the other one.
    while [ -e "$progress" ] && at_work "$boot_unit"; do sleep 1; done
    [ ! -e "$progress" ] || take_up "$1"
    now=$(current)
    since=$(date +%s)
    read_uptime
    if [ "${BEFORE:-${now:--}}" != "${now:--}" ]; then
        [ "$BEFORE" != - ] || BEFORE="no release"
        fail "${now:-no release} runs now, and $BEFORE ran when the plan was made: make the plan again"
    fi
    # The file appears complete or not at all, so on a full disk no action begins.
    if ! printf '%s=%s\n' action "$1" version "${2:-$now}" before "$now" since "$since" uptime "$uptime" who "${WHO:--}" \
        revision "${REVISION:--}" invocation "${INVOCATION_ID:-}" > "$progress.new" || ! replace "$progress.new" "$progress"; then
        rm -f "$progress.new"
        # After a failure of the last step the file may be there. Nothing has begun.
        rm -f "$progress"
        fail "$progress could not be written, for the reason above, and no action begins without it: make room there." \
            "Nothing was changed"
    fi
}

at_work() { systemctl show --property ActiveState --value "$1" | grep -qE '^(active|activating|deactivating|reloading)$'; }

# An earlier action that nothing ended: the machine went down meanwhile. $1: the action that begins
take_up() {
    find_damage
    if [ -z "$damage" ]; then
        say "$(noted action) $(noted version) was cut off: ending that first"
        "$0" end
    elif [ "$1" = restart ]; then
        # Somebody asks for the linked release, and no other one is known.
        say "$progress does not say which action was cut off (it lacks: $damage): it is kept as $progress.damaged, and" \
            "$(current) goes on as the running release"
        rm -rf "$progress.damaged"
        replace "$progress" "$progress.damaged"
        drop_standin
    else
        say "FAILED: $(way_out "$(current)")" >&2
        exit 1
    fi
    # Without a note: the file is not about this action.
    [ ! -e "$progress" ] || { say "FAILED: what was cut off could not be ended, for the reason above" >&2 && exit 1; }
}

release() {
    begin release "$1"
    [ -x "$releases/$1/$script" ] || fail "there is no release $1"
    [ "$migrate" != before ] || migrate "$releases/$1"
    serve "$1"
    if [ "$migrate" = after ]; then
        migrate "$releases/$1"
    fi
}

rollback() {
    begin rollback "$1"
    [ -x "$releases/$1/$script" ] || fail "there is no release $1"
    [ -z "${2:-}" ] || migrate_down "$releases/$(current)" "$2"
    serve "$1"
}

# Actions with the running release.
in_place() {
    local action=$1
    shift
    # Nothing has begun then, and the log has nothing to say.
    [ -e "$progress" ] || [ -n "$(current)" ] || [ "${BEFORE:--}" != - ] || fail "there is no release yet: make release ENV=$environment"
    begin "$action" ''
    [ -n "$(current)" ] || fail "there is no release yet: make release ENV=$environment"
    case $action in
        restart) serve "$(current)" ;;
        migrate) migrate "$releases/$(current)" ;;
        migrate-down) migrate_down "$releases/$(current)" "$1" ;;
    esac
}

# --- The end, called by systemd --------------------------------------------------------------------------------------

# Success is what the program noted, not what systemd reports: systemd also counts a stopped unit as a success.
end() {
    local outcome reason cut_off=''
    [ -e "$progress" ] || return 0
    find_damage
    # An action of another invocation was cut off when the machine went down. When the machine came up, systemd started the
    # linked release, and SERVICE_RESULT is about something else.
    [ "$(noted invocation)" = "${INVOCATION_ID:-}" ] || cut_off=yes SERVICE_RESULT=''
    [ -n "$damage" ] || end_restore
    if [ -n "$damage" ]; then
        say "FAILED: $(way_out "$(current)")"
        return 1
    elif [ "$(noted finished)" = yes ]; then
        [ -z "$(noted standin)" ] || end_standin
        record good || return
        # The operator had a reason to leave this release, so a later rollback does not choose it.
        [ "$(noted action)" != rollback ] || record left "$(noted before)" || return
        prune_assets || true
        close "$(noted action) $(noted version): done"
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
        elif [ "$outcome" = failed ] && ! has_room_in_run; then
            outcome=ended
            reason="$reason; /run has no room, so this says nothing against $(noted version): make room there"
        fi
        abandon_migration
        remove_remains
        if ! go_back; then
            [ -z "$(noted standin)" ] || end_standin
            say "$(noted action) $(noted version): FAILED: $reason. The next action goes back first: mend that, then make restart" \
                "ENV=$environment"
            return 1
        fi
        [ -z "$(noted standin)" ] || end_standin
        database_stands
        record "$outcome" '' "$reason"
        close "$(noted action) $(noted version): FAILED: $reason"
    fi
}

# The action has ended when the file about it is gone from the disk. $1: the last word
close() {
    rm -f "$progress" "$progress".errors "$progress".said "$progress".new
    sync "$state"
    say "$1"
}

# At boot. An action that began meanwhile takes up the rest itself.
resume() {
    ! at_work "$switch_unit" || return 0
    [ -e "$progress" ] || return 0
    find_damage
    [ -n "$damage" ] || say "$(noted action) $(noted version) was cut off: ending that"
    end
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

# Goes back to the release before the action, also if an end that did so was killed. If that release is not well either, adds it to
# `reason`. Fails if the link stays on the release of the action, such as on a read-only disk: a restart would start that one.
go_back() {
    local before trouble
    before=$(noted before)
    [ "$(current)" != "$before" ] || [ -n "$(noted restarted)$cut_off" ] || return 0
    if [ -z "$before" ]; then
        say "There was no release before: stopping"
        timeout 5 systemctl stop "$unit" || systemctl kill --signal SIGKILL "$unit"
        systemctl reset-failed "$unit" 2> /dev/null
        unlink_current || { reason="$reason; and the link $root/$app is still there, for the reason above" && return 1; }
    elif [ "$(current)" != "$before" ] || { [ -n "$(noted back)" ] && ! runs "$before"; }; then
        say "Going back to $before"
        trouble=$(set_link "$before") || { reason="$reason; and $before is not linked again: $trouble" && return 1; }
        note back yes
        [ -n "$(noted restarted)$cut_off" ] || return 0
        # A VM that is still starting does not react to SIGTERM, and nobody needs it any more.
        timeout 5 systemctl stop "$unit" || systemctl kill --signal SIGKILL "$unit"
        restart
        # While a stand-in serves, nginx does not ask the unit.
        [ -z "$(noted away)" ] || set -- at "$unit" "$port"
        if trouble=$("$@" healthy "$before"); then
            say "$before runs and answers again."
        else
            last_words
            reason="$reason; and $before, which ran before, is not well either: $trouble"
        fi
    fi
}

# Whether the unit runs a version.
runs() { [ "$(node "$rpc" "$running_version" 2> /dev/null | sed -n 1p)" = "$1" ]; }

# Writes one line of the log: time, operator, action, version, revision, outcome, seconds, and the reason of a failure. If a finished action cannot be written
# down, the next one does it: a rollback chooses by the log.
record() {
    local now line seconds reason=${3:-}
    reason=${reason//[[:cntrl:]]/ }
    now=$(date +%s)
    read_uptime
    # Somebody may have set the clock. After a power cut the uptime began anew, and the time of day is all there is.
    seconds=$((now - $(noted since)))
    [ "$(noted invocation)" != "${INVOCATION_ID:-}" ] || ! [[ $(noted uptime) =~ ^[0-9]+$ ]] ||
        seconds=$((uptime - $(noted uptime)))
    ((seconds >= 0)) || seconds=0
    line=$(printf '%s\t%s\t%s\t%s\t%s\t%s\t%s' "$(date -u -d "@$now" '+%Y-%m-%dT%H:%M:%SZ')" "$(noted who)" "$(noted action)" \
        "${2:-$(noted version)}" "$(noted revision)" "$1" "$seconds${reason:+$'\t'${reason:0:300}}")
    append "$state/revisions.log" "$line" ||
        { say "$(noted action) $(noted version) could not be written to $state/revisions.log: make room there" && return 1; }
}

case ${1:-} in
    release | rollback | restore)
        "$@"
        note finished yes
        ;;
    restart | migrate | migrate-down)
        in_place "$@"
        note finished yes
        ;;
    console)
        trap - ERR
        console
        ;;
    end | resume)
        # A failure must not stop the remaining steps.
        trap - ERR
        set +Ee
        "$1"
        ;;
    *)
        say "usage: switch release VERSION | rollback VERSION [MIGRATION] | restart | migrate | migrate-down MIGRATION |" \
            "restore DUMP SHA256 | console"
        exit 64
        ;;
esac
