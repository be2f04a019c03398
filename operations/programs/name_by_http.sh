# shellcheck shell=sh
# Whether an authority would find this host by its names, at port 80.
#
#   unreachable_by_http DIRECTORY NAME…   puts a token below the directory, fetches it by each name at each of its addresses, and
#                                         prints every reason for which an authority would not get it

# The addresses of a name, by DNS: the file of hosts may say something else than the world hears. All of them: an authority prefers
# IPv6, also where this machine has none.
addresses() {
    found=$(getent --no-addrconfig -s dns ahosts "$1") || found=$(getent --no-addrconfig ahosts "$1") || return 1
    echo "$found" | awk '!seen[$1]++ { print $1 }'
}

# Prints the answer to a question for the token. Not as root: whoever answers may redirect the question to any port of this
# machine, and only nginx and root reach the applications'. $1: name, $2: address
ask() {
    setpriv --reuid nobody --regid nogroup --clear-groups curl --disable --silent --insecure --location --max-redirs 5 --noproxy '*' --max-time 10 --max-filesize 4096 \
        --resolve "$1:80:$2" --resolve "$1:443:$2" "http://$1/.well-known/acme-challenge/$token"
}

# Fetches the token from one address of a name.
fetch() {
    case $2 in *:*) at="[$2]" ;; *) at=$2 ;; esac
    if ! ip route get "$2" > /dev/null 2>&1; then
        # An authority asks by IPv4 where it finds no other address: hosts with IPv6 alone have a CDN for the rest of the world.
        case $2,$found in *:*,*) ;; *,*:*) return 0 ;; esac
        echo "$1 leads to $2, and this machine has no route there: authorities ask there first if it is IPv6. A wrong DNS record, or a" \
            "balancer, which only the world reaches"
        return 1
    fi
    answer=$(ask "$1" "$at") && code=0 || code=$?
    case $code in
        7) echo "$1 leads to $2, and port 80 there refuses connections: a firewall, a provider's rule, or a wrong DNS record" ;;
        28) echo "$1 leads to $2, and port 80 there does not answer within 10 seconds: a firewall, or a wrong DNS record" ;;
        0 | 18 | 47 | 52 | 56 | 63)
            [ "$answer" != "$token" ] || return 0
            if [ "$(ask "$1" 127.0.0.1)" = "$token" ]; then
                echo "$1 leads to $2, and another server than this machine answers there at port 80: a wrong DNS record, or a" \
                    "balancer that does not pass on /.well-known/acme-challenge/"
            else
                echo "nginx of this machine itself does not answer for $1 with what is in $directory: /var/log/nginx/error.log" \
                    "says why, such as a directory that its user may not enter"
            fi
            ;;
        *) echo "$1 leads to $2, and curl fails there with exit code $code" ;;
    esac
    return 1
}

unreachable_by_http() {
    directory=$1/.well-known/acme-challenge
    shift
    # nginx reads the token as its own user.
    umask 022
    token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    if ! mkdir -p "$directory" || ! echo "$token" > "$directory/$token"; then
        echo "$directory takes no file, for the reason above"
        rm -f "$directory/$token"
        return
    fi
    for name; do
        if found=$(addresses "$name"); then
            for address in $found; do fetch "$name" "$address" || true; done
        else
            echo "$name is not known to DNS"
        fi
    done
    rm -f "$directory/$token"
}
