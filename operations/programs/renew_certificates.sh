#!/bin/sh
# Run by certbot.service before certbot itself. Renews the certificates that were ordered here, if they are due, without the settings
# that somebody gave certbot for all of them; certbot itself then has nothing to do for them. And has nginx read one that it could
# not read when it came, such as while a file of another site was broken.
set -eu
. ./durable.sh
. ./uptime.sh
. ./certbot_lineage.sh
. ./certbot_log.sh
. ./certbot_lock.sh
. ./without_defaults.sh
. ./is_served.sh
hook=/usr/local/libexec/deploy-after-renewal failed=0

# Renews one. An authority may take no nonce for a while, which certbot tries twice. $1: name for certbot
renew() {
    wait_for_certbot || return
    drop_half "$1"
    tries=0
    while
        begin_log
        ! said=$(without_defaults /usr/bin/certbot renew --quiet --no-random-sleep-on-renew --max-log-backups 0 --cert-name "$1" 2>&1)
    do
        tries=$((tries + 1))
        case $said$(refusal) in
            *:badNonce* | *"anti-replay nonce"*) [ "$tries" -gt 5 ] || challenged || { sleep 1 && continue; } ;;
        esac
        echo "$said" >&2
        return 1
    done
}

for conf in /etc/letsencrypt/renewal/*.conf; do
    grep -qsxF "renew_hook = $hook" "$conf" || continue
    name=${conf##*/}
    name=${name%.conf}
    renew "$name" || failed=1
    live=/etc/letsencrypt/live/$name
    if grep -rqsF "$live/" /etc/nginx && systemctl is-active --quiet nginx.service && ! is_served "$live/cert.pem" "$(name_in "$live/cert.pem")"; then
        "$hook" || failed=1
    fi
done
exit "$failed"
