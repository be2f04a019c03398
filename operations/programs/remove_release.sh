#!/bin/sh
# Removes a release. The directory of releases is root's, so that once in it nobody can lead this elsewhere.
#
# $1: directory of releases, $2: version
set -eu
cd "$1"
[ "$(pwd -P)" = "$1" ]
rm -rf "./$2"
