#!/bin/sh
# Runs a command of a release with one more argument, the text on standard input: in an argument of sudo it would stay in the
# journal (COMMAND=).
#
# the arguments: the command
text=$(cat; echo .)
exec "$@" "${text%.}" < /dev/null
