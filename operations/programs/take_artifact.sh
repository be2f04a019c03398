#!/bin/sh
# Copies a tarball from another store of this machine, with the notes of its build, if it is what was built.
#
# $1: the tarball, $2: its place in the store, $3: SHA-256
set -eu
. ./durable.sh
. ./clear_store.sh
. ./newest.sh
umask 077
trap 'rm -f "$2.upload"' EXIT
clear_store "${2%/*}" upload
cp "$1" "$2.upload"
echo "$3  $2.upload" | sha256sum --check --status || {
    echo "$1 is not what was built, its checksum differs: build it anew; nothing was changed" >&2
    exit 1
}
cat "$1.build" > "$2.build"
echo "$3  ${2##*/}" > "$2.sha256"
sync "$2.build" "$2.sha256"
make_newest "$2.upload"
replace "$2.upload" "$2"
