#!/bin/bash
# Builds a toolchain as a transient unit, shows its steps, and puts it into its directory, which gets its name when it is
# complete. A run that ends early leaves the unit at work; the next run goes on following it.
#
# The unit has a user of its own (DynamicUser): no process of an application can change what all environments will build with.
#
# $1: directory of the toolchain, below /opt/toolchains, $2: distribution of the host, $3: program that builds,
# $4: seconds that it may take, the rest: variables of the program, such as ELIXIR_VERSION=1.18.4
set -eu
. ./follow.sh
. ./durable.sh
destination=$1 distribution=$2 program=$3 patience=$4
shift 4
name=deploy-toolchain-$(basename "$destination" | cut -c 1-12)
unit=$name.service
scratch=/var/cache/private/$name
copy=${destination%/*}/.$name.sh

is_there() { [ "$(cat "$destination/distribution" 2> /dev/null)" = "$distribution" ]; }

is_at_work() { systemctl is-active --quiet "$unit"; }

start() {
    local variables=() variable
    for variable; do variables+=("--setenv=$variable"); done
    new_run
    which=$run
    # A file: systemd would replace each $ of an argument.
    printf '%s' "$program" > "$copy"
    systemctl reset-failed "$unit" 2> /dev/null || true
    systemd-run --quiet --unit="$unit" --service-type=exec --property=DynamicUser=yes --property=CacheDirectory="$name" \
        --property=CacheDirectoryMode=0700 --property=WorkingDirectory="/var/cache/$name" --property=ProtectHome=yes \
        --property=UMask=0022 --property=CPUWeight=20 --property=IOWeight=20 \
        --property=SyslogIdentifier="$name" --property=LogExtraFields="$run" --property=RuntimeMaxSec="$patience" --setenv=DESTINATION="$destination" \
        --setenv=PATH=/usr/local/bin:/usr/bin:/bin \
        "${variables[@]}" -- /bin/bash "$copy"
}

# Root makes all files anew, so nothing of the unit's user stays, and no mode that would give rights away.
store() {
    rm -rf "$destination.part"
    # Without room for it.
    trap 'rm -rf "$destination.part"' EXIT
    mkdir -m 755 "$destination.part"
    tar -xf "$scratch/result.tar" -C "$destination.part" --no-same-owner --no-same-permissions
    chmod -R u+rwX,go+rX,go-w,a-s "$destination.part"
    printf '%s\n' "$distribution" > "$destination.part/distribution"
    # Of the distribution before.
    rm -rf "$destination"
    replace "$destination.part" "$destination"
}

remove_scratch() { rm -rf "$scratch" "/var/cache/$name" "$copy"; }

umask 022
install -d -o root -g root -m 755 "${destination%/*}"
lock=${destination%/*}/.lock
# Whoever may read it can hold it, for ever.
(umask 077 && : >> "$lock")
chmod 600 "$lock"
exec 9> "$lock"
flock -n 9 || {
    echo "another run builds a toolchain on this host: waiting for it"
    flock 9
}
if is_there; then
    echo "the toolchain is there"
    exit 0
fi
# Of a build that another run began, its next lines are asked for.
which=--since=@$(date +%s.%6N)
if is_at_work; then
    echo "the toolchain is being built already: these are its next steps"
elif [ ! -f "$scratch/result.tar" ]; then
    start "$@"
fi
follow "$which" "$unit"
! systemctl is-failed --quiet "$unit" || {
    result=$(systemctl show --property Result --value "$unit")
    [ "$result" = exit-code ] || echo "the build of the toolchain was ended ($result): make toolchain begins it anew"
    systemctl reset-failed "$unit"
    # The next one begins anew, and the disk may be full.
    remove_scratch
    exit 1
}
# Without it, checksums alone were asked for.
[ ! -f "$scratch/result.tar" ] || store
remove_scratch
! is_there || echo "the toolchain is in $destination"
