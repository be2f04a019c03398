#!/bin/sh
# Prints the newest crash dump of an Erlang VM since its release was linked: seconds since 1970, file, and reason, with tabs
# between; nothing without one. It runs in the application's sandbox (beside_release.sh).
# $1: path of the dumps, $2: link to the running release, $3: the program that makes the words of a VM readable
dumps=$1 link=$2 readable=$3

# Of a link whose time has not come nobody can tell: the clock was set back since then.
ahead=$(find "$link" -maxdepth 0 -newermt now 2> /dev/null)
newest=$(find "${dumps%/*}" -maxdepth 1 -type f -name "${dumps##*/}*" \( -newer "$link" ${ahead:+-o ! -newermt now} \) \
    -printf '%T@\t%p\n' 2> /dev/null | sort -rn | head -n 1)
[ -n "$newest" ] || exit 0
reason=$(head -c 65536 "${newest#*	}" | sed -n 's/^Slogan: //p' | head -n 1 | perl -e "$readable")
printf '%s\t%s\n' "$newest" "$reason"
