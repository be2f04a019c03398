#!/bin/sh
# Run a command of the running release, with the unit's variables, as the aliases of the application user do it.
# $1: file of variables, $2: directory of the release, the rest: the command.
set -a
# shellcheck source=/dev/null  # the unit's variables
if ! { . "$1" && cd "$2" 2>/dev/null; }; then
    echo "there is no release yet: make release" >&2
    exit 1
fi
shift 2
exec "$@"
