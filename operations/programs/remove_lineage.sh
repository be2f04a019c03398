#!/bin/sh
# Removes a certificate of certbot and its renewal.
#
# $1: name of the certificate for certbot
set -eu
. ./uptime.sh
. ./certbot_lock.sh
. ./without_defaults.sh
export LC_ALL=C
wait_for_certbot
without_defaults /usr/bin/certbot delete --non-interactive --max-log-backups 0 --cert-name "$1"
