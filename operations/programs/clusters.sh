#!/bin/sh
# Prints what keeps an application from the cluster of PostgreSQL that it is to have: a word and its details, with tabs between.
# Nothing if all is well, if PostgreSQL is not installed, or if it has no cluster yet.
#
#   cluster OTHERS         no cluster has the port; the others, as version/name at port
#   sockets VERSION/NAME   it takes no connections at 127.0.0.1
#   login VERSION/NAME WORDS   it does not let its user postgres in by the socket
#
# $1: the port
command -v pg_lsclusters > /dev/null || exit 0
clusters=$(pg_lsclusters --no-header | awk '{ print $1 "/" $2, $3, $4 }')
[ -n "$clusters" ] || exit 0
# Of two at one port only one can run.
cluster=$(echo "$clusters" | awk -v port="$1" '$2 == port { if (!found || $3 ~ /^online/) found = $1 } END { print found }')
if [ -z "$cluster" ]; then
    printf 'cluster\t%s\n' "$(echo "$clusters" | awk '{ printf "%s%s at port %s (%s)", separator, $1, $2, $3; separator = ", " }')"
    exit
fi
# One that is down is another matter: apply starts it.
echo "$clusters" | awk -v port="$1" '$2 == port && $3 ~ /^online/ { up = 1 } END { exit !up }' || exit 0
# Without ss nobody can tell.
if listening=$(ss --no-header --listening --tcp --numeric "sport = :$1" 2> /dev/null); then
    echo "$listening" | awk '{ print $4 }' | grep -qE '^(127\.0\.0\.1|0\.0\.0\.0|\*|\[::\]):' || printf 'sockets\t%s\n' "$cluster"
fi
cd /
said=$(PGCONNECT_TIMEOUT=5 runuser -u postgres -- psql --no-psqlrc --no-password --quiet --port "$1" --dbname postgres --command "" 2>&1) ||
    # Those that end by themselves.
    case $said in
        *"starting up"* | *"too many clients"* | *"connection slots"*) ;;
        *) printf 'login\t%s\t%s\n' "$cluster" "$(echo "$said" | tail -n 1 | tr -s '[:cntrl:] ' ' ' | cut -c -300)" ;;
    esac
exit 0
