#!/bin/sh
# Repeats a command until it succeeds or the application has had time to start. Prints what the command prints.
# $1: unit of the application, $2: seconds that a start may take, the rest: the command.
unit=$1 patience=$2
shift 2
. ./start_limit.sh
until "$@" 2>/dev/null || [ "$(date +%s)" -ge "${limit:?}" ]; do sleep 0.2; done
