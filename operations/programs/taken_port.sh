# shellcheck shell=bash
# shellcheck disable=SC2154  # names of switch.sh and its settings
# Tells whether a neighbour has a port of the environment: every user of the machine may take one that is free, and then the
# application cannot start. Nobody hears the neighbour there (templates/port-owner.nft.j2). For switch.sh, whose settings and functions
# it uses.
#
#   taken PORT…      prints those ports that some program has
#   stranger PORT    prints the reason why the judged process cannot listen at its web port PORT, or its node at one of its own,
#                    if that is another program. Fails if it is not

# By taking each for a moment, as a BEAM takes it: a program that has a port and does not listen there shows in no list.
taken() {
    # shellcheck disable=SC2016  # perl's own variables
    perl -MErrno -MSocket=:all -e '
        for my $port (@ARGV) {
            my $socket;
            # Without IPv6 there are addresses of IPv4 alone.
            my $six = socket $socket, PF_INET6, SOCK_STREAM, 0;
            $six or socket $socket, PF_INET, SOCK_STREAM, 0 or next;
            setsockopt $socket, SOL_SOCKET, SO_REUSEADDR, 1;
            setsockopt $socket, IPPROTO_IPV6, IPV6_V6ONLY, 0 if $six;
            my $place = $six ? pack_sockaddr_in6($port, IN6ADDR_ANY) : pack_sockaddr_in($port, INADDR_ANY);
            bind $socket, $place or $!{EADDRINUSE} && print "$port\n";
        }' "$@"
}

stranger() {
    local own nodes=() port words
    # The last port is the stand-in's, and those before it are the nodes' (group_data/schema/environment.py).
    for ((port = standin_port - 30; port < standin_port; port++)); do nodes+=("$port"); done
    own=$(listeners | sed 's/.*://') || return
    if ! grep -qx "$1" <<< "$own" && [ -n "$(taken "$1")" ]; then
        words="another program has port $1$(holder "$1")"
    elif ! grep -qxF -f <(printf '%s\n' "${nodes[@]}") <<< "$own" && [ "$(taken "${nodes[@]}" | wc -l)" = 30 ]; then
        words="other programs have all ports of the node, ${nodes[0]} to ${nodes[29]}$(holder "${nodes[0]}")"
    else
        return 1
    fi
    say "$words. End what has it: ss -ltnp shows it; this says nothing against the release"
}

# Prints process and user of whoever listens at a port. Of one that does not listen the kernel tells nothing.
holder() {
    local process user
    process=$(ss --no-header --listening --tcp --numeric --processes "sport = :$1" |
        sed -n 's/.*,pid=\([0-9]*\),.*/\1/p' | head -n 1)
    user=$(stat --format %U "/proc/${process:-none}" 2> /dev/null) || return 0
    say ": process $process of $user"
}
