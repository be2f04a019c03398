# shellcheck shell=bash
# shellcheck disable=SC2154  # names of switch.sh and its settings
# Restores a dump; a part of switch.sh.
#
#   restore DUMP SHA256   restores a dump of the state directory, if its checksum is the one in the plan ("?": none is known)
#   end_restore           removes what a restore leaves, and says which database serves
#
# The dump goes into a database of its own, which takes the name of the old one when it is complete. Both renames are one
# transaction, so a power cut leaves the old or the restored database under the name. The old one stays under another name until
# the next restore succeeded; where this one was cut off, or the release was not well afterwards, it stays until somebody drops it.
#
# An application decides what its dump runs: constraints, defaults and indexes call its functions. So pg_restore never logs in as
# the superuser, who could take SET ROLE and SET SESSION AUTHORIZATION back. It logs in as a role for this one restore, which has no
# rights but those of the owner.

scratch=${database}_restore
scratch_mark='Scratch of a restore, made by the deploy repository'
kept_mark='From before a restore, kept by the deploy repository'
lasting_mark='From before a restore that did not end well, kept by the deploy repository'

# --- PostgreSQL ------------------------------------------------------------------------------------------------------

# Runs the statements of standard input as the superuser. $1: database
# A database's owner may set where names are looked up in it, and have operators of his own there: a superuser looks elsewhere.
administer() {
    PGOPTIONS='-c search_path=pg_catalog' PGCONNECT_TIMEOUT=10 runuser -u postgres -- psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 \
        --dbname "$1"
}

# Runs a client program as the role of this restore. `password` is its password.
as_owner() {
    local program=$1
    shift
    PGCONNECT_TIMEOUT=10 PGPASSWORD=$password timeout "$task_timeout" runuser -u postgres -- "$program" \
        --host "$database_host" --port "$database_port" --username "$scratch" --dbname "$scratch" "$@"
}

kept_databases() {
    superuser "SELECT datname FROM pg_database WHERE datname ~ '^${database}_before_[0-9]+\$'
        AND shobj_description(oid, 'pg_database') = '$kept_mark' ORDER BY oid"
}

# --- The steps -------------------------------------------------------------------------------------------------------

restore() {
    local before file password list
    before=$(current)
    begin restore "${before:--}"
    [ -n "$database" ] || fail "the database is managed elsewhere, and so are its restores"
    file=$state/backups/$1
    require_dump "$1" "$2"
    require_room "$1"
    require_scratch_is_ours
    drop_scratch
    make_scratch
    # PostgreSQL's user cannot enter the state directory.
    list=$(mktemp "/run/$scratch.XXXXXX")
    note list "$list"
    chown postgres "$list"
    fill
    require_complete "$1"
    swap
    [ -z "$before" ] || serve_again "$before" "$1"
    drop_older
}

# Sets nothing up before the dump is known to be whole.
require_dump() {
    local told
    { is_version "$1" && [[ $1 = *.dump ]]; } || undecided "$1 is no name of a dump"
    [ -f "$file" ] || undecided "there is no dump $1"
    told=$(dump_list "$state/backups" | awk -F '\t' -v name="$1" '$2 == name { print $8 }')
    [ "$told" = "$2" ] || undecided "the dump $1 is another one than in the plan: make the plan again"
    if [ "$told" != "?" ]; then
        say "Comparing $1 with its checksum"
        [ "$(sha256sum "$file" | cut -d ' ' -f 1)" = "$told" ] || undecided "the dump $1 is damaged: its checksum differs"
    fi
    is_readable "$file" || undecided "the dump $1 cannot be read, for the reason above"
}

require_room() {
    local need free data
    data=$(superuser "SHOW data_directory") || undecided "PostgreSQL does not answer"
    need=$(sed -n 's/^database_size=//p' "$file.about" 2> /dev/null || true)
    [[ $need =~ ^[0-9]+$ ]] || need=$(stat --format %s "$file")
    free=$(df --block-size=1 --output=avail "$data" | tail -n 1)
    ((free > need)) || undecided "the restored database may need $((need >> 20)) MiB in $data, and $((free >> 20)) are free:" \
        "make room there"
}

# A database or role of the scratch's name that no restore made stays as it is.
require_scratch_is_ours() {
    local strange
    strange=$(strange_scratch) || undecided "PostgreSQL does not answer"
    [ -z "$strange" ] || undecided "the $strange $scratch is there and no restore made it: rename or remove it"
}

# Prints "database" or "role" if one has the scratch's name and no restore made it.
strange_scratch() {
    superuser "SELECT CASE WHEN role IS NULL THEN 'database' ELSE 'role' END
        FROM (VALUES (1)) AS one LEFT JOIN (SELECT oid AS role FROM pg_roles WHERE rolname = '$scratch') AS roles ON true
        LEFT JOIN (SELECT oid AS database FROM pg_database WHERE datname = '$scratch') AS databases ON true
        WHERE coalesce(role, database) IS NOT NULL
            AND coalesce(shobj_description(role, 'pg_authid'), '') <> '$scratch_mark'"
}

