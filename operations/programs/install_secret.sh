#!/bin/sh
# Puts a secret file into place.
#
# $1: file, $2: owner, $3: mode; standard input: see stage_secret.sh
set -eu
. ./stage_secret.sh
stage "$1" "$2" "$3"
mv -fT "$new" "$1"
