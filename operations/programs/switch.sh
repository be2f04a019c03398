#!/bin/bash
# Managed by the deploy repository: changes here are overwritten.
#
# Brings a release into service, or goes back. It runs as a transient unit of systemd, so the operator's connection may break.
# systemd calls "switch end" after the work, with or without success. "switch end" goes back unless all steps succeeded.
# docs/releases.md describes the steps.
#
#   switch release VERSION        migrate, switch, restart, check
#   switch rollback VERSION [M]   take migrations back down to M with the running release, switch, restart, check
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
running_version='' migrate_expression='' migrate_down_expression='' migrations_expression=''
# shellcheck source=/dev/null
. "$0.conf"

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

# Handles an unexpected failure of a command. BASH_COMMAND is the program's text, so it shows no values.
trap 'unforeseen "$?" "$LINENO" "$BASH_COMMAND"' ERR
unforeseen() {
    trap - ERR
    [ -n "$(noted reason)" ] || fail "line $2 of ${0##*/} failed with status $1: ${3%%$'\n'*}"
    exit 1
}

property() { systemctl show --property "$1" --value "$unit"; }

# --- Commands of a release -------------------------------------------------------------------------------------------

# Runs a command of a release in a unit of its own, with user, variables and sandbox of the application: it gets every setting of
# the application's unit file except those for start and end. In arguments systemd reads $$ as $, and $NAME as a variable
# (systemd.service(5)).
task() {
    local release=$1 settings options
    shift
    settings=$(sed -n '/^\[Service\]/,/^\[Install\]/{
        /^\(Type\|ExecStart\|ExecStartPre\|WorkingDirectory\|KillMode\|Restart\|RestartSec\|TimeoutStopSec\)=/d
        s/^[A-Z][A-Za-z]*=/--property=&/p
    }' "$unit_path") || return
    # Without these settings the command would run as root, outside the sandbox.
    if [[ $'\n'$settings != *$'\n--property=User='* ]]; then
        say "$unit_path names no user to run a command of ${release##*/} as: apply first" >&2
        return 1
    fi
    readarray -t options <<< "$settings"
    systemd-run --quiet --wait --pipe --collect --service-type=exec --unit="$task_unit" \
        --property="RuntimeMaxSec=$task_timeout" --property="WorkingDirectory=$release" "${options[@]}" \
        -- "$release/bin/$app" "${@//\$/\$\$}"
}

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

# --- Migrations ------------------------------------------------------------------------------------------------------

# Prints the migrations, one a line: up or down, version, name. A line "migrations:" may begin the list. Fails for other words:
# nobody knows then whether a migration is pending.
migrations() {
    local listed
    listed=$(task "$1" "$eval" "$migrations_expression") || return
    [ -n "$listed" ] || return 0
    if ! grep -qE '^(migrations:$|(up|down) )' <<< "$listed"; then
        say "This is no list of migrations: $listed" >&2
        return 1
    fi
    say "$listed"
}

# The application prints the list: only numbers count as versions.
applied() { awk '$1 == "up" && $2 ~ /^[0-9]+$/ { print $2 }'; }

pending() { awk '$1 == "down" { print $2, $3 }'; }

# Lines in one line, byte for byte: `echo` and `xargs` would interpret quotes and backslashes.
joined() { awk '{ printf "%s%s", separator, $0; separator = " " } END { if (NR) print "" }'; }

# Prints the applied migrations from version $1 on; $2 is a further awk condition.
applied_since() { awk -v since="$1" "\$1 == \"up\" && \$2 + 0 >= since + 0 ${2:-} { print \$2 }"; }

ask_migrations() {
    migrations "$1" || fail "${1##*/} cannot say which migrations it has, for the reason above: mend it, or set" \
        "migrations_command, or migrate = 'never'"
}

# Runs all pending migrations, after a backup.
migrate() {
    local release=$1 listed up left asked migration
    listed=$(ask_migrations "$release")
    # In assignments: a command that fails in "$(…)" as an argument would not end the action.
    up=$(applied <<< "$listed" | joined)
    left=$(pending <<< "$listed" | joined)
    note migrations "$up"
    if [ -z "$left" ]; then
        say "No migration is pending."
        return
    fi
    backup "${release##*/}"
    say "Migrating: $left"
    run_migration "$release" "$migrate_expression"
    asked=$(pending <<< "$listed" | cut -d ' ' -f 1)
    listed=$(ask_migrations "$release")
    up=$(applied <<< "$listed")
    left=''
    for migration in $asked; do
        [[ $'\n'$up$'\n' == *$'\n'$migration$'\n'* ]] || left+=" $migration"
    done
    [ -z "$left" ] || fail "the migration ended without an error, and these migrations are still pending:$left"
}

