"""Throwaway Debian machines with a real systemd and sshd, for the tests and for `make sandbox-up`.

`machine.boot()` is what a test uses; `python -m tests.sandbox --help` is what a person uses. Each file has one job:

    requirements   what the computer that runs the machines must have
    image          the root trees machines boot from, built once and cached
    slots          which machines exist: numbers, names and addresses without collisions
    network        the machine's network namespace and its way out
    cgroups        the machine's control groups, and ending everything in them
    disk           the overlay over an image, in memory
    access         the ssh keys and ssh_config by which a machine is reached
    keeper         the process that owns one machine and takes it down when its owner is gone
    machine        the handle: run a command, connect, reboot, snapshot
    checkout       the one machine that belongs to this checkout

Everything needs root. Nothing here runs on a server.
"""
