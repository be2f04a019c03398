#!/bin/sh
# Makes a tarball the newest of its store, as if it had just been built. $1: the tarball
set -eu
. ./newest.sh
make_newest "$1"
sync "$1"
