#!/bin/sh
# Prints the releases of an environment in lines with tabs between the words: "current" and the linked version; "present", a
# version and the SHA-256 of its tarball; "damaged" and the version of a release whose files are not those of its tarball; "cut off"
# and an action that a power cut cut off and that nobody is at; "log" and a line of the log of revisions.
#
# $1: link to the running release, $2: directory of releases, $3: log of revisions; its directory has the name of the environment
# The application user can change the link, also into one with several lines: only its last line counts. A directory whose name
# is no version is none of a release, and of a checksum only its digits count.
. ./contents.sh
. ./cut_off.sh
readlink "$1" | tail -n 1 | sed 's|.*/||; s|\t.*||; s|^|current\t|'
if cd "$2" 2> /dev/null; then
    for release in [0-9A-Za-z]*; do
        case $release in *[!0-9A-Za-z.+_-]*) continue ;; esac
        [ -d "$release" ] || continue
        printf 'present\t%s\t%s\n' "$release" "$(head -c 64 "$release/.tarball.sha256" 2> /dev/null | tr -cd 0-9a-f)"
        is_whole "$release" || printf 'damaged\t%s\n' "$release"
    done
fi
if is_cut_off "${3%/*}/switching"; then
    printf 'cut off\t%s\n' "$(cut_off_action "${3%/*}/switching")"
fi
sed 's|^|log\t|' "$3" 2> /dev/null
true
