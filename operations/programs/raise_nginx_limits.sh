#!/bin/sh
# Raises the connections and open files of each worker in nginx.conf, after `nginx -t` accepted the file in a mount namespace of
# its own. Higher numbers stay.
#
# $1: nginx.conf, $2: connections, $3: files
set -eu
umask 022
. ./durable.sh
conf=$1 connections=$2 files=$3
directory=${conf%/*}
staging=$(mktemp -d "$directory.staging.XXXXXX")
trap 'rm -rf "$staging"' EXIT
cp -a "$directory/." "$staging"

# A number that no file has is added: the files before the block of events, the connections within it.
grep -qsE '^[^#]*worker_rlimit_nofile' "$staging/${conf##*/}" "$staging"/modules-enabled/*.conf && has_files=1 || has_files=
grep -qE '^[^#]*worker_connections' "$staging/${conf##*/}" && has_connections=1 || has_connections=
awk -v connections="$connections" -v files="$files" -v has_files="$has_files" -v has_connections="$has_connections" '
    function raised(line, name, least,    number) {
        if (line !~ "^[^#]*" name "[ \t]+[0-9]+") return line
        match(line, name "[ \t]+[0-9]+")
        number = substr(line, RSTART, RLENGTH)
        sub(name "[ \t]+", "", number)
        return number + 0 >= least + 0 ? line : substr(line, 1, RSTART - 1) name " " least substr(line, RSTART + RLENGTH)
    }
    /^[ \t]*events[ \t]*(\{|$)/ {
        if (!has_files) print "worker_rlimit_nofile " files ";"
        inside = 1
    }
    { $0 = raised(raised($0, "worker_connections", connections), "worker_rlimit_nofile", files) }
    inside && !has_connections && sub(/\{/, "{ worker_connections " connections ";") { inside = 0 }
    { print }
' "$conf" > "$staging/candidate"
cat "$staging/candidate" > "$staging/${conf##*/}"
# shellcheck disable=SC2016
unshare --mount sh -c 'mount --bind "$1" "$2" && nginx -t -q' sh "$staging" "$directory"
chmod 644 "$staging/candidate"
replace "$staging/candidate" "$conf"
