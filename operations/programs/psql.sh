#!/bin/bash
# Opens psql on the application's database: as the application's user and in its sandbox, in which PostgreSQL's socket is visible
# here. PostgreSQL knows the user by the socket, so there is no password. Nobody is superuser: what the application put into its
# database can do no more than the application. Output and exit status are those of psql.
#
# $1: the application's unit file, $2: "terminal" for a terminal, otherwise SQL comes over standard input, $3: the connection, as
# psql takes it
set -euo pipefail
. ./unit_settings.sh
command -v psql > /dev/null || {
    echo "psql is not installed on this machine: apt-get install postgresql-client there" >&2
    exit 1
}
# shellcheck disable=SC2034  # unit_settings.sh reads it
left_out='^InaccessiblePaths=-/run/postgresql$'
words=(/usr/bin/env PSQL_HISTORY=/dev/null psql --no-psqlrc "$3")
if [ "$2" = terminal ]; then
    in_terminal "$1" / -- "${words[@]}"
else
    in_sandbox "$1" / -- "${words[@]}" --quiet --set=ON_ERROR_STOP=1 --file=-
fi
