#!/bin/bash
# Opens psql on the application's database: as the application's user and in its sandbox, in which PostgreSQL's socket is visible
# here. PostgreSQL knows the user by the socket, so there is no password. Nobody is superuser: what the application put into its
# database can do no more than the application. Output and exit status are those of psql.
#
# psql has another group than the application: the kernel then keeps the application's processes, which have the same user, out of
# /proc of psql (ptrace(2), "Ptrace access mode checking"). Through its /proc they would reach the socket. So they would by a file
# in the user's home that tells psql what a key does (readline(3)) or which service it asks, or by one for its pager: it has no home.
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
left_out='^\(InaccessiblePaths=-/run/postgresql\|Group=.*\)$'
words=(/usr/bin/env HOME=/nonexistent INPUTRC=/dev/null LESSSECURE=1 PSQL_HISTORY=/dev/null psql --no-psqlrc "$3")
if [ "$2" = terminal ]; then
    in_terminal "$1" / --property=Group=nogroup -- "${words[@]}"
else
    in_sandbox "$1" / --property=Group=nogroup -- "${words[@]}" --quiet --set=ON_ERROR_STOP=1 --file=-
fi
