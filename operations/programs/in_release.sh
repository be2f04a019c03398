#!/bin/sh
# Runs a command in the directory of the running release, with the variables of its unit.
# $1: file of the variables, $2: directory of the release, the rest: the command.
variables=$1 release=$2
shift 2
set -a
# shellcheck source=/dev/null
. "$variables"
cd "$release" 2>/dev/null || {
    echo "there is no release yet: make release" >&2
    exit 1
}
exec "$@"
