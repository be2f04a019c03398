#!/bin/bash
# Puts a secret file into place and changes the database password in it: both, or neither. PostgreSQL is told the new password
# inside a transaction when a rename is all that is left to do, and commits once the file is renamed.
#
# $1: file, $2: owner, $3: mode; standard input: a line of SQL that begins the transaction, and then as in stage_secret.sh
set -eu
. ./stage_secret.sh
# At the end of the input `read` fails. `stage` says why.
IFS= read -r statements || true
stage "$1" "$2" "$3"
# No signal keeps the two apart.
trap '' HUP INT TERM
# runuser keeps the working directory, which the user postgres may not enter.
cd /
coproc psql { runuser -u postgres -- psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --dbname postgres; }
# shellcheck disable=SC2154
process=$psql_PID statements_to=${psql[1]} answers_from=${psql[0]}
printf '%s\n\\echo changed\n' "$statements" >&"$statements_to"
# Fails when psql has ended.
read -r _ <&"$answers_from"
mv -fT "$new" "$1"
echo 'COMMIT;' >&"$statements_to"
exec {statements_to}>&-
wait "$process"
