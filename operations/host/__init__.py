"""Tools for every concern: the lock, systemd, directories, templates, and programs on the host."""
