#!/bin/sh
# Orders a certificate by certbot, which renews it from then on. Before that it proves each name as the authority will, by a page at
# port 80 or by a record in DNS: authorities count failed orders. A failed order is noted with its reason, and not repeated within
# an hour.
#
# $1: file for the note: the reason, and when, $2: name of the certificate for certbot, $3: directory of the authority, $4: mail
# address or nothing, $5: profile or nothing, $6: directory for answers at port 80, $7: command after each renewal, $8: 1 to order in
# any case, $9: certbot's file with name server and key, or nothing for port 80, $10: seconds until the record is everywhere; the rest:
# names
set -eu
. ./durable.sh
. ./uptime.sh
. ./without_defaults.sh
. ./certbot_lineage.sh
. ./certbot_log.sh
. ./certbot_lock.sh
. ./name_by_http.sh
. ./name_by_dns.sh
export LC_ALL=C
note=$1 certificate=$2 authority=$3 contact=$4 profile=$5 challenges=$6 hook=$7 force=$8 credentials=$9 wait=${10}
shift 10
umask 022

# The reason in certbot's words, in one line.
reason() {
    said=$({ echo "$1" && { ! challenged || logged; }; } |
        awk '/^ *Domain:/ { name = $2 } /^ *Detail:/ { sub(/^ *Detail: */, ""); print name ": " $0 }' | sort -u)
    [ -n "$said" ] || said=$(refusal)
    [ -n "$said" ] || said=$(echo "$1" | sed -n 's/^certbot: error: //p')
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

# snap's instructions put a link there. snap's certbot has no plugin of Debian's, and Debian's timer would start it.
if [ -L /usr/bin/certbot ]; then
    echo "No order: /usr/bin/certbot is a link to $(readlink /usr/bin/certbot), and certificates here are Debian's certbot's: remove the" \
        "link, then: apt-get install --reinstall certbot" >&2
    exit 1
fi

# The first certbot of Debian 13 asks for a profile once, and renews without it (Debian's 4.0.0-2+deb13u1 mended that).
if [ -n "$profile" ] && ! grep -qs required_profile /usr/lib/python3/dist-packages/certbot/_internal/renewal.py; then
    echo "No order: this host's certbot forgets the profile $profile at the first renewal: apt-get update, then apt-get install" \
        "--only-upgrade certbot python3-certbot" >&2
    exit 1
fi

# Without room for the note nobody would know of the failure, and the next apply would order again.
if ! printf '%1000s\n' '' > "$note.new"; then
    rm -f "$note.new"
    echo "No order: $note.new could not be written, for the reason above: make room there" >&2
    exit 1
fi
# certbot asks the authority first, and then finds that it cannot write.
room=/etc/letsencrypt/.room
if [ -d /etc/letsencrypt ] && ! printf '%100000s\n' '' > "$room"; then
    rm -f "$note.new" "$room"
    echo "No order: $room could not be written, for the reason above: make room there" >&2
    exit 1
fi
rm -f "$room"

if [ "$force" != 1 ]; then
    if [ -n "$credentials" ]; then
        wrong=$(unreachable_by_dns "$credentials" "$wait" "$@")
    else
        wrong=$(unreachable_by_http "$challenges" "$@")
    fi
    if [ -n "$wrong" ]; then
        rm -f "$note.new"
        echo "No order, because it would fail: $(echo "$wrong" | tr '\n' ';' | sed 's/;$//; s/;/; /g'). If the world sees something" \
            "else than this machine, FORCE=1 orders all the same" >&2
        exit 1
    fi
fi

# What another certbot is writing would look broken. Its lock is no failure of the order, so there is no note.
if ! wait_for_certbot; then
    rm -f "$note.new"
    exit 1
fi

# Of an order that was cut off, by a power cut as well; and of this one, however it ends.
put_back "$certificate"
trap 'put_back "$certificate"; drop_half "$certificate"' EXIT
trap 'exit 1' HUP INT TERM
drop_half "$certificate"
mend_lineage "$certificate"

# Of several accounts certbot would ask which one. The one of the certificate stays, otherwise the newest is taken.
accounts=/etc/letsencrypt/accounts/${authority#https://}
account=""
if [ "$(find "$accounts" -mindepth 2 -maxdepth 2 -name regr.json 2> /dev/null | wc -l)" -gt 1 ]; then
    account=$(sed -n 's/^account = //p' "/etc/letsencrypt/renewal/$certificate.conf" 2> /dev/null | head -n 1)
    [ -e "$accounts/${account:-none}/regr.json" ] ||
        account=$(find "$accounts" -mindepth 2 -maxdepth 2 -name regr.json -printf '%T@ %h\n' | sort -rn | sed -n '1s|.*/||p')
fi

# Takes the account out of certbot's sight, so that it makes another. Other certificates may have accounts of their own there, and
# somebody may want the key.
lay_account_aside() {
    : "${account:=$(find "$accounts" -mindepth 2 -maxdepth 2 -name regr.json -printf '%h\n' 2> /dev/null | sed -n '1s|.*/||p')}"
    [ -n "$account" ] || return
    mkdir -p /etc/letsencrypt/accounts.before
    chmod 700 /etc/letsencrypt/accounts.before
    replace "$accounts/$account" "/etc/letsencrypt/accounts.before/$account-$(date +%Y%m%d%H%M%S)"
    account=""
}

for name; do
    shift
    set -- "$@" --domain "$name"
done
[ -z "$profile" ] || set -- "$@" --required-profile "$profile"
if [ -n "$contact" ]; then set -- "$@" --email "$contact"; else set -- "$@" --register-unsafely-without-email; fi
if [ -n "$credentials" ]; then
    set -- --dns-rfc2136 --dns-rfc2136-credentials "$credentials" --dns-rfc2136-propagation-seconds "$wait" "$@"
else
    set -- --webroot --webroot-path "$challenges" "$@"
fi
set -- certonly --non-interactive --agree-tos --cert-name "$certificate" --server "$authority" --key-type ecdsa \
    --renew-with-new-domains --force-renewal --max-log-backups 0 --deploy-hook "$hook" "$@"

# Some failures are none of the order's: Debian's timer may be renewing; the account may be none of the authority's any more; and the
# authority may take no nonce for a while, which certbot tries twice.
tries=0
while
    begin_log
    # Debian's, whatever else is in a path: pip's or snap's would leave what Debian's timer cannot read.
    ! output=$(without_defaults /usr/bin/certbot "$@" ${account:+--account "$account"} 2>&1)
do
    tries=$((tries + 1))
    case $output$(refusal) in
        *"Another instance of Certbot is already running"*)
            sleep 1
            if wait_for_certbot; then continue; fi
            rm -f "$note.new"
            exit 1
            ;;
        *:accountDoesNotExist* | *"ccount has been deactivated"* | *"ccount is not valid"*)
            if [ "$tries" -eq 1 ] && lay_account_aside; then continue; fi
            ;;
        *:badNonce* | *"anti-replay nonce"*) [ "$tries" -gt 5 ] || challenged || { sleep 1 && continue; } ;;
    esac
    why=$(reason "$output")
    read_uptime
    echo "The authority $authority gave no certificate: ${why:-certbot says nothing}" >&2
    printf '%s\n' "${why:-certbot says nothing}" "$uptime $(cat /proc/sys/kernel/random/boot_id)" > "$note.new"
    replace "$note.new" "$note"
    exit 1
done
rm -f "$note" "$note.new"

# A renewal that failed before this order does not matter any more.
systemctl show --property InvocationID --value certbot.service > "$note.before.new"
replace "$note.before.new" "$note.before"

sync -f /etc/letsencrypt