# Takes back migration $2 and every later one, after a backup.
migrate_down() {
    local release=$1 down_to=$2 listed up missing left
    [[ $down_to =~ ^[0-9]+$ ]] || fail "the version of a migration is a number: $down_to is none"
    listed=$(ask_migrations "$release")
    up=$(applied <<< "$listed" | joined)
    grep -q "^up $down_to " <<< "$listed" || fail "migration $down_to is not applied, or ${release##*/} does not know it;" \
        "applied: $up"
    missing=$(applied_since "$down_to" '&& /\*\* FILE NOT FOUND \*\*/' <<< "$listed")
    require_files "$release" "$missing" "$down_to"
    note migrations "$up"
    backup "${release##*/}"
    say "Taking back migrations down to $down_to"
    run_migration "$release" "${migrate_down_expression//\{version\}/$down_to}"
    listed=$(ask_migrations "$release")
    grep -qE '^(up|down) ' <<< "$listed" || fail "taking back ended without an error, and the release lists no migration"
    left=$(applied_since "$down_to" <<< "$listed" | joined)
    [ -z "$left" ] || fail "taking back ended without an error, and these migrations are still applied: $left"
}

# Ecto needs the file of a migration to take it back. It skips a migration if the release does not have the file.
require_files() {
    local release=$1 missing=$2 other having=''
    [ -n "$missing" ] || return 0
    for other in "$releases"/*/; do
        other=$(basename "$other")
        ! is_version "$other" || ! has_files "$releases/$other" "$missing" || having=$other
    done
    missing=$(joined <<< "$missing")
    if [ -n "$having" ]; then
        fail "${release##*/} cannot take back what it does not have the files of: $missing; $having has them:" \
            "make release ENV=${root##*/} VERSION=$having, then make rollback ENV=${root##*/} MIGRATE_DOWN=$3"
    fi
    fail "no release on this host has the files of the migrations to take back: $missing; release a version that has them"
}

has_files() {
    local release=$1 migration
    [ -x "$release/bin/$app" ] || return 1
    for migration in $2; do
        compgen -G "$release/lib/*/priv/*/migrations/${migration}_*.exs" > /dev/null || return 1
    done
}

run_migration() {
    note migrating "$1"
    local now
    now=$(date +%s)
    note migrating_since "$now"
    task "$1" "$eval" "$2" || fail "the migration failed, for the reason above"
    note migrated yes
}

# PostgreSQL would finish the statements of an interrupted migration, although nobody waits for them. This also ends other
# connections since then, such as the running release's; the release connects again.
abandon_migration() {
    systemctl stop "$task_unit" 2> /dev/null
    [ -n "$(noted migrating)" ] && [ -z "$(noted migrated)" ] && [ -n "$database" ] || return 0
    superuser "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = '$database' AND backend_start >= to_timestamp($(noted migrating_since))" > /dev/null
}

superuser() { runuser -u postgres -- psql --no-psqlrc --no-align --tuples-only --dbname postgres --command "$1"; }

# Makes a copy of the database that only root can read. The file gets its name when it is complete.
backup() {
    local file need free
    if [ -z "$database" ]; then
        say "No backup: the database is managed elsewhere, and so are its backups."
        return
    fi
    need=$(superuser "SELECT pg_database_size('$database')") || fail "PostgreSQL does not answer"
    free=$(df --block-size=1 --output=avail "$state/backups" | tail -n 1)
    ((free > need)) || fail "a backup of the database may need $((need >> 20)) MiB in $state, and $((free >> 20)) are free:" \
        "make room there"
    file=$state/backups/$(date -u +%Y%m%d-%H%M%S)-before-$1.dump
    say "Backing up the database to $file"
    if ! timeout "$task_timeout" runuser -u postgres -- pg_dump --format=custom "$database" > "$file.part"; then
        rm -f "$file.part"
        fail "the database could not be backed up, for the reason above; it was not touched"
    fi
    sync "$file.part"
    mv "$file.part" "$file"
    note backup "$file"
    find "$state/backups" -name '*.dump' | sort -r | tail -n +"$((keep + 1))" | xargs -r rm -f --
}

