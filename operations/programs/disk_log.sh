#!/bin/sh
# Managed by the deploy repository: changes here are overwritten.
#
# Notes how full the machine's file systems are; deploy-disk-log.timer runs it every hour. From these notes status and doctor tell
# when a disk will be full (disk_forecast.sh). A line is: seconds since 1970, KiB used, KiB free, mount point. Lines of two weeks
# are kept: about 60 kB.
#
# $1: the log
set -eu
export LC_ALL=C
. ./durable.sh
now=$(date +%s)
{
    # Of another clock are lines from the future.
    [ ! -f "$1" ] || awk -v now="$now" 'NF >= 4 && $1 > now - 14 * 86400 && $1 <= now' "$1"
    df --local --output=fstype,used,avail,target | awk -v now="$now" '
        $4 == "/" || $1 !~ /^(Type|tmpfs|devtmpfs|overlay|squashfs|iso9660|efivarfs|ramfs)$/ { $1 = now; print }'
} > "$1.new"
replace "$1.new" "$1"
