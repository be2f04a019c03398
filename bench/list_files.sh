#!/bin/sh
# Prints the files of the example's application, with a tab after the name: type, mode, owner, group and target of a link; then the
# content of files; then the subjects of certificates.

set -- /etc/nginx /etc/deploy-ports.nft /etc/deploy-ports.d /etc/systemd/system /etc/systemd/journald.conf.d /etc/polkit-1 /etc/default/billing* /etc/ssl/private \
    /etc/sudoers.d /home /run/nginx.loaded /var/*.secret.exs /var/lib/billing* /var/lib/deploy-environments /var/cache/billing* /var/www /var/log/nginx/billing* /usr/local/libexec

find "$@" -printf '%p\t%y %m %u:%g %l\n' 2> /dev/null
# Random by nature: the sandbox's own keys of each machine, keys, and logs. Their content is not compared.
find "$@" -type f ! -path '*/.ssh/*' ! -path '/etc/ssl/private/*' ! -path '/var/log/*' ! -name '*.key' ! -name '*.pem' -exec sha256sum {} + 2> /dev/null |
    sed -E 's/^([0-9a-f]+)  (.*)$/\2\tsha256 \1/'
find "$@" -type f -name '*.pem' 2> /dev/null | while read -r file; do
    printf '%s\t%s\n' "$file" "$(openssl x509 -noout -subject -ext subjectAltName -in "$file" 2> /dev/null | tr '\n' ' ')"
done