# The database goes before the role, by which the next restore knows it again.
drop_scratch() {
    administer postgres << SQL
SET client_min_messages = warning;
DROP DATABASE IF EXISTS "$scratch" WITH (FORCE);
DROP ROLE IF EXISTS "$scratch";
SQL
}

# As operations/database.py makes the database of an environment.
make_scratch() {
    password=$(head -c 32 /dev/urandom | base64 | tr -dc '0-9A-Za-z')
    administer postgres << SQL || undecided "no database could be made for the restore, for the reason above"
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;
BEGIN;
CREATE ROLE "$scratch" LOGIN PASSWORD '$password' IN ROLE "$database_role";
COMMENT ON ROLE "$scratch" IS '$scratch_mark';
COMMIT;
CREATE DATABASE "$scratch" OWNER "$database_role" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';
REVOKE CONNECT, TEMPORARY ON DATABASE "$scratch" FROM PUBLIC;
SQL
}

# Fills the scratch. Rights of other roles come last: their roles may be gone.
fill() {
    local contents=$progress.contents created
    runuser -u postgres -- pg_restore --list < "$file" > "$contents"
    created=$(make_extensions "$contents")
    awk -v created="$created" '
        BEGIN { split(created, names, " "); for (i in names) made[names[i]] }
        $4 == "ACL" || $4 == "DEFAULT" && $5 == "ACL" { next }
        $4 == "EXTENSION" && $5 == "-" && ($6 in made) { next }
        $4 == "COMMENT" && $5 == "-" && $6 == "EXTENSION" && ($7 in made) { next }
        { print }' "$contents" > "$list"
    say "Restoring ${file##*/}"
    as_owner pg_restore --role "$database_role" --no-owner --exit-on-error --use-list "$list" < "$file" ||
        undecided "the dump could not be restored, for the reason above; the database was not touched"
    # The rights in a dump from elsewhere are about other roles.
    [[ ${file##*/} =~ ^[0-9]{8}-[0-9]{6}-([0-9]+-)?before- ]] || return 0
    awk '$4 == "ACL" || $4 == "DEFAULT" && $5 == "ACL"' "$contents" > "$list"
    [ ! -s "$list" ] || as_owner pg_restore --role "$database_role" --no-owner --use-list "$list" < "$file" ||
        say "ATTENTION: some rights of other roles could not be given again, for the reason above"
}

# Makes the extensions of a dump that only a superuser can make, and prints their names. The owner makes the others. The data or the
# old database must have them: an extension of a superuser is code that runs with his rights.
make_extensions() {
    local extension refused='' created=''
    while read -r extension; do
        [[ $extension =~ ^[0-9A-Za-z_-]+$ ]] || undecided "the dump has an extension with the name $extension"
        case " $database_extensions $(superusers_extensions) " in
            *" $extension "*)
                administer "$scratch" <<< "SET search_path = public; CREATE EXTENSION IF NOT EXISTS \"$extension\";" ||
                    undecided "the extension $extension of the dump could not be made, for the reason above"
                created+=" $extension"
                ;;
            *) [ "$(is_trusted "$extension")" = t ] || refused+=" $extension" ;;
        esac
    done < <(awk '$4 == "EXTENSION" && $5 == "-" { print $6 }' "$1")
    [ -z "$refused" ] || undecided "the dump has extensions that only a superuser can make:$refused. Name them in" \
        "database_extensions, and apply"
    printf '%s\n' "$created"
}

superusers_extensions() {
    administer "$database" <<< "SELECT extname FROM pg_catalog.pg_extension
        JOIN pg_catalog.pg_roles ON pg_roles.oid OPERATOR(pg_catalog.=) extowner WHERE rolsuper" | joined
}

is_trusted() {
    superuser "SELECT coalesce(bool_or(trusted), false) FROM pg_available_extension_versions WHERE name = '$1'"
}

# Compares what is in the scratch with the dump's list of contents, and with the migrations noted for it.
require_complete() {
    local tables there noted_migrations applied
    tables=$(awk '$4 == "TABLE" && $5 != "DATA" && $5 != "ATTACH" { count++ } END { print count + 0 }' "$progress.contents")
    there=$(administer "$scratch" << 'SQL'
SELECT pg_catalog.count(*) FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid OPERATOR(pg_catalog.=) 1259
        AND d.objid OPERATOR(pg_catalog.=) c.oid AND d.deptype OPERATOR(pg_catalog.=) 'e');
SQL
    )
    # More of them come from the application's own functions.
    ((there >= tables)) || undecided "the dump has $tables tables and the restored database $there; the database was not touched"
    noted_migrations=$(dump_list "$state/backups" | awk -F '\t' -v name="$1" '$2 == name { print $3 }')
    # Other lists are not about Ecto's table in this database alone.
    [[ $noted_migrations =~ ^[0-9\ ]+$ ]] && [ -z "$migrations_command" ] || return 0
    applied=$(as_owner psql --no-psqlrc --quiet --no-align --tuples-only <<< "SELECT version FROM public.schema_migrations
        ORDER BY version" 2> /dev/null | grep -xE '[0-9]+' | joined) || return 0
    [ "$applied" = "$(tr ' ' '\n' <<< "$noted_migrations" | sort -n | joined)" ] ||
        undecided "the restored database has the migrations $applied, and $noted_migrations are noted for the dump;" \
            "the database was not touched"
}

# Lets the scratch take the place of the database. Nobody can be connected to a database that gets another name.
swap() {
    local kept try errors=$progress.errors
    kept=${database}_before_$(date -u +%Y%m%d%H%M%S)
    while [ -n "$(superuser "SELECT 1 FROM pg_database WHERE datname = '$kept'")" ]; do kept+=0; done
    administer "$scratch" << SQL || undecided "the restored database could not be handed over, for the reason above"
REASSIGN OWNED BY "$scratch" TO "$database_role";
DROP OWNED BY "$scratch";
SQL
    note kept "$kept"
    if systemctl --quiet is-active "$unit"; then
        say "Stopping $unit"
        note stopped yes
        timeout 30 systemctl stop "$unit" || systemctl kill --signal SIGKILL "$unit"
    fi
    for try in {1..30}; do
        ! rename_databases "$kept" 2> "$errors" || break
        if [ "$try" = 30 ]; then
            readable < "$errors" >&2
            undecided "the databases could not be renamed, for the reason above; the database is as it was"
        fi
        sleep 1
    done
    note swapped yes
    say "The restored database serves as $database; the one before is kept as $kept"
}

# Settings for the database alone and its limit of connections go on. An ALTER DATABASE would read lists otherwise than they stand.
rename_databases() {
    administer postgres << SQL
DO \$\$ BEGIN PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname IN ('$database', '$scratch'); END \$\$;
BEGIN;
ALTER DATABASE "$database" RENAME TO "$1";
ALTER DATABASE "$scratch" RENAME TO "$database";
COMMENT ON DATABASE "$1" IS '$kept_mark';
COMMENT ON DATABASE "$database" IS 'Managed by the deploy repository';
-- Functions of the dump may have set something while it was restored.
DELETE FROM pg_db_role_setting USING pg_database AS restored WHERE setdatabase = restored.oid AND datname = '$database';
INSERT INTO pg_db_role_setting (setdatabase, setrole, setconfig)
SELECT restored.oid, setrole, setconfig
FROM pg_db_role_setting JOIN pg_database AS old ON old.oid = setdatabase, pg_database AS restored
WHERE old.datname = '$1' AND restored.datname = '$database';
SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s', '$database', datconnlimit) FROM pg_database
WHERE datname = '$1' AND datconnlimit >= 0 \gexec
COMMIT;
DROP ROLE "$scratch";
SQL
}

# Starts the release on the restored database. One that is not well is no reason to go back: its schema may be newer than the dump.
serve_again() {
    local listed pending
    if ! (restart_and_check "$1"); then
        undecided "$2 is restored, and $1 is not well with it, for the reason above; the database before is $(noted kept):" \
            "make migrate ENV=${root##*/}, or make rollback ENV=${root##*/} to a release that fits"
    fi
    if listed=$(migrations "$releases/$1" 2> /dev/null) && is_list "$listed"; then
        pending=$(words <<< "$listed" | pending | joined)
        [ -z "$pending" ] || say "ATTENTION: $1 has migrations that the restored database does not: $pending." \
            "make migrate ENV=${root##*/} runs them; make rollback ENV=${root##*/} VERSION=... goes back to a release without them"
    fi
}

drop_older() {
    local name
    for name in $(kept_databases); do
        [ "$name" = "$(noted kept)" ] || administer postgres <<< "DROP DATABASE \"$name\" WITH (FORCE);" ||
            say "ATTENTION: $name, from before an earlier restore, could not be dropped, for the reason above"
    done
}

# Also after a power cut, when nobody knows how far the restore came.
end_restore() {
    local kept there strange
    [ "$(noted action)" = restore ] || return 0
    rm -f "$progress.contents" -- "$(noted list)"
    [ -n "$database" ] || return 0
    if ! strange=$(strange_scratch) || { [ -z "$strange" ] && ! drop_scratch; }; then
        say "ATTENTION: $scratch may be left; the next restore removes it"
    fi
    [ "$(noted finished)" != yes ] || return 0
    kept=$(noted kept)
    if ! there=$(superuser "SELECT datname FROM pg_database WHERE datname = '$kept'"); then
        say "PostgreSQL does not answer: if there is no database ${kept:-of an earlier time}, $database is as it was"
    elif [ -n "$there" ]; then
        say "The restored database serves as $database; the one before is kept as $kept"
        # Somebody who repeats the restore would otherwise lose it with that one's success.
        administer postgres <<< "COMMENT ON DATABASE \"$kept\" IS '$lasting_mark';" ||
            say "ATTENTION: $kept could not be marked, for the reason above: the next restore removes it"
    else
        say "The database $database is as it was"
    fi
    [ -z "$(noted stopped)" ] || systemctl --quiet is-active "$unit" || systemctl start "$unit"
}
