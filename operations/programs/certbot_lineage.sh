# shellcheck shell=sh
# Sourced after durable.sh. certbot leaves out a certificate whose files it cannot read, and would choose another name beside it.
#
#   mend_lineage NAME   lets certbot go on with the certificate of this name, or begin with it. Keeps keys, and what somebody wrote,
#                       with .before- and the time behind their names
#   drop_half NAME      removes versions that were not written to their end, by a full disk or a power cut: at its next run certbot
#                       would take such a one for the newest
#   put_back NAME       gives nginx back what it read before, where no new certificate came: without it nginx would not start

# Whether certbot can read all of it. certbot brings configobj and cryptography, and insists on links.
is_whole() {
    /usr/bin/python3 -c 'import os, sys
from configobj import ConfigObj
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
conf = ConfigObj(sys.argv[1], file_error=True)
conf["renewalparams"].items()
for part in ("cert", "privkey", "chain", "fullchain"):
    path = f"{sys.argv[2]}/{part}.pem"
    pem = open(path, "rb").read()
    load_pem_private_key(pem, None) if part == "privkey" else load_pem_x509_certificate(pem)
    assert conf[part] == path and os.path.islink(path)' "$conf" "$live" 2> /dev/null
}

# What certbot must know of it before it writes the rest. certbot reads this as a certificate whose renewal it knows nothing of.
describe() {
    echo "archive_dir = $archive"
    for part in cert privkey chain fullchain; do echo "$part = $live/$part.pem"; done
    echo "[renewalparams]"
}

mend_lineage() {
    conf=/etc/letsencrypt/renewal/$1.conf live=/etc/letsencrypt/live/$1 archive=/etc/letsencrypt/archive/$1
    aside=before-$(date +%Y%m%d%H%M%S)
    if is_whole; then return; fi
    if [ -s "$conf" ]; then
        replace "$conf" "$conf.$aside"
    fi
    if [ -e "$live/fullchain.pem" ] && [ -d "$archive" ]; then
        describe > "$conf.new"
        replace "$conf.new" "$conf"
        if is_whole; then return; fi
    fi
    rm -f "$conf"
    for directory in "$live" "$archive"; do
        if ls "$directory"/privkey*.pem > /dev/null 2>&1; then
            replace "$directory" "$directory.$aside"
        fi
        rm -rf "$directory"
    done
}

put_back() {
    for directory in "/etc/letsencrypt/archive/$1" "/etc/letsencrypt/live/$1"; do
        [ ! -e "$directory" ] || continue
        # The last one is the newest.
        for kept in "$directory".before-*; do :; done
        if [ -e "$kept" ]; then
            replace "$kept" "$directory"
        fi
    done
}

# $1: path of the archive with a slash, $2: number
is_complete() {
    public=$(openssl x509 -noout -pubkey -in "$1cert$2.pem" 2> /dev/null) && [ -n "$public" ] &&
        [ "$public" = "$(openssl pkey -pubout -in "$1privkey$2.pem" 2> /dev/null)" ] &&
        cat "$1cert$2.pem" "$1chain$2.pem" 2> /dev/null | cmp -s - "$1fullchain$2.pem"
}

drop_half() {
    archive=/etc/letsencrypt/archive/$1/
    used=$(readlink "/etc/letsencrypt/live/$1/cert.pem") || return 0
    used=${used%.pem}
    used=${used##*[!0-9]}
    for file in "$archive"cert*.pem "$archive"privkey*.pem "$archive"chain*.pem "$archive"fullchain*.pem; do
        number=${file%.pem}
        number=${number##*[!0-9]}
        if [ "${number:-0}" -gt "${used:-0}" ] && ! is_complete "$archive" "$number"; then
            rm -f "$file"
        fi
    done
}