# --- The running release ---------------------------------------------------------------------------------------------

# Prints the linked version, or nothing. The application user can change the link, so a name that is no version is ignored.
current() {
    local name
    name=$(readlink "$root/$app") || return 0
    name=${name##*/}
    ! is_version "$name" || printf '%s\n' "$name"
}

is_version() { [[ $1 =~ ^[0-9A-Za-z][0-9A-Za-z.+_-]*$ ]]; }

# Sets the link with one rename. The directory belongs to the application user, so root enters it and then checks where it is:
# from then on a link cannot redirect it.
link() {
    cd "$root"
    [ "$(pwd -P)" = "$root" ] || fail "$root leads elsewhere: apply first"
    ln -sfnT "releases/$1" ".$app.new" || fail "the link $root/.$app.new could not be made, for the reason above"
    mv -fT ".$app.new" "$app" || fail "the link $root/$app could not be renamed into place, for the reason above"
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
    [ -z "$refused" ] || fail "systemd did not restart $unit, for the reason above"
    say "Restarted; waiting for $1 to answer"
    if ! reason=$(healthy "$1"); then
        # Whatever becomes of the journal's lines, this is the reason.
        note reason "$reason"
        last_words
        fail "$reason"
    fi
    say "$1 runs and answers."
}

# --- The actions -----------------------------------------------------------------------------------------------------

# $1: action, $2: version; the default is the running version.
begin() {
    local now since
    [ ! -e "$progress" ] || take_up
    now=$(current)
    since=$(date +%s)
    if [ "${BEFORE:-${now:--}}" != "${now:--}" ]; then
        [ "$BEFORE" != - ] || BEFORE="no release"
        fail "${now:-no release} runs now, and $BEFORE ran when the plan was made: make the plan again"
    fi
    # The file appears complete or not at all, so on a full disk no action begins.
    printf '%s=%s\n' action "$1" version "${2:-$now}" before "$now" since "$since" who "${WHO:--}" \
        revision "${REVISION:--}" > "$progress.new"
    mv -f "$progress.new" "$progress"
}

# An earlier action that nothing ended: the machine went down meanwhile. When the machine came up, systemd started the linked
# release. So the action counts as one that restarted.
take_up() {
    local now
    say "$(noted action) $(noted version) was cut off: ending that first"
    now=$(date +%s)
    [ -z "$(noted since)" ] || note restarted "$now"
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
    local outcome=failed reason
    [ -e "$progress" ] || return 0
    if [ -z "$(noted since)" ]; then
        say "$progress does not say which action it is about: it is removed, and nothing else is changed"
    elif [ "$(noted finished)" = yes ]; then
        record good
        # The operator had a reason to leave this release, so a later rollback does not choose it.
        [ "$(noted action)" != rollback ] || record left "$(noted before)"
        say "$(noted action) $(noted version): done"
    else
        reason=$(noted reason)
        # If memory or time ran out, a noted reason is only a consequence.
        if [ -z "$reason" ] || [[ ${SERVICE_RESULT:-} =~ ^(oom-kill|timeout)$ ]]; then
            [ "${SERVICE_RESULT:-}" = exit-code ] || outcome=ended
            reason=$(reason_of_systemd)
        fi
        abandon_migration
        # A dump that was cut short.
        rm -f "$state"/backups/*.part
        go_back
        database_stands
        record "$outcome"
        say "$(noted action) $(noted version): FAILED: $reason"
    fi
    rm -f "$progress"
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

# Prints the state of the database after a failure.
database_stands() {
    local release were are
    release=$(noted migrating)
    [ -n "$release" ] || return 0
    were=$(noted migrations)
    if ! are=$(migrations "$release" | applied | joined); then
        say "Where the database stands could not be asked; before, these migrations were applied: ${were:-none}"
    elif [ "$are" = "$were" ]; then
        say "The database is as it was: applied are the migrations ${were:-none}."
    else
        say "THE DATABASE HAS CHANGED: applied are the migrations ${are:-none}; before, ${were:-none}."
    fi
    [ -z "$(noted backup)" ] || say "The backup taken before: $(noted backup)"
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
