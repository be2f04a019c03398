#!/bin/bash
# Prints everything on the machine that keeps an application from running, or its answer from visitors: one obstacle a line,
# a word and its details, with tabs between. Changes nothing.
#
# $1: unit, $2: its port, $3: port of nginx, $4: port of its port mapper, $5: port of PostgreSQL on this machine, or nothing,
# $6: port of its stand-in, or nothing, the rest: directories in which the environment writes
unit=$1 port=$2 site_port=$3 epmd_port=$4 database_port=$5 standin_port=$6
shift 6

# One line without control characters, whatever a program says.
told() { tr -s '[:cntrl:] ' ' ' | cut -c -300 | sed 's/ $//'; }

obstacle() {
    local IFS=$'\t'
    printf '%s\n' "$*"
}

nginx_obstacles() {
    local state said
    command -v nginx > /dev/null || return 0
    state=$(systemctl show --property ActiveState --value nginx.service)
    # While it reloads, as after a renewal of a certificate, it answers all the same.
    [[ $state = active || $state = reloading ]] || obstacle nginx "$state"
    said=$(nginx -t -q 2>&1) || obstacle configuration "$(grep -m 1 -F '[emerg]' <<< "$said" | sed 's/.*\[emerg\] \([0-9]*#[0-9]*: \)\{0,1\}//' | told)"
}

# Apply brought them with their packages. Without one of them a question has no answer, which is no good news.
program_obstacles() {
    local name package
    command -v nginx > /dev/null || return 0
    while read -r name package; do
        command -v "$name" > /dev/null || obstacle program "$name" "$package"
    done <<< $'curl curl\nip iproute2\nss iproute2\nnft nftables\nopenssl openssl'
}

# 1 MiB and 64 inodes: less than any step needs.
disk_obstacles() {
    local directory target options free inodes total wanted
    for directory; do
        wanted=$directory
        until [ -e "$directory" ]; do directory=${directory%/*} directory=${directory:-/}; done
        read -r target options < <(findmnt --noheadings --raw --output TARGET,OPTIONS --target "$directory")
        [[ ",$options," != *,ro,* ]] || obstacle read-only "$target"
        # Of releases and builds. What is written elsewhere is not executed.
        [[ ",$options," != *,noexec,* || $wanted != /home/* && $wanted != *-build ]] || obstacle noexec "$target"
        read -r free inodes total < <(df --block-size=1 --output=avail,iavail,itotal "$directory" | tail -n 1)
        if [ "${free:-0}" -lt 1048576 ]; then
            obstacle full "$target" space
        elif [[ $total =~ ^[1-9] && $inodes =~ ^[0-9]+$ ]] && [ "$inodes" -lt 64 ]; then
            obstacle full "$target" inodes
        fi
    done | sort -u
}

# Why a cluster does not run, from its log. A line about a client has its name before the level, and says nothing of that.
last_words() {
    tail -n 100 "$1" 2> /dev/null | grep -aE '\] (LOG|FATAL|PANIC):' | tail -n 10 |
        awk '{ last = $0 } /\] (FATAL|PANIC):/ { reason = $0 } END { print (reason ? reason : last) }'
}

database_obstacles() {
    local version name port state log said
    [ -n "$database_port" ] && command -v pg_lsclusters > /dev/null || return 0
    while read -r version name port state _ _ log; do
        [ "$port" = "$database_port" ] || continue
        case $state in
            online | online,recovery) ;;
            *) obstacle postgresql "$version/$name" "$(last_words "$log" | told)" ;;
        esac
        state=found
        break
    done < <(pg_lsclusters --no-header)
    [ "${state:-}" = found ] || obstacle cluster "$database_port" "$(pg_lsclusters --no-header | awk '{ print $3 }' | xargs)"
    said=$(PGCONNECT_TIMEOUT=5 setpriv --reuid postgres --regid postgres --init-groups psql --no-psqlrc --tuples-only --no-align \
        --port "$database_port" --dbname postgres --command "
            SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                - coalesce(current_setting('reserved_connections', true)::int, 0) - count(*)
            FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()" 2>&1) ||
        [[ $said != *'too many clients'* && $said != *'connection slots'* ]] || said=0
    # The application needs a few, and its migrations one more.
    [[ ! $said =~ ^-?[0-9]+$ || $said -ge 3 ]] || obstacle connections "$said"
}

# A port that refuses says so at once. One that says nothing is closed by a rule of a firewall.
loopback_obstacles() {
    local each
    for each in "$port" "$site_port" "$epmd_port"; do
        {
            timeout 2 bash -c ": < /dev/tcp/127.0.0.1/$each"
            [ $? -ne 124 ] || obstacle loopback "$each"
        } 2> /dev/null &
    done
    wait
}

# Listeners at a port that are not those of its unit. $1: the port, $2: its unit
port_obstacles() {
    local process address program
    # As ss writes it: LISTEN 0 511 127.0.0.1:4001 0.0.0.0:* users:(("nginx",pid=7,fd=5),("nginx",pid=6,fd=5))
    ss --no-header --listening --tcp --numeric --processes "sport = :$1" |
        sed -n 's/^[^ ]* *[^ ]* *[^ ]* *\([^ ]*\) .*users:(("\([^"]*\)",pid=\([0-9]*\),.*/\3 \1 \2/p' |
        while read -r process address program; do
            # Of a list the first one: processes that share a socket are of one unit.
            grep -q "/$2\$" "/proc/$process/cgroup" || obstacle port "$address" "$(told <<< "$program")"
        done 2> /dev/null
}

cd /
loopback_obstacles
nginx_obstacles
program_obstacles
disk_obstacles "$@"
database_obstacles
port_obstacles "$port" "$unit" | sort -u
[ -z "$standin_port" ] || port_obstacles "$standin_port" "${unit%.service}-standin.service" | sort -u
dpkg-query --show --showformat '${db:Status-Status}\t${binary:Package}\n' 2> /dev/null | awk -F '\t' '
    $1 ~ /^(half-installed|unpacked|half-configured|triggers-awaited|triggers-pending)$/ { printf "packages\t%s\t%s\n", $2, $1 }'
exit 0
