#!/bin/sh
# Prints what certbot and the last order say of a certificate, one item a line: a word and a value.
#
# $1: certbot's file about its renewal, $2: note about the last order if it failed, $3: name of the certificate for certbot
sed -n 's/^server = /server /p; s/^\(preferred\|required\)_profile = \(.*\)/profile \2/p; s/^renew_hook = /hook /p
    s/^authenticator = /way /p; s/^webroot_path = \(.*\),$/place \1/p; s/^dns_rfc2136_credentials = /place /p
    s/^dns_rfc2136_propagation_seconds = /wait /p; s/^autorenew = /autorenew /p
    s/^key_type = /key /p' "$1" 2> /dev/null

# Everything else there is somebody's: a key of another kind, hooks, a chain, a place for one of the names.
[ ! -e "$1" ] || awk -F ' = ' '
    /^\[/ { part = $0; next }
    NF < 2 || /^#/ { next }
    part == "[renewalparams]" && $1 == "webroot_path" { place = $2; sub(/,$/, "", place) }
    part == "[renewalparams]" && $1 !~ /^(account|authenticator|autorenew|key_type|renew_hook|server|webroot_path|version)$/ &&
        $1 !~ /^((required|preferred)_profile|dns_rfc2136_(credentials|propagation_seconds))$/ { others = others sep $1; sep = ", " }
    part == "[[webroot_map]]" && $2 != place { others = others sep "webroot_map"; sep = ", "; place = $2 }
    END { if (others) print "others " others }' "$1"

account=$(sed -n 's/^account = //p' "$1" 2> /dev/null)
authority=$(sed -n 's/^server = //p' "$1" 2> /dev/null)
[ -z "$account" ] || [ -e "/etc/letsencrypt/accounts/${authority#https://}/$account/private_key.json" ] || echo "account gone"
date '+clock %s'
[ ! -e "$2" ] || echo "failed $(date -u -r "$2" '+%Y-%m-%d %H:%M UTC'): $(head -c 1000 "$2" | head -n 1)"

# The last run of certbot's timer. A run without an error ends all earlier ones, and so does an order after it.
[ "$(systemctl show --property Result --value certbot.service 2> /dev/null)" = exit-code ] || exit 0
run=$(systemctl show --property InvocationID --value certbot.service)
[ "$run" != "$(cat "$2.before" 2> /dev/null)" ] || exit 0
said=$(journalctl --no-pager --output cat "_SYSTEMD_INVOCATION_ID=$run" 2> /dev/null |
    sed -n "s/^Failed to renew certificate $3 with error: //p" | tail -n 1)
# certbot keeps the authority's own words to its log.
detail=$(grep -h '^ *Detail:' /var/log/letsencrypt/letsencrypt.log 2> /dev/null | tail -n 1 | sed 's/^ *Detail: *//')
case $said in
    "") ;;
    "Some challenges have failed."*) echo "renewal $said $detail" | cut -c 1-1000 ;;
    *) echo "renewal $said" | cut -c 1-1000 ;;
esac
