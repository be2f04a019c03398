#!/bin/sh
# Makes a self-signed certificate. Key and certificate share one file: nginx reads both from it, and one rename replaces the
# pair. The key never leaves the host.
#
# $1: file, $2: subjectAltName, $3: days, $4: subject
set -eu
. ./durable.sh
umask 077
new=$(mktemp "$1.XXXXXX")
trap 'rm -f "$new" "$new.crt"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$new" -out "$new.crt" \
    -days "$3" -subj "$4" -addext "subjectAltName=$2" -addext "basicConstraints=critical,CA:FALSE" 2> /dev/null
cat "$new.crt" >> "$new"
replace "$new" "$1"
