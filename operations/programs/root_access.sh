#!/bin/sh
# Prints whether the user of the connection may act as root without a question: `allowed` or `refused`, and sudo's words in the
# language C. root needs no sudo. Programs of administration are below sbin, where sudo must look for them.
set -u
if [ "$(id -u)" = 0 ]; then
    echo allowed
elif ! command -v sudo > /dev/null; then
    echo refused "sudo is not installed"
elif said=$(sudo -n sh -c 'echo "secure_path $PATH"' 2>&1 < /dev/null); then
    path=$(printf '%s\n' "$said" | sed -n 's/^secure_path //p')
    case :$path: in
        *:/usr/sbin:* | *:/sbin:*) echo allowed ;;
        *) echo "refused secure_path $path" ;;
    esac
else
    echo "refused $(printf '%s' "$said" | tr '\n' ' ')"
fi
