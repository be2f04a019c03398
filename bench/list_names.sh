#!/bin/sh
# Prints users with their groups and whether they have a password, packages, units, and addresses that something listens at, with a
# tab after the name.
#
# Arguments: names of packages

for user in billing postgres; do
    printf 'user %s\t' "$user"
    echo "$(getent passwd "$user") $(id -nG "$user") $(passwd -S "$user" | cut -d ' ' -f 2)"
done
getent group | grep ^billing | sed -E 's/^([^:]*)/group \1\t&/'
# shellcheck disable=SC2016
dpkg-query --show --showformat 'package ${Package}\t${db:Status-Status} ${Version}\n' "$@"
systemctl list-units --all --plain --no-legend nginx.service postgresql.service 'postgresql@*.service' epmd.socket \
    billing_stage.service systemd-journald.service | cut -d ' ' -f 1 | while read -r unit; do
    printf 'unit %s\t' "$unit"
    systemctl show --property LoadState,ActiveState,UnitFileState,NeedDaemonReload,DropInPaths "$unit" | tr '\n' ' '
    echo
done
printf 'enabled billing_stage.service\t%s\n' "$(systemctl is-enabled billing_stage.service)"
ss --no-header --listening --tcp --numeric | awk '{ print "listening " $4 "\tyes" }'
