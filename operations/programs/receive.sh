#!/bin/sh
# Writes standard input to a file that only the user of the connection may read. An incomplete file has another name: a connection
# that breaks ends the input early, and an upload that goes on begins where this one ended.
#
# $1: the file, relative to the home, $2: bytes that are there already, $3: bytes of the whole file
set -eu
umask 077
# dd itself would empty the file, too, when less than a block is there.
[ "$2" != 0 ] || rm -f "$1.part"
dd of="$1.part" bs=64K conv=notrunc iflag=fullblock oflag=seek_bytes seek="$2" status=none || {
    # Without room for it. The disk is not only ours.
    rm -f "$1.part"
    exit 1
}
[ "$(stat -c %s "$1.part")" = "$3" ] && mv -f "$1.part" "$1"
