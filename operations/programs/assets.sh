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

# Prints the directories that a release serves files from. The build made all of it, so none may lead elsewhere.
served_by() {
    local directory
    for directory in "$releases/$1/lib/$web_app"-*/priv/static; do
        [ ! -d "$directory" ] || [ "$(cd "$directory" && pwd -P)" != "$directory" ] || printf '%s\n' "$directory"
    done
}

# Prints the digested files below a directory: assets/app-….js
digested_in() {
    (cd "$1" && find . -regextype posix-extended -type f -regex "$digested" ! -path $'*\n*' ! -name '*.gz' ! -name '*.br' \
        -printf '%P\n')
}

# Its failure ends no action: it costs a page that was open before a file.
keep_assets() {
    local directory name
    served_by "$1" | while IFS= read -r directory; do
        digested_in "$directory" | while IFS= read -r name; do
            [ -e "$assets/$name" ] || install -D --mode 644 --no-target-directory "$directory/$name" "$assets/$name" || break
        done
    done
    [ ! -d "$assets" ] || find "$assets" -type d -exec chmod 755 {} +
}

prune_assets() {
    local version directory known name
    [ -d "$assets" ] || return 0
    known=$(for version in "$releases"/*; do
        served_by "${version##*/}" | while IFS= read -r directory; do digested_in "$directory"; done
    done)
    (cd "$assets" && find . -type f -printf '%P\n') | while IFS= read -r name; do
        grep -qxF -e "$name" <<< "$known" || rm -f "$assets/$name"
    done
    find "$assets" -mindepth 1 -type d -empty -delete
}
