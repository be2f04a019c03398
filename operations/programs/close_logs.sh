#!/bin/sh
# Makes files for nginx's logs that only root, nginx and the group adm can read, as Debian's logrotate makes them. nginx itself
# would make them readable by everybody, and logrotate keeps what a file was when it takes its next name.
#
# $1: owner, the user of nginx, the rest: paths
set -eu
owner=$1
shift
umask 027
for log; do
    [ -e "$log" ] || install --mode 640 --owner "$owner" --group adm /dev/null "$log"
    # An administrator may have taken more away.
    for file in "$log" "$log".*; do
        [ ! -f "$file" ] || chmod o= "$file"
    done
done
