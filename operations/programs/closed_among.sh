#!/bin/sh
# Prints those ports of the arguments that the machine keeps to itself, one a line.
. ./closed_port.sh

for port; do
    if closed "$port"; then echo "$port"; fi
done
