#!/bin/sh
# Removes a release. The program enters the directory of releases first: it belongs to root, so no link can redirect it then.
#
# $1: directory of releases, $2: version
set -eu
cd "$1"
[ "$(readlink /proc/self/cwd)" = "$1" ]
rm -rf "./$2"
