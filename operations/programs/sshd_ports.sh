#!/bin/sh
# Prints the ports that sshd serves, each once: those it is configured for, those it listens on, and those of its connections.
{
    /usr/sbin/sshd -T 2>/dev/null | sed -n 's/^port \([0-9]*\)$/\1/p'
    # The process of a connection is called sshd-session since OpenSSH 9.8. ssh.socket of systemd listens in sshd's place.
    ss --no-header --all --tcp --numeric --processes 2>/dev/null |
        sed -n 's/^[^ ]* *[^ ]* *[^ ]* *[^ ]*:\([0-9]*\) .*users:(("sshd.*/\1/p'
} | sort -u
