# shellcheck shell=sh
# Sourced.
#
#   is_served FILE NAME   whether nginx on this host serves the certificate in a PEM file under a name. Afterwards `seen` is the
#                         fingerprint of what it serves
#   name_in FILE          prints the first name in a certificate, as a browser may ask for it

is_served() {
    wanted=$(openssl x509 -noout -fingerprint -sha256 -in "$1" 2> /dev/null)
    seen=$(timeout 10 openssl s_client -connect 127.0.0.1:443 -servername "$2" < /dev/null 2> /dev/null |
        openssl x509 -noout -fingerprint -sha256 2> /dev/null)
    [ -n "$wanted" ] && [ "$seen" = "$wanted" ]
}

name_in() { openssl x509 -noout -ext subjectAltName -in "$1" 2> /dev/null | sed -n 's/^ *DNS:\([^,]*\).*/\1/p' | sed 's/^\*\./any./'; }
