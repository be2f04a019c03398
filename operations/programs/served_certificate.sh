#!/bin/sh
# Prints "served" if nginx on this host serves the certificate in a file under a name.
#
# $1: PEM file, $2: name, $3: "must" to fail with a reason otherwise
wanted=$(openssl x509 -noout -fingerprint -sha256 -in "$1" 2> /dev/null)
seen=$(timeout 10 openssl s_client -connect 127.0.0.1:443 -servername "$2" < /dev/null 2> /dev/null |
    openssl x509 -noout -fingerprint -sha256 2> /dev/null)
if [ -n "$wanted" ] && [ "$seen" = "$wanted" ]; then
    echo served
elif [ "$3" = must ]; then
    echo "nginx does not serve the certificate $1 for $2: another site may have the name, or another server port 443" >&2
    exit 1
fi
