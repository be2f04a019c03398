#!/bin/sh
# Prints the addresses with a listener on a port; "untold" if ss is not installed. $1: the port
if command -v ss > /dev/null; then
    ss --no-header --listening --tcp --numeric "sport = :$1" | awk '{ print $4 }'
else
    echo untold
fi
