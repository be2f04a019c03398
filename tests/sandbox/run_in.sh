#!/bin/sh
# Runs a command in a throwaway copy of a root tree. The tree's own /mnt is the mount point: no directory of the host is covered,
# and an overlay does not see mounts on its lower tree.
#
# $1: the root tree, $2: the command, then three arguments for each bind: path on the host, path inside, ro or rw
set -eu
tree=$1 command=$2
shift 2
mount -t tmpfs -o mode=0755 tmpfs "$tree/mnt"
cd "$tree/mnt"
mkdir upper work root
mount -t overlay -o "lowerdir=$tree,upperdir=upper,workdir=work" overlay root
mount -t proc proc root/proc
mount --rbind /dev root/dev
while [ $# -gt 0 ]; do
    if [ -d "$1" ]; then
        mkdir -p "root$2"
    else
        mkdir -p "root${2%/*}"
        : > "root$2"
    fi
    mount --bind "$1" "root$2"
    mount -o "remount,bind,$3" "root$2"
    shift 3
done
chroot root ip link set lo up
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 chroot root sh -c "$command"
