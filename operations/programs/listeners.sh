#!/bin/sh
# Prints who may reach an environment's ports, one item a line: "closed PORT" for a port that the machine keeps to itself, and
# "foreign ADDRESS PROGRAM" for a listener at the application's port that is not the application's.
# $1: unit, the rest: ports; the first one is the application's.
unit=$1 port=$2
shift
. ./closed_port.sh

for each in "$@"; do
    if closed "$each"; then echo "closed $each"; fi
done
# As ss writes it: LISTEN 0 511 127.0.0.1:4001 0.0.0.0:* users:(("nginx",pid=7,fd=5),("nginx",pid=6,fd=5))
ss --no-header --listening --tcp --numeric --processes "sport = :$port" |
    sed -n 's/^[^ ]* *[^ ]* *[^ ]* *\([^ ]*\) .*users:(("\([^"]*\)",pid=\([0-9]*\),.*/\3 \1 \2/p' |
    while read -r process address program; do
        # Of a list the first one: processes that share a socket are of one unit.
        grep -q "/$unit\$" "/proc/$process/cgroup" || echo "foreign $address $program"
    done 2>/dev/null
