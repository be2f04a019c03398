#!/bin/sh
# Puts an uploaded tarball into the store, with its checksum and the notes of its build, if it arrived whole. Remains of
# interrupted uploads to the same environment are removed: only the holder of the machine's lock uploads.
#
# $1: uploaded file, $2: its place in the store, $3: SHA-256; standard input: the notes of its build
set -eu
. ./durable.sh
. ./clear_store.sh
. ./newest.sh
umask 077
trap 'rm -f "${1%-*}"-* "$2.upload"' EXIT
echo "$3  $1" | sha256sum --check --status || {
    echo "the tarball did not arrive whole, its checksum differs: release it again; nothing was changed" >&2
    exit 1
}
clear_store "${2%/*}" upload
cp "$1" "$2.upload"
cat > "$2.build"
echo "$3  ${2##*/}" > "$2.sha256"
sync "$2.build" "$2.sha256"
make_newest "$2.upload"
replace "$2.upload" "$2"
