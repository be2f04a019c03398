#!/bin/bash
# Stops an application, and dumps its database for the last time. The dump lies where nothing of the environment is, and nothing
# removes it. A repetition makes another one.
# $1: unit, $2: database, or nothing if there is none to dump, $3: directory of the backup, $4: seconds for it,
# $5: port of PostgreSQL
# shellcheck disable=SC2034  # dumps.sh reads them
set -uo pipefail
. ./durable.sh
. ./dump_list.sh
. ./dumps.sh
umask 077

unit=$1 database=$2 state=$3 task_timeout=$4 keep=1000000
export PGPORT="$5"

say() { echo "$*"; }
undecided() {
    [ -z "$ran" ] || systemctl start "$unit"
    echo "$*. Nothing was removed${ran:+, and the application was started again}" >&2
    exit 1
}
note() { :; }
noted() { echo '?'; }
superuser() {
    PGOPTIONS='-c search_path=pg_catalog' PGCONNECT_TIMEOUT=10 runuser -u postgres -- psql --no-psqlrc --no-align \
        --tuples-only --dbname postgres --command "$1"
}

cd / || exit
ran=''
! systemctl is-active --quiet "$unit" || ran=yes
systemctl stop "$unit" 2> /dev/null
if systemctl is-active --quiet "$unit"; then
    echo "$unit could not be stopped: systemctl status $unit tells more. Nothing was removed" >&2
    exit 1
fi
[ -n "$database" ] || exit 0
mkdir -p "$state/backups" || undecided "$state could not be made, for the reason above"
backup destroy '?'
