#!/bin/bash
# Runs a command of the running release, such as a question to its node: in a unit of systemd with the user, variables, limits and
# sandbox of the application. Output and exit status are those of the command.
#
# $1: the application's unit file, $2: link to the running release, $3: its script, relative to it, $4: seconds that the command
# may run, or "infinity", $5: "terminal" for a terminal; "input" when standard input is one more argument, which the command line
# that sudo logs does not have; otherwise nothing, the rest: arguments of the script
set -euo pipefail
. ./unit_settings.sh
. ./running_release.sh
unit_path=$1 script=$3 seconds=$4 mode=$5
find_release "$2" "$script"
shift 5
if [ "$mode" = input ]; then
    # Substitution takes newlines from an end that has no dot.
    text=$(cat; echo .)
    set -- "$@" "${text%.}"
fi
if [ "$mode" = terminal ]; then
    in_terminal "$unit_path" "$release" --property="RuntimeMaxSec=$seconds" -- "$release/$script" "$@"
else
    in_sandbox "$unit_path" "$release" --property="RuntimeMaxSec=$seconds" -- "$release/$script" "$@" < /dev/null
fi
