# shellcheck shell=sh
# Functions of the script that connectors/exchange.py sends: it runs many commands side by side. Comments are not sent.
#
# A line of the script begins a command: it sends the command's outputs to "$answers/NUMBER.out" and "$answers/NUMBER.err", and
# adds the process to `processes`.

# Makes the directory of the outputs, in memory; without /dev/shm on a disk. mktemp lets nobody else enter. No umask: the commands
# would inherit it, through sudo too.
make_directory() {
    answers=$(mktemp -d -p /dev/shm 2> /dev/null || mktemp -d) || exit
    late='' processes=''
    trap 'rm -rf "$answers"' EXIT
    trap exit HUP INT PIPE TERM
}

# `timeout` signals this shell when the time is up, and then the process group with this shell in it. The second signal must not
# stop answers that are being sent by then.
heed_timeout() {
    trap 'late=1; trap "" TERM' TERM
}

# Runs a command before all others, with all the time it takes.
#
# $1: command line
run_first() {
    # The rest of the script stands on standard input. sudo would read it where it logs input (log_input).
    eval "$1" < /dev/null > "$answers/first.out" 2> "$answers/first.err"
    echo $? > "$answers/first.status"
}

# Notes how each command ended, in the order in which they began. When the time is up, it does not wait for the rest.
wait_for_all() {
    number=0
    for process in $processes; do
        if [ -z "$late" ] || ! kill -0 "$process" 2> /dev/null; then
            wait "$process"
            echo $? > "$answers/$number.status"
        fi
        number=$((number + 1))
    done
}

# Sends sizes and names, their sum, an empty line, and the contents one after another. Ends this shell: no other process.
send() {
    cd "$answers" && wc -c -- * && echo && exec cat -- *
}

# Sends nothing when there is too much, or when no room is left: then no answer is known to be whole.
#
# $1: bytes that the answers may have together
send_if_whole() {
    limit=$1
    # The last line of `wc` begins with the sum.
    # shellcheck disable=SC2086
    if printf '%65536s' '' > "$answers/room" && : > "$answers/room" && cd "$answers" && sizes=$(wc -c -- *) && set -- ${sizes##*
} && [ "$1" -le "$limit" ]; then
        printf '%s\n\n' "$sizes"
        cat -- *
    fi
}

# Kills the commands that did not end in time, with this shell.
end_late() {
    [ -z "$late" ] || { rm -rf "$answers"; kill -KILL 0; }
}

# Readers do not wait for the cleanup.
close_outputs() {
    exec >&- 2>&-
}
