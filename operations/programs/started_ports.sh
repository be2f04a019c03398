#!/bin/bash
# Prints each unit that serves at the web port that its process was started with, and this port.
# the arguments: units
. ./started_port.sh
command -v ss > /dev/null || exit 0
for unit; do
    ! port=$(started_port "$unit") || printf '%s %s\n' "$unit" "$port"
done
