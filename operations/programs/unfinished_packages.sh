#!/bin/sh
# Prints the open work of an interrupted dpkg: packages to configure, and dpkg's own notes.
# shellcheck disable=SC2016
dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' |
    grep -E '^(unpacked|half-configured|triggers-awaited|triggers-pending) '
ls /var/lib/dpkg/updates
