#!/bin/sh
# Unpacks a toolchain into a directory that gets its name when all of it is there.
#
# $1: archive, $2: directory
set -eu
rm -rf "$2.part"
mkdir "$2.part"
tar -xzf "$1" -C "$2.part" --no-same-owner
mv "$2.part" "$2"
