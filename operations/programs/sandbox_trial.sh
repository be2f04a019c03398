#!/bin/sh
# Prints why systemd refuses to start a program in the sandbox of an application; nothing if it starts, or if the application
# runs in it. Leaves nothing behind.
#
# $1: the application's unit, the rest: settings of its sandbox
unit=$1
shift
for setting; do
    set -- "$@" "--property=$setting"
    shift
done
! systemctl is-active --quiet "$unit" || exit 0
trial=deploy-trial-$$.service
told=$(systemd-run --wait --collect --unit="$trial" "$@" /bin/true 2>&1) && exit 0
# "exited" with the status of systemd itself, or "killed" and "dumped" with the signal that ended /bin/true.
printf '%s\n' "$told" | sed -n 's/.*code=[a-z]*,\{0,1\} *\/\{0,1\}status=\([0-9A-Z]*\(\/[A-Z_]*\)\{0,1\}\).*/\1/p' | head -n 1
journalctl --sync
journalctl --quiet --output=cat --unit="$trial" 2> /dev/null | sed -n 's/.*: \(Failed to .*\)/\1/p' | head -n 1
[ -n "$told" ] || told="systemd-run failed and said nothing"
case $told in *code=*status=*) ;; *) printf '%s\n' "$told" | head -n 2 ;; esac
