#!/bin/sh
# Prints when nginx last read its configuration, whoever told it to: the start of its oldest worker that takes connections, in
# nanoseconds since 1970 by today's clock. Nothing where none runs. The kernel counts a process's age by a clock that nobody sets.
master=$(systemctl show --property MainPID --value nginx.service) || exit 0
[ "${master:-0}" != 0 ] || exit 0

# In ticks since boot. The name of a process may have spaces and brackets.
started() { sed 's/.*) //' "/proc/$1/stat" 2> /dev/null | cut -d ' ' -f 20; }

workers=$(cat "/proc/$master/task/$master/children" 2> /dev/null)
oldest=''
for worker in $workers; do
    # Another title: a worker that only ends its connections, or one that keeps a cache.
    [ "$(2> /dev/null tr -d '\0' < "/proc/$worker/cmdline")" = 'nginx: worker process' ] || continue
    start=$(started "$worker")
    [ -n "$start" ] || continue
    if [ -z "$oldest" ] || [ "$start" -lt "$oldest" ]; then oldest=$start; fi
done
[ -n "$oldest" ] || exit 0
# This process itself is new.
now=$(started self)
echo $(($(date +%s%N) - (now - oldest) * (1000000000 / $(getconf CLK_TCK))))
