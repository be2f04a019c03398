# shellcheck shell=sh
# Writes that survive a power cut. A file system may keep a rename and lose the content of the renamed file.
#
#   replace NEW FILE    gives NEW the name FILE: content first, then the name. NEW and FILE are in one file system; NEW is a file,
#                       a link or a directory. When it returns, all of it is on the disk
#   append FILE LINE    adds a line, and ends a line that was cut short before. When it returns, the line is on the disk
#
# Both fail, and say why, when the disk does not take it.

# A mark that only root sets, and that nobody thinks of. $1: file
why_protected() {
    lsattr -d "$1" "${1%/*}" 2> /dev/null | awk '$1 ~ /[ai]/ {
        print $2 " is protected by chattr: look who did that and why; chattr -i -a " $2 " takes it back" }' >&2
}

replace() {
    # A link has no content of its own. Of a directory every file counts: one call for its file system costs less than one for
    # each file.
    if [ -L "$1" ]; then
        :
    elif [ -d "$1" ]; then
        sync --file-system "$1"
    else
        sync "$1"
    fi || return
    mv -fT "$1" "$2" || {
        why_protected "$2"
        return 1
    }
    case $2 in
        */*) sync "${2%/*}/" ;;
        *) sync . ;;
    esac
}

append() {
    # `read` succeeds if it meets the end of a line. A null byte is none.
    [ ! -s "$1" ] || tail -c 1 "$1" | read -r _ || printf '\n' >> "$1" || return
    printf '%s\n' "$2" >> "$1" && sync "$1"
}
