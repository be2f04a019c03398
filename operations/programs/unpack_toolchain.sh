#!/bin/sh
# Unpacks a toolchain. The directory gets its name when it is complete.
#
# $1: archive, $2: directory
set -eu
. ./durable.sh
rm -rf "$2.part"
mkdir "$2.part"
tar -xzf "$1" -C "$2.part" --no-same-owner
replace "$2.part" "$2"
