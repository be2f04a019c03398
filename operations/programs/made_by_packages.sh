#!/bin/sh
# Looks for what the scripts of packages made and a power cut took: packages do not bring it to the disk, and do not make it again,
# because a file without content is there. Prints a line for each.
#
# $1: "mend" to make it again, "look" to tell only; $2: "postgresql" if a database of this machine is needed. Nothing is removed: a
# cluster that cannot be read is kept under a name that ends with the time.
set -eu
umask 022
. ./durable.sh
mend=${1#look}
aside=$(date -u +%Y%m%d-%H%M%S)

# Of ssl-cert; PostgreSQL does not start without.
key=/etc/ssl/private/ssl-cert-snakeoil.key certificate=/etc/ssl/certs/ssl-cert-snakeoil.pem
if command -v make-ssl-cert > /dev/null && { [ ! -s "$key" ] || [ ! -s "$certificate" ]; }; then
    echo "$key or its certificate has no content"
    [ -z "$mend" ] || make-ssl-cert generate-default-snakeoil --force-overwrite
fi

bundle=/etc/ssl/certs/ca-certificates.crt
if command -v update-ca-certificates > /dev/null && [ ! -s "$bundle" ]; then
    echo "$bundle has no content"
    [ -z "$mend" ] || update-ca-certificates --fresh > /dev/null
fi

# The newest PostgreSQL that is installed.
version=$(find /usr/lib/postgresql -mindepth 3 -path '*/bin/postgres' 2> /dev/null | cut -d / -f 5 | sort -n | tail -n 1)
[ -n "$version" ] && [ "$2" = postgresql ] || exit 0
configuration=/etc/postgresql/$version/main data=/var/lib/postgresql/$version/main

is_whole() { [ -s "$configuration/postgresql.conf" ] && [ -s "$configuration/pg_hba.conf" ] && [ -s "$data/PG_VERSION" ]; }

# A cluster of another name or version is somebody's own.
others() {
    find /etc/postgresql -mindepth 2 -maxdepth 2 -type d ! -path "$configuration" ! -path "$scratch" |
        grep -q .
}

# The files of a new cluster, in the place of those without content. The data is not touched.
write_configuration() {
    mkdir -p "$configuration/conf.d"
    for file in "$scratch"/*.conf "$scratch/environment"; do
        name=${file##*/}
        [ -s "$configuration/$name" ] && continue
        sed "s|/mend\b|/main|g; s|-mend\b|-main|g; s|^port = .*|port = 5432|" "$file" > "$configuration/$name.new"
        chmod --reference="$file" "$configuration/$name.new"
        replace "$configuration/$name.new" "$configuration/$name"
    done
    chown -R postgres:postgres "$configuration"
}

# In the language of this machine, as its package does.
create() { env --unset=LC_ALL --unset=LANGUAGE pg_createcluster "$version" "$1" > /dev/null; }

scratch=/etc/postgresql/$version/mend
if ! is_whole && ! others; then
    echo "PostgreSQL's cluster $version/main was not made, or its configuration has no content"
    [ -n "$mend" ] || exit 0
    systemctl stop "postgresql@$version-main.service"
    if [ -s "$data/PG_VERSION" ]; then
        # A run that was cut off left it.
        [ ! -e "$scratch" ] || pg_dropcluster "$version" mend
        create mend
        write_configuration
        pg_dropcluster "$version" mend
    else
        [ ! -e "$configuration" ] || replace "$configuration" "/etc/postgresql-$version-main.damaged-$aside"
        [ ! -e "$data" ] || replace "$data" "$data.damaged-$aside"
        create main
    fi
    sync
    systemctl daemon-reload
    systemctl start "postgresql@$version-main.service"
fi
