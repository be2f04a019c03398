# shellcheck shell=sh
# Refuses a build's connections to PostgreSQL of the machine: it has no password, and logins that stay half would use up the
# connections of all applications.
#
#   refuse_database USER PORT   until `allow_database USER`, or the next start of the machine. The port, and those that Debian gives
#                               to clusters
#   allow_database USER
#
# A build host without nft has no environment of ours, and no PostgreSQL of ours.

refuse_database() {
    command -v nft > /dev/null || return 0
    table="inet deploy_build_$(id -u "$1")"
    ports=5432-5441
    [ "$2" -ge 5432 ] && [ "$2" -le 5441 ] || ports="$ports, $2"
    nft --file - << END
table $table
delete table $table
table $table {
    chain output {
        type filter hook output priority filter; policy accept;
        oif "lo" tcp dport { $ports } meta skuid "$1" reject with tcp reset
    }
}
END
}

allow_database() {
    ! command -v nft > /dev/null || nft delete table inet "deploy_build_$(id -u "$1")" 2> /dev/null || true
}
