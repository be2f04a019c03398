#!/bin/sh
# Loads the table of closed ports, now and at every boot.
# $1: file with the table, $2: unit that loads it, the rest: the ports in the table.
file=$1 unit=$2
shift 2

for port in "$@"; do
    # A table without this port is in force, or none: nobody is locked out.
    if ss --no-header --all --tcp --numeric --processes "sport = :$port" | grep -q '"sshd'; then
        echo "Port $port is sshd's on this machine, and closing it would lock you out: give the environment another" \
            "port. The table of closed ports is as it was." >&2
        exit 1
    fi
done
if ! nft --file "$file"; then
    echo "nft cannot load $file, so ports of applications would be open to the network. A container needs the capability" \
        "CAP_NET_ADMIN and a network of its own; a kernel needs nf_tables." >&2
    exit 1
fi
systemctl enable --quiet --now "$unit"
