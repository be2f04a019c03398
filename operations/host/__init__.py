"""What every concern uses: the lock, systemd, directories, rendering, and running a program."""
