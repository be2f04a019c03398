#!/bin/sh
# Puts a file into place, whole or not at all.
#
# $1: file, $2: owner, $3: mode; standard input: see stage_file.sh
set -eu
. ./stage_file.sh
stage "$1" "$2" "$3"
replace "$new" "$1"
