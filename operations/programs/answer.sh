# shellcheck shell=sh
# shellcheck disable=SC2034
# Asks nginx for the health page of a site, on the host itself, and judges the answer. The request stays on the host, so it
# needs no DNS and no route. It does not verify the certificate: visitors do that.
#
#   answer DOMAIN PORT URL   sets `status`, the status of the answer or nothing, `leads_to`, the page that a redirect leads
#                            to, and `verdict`:
#                            well     200 to 299, or a redirect (301, 302, 303, 307, 308) to another page of the same scheme,
#                                     host and port, such as a login page
#                            refusal  any other redirect, and 400 to 499: the same request gets the same answer again
#                            waiting  no answer, 500 to 599, 408, 425, 429: the next request may get another answer
#   advice SITE PATH         prints what to do about the last answer, if the answer tells
#   request DOMAIN PORT …    the request itself; the rest are arguments of curl, among them the URL
#   answer_at OWN DOMAIN PORT SITE PATH    asks the application itself at its port OWN, as nginx would, and judges the same
#   request_at OWN DOMAIN PORT SITE PATH … the request itself

answer() {
    said=$(request "$1" "$2" --output /dev/null --write-out '%{http_code} %{redirect_url}' "$3") || true
    judge "$3"
}

answer_at() {
    said=$(request_at "$@" --output /dev/null --write-out '%{http_code} %header{location}') || true
    # Of a path curl would make a URL of the port that it asks.
    case ${said#* } in
        "$said" | '' | *://*) ;;
        //*) said="${said%% *} ${4%%://*}:${said#* }" ;;
        /*) said="${said%% *} $4${said#* }" ;;
        *) said="${said%% *} $4/${said#* }" ;;
    esac
    judge "$4$5"
}

# Sets the names about the answer `said` to a request for the URL $1.
judge() {
    status=${said%% *} leads_to='' verdict=waiting
    # An application chooses this text: one line, without control characters, and not longer than anybody reads.
    [ "$said" = "$status" ] || leads_to=$(printf '%.300s' "${said#* }" | LC_ALL=C tr -d '\000-\037\177-\377')
    case $status in
        2??) verdict=well ;;
        30[12378])
            verdict=refusal
            ! same_site "$1" "$leads_to" || same_page "$1" "$leads_to" || verdict=well
            ;;
        408 | 425 | 429) ;;
        3?? | 4??) verdict=refusal ;;
        5??) ;;
        *) status='' ;;
    esac
}

advice() {
    [ "$verdict" != well ] || return 0
    case $status:$leads_to in
        3??:https://*)
            if [ "${1#http://}" != "$1" ]; then
                echo "the application redirects to https (force_ssl), and tls = \"none\" here: set tls in group data, or leave" \
                    "force_ssl out of the application's settings"
            elif same_page "$1$2" "$leads_to"; then
                echo "this is the page itself, so no browser gets it. The application does not notice that the visitor came by" \
                    "https: force_ssl needs rewrite_on: [:x_forwarded_proto]"
            else
                echo "this is not $1: name a page in health_path that stays on the site"
            fi
            ;;
        3??:?*)
            if same_page "$1$2" "$leads_to"; then
                echo "this is the page itself, so no browser gets it: name another page in health_path"
            else
                echo "this is not $1: name a page in health_path that stays on the site"
            fi
            ;;
        401: | 403:) echo "name a page in health_path that needs no login" ;;
        404:) echo "name a page in health_path that the application has" ;;
    esac
}

request() {
    name=$1 port_of_site=$2
    shift 2
    curl --disable --globoff --path-as-is --silent --max-time 10 --insecure --noproxy '*' --user-agent release \
        --resolve "$name:$port_of_site:127.0.0.1" "$@"
}

# With the headers that nginx sends (templates/site.j2).
request_at() {
    own=$1 name=$2 port_of_site=$3 site=$4 path=$5
    shift 5
    curl --disable --globoff --path-as-is --silent --max-time 10 --noproxy '*' --user-agent release --header "Host: $name" \
        --header 'X-Real-IP: 127.0.0.1' --header 'X-Forwarded-For: 127.0.0.1' --header "X-Forwarded-Proto: ${site%%://*}" \
        --header "X-Forwarded-Host: $name" --header "X-Forwarded-Port: $port_of_site" "$@" "http://127.0.0.1:$own$path"
}

same_site() { [ -n "$2" ] && [ "$(site_of "$1")" = "$(site_of "$2")" ]; }

# A redirect to itself is a loop: no browser ever gets a page.
same_page() { same_site "$1" "$2" && [ "$(path_of "$1")" = "$(path_of "$2")" ]; }

# Scheme, host and port of a URL, without the scheme's own port.
site_of() {
    rest=${1#*://}
    printf '%s://%s\n' "${1%%://*}" "${rest%%[/?#]*}" | tr '[:upper:]' '[:lower:]' |
        sed 's|^\(http://.*\):80$|\1|; s|^\(https://.*\):443$|\1|'
}

# Path and query of a URL.
path_of() {
    rest=${1#*://}
    rest=${rest#"${rest%%[/?#]*}"}
    rest=${rest%%#*}
    case $rest in
        /*) printf '%s\n' "$rest" ;;
        *) printf '/%s\n' "$rest" ;;
    esac
}
