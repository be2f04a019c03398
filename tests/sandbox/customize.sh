#!/bin/sh
# Makes a minimal Debian the machine that a provider hands over, with the user devops, who may sudo.
#
# $1: the root tree
set -eu
chroot "$1" useradd --uid 1000 --create-home --shell /bin/bash devops
echo 'devops ALL=(ALL) NOPASSWD:ALL' > "$1/etc/sudoers.d/devops"
chmod 0440 "$1/etc/sudoers.d/devops"
printf '%s\n' 'PermitRootLogin no' 'PasswordAuthentication no' > "$1/etc/ssh/sshd_config.d/sandbox.conf"
echo 'LANG=C.UTF-8' > "$1/etc/default/locale"
mkdir -p "$1/var/log/journal"
rm -f "$1"/etc/ssh/ssh_host_*
