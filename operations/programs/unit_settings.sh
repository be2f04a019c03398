# shellcheck shell=bash
# shellcheck disable=SC2034  # names for the program that takes this in
# The settings of the application's unit for a command beside it: user, variables, limits and sandbox.
#
#   unit_settings FILE   reads the unit's file and sets the array `settings` to options of systemd-run. It has every setting of
#                        the unit except those for start and end. Fails if the file names no user: without its settings a
#                        command would run as root, outside the sandbox.
#   verbatim ARGUMENT…   sets the array `arguments` to the same arguments as systemd-run must get them: it reads $$ as $, and
#                        $NAME as a variable (systemd.service(5)).

unit_settings() {
    readarray -t settings < <(sed -n '/^\[Service\]/,/^\[Install\]/{
        /^\(Type\|ExecStart\|ExecStartPre\|WorkingDirectory\|KillMode\|Restart\|RestartSec\|TimeoutStopSec\)=/d
        s/^[A-Z][A-Za-z]*=/--property=&/p
    }' "$1")
    [[ " ${settings[*]}" == *" --property=User="* ]]
}

verbatim() { arguments=("${@//\$/\$\$}"); }
