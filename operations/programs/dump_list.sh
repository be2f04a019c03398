# shellcheck shell=sh
# The dumps of a database, in the order in which they were made.
#
#   dump_list DIRECTORY    prints the dumps, the oldest first, in lines with tabs between the words: number, name, migrations that
#                          were applied, version that ran, version before which it was made, time, size and SHA-256
#
# The number in a name gives the order, not the time before it: the clock of a machine may step back. Dumps without a number are
# older, or somebody put them there: they count as 0. A file with .about at its end says what a dump is; without it all words from the
# migrations on are "?".

dump_list() (
    cd "$1" 2> /dev/null || exit 0
    for name in *.dump; do
        case $name in *[!0-9A-Za-z.+_-]* | [!0-9A-Za-z]*) continue ;; esac
        [ ! -f "$name" ] || printf '%s\n' "$name"
    done | sed -E 's/^[0-9]{8}-[0-9]{6}-([0-9]+)-before-.*/\1\t&/; t; s/^/0\t/' | sort -t "$(printf '\t')" -k 1,1n -k 2,2 |
        awk -F '\t' -v OFS='\t' '
            function told(name) { return name in about ? about[name] : "?" }
            {
                split("", about)
                file = $2 ".about"
                while ((getline line < file) > 0) {
                    place = index(line, "=")
                    if (place) about[substr(line, 1, place - 1)] = substr(line, place + 1)
                }
                close(file)
                print $1 + 0, $2, told("migrations"), told("running"), told("version"), told("time"), told("size"), told("sha256")
            }'
)
