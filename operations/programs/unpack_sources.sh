#!/bin/sh
# Unpacks the sources of a revision, as the application user. They replace all former sources, so that no file of another
# revision is built. Dependencies and compiled code stay, for speed.
#
# $1: directory of the sources and of the build; standard input: the archive
set -eu
umask 077
cd "$1"
rm -rf new release.tar.gz
mkdir new
tar -xz -C new
for kept in deps _build; do
    [ ! -d "source/$kept" ] || [ -e "new/$kept" ] || mv "source/$kept" "new/$kept"
done
rm -rf source
mv new source
