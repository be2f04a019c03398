"""Throwaway Debian machines with a real systemd and sshd, for the tests and for `make sandbox-up`.

Tests call `machine.boot()`; people call `python -m tests.sandbox --help`. Each file has one job:

    requirements   requirements of the computer that runs the machines
    image          the machines' root trees, built once and cached
    slots          the list of machines: numbers, names and addresses without collisions
    network        the machine's network namespace and its way out
    cgroups        the machine's control groups, and ending everything in them
    disk           the overlay over an image, in memory
    access         the ssh keys and ssh_config of a machine
    keeper         the process that owns one machine and takes it down when its owner is gone
    machine        the handle: run a command, connect, reboot, snapshot
    checkout       the one machine that belongs to this checkout

Everything needs root. Nothing here runs on a server.
"""
