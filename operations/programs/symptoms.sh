#!/bin/sh
# Prints what root sees of an environment, a line for each thing: a word, and the value.
# $1: unit, $2: seconds that a start may take, $3: secret file, $4: file with the age of the build, $5: AppSignal's directory,
# $6: application user, $7: certificate or nothing, the rest: directories whose file systems count.
unit=$1 patience=$2 secret=$3 built=$4 appsignal=$5 user=$6 certificate=$7
shift 7
. ./start_limit.sh
export ERL_EPMD_ADDRESS=127.0.0.1

# The reader compares the mean of two readings with the middle of the run, so that its length does not count.
clock() { echo "clock $(date +%s.%N)"; }

# The first port of an application is that of its Erlang node. The second one shows that it has started.
wait_for_second_port() {
    while
        listens=$(ss --no-header --listening --tcp --numeric --processes | grep -F ",pid=$process,")
        [ "$(echo "$listens" | wc -l)" -lt 2 ] && [ "$(date +%s)" -lt "${limit:?}" ]
    do sleep 0.2; done
}

clock
echo "state $(systemctl show --property ActiveState --value "$unit")"
process=$(systemctl show --property MainPID --value "$unit")
if [ "$process" != 0 ]; then
    wait_for_second_port
    echo "$listens" | awk 'NF { print "listens", $4 }'
    find "$secret" -maxdepth 0 -newerct "${start:?}" 2>/dev/null | sed 's/^/newer-than-start /'
    tr '\0' '\n' < "/proc/$process/environ" | sed -n 's/^APPSIGNAL_WORKING_DIRECTORY_PATH=/told-appsignal /p'
fi
find "$secret" -maxdepth 0 -newer "$built" 2>/dev/null | sed 's/^/newer-than-build /'
epmd -names 2>/dev/null | sed -n 's/^name \(.*\) at port \([0-9]*\)$/registered \1 \2/p'
setpriv --reuid "$user" --regid "$user" --init-groups test -w "$appsignal" && echo "writable $appsignal"
if [ -n "$certificate" ]; then
    end=$(openssl x509 -noout -enddate -in "$certificate" 2>/dev/null | cut -d = -f 2)
    [ -z "$end" ] || echo "certificate-ends $(date -d "$end" +%s)"
fi
df --output=pcent,ipcent,target "$@" 2>/dev/null | tail -n +2 | sort -u | sed 's/^/disk /'
[ ! -e /run/reboot-required ] || echo "reboot $(sort -u /run/reboot-required.pkgs 2>/dev/null | xargs)"
clock
