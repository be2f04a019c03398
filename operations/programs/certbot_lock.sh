# shellcheck shell=sh
# shellcheck disable=SC2154
# Sourced after uptime.sh. One certbot runs at a time, such as Debian's timer, and certbot does not wait for another.
#
#   wait_for_certbot   waits until none runs, for ten minutes at most: a renewal by DNS takes one for each certificate. Fails after
#                      that, with a reason

# A lock of certbot on its directory. It goes with its process; the file may stay.
certbot_runs() {
    [ -e /etc/letsencrypt/.certbot.lock ] && ! /usr/bin/python3 -c 'import fcntl
with open("/etc/letsencrypt/.certbot.lock", "r+b") as lock:
    fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)' 2> /dev/null
}

wait_for_certbot() {
    read_uptime
    # For all waits of a program together.
    patience_ends=${patience_ends:-$((uptime + 600))}
    if certbot_runs; then echo "Waiting until another certbot is done"; fi
    while [ "$uptime" -lt "$patience_ends" ]; do
        certbot_runs || return 0
        sleep 2
        read_uptime
    done
    echo "Another certbot has been running for ten minutes: systemctl status certbot.service, or pgrep -a certbot, says which. Apply" \
        "again when it is done" >&2
    return 1
}
