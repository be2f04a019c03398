#!/bin/sh
# Prints each path of the arguments, its file system and the free bytes there. If a path does not exist, its nearest existing
# parent counts.
for path; do
    there=$path
    until [ -e "$there" ]; do
        there=${there%/*}
        there=${there:-/}
    done
    echo "$path $(df --block-size=1 --output=target,avail "$there" | tail -n 1)"
done
