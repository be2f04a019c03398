#!/bin/sh
# Prints whether the user of the connection may act as root without a question: `allowed` or `refused`, and sudo's words in the
# language C. root needs no sudo.
set -u
if [ "$(id -u)" = 0 ]; then
    echo allowed
elif ! command -v sudo > /dev/null; then
    echo refused "sudo is not installed"
elif said=$(sudo -n true 2>&1 < /dev/null); then
    echo allowed
else
    echo "refused $(printf '%s' "$said" | tr '\n' ' ')"
fi
