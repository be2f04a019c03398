#!/bin/sh
# Prints the dumps of an environment's database, the oldest first, and the databases that restores kept, in lines with tabs between
# the words: "dump" and the words of dump_list.sh; "kept", a name, and "t" if the next restore removes it (restore.sh marks these).
#
# $1: directory of dumps, $2: database, or nothing if it is managed elsewhere, $3: port of PostgreSQL
export PGPORT="$3"
. ./dump_list.sh
dump_list "$1" | sed 's/^/dump\t/'
if [ -n "$2" ]; then
    cd / && runuser -u postgres -- psql --no-psqlrc --no-align --tuples-only --dbname postgres --command \
        "SELECT 'kept' || chr(9) || datname || chr(9) || CASE WHEN shobj_description(oid, 'pg_database') =
            'From before a restore, kept by the deploy repository' THEN 't' ELSE 'f' END FROM pg_database WHERE datname ~ '^${2}_before_[0-9]+\$' ORDER BY oid" 2> /dev/null
fi
true
