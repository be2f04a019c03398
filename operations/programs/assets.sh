# shellcheck shell=bash
# shellcheck disable=SC2154  # names of switch.sh and its settings
# Files of the pages that visitors have open: a page of one release asks for its scripts while another release runs. A part of
# switch.sh.
#
#   keep_assets VERSION   copies the digested files of a release to where nginx serves them when the application has none
#   prune_assets          removes those that no release on the host has
#
# `mix phx.digest` names a file after its content, so files of all releases can lie together.

digested='.*-[0-9a-f]{32}\.[0-9A-Za-z]+(\.[0-9A-Za-z]+)*'

# Runs a command in each directory that a release serves files from. The build made all of it, so none may lead elsewhere: the
# shell is in it before it looks where it is.
in_served() {
    local version=$1 directory
    shift
    for directory in "$releases/$version/lib/$web_app"-*/priv/static; do
        [ ! -d "$directory" ] || (cd "$directory" && [ "$(readlink /proc/self/cwd)" = "$directory" ] && "$@")
    done
}

# Prints the digested files of a directory: assets/app-….js; or in another form ($1) of find.
digested_here() {
    find . -regextype posix-extended -type f -regex "$digested" ! -path $'*\n*' ! -name '*.gz' ! -name '*.br' -printf "${1:-%P\n}"
}

# Whether the disk of all applications has room for the copies that are missing, and 64 MiB stay free (operations/release/artifacts.py). Kibibytes.
has_room_for_assets() {
    local needed free
    needed=$(digested_here '%k %P\n' | while IFS=' ' read -r size name; do
        [ -e "$assets/$name" ] || echo "$size"
    done | awk '{ sum += $1 } END { printf "%d", sum }')
    free=$(df --output=avail "${assets%/*}" | tail -n 1)
    ((needed <= free - 65536))
}

copy_assets() {
    local name
    has_room_for_assets || {
        say "ATTENTION: $assets has no room for the files of $1: a page that is open now may miss one. Make room there"
        return
    }
    digested_here | while IFS= read -r name; do
        [ -e "$assets/$name" ] || install -D --mode 644 --no-target-directory "./$name" "$assets/$name" || break
    done
}

# Its failure ends no action: it costs a page that was open before a file.
keep_assets() {
    in_served "$1" copy_assets "$1"
    [ ! -d "$assets" ] || find "$assets" -type d -exec chmod 755 {} +
}

prune_assets() {
    local version known name
    [ -d "$assets" ] || return 0
    known=$(for version in "$releases"/*; do in_served "${version##*/}" digested_here; done)
    (cd "$assets" && find . -type f -printf '%P\n') | while IFS= read -r name; do
        grep -qxF -e "$name" <<< "$known" || rm -f "$assets/$name"
    done
    find "$assets" -mindepth 1 -type d -empty -delete
}
