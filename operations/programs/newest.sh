# shellcheck shell=sh
# The order of tarballs is that of their times, and the clock may have been set back.
#
#   make_newest FILE   gives FILE the time of now, or one after those of all tarballs of its directory
make_newest() {
    touch "$1" || return
    latest=$(find "${1%/*}" -maxdepth 1 -name '*.tar.gz' -newer "$1" -printf '%T@\n' | sort -n | tail -n 1)
    [ -z "$latest" ] || touch --date="@$((${latest%.*} + 1))" "$1"
}
