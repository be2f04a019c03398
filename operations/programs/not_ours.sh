#!/bin/sh
# Prints what bears the names of an environment on this machine and was not made by this repository: a kind and words, with a tab
# between. A line "prepared" alone: this repository prepared the environment, so all of it is known.
#
# $1: login user, $2: names of its aliases with spaces between, $3: group, $4: unit, $5: program that switches releases,
# $6: pattern of these programs for all environments of the application, the rest: files that apply writes
user=$1 names=$2 group=$3 unit=$4 program=$5 programs=$6
shift 6
mark="Managed by the deploy repository"

ours() { head -n 2 "$1" 2> /dev/null | grep -q "$mark"; }

# Of a login user, whose environments may be prepared already. Others have our mark among their words.
account=$(getent passwd "$user")
case $account in '' | *"$mark"*) ;; *)
    known=''
    for other in $programs; do
        ! ours "$other" || known=yes
    done
    [ -n "$known" ] || echo "$account" | awk -F: '{ printf "user\t%s\t%s\t%s\n", $1, $6, $7 }'
    ;;
esac

if ours "$program"; then
    echo prepared
    exit
fi
# The user of the environment has the name of its group.
getent passwd "$group" | grep -v "$mark" | awk -F: '{ printf "user\t%s\t%s\t%s\n", $1, $6, $7 }'
getent group "$group" | awk -F: '$4 != "" { gsub(",", ", ", $4); printf "group\t%s\t%s\n", $1, $4 }'
for place in /etc /run /usr/local/lib /usr/lib; do
    file=$place/systemd/system/$unit
    { [ ! -e "$file" ] && [ ! -L "$file" ]; } || ours "$file" || printf 'unit\t%s\n' "$file"
done
for file; do
    { [ ! -e "$file" ] && [ ! -L "$file" ]; } || ours "$file" || printf 'file\t%s\n' "$file"
done
home=$(echo "$account" | cut -d : -f 6)
for file in "$home/.bashrc" "$home/.bash_aliases"; do
    [ ! -f "$file" ] || awk -v names=" $names " -v file="$file" '
        /^# BEGIN .*, managed by the deploy repository$/ { within = 1 }
        /^# END .*, managed by the deploy repository$/ { within = 0 }
        !within && /^[ \t]*alias [^ =]+=/ {
            sub(/^[ \t]*alias /, "")
            sub(/=.*/, "")
            if (index(names, " " $0 " ")) printf "alias\t%s\t%s\n", $0, file
        }' "$file"
done
