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
. ./certbot_defaults.sh
. ./certbot_lineage.sh
. ./name_by_http.sh
. ./name_by_dns.sh
export LC_ALL=C
note=$1 certificate=$2 authority=$3 contact=$4 profile=$5 challenges=$6 hook=$7 force=$8 credentials=$9 wait=${10}
shift 10
umask 022

# What certbot's last run wrote into its log. Debian has it append; with a cli.ini of somebody else it begins a new file.
log=/var/log/letsencrypt/letsencrypt.log
logged() {
    [ "$(stat -c %i "$log" 2> /dev/null)" = "${before#* }" ] || before="0 new"
    tail -c "+$((${before% *} + 1))" "$log" 2> /dev/null
}

# The authority's refusal in that. certbot 2.1 fails over some of them, and shows its own error.
refusal() { logged | sed -n 's/^acme\.messages\.Error: //p' | tail -n 1; }

# Whether the authority asked for the token and did not get it: such failures count.
challenged() { logged | grep -q '^Challenge failed\|:Challenge failed'; }

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

defaults=$(certbot_defaults)
if [ -n "$defaults" ]; then
    echo "No order: certbot takes settings of somebody else for every order and renewal of this host: $defaults." \
        "Take them out there, or give them to the certificates that need them" >&2
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

# Of an order that was cut off, by a power cut as well; and of this one, however it ends.
put_back "$certificate"
trap 'put_back "$certificate"' EXIT
trap 'exit 1' HUP INT TERM
mend_lineage "$certificate"

# Of several accounts certbot would ask which one. The one of the certificate stays, otherwise the newest is taken.
accounts=/etc/letsencrypt/accounts/${authority#https://}
account=""
if [ "$(find "$accounts" -mindepth 2 -maxdepth 2 -name regr.json 2> /dev/null | wc -l)" -gt 1 ]; then
    account=$(sed -n 's/^account = //p' "/etc/letsencrypt/renewal/$certificate.conf" 2> /dev/null | head -n 1)
    [ -e "$accounts/${account:-none}/regr.json" ] ||
        account=$(find "$accounts" -mindepth 2 -maxdepth 2 -name regr.json -printf '%T@ %h\n' | sort -rn | sed -n '1s|.*/||p')
fi

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
    --renew-with-new-domains --force-renewal --deploy-hook "$hook" "$@"

# Some failures are none of the order's: Debian's timer may be renewing, and certbot does not wait for itself; an authority may have
# forgotten the account; and it may take no nonce for a while, which certbot tries twice.
tries=0
while
    before=$(stat -c '%s %i' "$log" 2> /dev/null || echo "0 new")
    # Debian's, whatever else is in a path: pip's or snap's would leave what Debian's timer cannot read.
    ! output=$(/usr/bin/certbot "$@" ${account:+--account "$account"} 2>&1)
do
    tries=$((tries + 1))
    case $output$(refusal) in
        *"Another instance of Certbot is already running"*) [ "$tries" -gt 12 ] || { sleep 10 && continue; } ;;
        *:accountDoesNotExist*)
            account=""
            [ ! -e "$accounts" ] || { rm -rf "$accounts" && continue; }
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

sync -f /etc/letsencrypt
