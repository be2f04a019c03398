# shellcheck shell=sh
# Keeps what builds leave for the next one apart by branch: dependencies, compiled code, caches of Mix. A build runs what its
# branch says, and could leave something there for the builds of another branch, which somebody has reviewed.
#
#   bring_scratch DIRECTORY REF   makes DIRECTORY/scratch what the builds of a branch left, or removes it. Without a branch, as
#                                 for a revision, a build begins with nothing and leaves nothing
#
# DIRECTORY is root's. DIRECTORY/branch names the branch of the scratch: without it the scratch counts as nobody's, also after a
# power cut between two steps. DIRECTORY/others holds those of the two branches that were built before.

bring_scratch() {
    was=$(cat "$1/branch" 2> /dev/null || true)
    [ -z "$2" ] || [ "$was" != "$2" ] || return 0
    mkdir -p "$1/others"
    rm -f "$1/branch"
    sync "$1"
    rm -rf "$1/others/going"
    [ ! -d "$1/scratch" ] || replace "$1/scratch" "$1/others/going"
    if [ -n "$2" ]; then
        [ ! -d "$1/others/$(place_of "$2")" ] || replace "$1/others/$(place_of "$2")" "$1/scratch"
        printf '%s\n' "$2" > "$1/branch.new"
        replace "$1/branch.new" "$1/branch"
    fi
    [ -z "$was" ] || [ ! -d "$1/others/going" ] || keep_scratch "$1/others" "$(place_of "$was")"
    rm -rf "$1/others/going"
}

# A branch's name has slashes, and may be longer than a file's.
place_of() { printf '%s' "$1" | sha256sum | cut -d ' ' -f 1; }

keep_scratch() {
    rm -rf "${1:?}/$2"
    touch "$1/going"
    replace "$1/going" "$1/$2"
    # shellcheck disable=SC2012
    ls -1t "$1" | tail -n +3 | while read -r old; do rm -rf "${1:?}/$old"; done
}
