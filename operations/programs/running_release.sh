# shellcheck shell=bash
# shellcheck disable=SC2034  # a name for the program that takes this in
# The running release.
#
#   find_release LINK SCRIPT   sets `release` to its directory, not to the link, which is in the environment's own directory: a
#                              release that is switched meanwhile does not change what runs. Ends the program if there is none

find_release() {
    if ! release=$(readlink --canonicalize-existing "$1") || [ ! -f "$release/$2" ]; then
        link=${1%/*}
        echo "there is no release yet: make release ENV=${link##*/}" >&2
        exit 1
    fi
    # Also where its mode says that it may.
    if [ ! -x "$release/$2" ]; then
        echo "$release/$2 may not be executed: mount shows whether its file system has the option noexec" >&2
        exit 1
    fi
}
