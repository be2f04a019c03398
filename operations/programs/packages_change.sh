#!/bin/sh
# Says what apt would change to install packages: packages.sh has the lines. Changes nothing: a machine without package lists has
# them fetched into a directory that goes again.
#
# The arguments are the packages.
set -eu
umask 077
. ./packages.sh
if have_lists; then
    changes "" "$@"
    exit
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$scratch/lists" "$scratch/cache"
options="-o Dir::State::Lists=$scratch/lists -o Dir::Cache=$scratch/cache -o Acquire::Languages=none -o Acquire::GzipIndexes=true -o APT::Sandbox::User=root"
# shellcheck disable=SC2086
said=$(timeout 120 apt-get -o Acquire::http::Timeout=20 $options update 2>&1) || true
if find "$scratch/lists" -name '*_Packages*' | grep -q .; then
    changes "$options" "$@"
else
    { printf '%s\n' "$said" | errors | grep . || echo "no package lists, and no source that has any"; } | sed 's/^/error\t/'
fi
