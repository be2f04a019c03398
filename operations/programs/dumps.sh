# shellcheck shell=bash
# shellcheck disable=SC2154  # names of switch.sh and its settings
# Dumps of the database before its schema changes; a part of switch.sh.
#
#   backup VERSION MIGRATIONS   makes a dump before VERSION changes the schema; MIGRATIONS are applied now
#   is_readable DUMP            whether a dump is complete
#   remove_remains              removes what a backup that was cut off left
#
# A dump is backups/TIME-NUMBER-before-VERSION.dump, which only root can read. It gets this name when it is complete. A file beside
# it with .about at its end says what it is: the number, the version, the version that ran, the applied migrations, time, sizes and
# SHA-256.

backup() {
    local need free number file size sha256
    if [ -z "$database" ]; then
        say "No backup: the database is managed elsewhere, and so are its backups."
        return
    fi
    remove_remains
    need=$(superuser "SELECT pg_database_size('$database')") || undecided "PostgreSQL does not answer"
    free=$(df --block-size=1 --output=avail "$state/backups" | tail -n 1)
    ((free > need)) || undecided "a backup of the database may need $((need >> 20)) MiB in $state, and $((free >> 20)) are" \
        "free: make room there"
    number=$(dump_list "$state/backups" | awk 'END { print $1 + 1 }')
    file=$state/backups/$(date -u +%Y%m%d-%H%M%S)-$number-before-$1.dump
    say "Backing up the database to $file"
    if ! timeout "$task_timeout" runuser -u postgres -- pg_dump --format=custom "$database" > "$file.part"; then
        rm -f "$file.part"
        undecided "the database could not be backed up, for the reason above; it was not touched"
    fi
    if ! is_readable "$file.part"; then
        rm -f "$file.part"
        undecided "the backup cannot be read, for the reason above; the database was not touched"
    fi
    size=$(stat --format %s "$file.part")
    sha256=$(sha256sum "$file.part" | cut -d ' ' -f 1)
    printf '%s=%s\n' number "$number" version "$1" running "$(noted before)" migrations "$2" time \
        "$(date -u '+%Y-%m-%dT%H:%M:%SZ')" size "$size" database_size "$need" \
        sha256 "$sha256" > "$file.about.part"
    # The dump comes last: where it is, the file beside it is complete.
    replace "$file.about.part" "$file.about"
    replace "$file.part" "$file"
    note backup "$file"
    superfluous_dumps "$2" | while read -r name; do
        rm -f -- "$state/backups/$name" "$state/backups/$name.about"
    done
    # The migration relies on it, whatever was removed.
    is_readable "$file" || undecided "the backup $file is gone or cannot be read; the database was not touched"
}

# As PostgreSQL's user, because an application decides what is in its database.
is_readable() { [ -s "$1" ] && runuser -u postgres -- pg_restore --list < "$1" > /dev/null; }

remove_remains() {
    local about
    rm -f "$state"/backups/*.part
    for about in "$state"/backups/*.dump.about; do
        [ -e "${about%.about}" ] || rm -f "$about"
    done
}

# Prints the dumps that may go, so that `keep` stay. $1: the migrations that are applied now. These stay in any case:
#   - the newest one
#   - the one from before the last change of the schema: the newest one with other migrations than now
#   - the first one since the running version runs: a release that fails again and again may change the schema a bit each time,
#     and a migration outside a transaction changes data before it fails
# A dump between two others with the same migrations goes first, then the oldest. A dump that somebody put there stays.
superfluous_dumps() {
    dump_list "$state/backups" | grep -E '^[0-9]+	[0-9]{8}-[0-9]{6}-([0-9]+-)?before-' | awk -F '\t' -v now="$1" -v keep="$keep" '
        { name[NR] = $2; migrations[NR] = $3; running[NR] = $4 }
        END {
            stays[NR]
            for (i = NR; i > 0 && migrations[i] == now; i--);
            if (i) stays[i]
            for (i = NR; i > 1 && running[i - 1] == running[NR]; i--);
            stays[i]
            for (i in stays) kept++
            for (turn = 1; turn <= 2; turn++)
                for (i = NR; i > 0 && kept < keep; i--) {
                    between = migrations[i] == migrations[i - 1] && migrations[i] == migrations[i + 1] && migrations[i] != "?"
                    if (!(i in stays) && (turn == 2 || !between)) { stays[i]; kept++ }
                }
            for (i = 1; i <= NR; i++) if (!(i in stays)) print name[i]
        }'
}
