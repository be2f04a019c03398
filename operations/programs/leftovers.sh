#!/bin/sh
# Lists the traces of an application's environments, a number and a name on each line, separated by a tab.
# $1: application, $2: file of its user's aliases, the rest: pairs of a test and a shell pattern of names. The printed number
# counts the pairs from 0. A test is one of the functions below.
. ./cut_off.sh
app=$1 aliases=$2
shift 2

file() { [ -f "$1" ]; }
directory() { [ -d "$1" ]; }
ours() { head -n 2 "$1" | grep -q "Managed by the deploy repository"; }
state() { [ -d "$1/artifacts" ]; }
self_signed() { openssl x509 -noout -subject -in "$1" | grep -q self-signed; }
# The name of a secret file contains the environment, but not the application.
secrets() { ours "$1" && grep -qx "config :$app, .*" "$1"; }

names() {
    case $1 in
    # The first line of a block of aliases.
    block) grep '^# BEGIN ' "$aliases" ;;
    # A user that apply makes has our mark and no shell.
    user) getent passwd | grep "Managed by the deploy repository" | awk -F: '$7 ~ /nologin$/ { print $1 }' ;;
    # A group that apply makes is a system group without members.
    group) getent group | awk -F: '$3 < 1000 && $4 == "" { print $1 }' ;;
    *) for name in $2; do "$1" "$name" && echo "$name"; done ;;
    esac
}

number=0
while [ $# -gt 0 ]; do
    names "$1" "$2" | sed "s/^/$number\t/"
    number=$((number + 1))
    shift 2
done 2>/dev/null
