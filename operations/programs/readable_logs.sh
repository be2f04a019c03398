#!/bin/sh
# Prints which of nginx's logs everybody may read, themselves or as logrotate has renamed them, or do not exist: nginx would make
# them so.
#
# the arguments: paths
for log; do
    if [ ! -e "$log" ] || [ -n "$(find "$log" "$log".* -maxdepth 0 -type f -perm /007 2> /dev/null)" ]; then
        echo "$log"
    fi
done
