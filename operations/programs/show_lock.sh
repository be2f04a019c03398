#!/bin/sh
# Prints who holds the machine's lock, since when and what for; an empty line when it is free.
set -eu
umask 077
. ./lock.sh
lock_holder
echo "$holder"
