#!/bin/sh
# Prints the holder of the machine's lock, since when and for which purpose; an empty line if the lock is free.
set -eu
umask 077
. ./lock.sh
lock_holder
echo "$holder"
