#!/bin/sh
# The directories of an environment, whose root and releases belong to root, so that the application writes to its own
# directories alone. Nothing is removed.
#
# $1: "look" prints what is otherwise, one a line, and "set" changes it. $2: the root, $3: the application's user and group,
# $4: the login user, who had all of it once, $5: "yes" if that user may read releases, the rest: NAME=MODE of each directory that
# the application writes to
#
# "look" also prints "other" and a name for each further directory of the login user.
set -eu
umask 077
what=$1 root=$2 user=$3 login=$4 readable=$5
shift 5
parent=${root%/*}
mode=750 others=o-rwx
[ "$readable" != yes ] || mode=755 others=o+rX

is() { [ "$(stat -c '%U:%G %a' "$1" 2> /dev/null)" = "$2" ]; }

look() {
    { [ -d "$root" ] && cd "$root" && [ "$(readlink /proc/self/cwd)" = "$root" ]; } || { echo "make $root"; exit; }
    is . "root:root 755" || echo "own $root"
    for pair; do
        name=${pair%=*}
        if [ ! -d "$name" ] || [ -L "$name" ]; then
            echo "make $root/$name"
        elif ! is "$name" "$user:$user ${pair#*=}" || [ -n "$(find "$name" ! \( -user "$user" -group "$user" \) -print -quit)" ]; then
            echo "own $root/$name"
        fi
    done
    [ ! -d releases ] || { is releases "root:$user $mode" && [ -z "$(strangers releases)" ]; } || echo "own $root/releases"
    [ -z "$(find . -maxdepth 1 -type l ! -user root -print -quit)" ] || echo "own $root/*"
    find . -mindepth 1 -maxdepth 1 -type d -user "$login" | while IFS= read -r name; do
        known=''
        for pair; do [ "./${pair%=*}" != "$name" ] || known=yes; done
        [ -n "$known" ] || printf 'other %s\n' "${name#./}"
    done
}

# Releases with another owner or another right to read.
strangers() {
    if [ "$readable" = yes ]; then right='! -perm -o=r'; else right='-perm /o=rwx'; fi
    # shellcheck disable=SC2086
    find "$1" -mindepth 1 -maxdepth 1 -type d \( ! -user root -o ! -group "$user" -o $right \) -print -quit
}

refuse() {
    echo "$1; nothing was changed there" >&2
    exit 1
}

# From here on root works in directories that it has entered and looked at, so that no link leads it elsewhere.
set_all() {
    cd "$parent"
    [ "$(readlink /proc/self/cwd)" = "$parent" ] || refuse "$parent leads elsewhere"
    [ -d "${root##*/}" ] || mkdir "${root##*/}"
    [ ! -L "${root##*/}" ] || refuse "$root is a link: remove it"
    cd "./${root##*/}"
    [ "$(readlink /proc/self/cwd)" = "$root" ] || refuse "$root leads elsewhere"
    known=''
    for name in . private; do
        [ ! -e "$name" ] || case $(stat -c %U "$name") in
            root | "$user" | "$login") ;;
            *) refuse "$root/$name belongs to $(stat -c %U "$name"): it is of somebody else" ;;
        esac
    done
    # Now nobody but root changes names in here.
    chown root:root .
    chmod 755 .
    for pair; do
        name=${pair%=*}
        [ ! -L "$name" ] || refuse "$root/$name is a link: remove it"
        [ -d "$name" ] || mkdir "$name"
        # Neither of the two follows a link.
        chown -hR "$user:$user" "./$name"
        chmod "${pair#*=}" "./$name"
    done
    if [ -d releases ] && [ ! -L releases ]; then
        # Each release in one step, its directory last.
        [ -z "$(strangers releases)" ] || find releases -mindepth 1 -depth -exec chown -h "root:$user" {} + \
            \( -type l -o -exec chmod u=rwX,g=rX,"$others" {} + \)
        chown "root:$user" releases
        chmod "$mode" releases
    fi
    find . -maxdepth 1 -type l -exec chown -h root:root {} +
}

case $what in
    look) look "$@" ;;
    set) set_all "$@" ;;
esac
