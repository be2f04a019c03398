#!/bin/bash
# Unpacks a toolchain. The directory gets its name when it is complete. A single directory around all files is left out.
#
# $1: archive, $2: directory
set -eu
umask 022
. ./durable.sh
# Two environments may unpack it at the same time.
lock=${2%/*}/.lock
# Whoever may read it can hold it, for ever.
(umask 077 && : >> "$lock")
chmod 600 "$lock"
exec 9> "$lock"
flock 9
[ ! -d "$2" ] || exit 0
rm -rf "$2.part"
mkdir "$2.part"
tar -xzf "$1" -C "$2.part" --no-same-owner
unpacked=$2.part
[ -d "$unpacked/bin" ] || {
    inside=("$unpacked"/*)
    unpacked=${inside[0]}
    if [ "${#inside[@]}" != 1 ] || [ ! -d "$unpacked/bin" ]; then
        echo "the archive of toolchain has no directory bin" >&2
        rm -rf "$2.part"
        exit 1
    fi
}
chmod -R go+rX "$unpacked"
replace "$unpacked" "$2"
rm -rf "$2.part"
