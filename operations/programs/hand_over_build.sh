#!/bin/sh
# Copies a tarball of a store, its checksum and its notes to a private directory of the SSH user. Prints the names, the tarball's
# last.
#
# $1: directory of the store, $2: name of the tarball, $3: directory for uploads, relative to the user's home
set -eu
umask 077
tarball=$2
uploads=$(getent passwd "$SUDO_USER" | cut -d : -f 6)/$3
cd "$1"
install -d -o "$SUDO_USER" -m 700 "$uploads"
for file in "$tarball.sha256" "$tarball.build" "$tarball"; do
    install -o "$SUDO_USER" -m 600 "$file" "$uploads/"
    echo "$file"
done
