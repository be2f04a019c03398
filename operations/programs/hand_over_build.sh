#!/bin/sh
# Copies a tarball of a store, its checksum and its notes to a private directory of the SSH user. Prints the names, the
# tarball's last.
#
# $1: directory of the store, $2: application, $3: directory for uploads, relative to the user's home, $4: version; empty for
# the newest tarball
set -eu
umask 077
uploads=$(getent passwd "$SUDO_USER" | cut -d : -f 6)/$3
cd "$1"
if [ -n "$4" ]; then
    tarball=$2-$4.tar.gz
else
    # shellcheck disable=SC2012
    tarball=$(ls -1t "$2"-*.tar.gz | head -n 1)
fi
install -d -o "$SUDO_USER" -m 700 "$uploads"
for file in "$tarball.sha256" "$tarball.build" "$tarball"; do
    install -o "$SUDO_USER" -m 600 "$file" "$uploads/"
    echo "$file"
done
