# shellcheck shell=sh
# Every stub begins with this: it writes the call to $WORLD/calls, one line each, and runs the test's hook for the command.
#
# $WORLD: directory of the test; $LINK: the link to the running release
name=${0##*/}
# The disk is full for the program alone.
# shellcheck disable=SC3045 # dash and bash know -S
ulimit -S -f unlimited
(
    set -f
    printf '%s' "$name"
    # shellcheck disable=SC2048 # words, so that a line of the log is a call
    for word in $*; do printf ' %s' "$word"; done
    printf '\n'
) >> "$WORLD/calls"

# How a release is broken, or nothing.
fault_of() { cat "$WORLD/faults/$1" 2> /dev/null; }
fault_of_running() { fault_of "$(cat "$WORLD/running")"; }

if [ -e "$WORLD/hooks/$name" ]; then
    # shellcheck source=/dev/null
    . "$WORLD/hooks/$name"
fi
