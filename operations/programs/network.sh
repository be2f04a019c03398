# shellcheck shell=bash
# shellcheck disable=SC2154
# Decides whether the running release listens where it should: nginx passes requests to its port, and the network reaches none
# of its listeners past nginx. For switch.sh, whose settings and functions it uses.
#
# TCP alone: every socket that sends UDP, for a name or for metrics, looks like one that listens.
. ./closed_port.sh
. ./own_site.sh

# Succeeds if the release listens where it should. Otherwise prints the reason and fails, with 2 if that says nothing against
# the version, and with 3 if somebody else answers in its place.
listens_well() {
    local addresses address port_of_address open='' others port=${direct:-$port}
    others=$(strangers "${unit%.service}" "$domain" "$url_port" "$url$mark_path" "$mark" | joined)
    if [ -n "$others" ]; then
        say "another site than $environment's answers for $domain at $others: make doctor ENV=$environment says which file of" \
            "nginx has it, and make apply ENV=$environment puts back what is missing of ours"
        return 2
    fi
    if ! addresses=$(listeners); then
        say "ss cannot tell where ${judged:-$unit} listens, for the reason above"
        return 2
    fi
    if ! grep -qxE "(127\.0\.0\.1|0\.0\.0\.0|\*|\[::ffff:127\.0\.0\.1\]):$port" <<< "$addresses"; then
        addresses=$(joined <<< "${addresses:-no port}")
        say "the site answers, and not from ${judged:-$unit}: nginx passes requests to 127.0.0.1:$port, and the application listens on" \
            "$addresses. End the other program, or have the application listen on port $port"
        return 3
    fi
    for address in $addresses; do
        port_of_address=${address##*:}
        case $address in 127.* | '[::1]':* | '[::ffff:127.'*) continue ;; esac
        [[ " $open_ports " != *" $port_of_address "* ]] || continue
        closed "$port_of_address" || open+=" $address"
    done
    [ -n "$open" ] || return 0
    reaches "$open"
    # At the unit's own port it is the machine that lets the network in.
    [[ "$open " =~ ^( [^ ]*:$port)+\ $ ]] || return 1
    return 2
}

# Prints the addresses that processes of the unit listen on, one a line, as ss writes them: 127.0.0.1:4001, *:4000, [::1]:4369.
listeners() {
    local group process
    group=$(property ControlGroup)
    process=$(property MainPID)
    # The empty name of a unit that does not run would begin the name of any other.
    [ -n "$group" ] || return 0
    # The VM itself also by its number, for a container whose kernel does not tell control groups.
    ss --no-header --listening --tcp --numeric --processes --cgroup |
        awk -v group="cgroup:$group" -v process=",pid=$process," \
            '$NF == group || index($NF, group "/") == 1 || index($0, process) { print $4 }' | sort -u
}

# $1: the addresses that the network reaches, each with a space before it
reaches() {
    local address mend=''
    [[ "$1 " != *":$port "* ]] || mend="make apply closes port $port to the network"
    for address in $1; do
        [ "${address##*:}" = "$port" ] ||
            mend="${mend:+$mend; }have it listen on 127.0.0.1, or name port ${address##*:} in open_ports"
    done
    say "the network reaches the application past nginx, its TLS and its access rules, on$1: $mend"
}
