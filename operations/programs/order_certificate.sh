#!/bin/sh
# Orders a certificate by certbot, which renews it from then on. Before that it fetches a token by each name, as the authority
# will: authorities count failed orders. A failed order is noted with its reason, and not repeated within an hour.
#
# $1: file for the note: the reason, and when, $2: name of the certificate for certbot, $3: directory of the authority, $4: mail address or nothing,
# $5: profile or nothing, $6: directory for answers, $7: command after each renewal, $8: 1 to order in any case; the rest: names
set -eu
. ./durable.sh
. ./uptime.sh
export LC_ALL=C
note=$1 certificate=$2 authority=$3 contact=$4 profile=$5 challenges=$6 hook=$7 force=$8
shift 8
umask 022

# The addresses of a name, by DNS: the file of hosts may say something else than the world hears.
addresses() {
    found=$(getent -s dns ahosts "$1") || found=$(getent ahosts "$1") || return 1
    echo "$found" | awk '!seen[$1]++ { print $1 }'
}

# Fetches the token from one address of a name.
fetch() {
    case $2 in *:*) at="[$2]" ;; *) at=$2 ;; esac
    answer=$(curl --disable --silent --insecure --location --max-redirs 5 --noproxy '*' --max-time 10 --max-filesize 4096 \
        --resolve "$1:80:$at" --resolve "$1:443:$at" "http://$1/.well-known/acme-challenge/$token") && code=0 || code=$?
    case $code in
        7) echo "$1 leads to $2, and port 80 there refuses connections: a firewall, a provider's rule, or a wrong DNS record" ;;
        28) echo "$1 leads to $2, and port 80 there does not answer within 10 seconds: a firewall, or a wrong DNS record" ;;
        0 | 18 | 47 | 52 | 56 | 63)
            [ "$answer" != "$token" ] || return 0
            echo "$1 leads to $2, and another server than this machine answers there at port 80: a wrong DNS record, or a balancer" \
                "that does not pass on /.well-known/acme-challenge/"
            ;;
        *) echo "$1 leads to $2, and curl fails there with exit code $code" ;;
    esac
    return 1
}

# Prints every name that an authority would not find here, with the reason.
unreachable() {
    for name; do
        if found=$(addresses "$name"); then
            for address in $found; do fetch "$name" "$address" || true; done
        else
            echo "$name is not known to DNS"
        fi
    done
}

# What certbot's last run wrote into its log, which Debian has it append to.
logged() { tail -c "+$((before + 1))" /var/log/letsencrypt/letsencrypt.log 2> /dev/null; }

# The authority's refusal in that. certbot 2.1 fails over some of them, and shows its own error.
refusal() { logged | sed -n 's/^acme\.messages\.Error: //p' | tail -n 1; }

# Whether the authority asked for the token and did not get it: such failures count.
challenged() { logged | grep -q '^Challenge failed\|:Challenge failed'; }

# The reason in certbot's words, in one line.
reason() {
    said=$({ echo "$1" && { ! challenged || logged; }; } |
        awk '/^ *Domain:/ { name = $2 } /^ *Detail:/ { sub(/^ *Detail: */, ""); print name ": " $0 }' | sort -u)
    [ -n "$said" ] || said=$(refusal)
    [ -n "$said" ] || said=$(echo "$1" | sed -n '/^An unexpected error occurred:/,$p' | sed '1d; /^Ask for help/,$d')
    [ -n "$said" ] || said=$(echo "$1" | sed -E '/^(Saving debug log|Requesting|Renewing|Ask for help|See the logfile|$)/d')
    echo "$said" | tr '\n\t' '; ' | tr -d '\000-\037' | cut -c 1-1000 | sed 's/; *$//'
}

# Whether the last order failed within an hour, by the clock that nobody sets.
failed_within_an_hour() {
    when=$(sed -n 2p "$note" 2> /dev/null)
    read_uptime
    [ "${when#* }" = "$(cat /proc/sys/kernel/random/boot_id)" ] && [ "$((uptime - ${when%% *}))" -lt 3600 ]
}

if [ "$force" != 1 ] && failed_within_an_hour; then
    echo "No order: the one before failed less than an hour ago, and authorities count failures. $(head -n 1 "$note"). Mend that, and" \
        "apply again later, or at once with FORCE=1" >&2
    exit 1
fi

mkdir -p "$challenges/.well-known/acme-challenge"
token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
trap 'rm -f "$challenges/.well-known/acme-challenge/$token"' EXIT
echo "$token" > "$challenges/.well-known/acme-challenge/$token"
wrong=$(unreachable "$@")
if [ -n "$wrong" ] && [ "$force" != 1 ]; then
    echo "No order, because it would fail: $(echo "$wrong" | tr '\n' ';' | sed 's/;$//; s/;/; /g'). If the world reaches this machine" \
        "and only it does not reach itself by that address, FORCE=1 orders all the same" >&2
    exit 1
fi

# What an order left that was cut off: certbot would choose another name beside it.
if [ ! -s "/etc/letsencrypt/renewal/$certificate.conf" ] || [ ! -e "/etc/letsencrypt/live/$certificate/fullchain.pem" ]; then
    rm -rf "/etc/letsencrypt/renewal/$certificate.conf" "/etc/letsencrypt/live/$certificate" \
        "/etc/letsencrypt/archive/$certificate"
fi

for name; do
    shift
    set -- "$@" --domain "$name"
done
[ -z "$profile" ] || set -- "$@" --required-profile "$profile"
if [ -n "$contact" ]; then set -- "$@" --email "$contact"; else set -- "$@" --register-unsafely-without-email; fi
set -- certonly --non-interactive --agree-tos --webroot --webroot-path "$challenges" --cert-name "$certificate" \
    --server "$authority" --key-type ecdsa --renew-with-new-domains --force-renewal --deploy-hook "$hook" "$@"

# Some failures are none of the order's: Debian's timer may be renewing, and certbot does not wait for itself; an authority may have
# forgotten the account; and it may take no nonce for a while, which certbot tries twice.
tries=0
while
    before=$(stat -c %s /var/log/letsencrypt/letsencrypt.log 2> /dev/null || echo 0)
    ! output=$(certbot "$@" 2>&1)
do
    tries=$((tries + 1))
    case $output$(refusal) in
        *"Another instance of Certbot is already running"*) [ "$tries" -gt 12 ] || { sleep 10 && continue; } ;;
        *:accountDoesNotExist*)
            account=/etc/letsencrypt/accounts/${authority#https://}
            [ ! -e "$account" ] || { rm -rf "$account" && continue; }
            ;;
        *:badNonce*) [ "$tries" -gt 5 ] || challenged || { sleep 1 && continue; } ;;
    esac
    why=$(reason "$output")
    read_uptime
    printf '%s\n' "${why:-certbot says nothing}" "$uptime $(cat /proc/sys/kernel/random/boot_id)" > "$note.new"
    replace "$note.new" "$note"
    echo "The authority $authority gave no certificate: ${why:-certbot says nothing}" >&2
    exit 1
done
rm -f "$note"

sync -f /etc/letsencrypt
