#!/bin/sh
# Prints those of nginx's files that are not as a package brought them. The arguments: their paths
for file; do
    real=$(readlink -f "$file")
    # dpkg's conffiles: path, MD5.
    shipped=$(dpkg-query -W -f '${Conffiles}\n' nginx-common nginx 2> /dev/null |
        awk -v file="$real" '$1 == file { print $2; exit }')
    [ "$shipped" = "$(md5sum < "$real" | cut -d ' ' -f 1)" ] || printf '%s\n' "$file"
done 2> /dev/null
