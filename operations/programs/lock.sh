# shellcheck shell=sh
# shellcheck disable=SC2034
# The lock of the machine: a file names the sshd process of the run that holds it.
#
#   lock_holder    sets `holder` to the holder of the lock, since when and for which purpose, or to nothing, and `session` to
#                  the process in the file; the file stays locked on descriptor 9, so that nobody takes the lock meanwhile
#   own_session    sets `own` to the sshd process of this connection
#   require_lock   fails unless this run holds the lock: the connection may have broken, and another run may have begun

lock_file=/run/deploy.lock

# Field 22 of /proc/PID/stat is the start of a process (proc(5)). Another process may have the same id by now.
lock_holder() {
    exec 9>> "$lock_file"
    flock 9
    session='' started='' since='' who='' what='' holder=''
    IFS='|' read -r session started since who what < "$lock_file" || true
    switching=$(systemctl list-units --plain --no-legend --state=active,activating,deactivating,reloading \
        --type=service '*-switch.service')
    if [ -n "$started" ] && [ "$(cut -d ' ' -f 22 "/proc/$session/stat" 2> /dev/null)" = "$started" ]; then
        holder="$who since $since ($what)"
    elif [ -n "$switching" ]; then
        # The lock's file is gone after a boot, when the host itself ends what a power cut cut off.
        [ -n "$who" ] || who="the host" since=boot what="the end of what was cut off"
        holder="${switching%% *}, which $who began at $since ($what) and which ends on its own"
    fi
}

# The first process named sshd above this shell. Only builtins of the shell are used, because every run waits for this.
own_session() {
    own=$$
    until read -r comm < "/proc/$own/comm" && [ "${comm#sshd}" != "$comm" ]; do
        parent=0
        while read -r field value; do
            [ "$field" != PPid: ] || parent=$value
        done < "/proc/$own/status"
        own=$parent
        [ "$own" -gt 1 ] || {
            echo "this command did not come over SSH, so nothing could hold the lock" >&2
            exit 1
        }
    done
}

require_lock() {
    own_session
    lock_holder
    [ "$session" = "$own" ] || {
        echo "the lock was broken, and is no longer this run's: nothing was changed" >&2
        exit 1
    }
}
