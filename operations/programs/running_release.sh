# shellcheck shell=bash
# shellcheck disable=SC2034  # a name for the program that takes this in
# The running release.
#
#   find_release LINK SCRIPT   sets `release` to its directory, not to the link: a release that is switched meanwhile does not
#                              change what runs. Ends the program if there is none

find_release() {
    if ! release=$(readlink --canonicalize-existing "$1") || [ ! -x "$release/$2" ]; then
        echo "there is no release yet: make release" >&2
        exit 1
    fi
}
