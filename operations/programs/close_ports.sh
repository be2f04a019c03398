#!/bin/sh
# Loads the table of closed ports, now and at every boot.
# $1: file with the table, $2: unit that loads it.
file=$1 unit=$2

if ! nft --file "$file"; then
    echo "nft cannot load $file, so ports of applications would be open to the network. A container needs the capability" \
        "CAP_NET_ADMIN and a network of its own; a kernel needs nf_tables." >&2
    exit 1
fi
systemctl enable --quiet --now "$unit"
