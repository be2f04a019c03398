# shellcheck shell=sh
# Writes content into a file that is private from its first byte, beside the file that it will replace.
#
#   stage FILE OWNER MODE   sets `new` to the staged file. Standard input: a line with the SHA-256 of the content and its number
#                           of bytes, and the content. A connection that breaks in the middle ends the input early; the digest
#                           then shows that the file is incomplete. The digest is not an argument: every local user could read
#                           it there, and try guesses on it.
#
# The staged file is FILE.new.XXXXXX. A run that was killed leaves its own behind, and the next run removes it
# (inspection/traces.py names it).
#
# The paths have no spaces.
. ./durable.sh
staged=''

remove_staged() {
    # shellcheck disable=SC2086  # one word for each file
    rm -f $staged
}

# Such as the directory for additions to a unit.
make_directory() {
    (umask 022 && mkdir -p "$1")
    sync "${1%/*}"
}

stage() {
    umask 077
    [ -d "${1%/*}" ] || make_directory "${1%/*}"
    rm -f "$1".new.??????
    new=$(mktemp "$1.new.XXXXXX") || {
        why_protected "$1"
        exit 1
    }
    staged="$staged $new"
    trap remove_staged EXIT
    trap 'exit 1' HUP INT TERM
    read -r digest size || true
    head -c "${size:-0}" > "$new" || {
        echo "$1 could not be written, for the reason above: it is as it was" >&2
        exit 1
    }
    echo "$digest  $new" | sha256sum --check --status 2> /dev/null || {
        echo "the content of $1 did not arrive whole: the file is as it was, apply again" >&2
        exit 1
    }
    # The sandbox of an application forbids the call, and there a file has its owner from the beginning.
    chown "$2" "$new" 2> /dev/null || [ "$(stat -c %U:%G "$new")" = "$2" ]
    chmod "$3" "$new"
}
