# shellcheck shell=bash
# shellcheck disable=SC2154  # names of switch.sh and its settings
# The migrations of a release; a part of switch.sh.
#
#   migrate RELEASE            runs all pending migrations, after a backup
#   migrate_down RELEASE M     takes back migration M and all later ones of its repo, after a backup
#   abandon_migration          ends a migration that was interrupted
#   database_stands            prints which migrations are applied after a failure
#
# A release lists its migrations one a line: up or down, version, name, and [repo] where there are several repos. From then on a
# migration is one word: its version, or repo:version.

# Runs a command of a release in a unit of its own. Status 78: it could not be started in the application's sandbox.
task() {
    # shellcheck disable=SC2034  # the status of in_sandbox where nothing ran
    local release=$1 unready=78
    shift
    in_sandbox "$unit_path" "$release" --unit="$task_unit" --property="RuntimeMaxSec=$task_timeout" \
        ${RUN:+--property="LogExtraFields=$RUN"} -- "${alone[@]}" "$release/$script" "$@"
}

# --- The list --------------------------------------------------------------------------------------------------------

# Prints the list of a release as the release printed it.
migrations() { task "$1" "$eval" "$migrations_expression"; }

# Whether a list has its first line. Without it the release ended early, perhaps with success.
is_list() { [[ $'\n'$1$'\n' == *$'\nmigrations:\n'* ]]; }

# The list with migrations as one word each. Whatever else the application printed is left out.
words() {
    awk '{
        sub(/\r$/, "")
        outside = $1 == "outside" ? "outside " : ""
        if (outside) { sub(/^ *outside +/, "") }
        if ($1 !~ /^(up|down)$/ || $2 !~ /^[0-9]+$/) next
        migration = $2
        if (NF > 3 && $NF ~ /^\[[A-Z][0-9A-Za-z_.]*\]$/) {
            migration = substr($NF, 2, length($NF) - 2) ":" $2
            sub(/ *[^ ]+$/, "")
        }
        state = $1
        sub(/^ *[a-z]+ +[0-9]+ */, "")
        print outside state, migration, $0
    }'
}

applied() { awk '$1 == "up" { print $2 }'; }

pending() { awk '$1 == "down" { print $2, $3 }'; }

# Lines in one line, byte for byte: `echo` and `xargs` would interpret quotes and backslashes.
joined() { awk '{ printf "%s%s", separator, $0; separator = " " } END { if (NR) print "" }'; }

