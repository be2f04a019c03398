#!/bin/sh
# Prints the names of the files in sites-enabled and conf.d with nginx's default server. Debian's own `default` site counts only
# if somebody has edited it.
#
# the arguments: our own files, which do not count
own=$(printf '%s\n' "$@")
grep -lsE '^[^#]*listen[^;#]*default_server' /etc/nginx/sites-enabled/* /etc/nginx/conf.d/*.conf | grep -vxF "$own" |
    while read -r file; do
        real=$(readlink -f "$file")
        # dpkg's conffiles: path, MD5.
        shipped=$(dpkg-query -W -f '${Conffiles}\n' nginx-common nginx 2> /dev/null |
            awk -v file="$real" '$1 == file { print $2; exit }')
        [ "$shipped" = "$(md5sum < "$real" | cut -d ' ' -f 1)" ] || basename "$file"
    done
true
