#!/bin/sh
# Prints the version of the Elixir that a build would find, otherwise of the one that apt would install; nothing if it is unknown.
#
# $1: the beginning of PATH
PATH=$1/usr/local/bin:/usr/bin:/bin
if command -v elixir > /dev/null; then
    # A version only: it may be any program. nobody runs it.
    cd /
    setpriv --reuid nobody --regid nogroup --clear-groups env HOME=/nonexistent elixir --short-version
else
    apt-cache policy elixir | sed -n 's/^  Candidate: //p'
fi 2> /dev/null | sed -n 's/^\([0-9]*\.[0-9]*\.[0-9]*\(-rc\.[0-9]*\)\{0,1\}\).*$/\1/p' | tail -n 1
