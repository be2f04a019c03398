#!/bin/sh
# Enables an nginx site after `nginx -t` accepted it. The test runs in its own mount namespace, with a copy of /etc/nginx and the
# candidate bound over the real directory: the paths are real, and nothing outside the namespace changes. A rename then puts the
# candidate into place.
#
# $1: file of the site, $2: path by which nginx reads it: a link to it, or the same, the rest: files that nginx no longer reads
# then; standard input: the candidate. All of it is below /etc/nginx.
set -eu
. ./durable.sh
file=$1 loaded=$2
shift 2
for directory in "${file%/*}" "${loaded%/*}"; do
    # Whoever made the configuration may have removed it.
    [ -d "$directory" ] || (umask 022 && mkdir "$directory")
done
staging=$(mktemp -d /etc/nginx.staging.XXXXXX)
trap 'rm -rf "$staging"' EXIT
cp -a /etc/nginx/. "$staging"
cat > "$staging/candidate"
cp "$staging/candidate" "$staging/${file#/etc/nginx/}"
[ "$loaded" = "$file" ] || ln -sfn "$file" "$staging/${loaded#/etc/nginx/}"
for other; do rm -f "$staging/${other#/etc/nginx/}"; done
# shellcheck disable=SC2016
unshare --mount sh -c 'mount --bind "$1" /etc/nginx && nginx -t -q' sh "$staging"
chmod 644 "$staging/candidate"
replace "$staging/candidate" "$file"
if [ "$loaded" != "$file" ]; then
    ln -sfn "$file" "$loaded"
fi
for other; do rm -f "$other"; done
sync "${loaded%/*}"
