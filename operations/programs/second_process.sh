#!/bin/bash
# Prints what a second process of an application would need, and what is there: the memory of the unit's processes and the free
# memory, in KiB, and the connections of its role to PostgreSQL and the free ones. "none" where the unit does not run; "-" for
# what cannot be told.
#
# $1: unit, $2: PostgreSQL role, $3: port of PostgreSQL, empty if it is managed elsewhere
unit=$1 role=$2 database_port=$3

# Memory that no other process shares. A file that is mapped twice counts once.
used=0
while read -r file; do
    process=${file#/proc/}
    anonymous=$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/${process%%/*}/status" 2> /dev/null)
    used=$((used + ${anonymous:-0}))
done < <(grep -lsE "/$unit\$" /proc/[0-9]*/cgroup)
[ "$used" != 0 ] || { echo none && exit; }

available=$(sed -n 's/^MemAvailable:[^0-9]*\([0-9]*\) kB$/\1/p' /proc/meminfo)
connections='- -'
if [ -n "$database_port" ] && command -v psql > /dev/null; then
    cd / || exit
    said=$(PGCONNECT_TIMEOUT=5 PGOPTIONS='-c search_path=pg_catalog' setpriv --reuid postgres --regid postgres --init-groups \
        psql --no-psqlrc --tuples-only --no-align --field-separator ' ' --port "$database_port" --dbname postgres \
        --set role="$role" 2> /dev/null <<< "
            SELECT count(*) FILTER (WHERE usename = :'role'),
                current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                - coalesce(current_setting('reserved_connections', true)::int, 0) - count(*)
            FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid();")
    [[ ! $said =~ ^[0-9]+\ -?[0-9]+$ ]] || connections=$said
fi
echo "$used ${available:--} $connections"
