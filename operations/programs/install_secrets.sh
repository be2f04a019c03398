#!/bin/bash
# Puts secret files into place and changes the database password in them: all of it, or nothing. First the new files are written
# beside the old ones. Then PostgreSQL gets the password inside a transaction. Then the files are renamed, and PostgreSQL
# commits. If a step fails, the renamed files of before come back.
#
# $1: port of PostgreSQL, $2: file, $3: owner, $4: mode, and so on for each further file; standard input: a line of SQL that begins the transaction,
# empty if the password stays, and then for each file as in stage_file.sh
set -eu
export PGPORT="$1"
shift
. ./stage_file.sh
files=() new_files=() renamed=()
# At the end of the input `read` fails. `stage` says why.
IFS= read -r statements || true
while [ $# -gt 0 ]; do
    stage "$1" "$2" "$3"
    files+=("$1") new_files+=("$new")
    shift 3
done

put_back() {
    local file
    for file in "${renamed[@]}"; do
        if [ -e "$file.new.before" ] || [ -L "$file.new.before" ]; then
            replace "$file.new.before" "$file"
        else
            rm -f "$file"
        fi
    done
}

# From here on no signal ends this program, so that all of it changes.
trap '' HUP INT TERM
trap 'put_back; remove_staged' EXIT

# A second link to each file keeps it until the end. Its name is of the kind that `stage` removes.
for file in "${files[@]}"; do
    if [ -e "$file" ] || [ -L "$file" ]; then
        ln -T "$file" "$file.new.before"
        staged="$staged $file.new.before"
    fi
done

if [ -n "$statements" ]; then
    # runuser keeps the working directory, and the user postgres may not be allowed there.
    cd /
    coproc psql { runuser -u postgres -- psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --dbname postgres; }
    # shellcheck disable=SC2154
    process=$psql_PID statements_to=${psql[1]} answers_from=${psql[0]}
    printf '%s\n\\echo changed\n' "$statements" >&"$statements_to"
    # Fails when psql has ended.
    read -r _ <&"$answers_from"
fi
for number in "${!files[@]}"; do
    replace "${new_files[number]}" "${files[number]}"
    renamed+=("${files[number]}")
done
if [ -n "$statements" ]; then
    echo 'COMMIT;' >&"$statements_to"
    exec {statements_to}>&-
    wait "$process"
fi
renamed=()
