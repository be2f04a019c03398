#!/bin/sh
# Takes the machine's lock for this connection. If another run holds it, prints the holder and fails. The holder may take it
# again.
#
# $1: operator, $2: purpose
set -eu
umask 077
. ./lock.sh
own_session
lock_holder
[ -z "$holder" ] || [ "$session" = "$own" ] || {
    echo "$holder"
    exit 1
}
# Fails if the connection has broken meanwhile.
started=$(cut -d ' ' -f 22 "/proc/$own/stat")
echo "$own|$started|$(date -u '+%Y-%m-%d %H:%M:%S UTC')|$1|$2" > "$lock_file"
