#!/bin/sh
# Run by certbot when it has a new certificate: has the next renewal come when a third of the lifetime is left, and has nginx read
# the certificate. Debian's certbots renew 30 days before the end, whatever the lifetime: of a certificate of 6 days that is always.
# Debian's timer may let a whole day pass, so that a third of 6 days would be two tries: half of a lifetime below ten days is left.
#
# RENEWED_LINEAGE: directory of the certificate, from certbot
set -eu
. ./durable.sh
if [ -n "${RENEWED_LINEAGE:-}" ]; then
    dates=$(LC_ALL=C openssl x509 -noout -startdate -enddate -in "$RENEWED_LINEAGE/cert.pem")
    begin=$(date -d "$(echo "$dates" | sed -n 's/^notBefore=//p')" +%s)
    end=$(date -d "$(echo "$dates" | sed -n 's/^notAfter=//p')" +%s)
    conf=$(dirname "$RENEWED_LINEAGE")/../renewal/$(basename "$RENEWED_LINEAGE").conf
    lifetime=$((end - begin)) part=3
    [ "$lifetime" -ge 864000 ] || part=2
    { echo "renew_before_expiry = $((lifetime / part)) seconds" && sed '/^renew_before_expiry/d' "$conf"; } > "$conf.new"
    replace "$conf.new" "$conf"
fi
. ./reload_nginx.sh
