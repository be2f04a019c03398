# shellcheck shell=sh
# Tells whether the files of an unpacked release are those of its tarball, as far as a power cut damages them: it leaves files
# without content. Sizes are compared, because a plan looks at every release.
#
#   contents DIRECTORY   prints the number of files and of bytes, without the files of these programs
#   is_whole DIRECTORY   whether a release is whole. A release of before these programs has no file to compare with

contents() {
    find "$1" -type f ! -path "$1/.contents" ! -path "$1/.tarball.sha256" -printf '%s\n' |
        awk '{ bytes += $1 } END { printf "%d %.0f\n", NR, bytes }'
}

is_whole() {
    [ ! -e "$1/.tarball.sha256" ] || grep -qE '^[0-9a-f]{64}$' "$1/.tarball.sha256" || return
    [ ! -e "$1/.contents" ] || [ "$(contents "$1")" = "$(tr -d '\0' < "$1/.contents")" ]
}