# Prints the applied migrations of the same repo from migration $1 on; $2 is a further awk condition.
applied_since() {
    awk -v since="$1" "
        function version(migration) { sub(/^.*:/, \"\", migration); return migration + 0 }
        function repo(migration) { sub(/[0-9]+\$/, \"\", migration); return migration }
        \$1 == \"up\" && repo(\$2) == repo(since) && version(\$2) >= version(since) ${2:-} { print \$2 }"
}

# Prints the list of a release. Without one the action fails with the reason that the release gave.
ask_migrations() {
    local version=${1##*/} printed listed status=0 errors=$progress.errors
    printed=$(migrations "$1" 2> "$errors") || status=$?
    if [ "$status" = 0 ] && is_list "$printed"; then
        listed=$(words <<< "$printed")
        # Only Ecto's own list may be empty whatever else the application printed.
        if [ -n "$listed" ] || [ -z "$migrations_command" ] || [ -z "${printed##*migrations:}" ]; then
            [ ! -s "$errors" ] || readable < "$errors" >&2
            printf '%s' "${listed:+$listed$'\n'}"
            return
        fi
        say "migrations_command printed no line with up or down, version and name" >&2
    fi
    explain "$printed"
    [ "$status" != 78 ] || undecided "no command of $version was run, for the reason above"
    is_list "$printed" || fail "$version does not start, for the reason above; the database was not touched"
    ! disconnected "$errors" <<< "$printed" || undecided "$version cannot reach its database, for the reason above${database:+; systemctl status postgresql tells more}"
    fail "$version cannot say which migrations it has, for the reason above: mend it, or set migrations_command"
}

# Shows all that a release said besides its list: $1 and its errors. Distillery prints errors to standard output.
explain() {
    { grep -vE '^(outside )?(up|down) [0-9]|^migrations:$' <<< "$1" || true; } | cat - "$progress.errors" | readable >&2
}

# Whether a release says that it could not reach its database, on standard input or in a file.
disconnected() { cat - "$1" | grep -E 'DBConnection\.ConnectionError|request was dropped from queue' > /dev/null; }

# --- Up and down -----------------------------------------------------------------------------------------------------

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
    backup "${release##*/}" "$up"
    say "Migrating: $left"
    asked=$(pending <<< "$listed" | cut -d ' ' -f 1)
    run_migration "$release" "$migrate_expression" "$(limit "$listed" "$asked")"
    listed=$(ask_migrations "$release")
    up=$(applied <<< "$listed")
    left=''
    for migration in $asked; do
        [[ $'\n'$up$'\n' == *$'\n'$migration$'\n'* ]] || left+=" $migration"
    done
    [ -z "$left" ] || fail "the migration ended without an error, and these migrations are still pending:$left"
}

# Takes back a migration and every later one of its repo, after a backup. $2: its version, or repo:version.
migrate_down() {
    local release=$1 down_to=$2 listed up missing left repo='' expression
    [[ $down_to =~ ^([A-Z][0-9A-Za-z_.]*:)?[0-9]+$ ]] || fail "the version of a migration is a number: $down_to is none"
    listed=$(ask_migrations "$release")
    up=$(applied <<< "$listed" | joined)
    down_to=$(meant "$release" "$down_to" "$listed")
    missing=$(applied_since "$down_to" '&& /\*\* FILE NOT FOUND \*\*/' <<< "$listed")
    require_files "$release" "$missing" "$down_to"
    note migrations "$up"
    backup "${release##*/}" "$up"
    say "Taking back migrations down to $down_to"
    [[ $down_to != *:* ]] || repo=${down_to%:*}
    expression=${migrate_down_expression//\{version\}/${down_to##*:}}
    run_migration "$release" "${expression//\{repo\}/$repo}" "$(limit "$listed" "$(applied_since "$down_to" <<< "$listed")")"
    listed=$(ask_migrations "$release")
    [ -n "$listed" ] || fail "taking back ended without an error, and the release lists no migration"
    left=$(applied_since "$down_to" <<< "$listed" | joined)
    [ -z "$left" ] || fail "taking back ended without an error, and these migrations are still applied: $left"
}

# Prints the one applied migration that a version means. A repo that shares its table of versions with another one lists the
# other's migrations without a file, so a repo with the file counts first.
meant() {
    local release=$1 version=$2 listed=$3 found several
    found=$(awk -v version="$version" '$1 == "up" { word = $2; if (version !~ /:/) sub(/^.*:/, "", word) }
        $1 == "up" && word == version { if (/\*\* FILE NOT FOUND \*\*/) without[$2]; else { with[$2]; having = 1 } }
        END { if (having) { for (word in with) print word } else for (word in without) print word }' <<< "$listed")
    [ -n "$found" ] || fail "migration $version is not applied, or ${release##*/} does not know it;" \
        "applied: $(applied <<< "$listed" | joined)"
    several=$(sort <<< "$found" | joined)
    [ "$several" = "$found" ] || fail "migration $version is applied in several repos: say which, one of $several"
    printf '%s\n' "$found"
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

# Whether a release has the file of each migration, in whatever folder of the application's own.
has_files() {
    local release=$1 migration
    [ -x "$release/$script" ] || return 1
    for migration in $2; do
        [ -n "$(find "$release"/lib/*/priv -path '*/migrations/*' -name "${migration##*:}_*.exs" -print -quit)" ] || return 1
    done
}

# --- Running one -----------------------------------------------------------------------------------------------------

# Prints the seconds that these migrations may wait for a lock. No limit for one outside a transaction: when it is cut off, half
# of it stays, and it cannot be tried again.
limit() {
    local listed=$1 migration
    for migration in $2; do
        if grep -qE "^outside (up|down) $migration( |$)" <<< "$listed"; then
            say "$migration runs outside a transaction, so it waits for a lock as long as it takes" >&2
            echo 0
            return
        fi
    done
    echo "$migration_lock_timeout"
}

# Runs an expression that migrates, and again if it gave up waiting for a lock.
run_migration() {
    local release=$1 expression=${2//\{lock_timeout\}/$3} said=$progress.said pause watch='' reader='' others
    others=$(connections) || undecided "PostgreSQL does not answer"
    note migrating "$release"
    note connected "of others:$others"
    for pause in 5 10 20 ''; do
        watch_locks
        # A full disk must not end a migration.
        if task "$release" "$eval" "$expression" 2>&1 | { tee "$said" || true; } | readable; then
            unwatch_locks
            note migrated yes
            return
        fi
        unwatch_locks
        # PostgreSQL's code lock_not_available.
        grep -qF 55P03 "$said" || break
        [ -n "$pause" ] || undecided "the migration waited for a lock four times, $3 seconds each, and gave up: end what holds" \
            "the lock, named above, or wait, and try again"
        say "The migration waited $3 seconds for a lock and gave up, so that requests do not wait behind it: again in $pause seconds"
        sleep "$pause"
    done
    ! disconnected "$said" < /dev/null || undecided "the migration could not reach its database, for the reason above${database:+; systemctl status postgresql tells more}"
    fail "the migration failed, for the reason above"
}

# Shows while a migration runs which connection holds the lock that it waits for. Only the beginning of a query shows: values
# in it may be secrets.
watch_locks() {
    [ -n "$database" ] || return 0
    exec 8> >({ grep --line-buffered '^It waits' || true; } | readable)
    reader=$!
    # Not by runuser, which takes two seconds to pass a signal on.
    setpriv --reuid postgres --regid postgres --init-groups psql --no-psqlrc --no-align --tuples-only --quiet \
        --dbname postgres --set=database="$database" --set=connection="$migrations_connection" \
        >&8 8>&- 2> /dev/null << 'SQL' &
SELECT DISTINCT format('It waits for a lock. Process %s of PostgreSQL holds it: user %s, application %s, %s, in a transaction '
        'that began %s s ago: %s', holder.pid, holder.usename, coalesce(nullif(holder.application_name, ''), 'unknown'), holder.state,
    round(extract(epoch FROM clock_timestamp() - holder.xact_start)),
    left(regexp_replace(regexp_replace(regexp_replace(holder.query, $re$('|\$[^0-9]|--|/\*).*$re$, '...'),
        '\m[0-9][0-9A-Fa-f_.]*', '?', 'g'), '\s+', ' ', 'g'), 160))
FROM pg_stat_activity waiting
CROSS JOIN unnest(pg_blocking_pids(waiting.pid)) blocking (pid)
JOIN pg_stat_activity holder ON holder.pid = blocking.pid
WHERE waiting.datname = :'database' AND waiting.application_name = :'connection'
\watch 1
SQL
    watch=$!
    exec 8>&-
}

unwatch_locks() {
    [ -n "$watch" ] || return 0
    kill "$watch" 2> /dev/null || true
    wait "$watch" || true
    # What it has said shows before the next line.
    wait "$reader" || true
    watch=''
}

# The connections to a database that is managed here: process and start of each. The clock may be set while a migration runs, so
# no time tells which connections are its own.
connections() {
    [ -z "$database" ] || superuser "SELECT ' ' || pid || '@' || extract(epoch FROM backend_start) FROM pg_stat_activity
        WHERE datname = '$database'"
}

# PostgreSQL would finish the statements of an interrupted migration, although nobody waits for them. This also ends other
# connections since then, such as the running release's; the release connects again.
abandon_migration() {
    local others
    systemctl stop "$task_unit" 2> /dev/null
    [ -n "$(noted migrating)" ] && [ -z "$(noted migrated)" ] && [ -n "$database" ] || return 0
    # A power cut may have taken them, and PostgreSQL began anew then.
    others=$(noted connected)
    [[ $others =~ ^'of others:'[0-9@.\ ]*$ ]] || return 0
    superuser "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '$database'
        AND pid || '@' || extract(epoch FROM backend_start) <> ALL (string_to_array('${others#*:}', ' '))" > /dev/null
}

# --- The database ----------------------------------------------------------------------------------------------------

superuser() {
    PGOPTIONS='-c search_path=pg_catalog' PGCONNECT_TIMEOUT=10 runuser -u postgres -- psql --no-psqlrc --no-align --tuples-only --dbname postgres --command "$1"
}

# Whether the database is managed here and does not answer.
database_is_down() { [ -n "$database" ] && ! superuser "SELECT 1" > /dev/null 2>&1; }

# Prints the state of the database after a failure.
database_stands() {
    local release were are
    release=$(noted migrating)
    [ -n "$release" ] || return 0
    were=$(noted migrations)
    if ! are=$(migrations "$release" 2> "$progress.errors") || ! is_list "$are"; then
        explain "$are"
        say "Where the database stands could not be asked; before, these migrations were applied: ${were:-none}"
    elif are=$(words <<< "$are" | applied | joined) && [ "$are" = "$were" ]; then
        say "The database is as it was: applied are the migrations ${were:-none}."
    else
        say "THE DATABASE HAS CHANGED: applied are the migrations ${are:-none}; before, ${were:-none}."
    fi
    [ -z "$(noted backup)" ] || say "The backup taken before: $(noted backup)"
}
