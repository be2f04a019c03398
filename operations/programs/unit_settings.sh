# shellcheck shell=bash
# shellcheck disable=SC2034  # names for the program that takes this in
# Runs commands in the sandbox of an application: in a unit of their own with the user, variables, limits and sandbox of the
# application's unit. Nothing of a release runs otherwise: who controls a release would get all that its caller may do.
#
#   in_sandbox FILE DIRECTORY OPTION… -- COMMAND…   runs a command in a directory and waits for it. FILE is the application's
#                        unit, OPTION one of systemd-run. Output and status are the command's; status 1, or `unready`: FILE names no user
#   in_terminal FILE DIRECTORY OPTION… -- COMMAND…  the same on a terminal of its own, which passes on what the caller types:
#                        no process in the sandbox gets hold of the caller's terminal
#   left_out             a pattern of settings of the unit that a program leaves out for its commands; none by default
#   alone                an array to begin a command with: the release writes into a directory that the command alone has. It is
#                        in memory, belongs to the command's own view of the file system, and is gone when the command ends,
#                        however it ends. A release writes its configuration there, with secrets. In the unit's directory
#                        Distillery also finds which version runs and its configuration, and takes those for its own.

left_out='^$'

# Sets the array `settings` to options of systemd-run: every setting of the unit except those for start, end and slice. Fails if the
# file names no user: a command would run as root, outside the sandbox.
unit_settings() {
    readarray -t settings < <(sed -n "\\,$left_out,d"'
    /^\[Service\]/,/^\[Install\]/{
        /^\(Type\|ExecStart\|ExecStartPre\|WorkingDirectory\|KillMode\|Restart\|RestartSec\|TimeoutStopSec\|Slice\)=/d
        s/^[A-Z][A-Za-z]*=/--property=&/p
    }' "$1")
    settings+=("--property=TemporaryFileSystem=/dev/shm:mode=1777,nosuid,nodev,noexec")
    [[ " ${settings[*]}" == *" --property=User="* ]]
}

# By env: the unit's files of variables would overrule variables that systemd-run is given.
alone=(/usr/bin/env RELEASE_MUTABLE_DIR=/dev/shm/release RELEASE_TMP=/dev/shm/release)

in_sandbox() { sandboxed --pipe "$@"; }

in_terminal() { sandboxed --pty --setenv=TERM="${TERM:-dumb}" "$@"; }

sandboxed() {
    local settings options=()
    while [[ $1 == --* ]]; do
        options+=("$1")
        shift
    done
    if ! unit_settings "$1"; then
        echo "$1 names no user to run a command of ${2##*/} as: apply first" >&2
        return "${unready:-1}"
    fi
    # The description would be the command, and systemd logs it.
    options+=("--description=Command beside ${1##*/}" "--property=WorkingDirectory=$2")
    shift 2
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    # systemd reads $$ as $, and $NAME as a variable (systemd.service(5)).
    systemd-run --quiet --wait --collect --service-type=exec "${options[@]}" "${settings[@]}" -- "${@//\$/\$\$}"
}
