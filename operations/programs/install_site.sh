#!/bin/sh
# Enables an nginx site after `nginx -t` accepted it. The test runs in its own mount namespace, with a copy of /etc/nginx and the
# candidate bound over the real directory: the paths are real, and nothing outside the namespace changes. A rename then puts the
# candidate into place.
#
# $1: name of the site, the rest: links in sites-enabled that the site replaces; standard input: the candidate
set -eu
. ./durable.sh
site=$1
shift
available=/etc/nginx/sites-available enabled=/etc/nginx/sites-enabled
staging=$(mktemp -d /etc/nginx.staging.XXXXXX)
trap 'rm -rf "$staging"' EXIT
cp -a /etc/nginx/. "$staging"
cat > "$staging/candidate"
cp "$staging/candidate" "$staging/sites-available/$site"
ln -sfn "$available/$site" "$staging/sites-enabled/$site"
for link; do rm -f "$staging/sites-enabled/$link"; done
# shellcheck disable=SC2016
unshare --mount sh -c 'mount --bind "$1" /etc/nginx && nginx -t -q' sh "$staging"
chmod 644 "$staging/candidate"
replace "$staging/candidate" "$available/$site"
ln -sfn "$available/$site" "$enabled/$site"
for link; do rm -f "$enabled/$link"; done
sync "$enabled"
