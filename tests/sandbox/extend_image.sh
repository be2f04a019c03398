#!/bin/sh
# Copies a root tree and installs packages there from apt's cache, without a network.
#
# $1: the root tree, $2: packages, $3: the copy, which does not exist
set -eu
cp --archive --reflink=auto "$1" "$3"
mount -t proc proc "$3/proc"
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive chroot "$3" apt-get install -qq --yes --no-download --no-install-recommends \
    -o Dpkg::Options::=--force-unsafe-io $2
umount "$3/proc"
