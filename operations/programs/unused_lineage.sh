#!/bin/sh
# Prints "unused" if certbot renews a certificate for us and no nginx configuration names it, except one site's.
#
# $1: certbot's file about its renewal, $2: directory of the certificate, $3: the site, $4: our command after renewals
grep -qsF "renew_hook = $4" "$1" || exit 0
find -L /etc/nginx -type f ! -path '/etc/nginx/sites-available/*' ! -name "$3" ! -name "$3.*" \
    -exec grep -qF "$2/" {} \; -print | grep -q . || echo unused
