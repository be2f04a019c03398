# shellcheck shell=sh
# Asks at each address of this machine whether nginx answers with the environment's own site, by a page that no other site has.
#
#   answers_at SITE DOMAIN PORT URL MARK   prints each address and `own`, `other` or `silent`. Nothing before an apply has written
#                                          the page into the site. URL: of the page; MARK: what it says
#   strangers SITE DOMAIN PORT URL MARK    prints the addresses at which another site answers. An address that does not answer
#                                          says nothing: a firewall may hide it from the machine itself
. ./addresses.sh

answers_at() {
    # Only where nginx reads it: not below sites-available.
    grep -RqsF --exclude-dir=sites-available --exclude-dir=modules -- "$5" /etc/nginx || return 0
    for address in $(visitor_addresses | head -n 16); do
        case $address in
            *:*) place="[$address]" ;;
            *) place=$address ;;
        esac
        said=$(curl --disable --globoff --silent --max-time 5 --insecure --noproxy '*' --user-agent release \
            --write-out '\n%{http_code}' --resolve "$2:$3:$place" "$4" 2> /dev/null | head -c 4096 | tr -d '\000') || true
        case $said in
            "$5"*) echo "$address own" ;;
            '' | *000) echo "$address silent" ;;
            *) echo "$address other" ;;
        esac
    done
}

strangers() { answers_at "$@" | sed -n 's/ other$//p'; }
