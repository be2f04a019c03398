#!/bin/sh
# Writes standard input to a file that only the user of the connection may read. An incomplete file has another name: a connection
# that breaks ends the input early, and an upload that goes on begins where this one ended.
#
# $1: the file, relative to the home, $2: bytes that are there already, $3: bytes of the whole file
set -eu
umask 077
dd of="$1.part" bs=64K iflag=fullblock oflag=seek_bytes seek="$2" status=none
[ "$(stat -c %s "$1.part")" = "$3" ] && mv -f "$1.part" "$1"
