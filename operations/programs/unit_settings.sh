# shellcheck shell=bash
# shellcheck disable=SC2034  # names for the program that takes this in
# The settings of the application's unit for a command beside it: user, variables, limits and sandbox.
#
#   unit_settings FILE   reads the unit's file and sets the array `settings` to options of systemd-run. It has every setting of
#                        the unit except those for start and end. Fails if the file names no user: without its settings a
#                        command would run as root, outside the sandbox.
#   alone                an array to begin the command with, after unit_settings: the release writes into a directory that the
#                        command alone has. It is in memory, belongs to the command's own view of the file system, and is gone
#                        when the command ends, however it ends. A release writes its configuration there, with secrets. In
#                        the unit's directory Distillery also finds which version runs and its configuration, and takes those
#                        for its own.
#   verbatim ARGUMENT…   sets the array `arguments` to the same arguments as systemd-run must get them: it reads $$ as $, and
#                        $NAME as a variable (systemd.service(5)).

unit_settings() {
    readarray -t settings < <(sed -n '/^\[Service\]/,/^\[Install\]/{
        /^\(Type\|ExecStart\|ExecStartPre\|WorkingDirectory\|KillMode\|Restart\|RestartSec\|TimeoutStopSec\)=/d
        s/^[A-Z][A-Za-z]*=/--property=&/p
    }' "$1")
    settings+=("--property=TemporaryFileSystem=/dev/shm:mode=1777,nosuid,nodev,noexec")
    [[ " ${settings[*]}" == *" --property=User="* ]]
}

# By env: the unit's files of variables would overrule variables that systemd-run is given.
alone=(/usr/bin/env RELEASE_MUTABLE_DIR=/dev/shm/release RELEASE_TMP=/dev/shm/release)

verbatim() { arguments=("${@//\$/\$\$}"); }
