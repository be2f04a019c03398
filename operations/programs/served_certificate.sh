#!/bin/sh
# Prints "served" if nginx on this host serves the certificate in a file under a name, and "other" if it serves another.
#
# $1: PEM file, $2: name, $3: "must" to fail with a reason otherwise
. ./is_served.sh
if is_served "$1" "$2"; then
    echo served
elif [ "${3:-}" = must ]; then
    echo "nginx does not serve the certificate $1 for $2: another site may have the name, or another server port 443" >&2
    exit 1
elif [ -n "$seen" ] && [ -n "$wanted" ]; then
    echo other
fi
