#!/bin/sh
# Prints root's view of an environment, one item a line: a word and a value.
# $1: unit, $2: seconds that a start or an answer may take, $3: port of the application, $4: secret file, $5: file with the age
# of the build, $6: AppSignal's directory, $7: application user, $8: port of its port mapper, the rest: directories for the use of their file
# systems.
unit=$1 patience=$2 port=$3 secret=$4 built=$5 appsignal=$6 user=$7
export ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$8"
shift 8
. ./start_limit.sh

# The reader knows when it asked and when it was answered, so the run's length has no effect.
clock() { echo "clock $(date +%s.%N)"; }

# The first port of an application belongs to its Erlang node. The second one shows that the application has started.
wait_for_second_port() {
    while
        listens=$(ss --no-header --listening --tcp --numeric --processes | grep -F ",pid=$process,")
        [ "$(echo "$listens" | wc -l)" -lt 2 ] && read_uptime && [ "$uptime" -lt "${limit:?}" ]
    do sleep 0.2; done
}

clock
echo "state $(systemctl show --property ActiveState --value "$unit")"
process=$(systemctl show --property MainPID --value "$unit")
if [ "$process" != 0 ]; then
    wait_for_second_port
    echo "$listens" | awk 'NF { print "listens", $4 }'
    # curl ends with 28 when its time is over. Any answer will do.
    curl --disable --silent --noproxy '*' --output /dev/null --max-time "$patience" "http://127.0.0.1:$port/"
    [ $? -ne 28 ] || echo hangs
    tr '\0' '\n' < "/proc/$process/environ" | sed -n 's/^APPSIGNAL_WORKING_DIRECTORY_PATH=/told-appsignal /p'
fi
find "$secret" -maxdepth 0 -newer "$built" 2>/dev/null | sed 's/^/newer-than-build /'
epmd -names 2>/dev/null | sed -n 's/^name \(.*\) at port \([0-9]*\)$/registered \1 \2/p'
# Without following a link: the directory around it is root's, and this one the application's.
case $(stat -c '%U %A' "$appsignal" 2>/dev/null) in "$user drwx"*) echo "writable $appsignal" ;; esac
df --output=pcent,ipcent,target "$@" 2>/dev/null | tail -n +2 | sort -u | sed 's/^/disk /'
[ ! -e /run/reboot-required ] || echo "reboot $(sort -u /run/reboot-required.pkgs 2>/dev/null | xargs)"
clock
