#!/bin/bash
# Runs a command of the running release, such as a question to its node: in a unit of systemd with the user, variables, limits and
# sandbox of the application. Output and exit status are those of the command.
#
# $1: the application's unit file, $2: link to the running release, $3: its script, relative to it, $4: seconds that the command
# may run, or "infinity", $5: "terminal" for a terminal; "text" when the command evaluates Elixir that comes over standard input, with
# a NUL byte behind it; otherwise nothing, the rest: arguments of the script
set -euo pipefail
. ./unit_settings.sh
. ./running_release.sh
. ./text.sh
unit_path=$1 script=$3 seconds=$4 mode=$5
find_release "$2" "$script"
shift 5
place=("$unit_path" "$release" --property="RuntimeMaxSec=$seconds" --)
case $mode in
    terminal) in_terminal "${place[@]}" "$release/$script" "$@" ;;
    text)
        read_text 60
        in_sandbox "${place[@]}" "${from_text[@]}" "$release/$script" "$@" "$evaluate" < <(printf %s "$text")
        ;;
    *) in_sandbox "${place[@]}" "$release/$script" "$@" < /dev/null ;;
esac
