#!/bin/sh
# Repeats a command until it succeeds or the time for the application's start is over. Prints the command's output.
# $1: unit of the application, $2: seconds that a start may take, the rest: the command.
unit=$1 patience=$2
shift 2
. ./start_limit.sh
until "$@" 2>/dev/null || { read_uptime && [ "$uptime" -ge "${limit:?}" ]; }; do sleep 0.2; done
