#!/bin/sh
# Prints "unused" if a file holds our self-signed certificate and no nginx configuration names it, except one site's.
#
# $1: PEM file, $2: the site, $3: subject of our certificates
[ -e "$1" ] || exit 0
openssl x509 -noout -subject -nameopt RFC2253 -in "$1" 2> /dev/null | grep -qxF "subject=$3" || exit 0
find -L /etc/nginx -type f ! -path '/etc/nginx/sites-available/*' ! -name "$2" ! -name "$2.*" \
    -exec grep -qF "$1" {} \; -print | grep -q . || echo unused
