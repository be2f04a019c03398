# shellcheck shell=sh
# Removes what a power cut left in a store of tarballs.
#
#   clear_store DIRECTORY SUFFIX   removes incomplete tarballs with this suffix, and tarballs whose checksum lost its content
clear_store() {
    rm -f "$1"/*.tar.gz."$2"
    for stored in "$1"/*.tar.gz; do
        [ -e "$stored.sha256" ] || continue
        grep -qE '^[0-9a-f]{64} ' "$stored.sha256" || rm -f "$stored" "$stored.sha256" "$stored.build"
    done
}
