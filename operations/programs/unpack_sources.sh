#!/bin/sh
# Unpacks the sources of a revision, as the application user. They replace all former sources, so that no file of another
# revision is built. Dependencies and compiled code stay, for speed.
#
# $1: directory of the sources and of the build, $2: directory of the application in the sources; standard input: the archive
set -eu
umask 077
cd "$1"
rm -rf new release.tar.gz
mkdir new
tar -xz -C new
for kept in deps _build; do
    if [ -d "source/$2/$kept" ] && [ -d "new/$2" ] && [ ! -e "new/$2/$kept" ]; then
        mv "source/$2/$kept" "new/$2/$kept"
    fi
done
rm -rf source
mv new source
