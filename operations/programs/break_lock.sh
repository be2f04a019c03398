#!/bin/sh
# Frees the machine's lock, and stops the switches that hold it. Fails, and changes nothing, if somebody else holds it by now.
#
# $1: holder, as show_lock.sh printed it; the rest: units that switch releases
set -eu
umask 077
. ./lock.sh
lock_holder
[ "$holder" = "$1" ] || {
    echo "the lock changed hands meanwhile: it is held by ${holder:-nobody} now, and nothing was changed" >&2
    exit 1
}
shift
: > "$lock_file"
# Others may take the lock while a switch goes back. They see it at work.
exec 9>&-
for unit; do
    case " $switching" in *[[:space:]]"$unit "*) systemctl stop "$unit" ;; esac
done
