#!/bin/sh
# Prints a path, its file system and the free bytes there, for each argument; of the nearest directory above a path that does
# not exist.
for path; do
    there=$path
    until [ -e "$there" ]; do
        there=${there%/*}
        there=${there:-/}
    done
    echo "$path $(df --block-size=1 --output=target,avail "$there" | tail -n 1)"
done
