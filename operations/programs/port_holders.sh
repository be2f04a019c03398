#!/bin/bash
# Prints each program that listens at a port of nginx and is not the machine's nginx: port, address, process id, program and unit,
# with tabs between. Nothing where iproute2 is missing.
# the arguments: ports
command -v ss > /dev/null || exit 0
main=$(systemctl show --property MainPID --value nginx.service 2> /dev/null)

# One line without control characters, whatever a program calls itself.
told() { LC_ALL=C tr -s '[:cntrl:]\177-\377 ' '? ' | cut -c -100 | sed 's/[? ]*$//'; }

# Whether a process is gone, or root's nginx that tests a configuration: it opens all ports for a moment, also where no nginx runs,
# and other programs of ours have one do so at this moment.
is_passing() {
    [ -d "/proc/$1" ] || return 0
    [ "$(stat --format %u "/proc/$1")" = 0 ] && tr '\0' ' ' < "/proc/$1/cmdline" | grep -Eq '^([^ ]*/)?nginx ([^ ]+ )*-[tT] '
}

for port; do
    # As ss writes it: LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("apache2",pid=7,fd=4),("apache2",pid=6,fd=4))
    ss --no-header --listening --tcp --numeric --processes "sport = :$port" |
        sed -n 's/^[^ ]* *[^ ]* *[^ ]* *\([^ ]*\) .*users:(("\([^"]*\)",pid=\([0-9]*\),.*/\3 \1 \2/p' |
        while read -r process address program; do
            ! is_passing "$process" || continue
            # By its process, too: some containers do not tell groups.
            [[ ! ${main:-0} =~ ^[1-9] ]] || [[ $process != "$main" ]] || continue
            parent=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$process/status")
            [[ ! ${main:-0} =~ ^[1-9] ]] || [[ $parent != "$main" ]] || continue
            group=$(sed -n 's/^0:://p' "/proc/$process/cgroup")
            [[ $group != */nginx.service ]] || continue
            unit=${group##*/}
            case $unit in *.service | *.scope) ;; *) unit='' ;; esac
            printf '%s\t%s\t%s\t%s\t%s\n' "$port" "$address" "$process" "$(told <<< "$program")" "$(told <<< "$unit")"
        done 2> /dev/null | sort -u -k 2,2
done
true
