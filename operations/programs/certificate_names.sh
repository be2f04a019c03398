#!/bin/sh
# Prints the names in a certificate. Prints nothing if the file is missing or broken, or if the certificate expires soon. Prints
# "untold" if the file exists but openssl is not installed.
#
# $1: PEM file with key and certificate, $2: seconds that must be left
if ! command -v openssl > /dev/null; then
    [ ! -e "$1" ] || echo untold
elif openssl pkey -noout -in "$1" > /dev/null 2>&1; then
    names=$(openssl x509 -noout -ext subjectAltName -checkend "$2" -in "$1" 2> /dev/null) || exit 0
    echo "$names" | sed -n '2p'
fi
