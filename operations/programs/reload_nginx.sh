#!/bin/sh
# Reloads nginx and waits until the new configuration is in force. `systemctl reload` returns earlier, and succeeds even if the
# configuration never comes into force, for example because another program has the port. It is in force when the old workers no
# longer take connections; their titles show that.
#
# Without arguments, as certbot runs it after a renewal, they are those of an apply.
#
# $1: file that is touched before each reload, $2: seconds to wait
set -eu
. ./durable.sh
loaded=${1:-/run/nginx.loaded} patience=${2:-10}
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
replace "$loaded.new" "$loaded"
