#!/bin/sh
# Prints a certificate chain, for the controller to judge. The lines before it: "openssl" if it is installed, "trusted" if the
# authorities that this host knows vouch for it, "key" with the public half of its private key (DER, base64). No line of a private
# key is printed, also where both are in one file.
#
# $1: PEM file with the chain, $2: PEM file with the private key
if command -v openssl > /dev/null; then
    echo openssl
    openssl verify -no_check_time -untrusted "$1" "$1" > /dev/null 2>&1 && echo trusted
    public=$(openssl pkey -in "$2" -passin pass: -pubout -outform DER 2> /dev/null | base64 -w 0)
    [ -z "$public" ] || echo "key $public"
fi
awk '/^-----BEGIN/ { shown = /CERTIFICATE-----/ } shown; /^-----END/ { shown = 0 }' "$1" | head -c 65536
