# shellcheck shell=sh
# Tries the websocket of LiveView as a browser opens it, for each name of a site, on the host itself.
#
#   origins_refused SCHEME PORT NAME…   prints the names whose pages may open no websocket, one a line. SCHEME: of the site;
#                                       PORT: of the site in nginx, or of the application where nginx asks for a login
#
# An application without LiveView answers 404. Phoenix answers 403 to an origin that check_origin does not list, and so does a
# socket that wants a login. The latter also refuses a request without an origin, which check_origin lets pass.

origins_refused() {
    scheme=$1 port_of_site=$2
    shift 2
    for name in "$@"; do
        # All names at the same time: an open websocket says nothing until curl gives up.
        (
            refused=$(handshake --header "Origin: $scheme://$name")
            [ "$refused" != 403 ] || [ "$(handshake)" = 403 ] || printf '%s\n' "$name"
        ) &
    done
    wait
}

# Prints the status of the answer. The arguments are further ones of curl.
handshake() {
    case $port_of_site in
        80 | 443) protocol=$scheme ;;
        *) protocol=http ;;
    esac
    curl --disable --globoff --path-as-is --silent --max-time 2 --insecure --noproxy '*' --user-agent release --http1.1 \
        --connect-to "::127.0.0.1:$port_of_site" --header 'Connection: Upgrade' --header 'Upgrade: websocket' \
        --header 'Sec-WebSocket-Version: 13' --header 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' \
        --header "X-Forwarded-Proto: $scheme" "$@" --output /dev/null --write-out '%{http_code}' \
        "$protocol://$name/live/websocket?vsn=2.0.0" || true
}
