#!/bin/sh
# Prints "connections NUMBER" and "files NUMBER" as nginx.conf has them; "files -1" if a file of a module has the number.
#
# $1: nginx.conf
sed -nE 's/^[^#]*worker_connections[[:space:]]+([0-9]+)[[:space:]]*;.*/connections \1/p
s/^[^#]*worker_rlimit_nofile[[:space:]]+([0-9]+)[[:space:]]*;.*/files \1/p' "$1" 2> /dev/null
grep -qsE '^[^#]*worker_rlimit_nofile' "${1%/*}"/modules-enabled/*.conf && echo "files -1"
true
