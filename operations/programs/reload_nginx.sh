#!/bin/sh
# Reloads nginx and waits until the new configuration is in force. `systemctl reload` returns before that, and succeeds where it
# will never be, for instance because another program has the port. The configuration is in force when the workers of the old
# one have stopped to take connections; their titles say so.
#
# $1: file that is touched before each reload, $2: seconds to wait
set -eu
loaded=$1 patience=$2
nginx -t -q
touch "$loaded.new"
master=$(systemctl show --property MainPID --value nginx.service)
workers=$(cat "/proc/$master/task/$master/children")
systemctl reload nginx.service
tries=$((patience * 20))
for worker in $workers; do
    while [ "$(2> /dev/null tr -d '\0' < "/proc/$worker/cmdline")" = "nginx: worker process" ]; do
        tries=$((tries - 1))
        if [ "$tries" -le 0 ]; then
            echo "nginx goes on with the configuration it had: /var/log/nginx/error.log says why. Mend that, apply again" >&2
            exit 1
        fi
        sleep 0.05
    done
done
mv -f "$loaded.new" "$loaded"
