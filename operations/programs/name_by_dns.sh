# shellcheck shell=sh
# shellcheck disable=SC2154
# Sourced after uptime.sh. Whether an authority would find a record that this host writes into DNS.
#
#   unreachable_by_dns FILE SECONDS NAME…   writes a record for each name, as certbot will, asks all name servers of its zone for it
#                                           until the time is over, takes it back, and prints every reason for which an authority
#                                           would not get it. FILE: certbot's, with server and key

# A value in certbot's file.
setting() { sed -n "s/^dns_rfc2136_$1 = //p" "$credentials"; }

# Sends an update. The key goes over standard input: no list of arguments shows it. $1: what to do, such as `update add …`
send() {
    printf '%s\n' "server $(setting server) $(setting port)" \
        "key $(setting algorithm | tr '[:upper:]' '[:lower:]'):$(setting name) $(setting secret)" "$1" send |
        nsupdate -v -t 10 2>&1
}

# Why an update failed, from the words of nsupdate.
refusal_of() {
    server="the name server $(setting server), port $(setting port)"
    case $1 in
        *BADKEY*) echo "$server does not know the key $(setting name) with $(setting algorithm)" ;;
        *BADSIG* | *"bad base64"*) echo "$server has another secret for the key $(setting name): acme_dns_secret is wrong" ;;
        *BADTIME*) echo "$server has another time than this machine: one of the two clocks is wrong" ;;
        *NOTAUTH* | *NOTZONE* | *"enclosing zone"*) echo "$server has no zone for it that it takes updates of" ;;
        *REFUSED*) echo "$server does not let the key $(setting name) write it" ;;
        *refused* | *canceled* | *"could not reach"* | *"timed out"* | *unreachable*) echo "$server does not answer by TCP" ;;
        *) echo "$server says: $(echo "$1" | tr '\n' ' ' | tr -d '\000-\037' | cut -c 1-300)" ;;
    esac
}

# The zone of a name, as the world knows it. Some resolvers leave out the section that says so for a name without such a record; then
# the names above are asked, one by one.
zone_of() {
    above=$1
    while :; do
        case $above in *.*) ;; *) return ;; esac
        zone=$(dig +noall +answer +authority +time=5 "$above" SOA 2> /dev/null | awk '$4 == "SOA" { print $1; exit }')
        [ -z "$zone" ] || break
        above=${above#*.}
    done
    echo "$zone"
}

# The name servers of a name's zone: a name and an address a line.
name_servers() {
    zone=$(zone_of "$1")
    [ -n "$zone" ] || return 0
    for server in $(dig +short +time=5 "$zone" NS 2> /dev/null | grep '\.$'); do
        for kind in A AAAA; do
            dig +short +time=5 "$server" "$kind" 2> /dev/null | grep -v '\.$' | sed "s/^/${server%.} /"
        done
    done
}

# Whether an answer of dig has the token.
has_token() { grep -q "$token"; }

# Prints why an authority would not get a record. Into the file `apart` goes why this machine cannot tell: it has no route to the zone's
# name servers, or a firewall lets out no question but those to its resolver. $1: record
missing() {
    : > "$apart"
    routes=0 silent=''
    while read -r server address; do
        # A machine with IPv4 alone reaches no name server by IPv6, and the other way round.
        ip route get "$address" > /dev/null 2>&1 || continue
        routes=$((routes + 1))
        if said=$(dig +short +norecurse +time=3 +tries=1 "@$address" "$1" TXT 2> /dev/null < /dev/null); then
            echo "$said" | has_token || echo "the name server $server ($address) of its zone does not have it"
        else
            silent="${silent}the name server $server ($address) of its zone does not answer
"
        fi
    done < "$servers"
    if [ ! -s "$servers" ]; then
        echo "knows no name server of its zone" > "$apart"
    elif [ "$routes" -eq 0 ]; then
        echo "no name server of its zone has an address that this machine has a route to" > "$apart"
    elif [ "$(printf %s "$silent" | wc -l)" -eq "$routes" ]; then
        echo "the name servers of its zone do not answer this machine itself" > "$apart"
    fi
    if [ -s "$apart" ]; then cat "$apart"; else printf %s "$silent"; fi
}

# Tries one record. $1: record
try() {
    if ! said=$(send "update add $1. 60 TXT $token"); then
        echo "the record $1 cannot be written: $(refusal_of "$said")"
        return 1
    fi
    name_servers "$1" > "$servers"
    read_uptime
    deadline=$((uptime + patience))
    while why=$(missing "$1") && [ -n "$why" ] && [ "$uptime" -lt "$deadline" ]; do
        sleep 1
        read_uptime
    done
    # The resolver asks in place of this machine; once, as it keeps an answer, also that there is none.
    if [ -s "$apart" ]; then
        why="this machine's resolver does not find it, and $why"
        ! dig +short +time=5 +tries=1 "$1" TXT 2> /dev/null < /dev/null | has_token || why=''
    fi
    send "update delete $1. TXT $token" > /dev/null || true
    [ -n "$why" ] || return 0
    echo "$why" | sed "s/^/the record $1 was written, and $patience seconds later /"
    return 1
}

unreachable_by_dns() {
    credentials=$1 patience=$2
    shift 2
    token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    servers=$(mktemp) apart=$(mktemp)
    # A wildcard has the record of the name below which it is.
    for record in $(printf '_acme-challenge.%s\n' "$@" | sed 's/\.\*\././' | sort -u); do
        # The next ones are most likely of the same zone.
        try "$record" || break
    done
    rm -f "$servers" "$apart"
}
