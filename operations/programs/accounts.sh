#!/bin/sh
# Prints what keeps apply from making or changing users, with tabs between the words: "busy", a user whose home is to become another
# one, its home, and its processes; "shared", a user whose number others have, the number, and the others; "protected" and a file
# that chattr protects. Nothing if all users are as they are to be.
#
# The arguments: user, home and shell of each, and so on.
changes=''
while [ $# -gt 2 ]; do
    account=$(getent passwd "$1")
    number=$(echo "$account" | cut -d : -f 3)
    # A directory service may list nobody, and answers for a number all the same.
    others=$({ getent passwd; getent passwd "$number"; } | awk -F : -v user="$1" -v number="$number" \
        'number != "" && $3 == number && $1 != user { print $1 }' | sort -u | xargs)
    [ -z "$others" ] || printf 'shared\t%s\t%s\t%s\n' "$1" "$number" "$others"
    if [ "$(echo "$account" | cut -d : -f 6,7)" != "$2:$3" ]; then
        changes=yes
        home=$(echo "$account" | cut -d : -f 6)
        # As usermod looks for them. With the first ones somebody finds the rest.
        processes=$(find /proc -maxdepth 1 -name '[1-9]*' -user "$1" 2> /dev/null | head -n 5 | while read -r process; do
            printf '%s%s (%s)' "$separator" "${process##*/}" "$(tr -cd '[:print:]' < "$process/comm")"
            separator=', '
        done)
        [ -z "$home" ] || [ "$home" = "$2" ] || [ -z "$processes" ] || printf 'busy\t%s\t%s\t%s\n' "$1" "$home" "$processes"
    fi
    shift 3
done 2> /dev/null
[ -n "$changes" ] || exit 0
# i: immutable, a: append only.
lsattr -d /etc /etc/passwd /etc/group /etc/shadow /etc/gshadow 2> /dev/null | awk '$1 ~ /[ai]/ { print "protected\t" $2 }'
exit 0
