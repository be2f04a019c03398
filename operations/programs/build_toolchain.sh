#!/bin/bash
# Builds Erlang and Elixir from their sources, or takes Elixir compiled by its makers, and packs them into result.tar in the
# working directory. systemd runs it as a user that nothing else has (run_toolchain.sh). Each line begins with the minutes and
# seconds since the start.
#
# Environment: DESTINATION: the directory that the toolchain will have, in which Erlang's programs look for their files;
# ELIXIR_VERSION, ELIXIR_URL, ELIXIR_SHA256, ERLANG_VERSION, ERLANG_URL, ERLANG_SHA256, ERLANG_OPTIONS (for configure). Without
# ERLANG_VERSION, Elixir goes with the Erlang of the host. Without a checksum nothing is built: the program downloads, and prints
# the checksums.
set -euo pipefail
. ./uptime.sh
. ./durable.sh
read_uptime
began=$uptime
scratch=$PWD
root=$scratch/root
export HOME=$scratch

say() {
    read_uptime
    printf '[%2d:%02d] %s\n' $(((uptime - began) / 60)) $(((uptime - began) % 60)) "$*"
}

fail() {
    say "FAILED: $*"
    exit 1
}

# --- Downloads -------------------------------------------------------------------------------------------------------

checksum() { sha256sum < "$1" | cut -d ' ' -f 1; }

# Prints the body of a URL.
get() {
    curl --fail --silent --show-error --location --proto '=https,http' --retry 3 --connect-timeout 20 \
        --speed-limit 1000 --speed-time 60 "$@"
}

# $1: erlang or elixir, $2: its name for people, $3: URL, $4: checksum or nothing. Leaves the archive in the file $1.archive.
fetch() {
    local found
    [ -z "$4" ] || [ ! -f "$1.archive" ] || [ "$(checksum "$1.archive")" != "$4" ] || return 0
    say "Download $2 from $3"
    get --output "$1.part" "$3" 2> log || {
        cat log
        fail "$2 cannot be downloaded from $3, for the reason above. $1_source in group data may name another address"
    }
    found=$(checksum "$1.part")
    [ -z "$4" ] || [ "$found" = "$4" ] || fail "the download of $2 has the SHA-256 $found, and $1_sha256 is $4: make" \
        "toolchain shows the published one if $1_sha256 is not set. Nothing was unpacked"
    replace "$1.part" "$1.archive"
}

# The makers publish the checksum beside the archive: in SHA256.txt for all files of a release, or in a file for each.
# $1: erlang or elixir, $2: its name for people, $3: URL
print_checksum() {
    local found published
    found=$(checksum "$1.archive")
    published=$({ get "${3%/*}/SHA256.txt" || get "$3.sha256sum"; } 2> /dev/null | grep -F "${3##*/}" |
        grep -oE '\b[0-9a-f]{64}\b' | head -n 1) || true
    case $published in
    "$found") say "$2: this is the checksum that its makers publish beside it" ;;
    '') say "$2: no checksum is published beside it: compare with another source that you trust" ;;
    *) fail "the download of $2 has the SHA-256 $found, and the one published beside it is $published" ;;
    esac
    printf '%s_sha256 = "%s"\n' "$1" "$found"
}

# --- Steps -----------------------------------------------------------------------------------------------------------

# $1: erlang or elixir. Unpacks its archive into the directory of this name, without a single directory around it.
unpack() {
    local inside
    rm -rf "$1" inside
    mkdir inside
    if [ "$(head -c 2 "$1.archive")" = PK ]; then
        unzip -q "$1.archive" -d inside
    else
        tar -xf "$1.archive" -C inside
    fi
    inside=(inside/*)
    [ "${#inside[@]}" = 1 ] || inside=(inside)
    replace "${inside[0]}" "$1"
    rm -rf inside
}

# $1: sentence about the step, the rest: a command. Its output shows after a failure. Every half minute a line tells where it is.
step() {
    local name=$1 place
    shift
    say "$name"
    "$@" > log 2>&1 < /dev/null &
    # Ends with the command. A watch in the background would have to be killed, and bash runs the trap at its end in there, too.
    until timeout 30 tail --sleep-interval=0.2 --pid=$! --follow /dev/null; do
        place=$(sed -n "s|^make.*Entering directory '$(pwd -P)/\\(.*\\)'\$|\\1|p; s|^==> ||p" log | tail -n 1)
        say "$name${place:+: $place}"
    done
    wait $! || {
        tail -n 40 log
        fail "$name: ${*:1:2} failed, for the reason above"
    }
}

# A C++ compiler takes about 700 MB.
jobs() {
    local memory processors
    memory=$(($(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 700000))
    processors=$(nproc)
    [ "$memory" -lt "$processors" ] || memory=$processors
    [ "$memory" -gt 0 ] || memory=1
    echo "$memory"
}

# $1: version in group data, $2: version in the archive, $3: name of the setting
require_version() {
    [ "$1" = "$2" ] || fail "the archive of $3_source is version ${2:-unknown}, and $3_version is $1: correct one of them"
}

build_erlang() {
    local options
    unpack erlang
    cd erlang
    require_version "$ERLANG_VERSION" "$(cat OTP_VERSION 2> /dev/null)" erlang
    export ERL_TOP=$PWD
    if [ ! -x configure ]; then
        step "Erlang $ERLANG_VERSION: autoconf" ./otp_build autoconf
    fi
    read -ra options <<< "$ERLANG_OPTIONS"
    step "Erlang $ERLANG_VERSION: configure" ./configure --prefix="$DESTINATION" "${options[@]}"
    step "Erlang $ERLANG_VERSION: compile" make -j "$(jobs)"
    step "Erlang $ERLANG_VERSION: install" make install DESTDIR="$root"
    cd "$scratch"
    relocate
    export PATH=$root$DESTINATION/bin:$PATH
}

# bin/erl is a link, and Erlang finds its files only from the link's target when they lie elsewhere. As a program of its own it
# works from any place: here, and in an archive that somebody makes of the toolchain.
relocate() {
    local erl=$root$DESTINATION/bin/erl
    [ -L "$erl" ] || return 0
    rm "$erl"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nexec "$(dirname "$(readlink -f "$0")")/../lib/erlang/bin/erl" "$@"\n' > "$erl"
    chmod 755 "$erl"
}

# Compiled by its makers, or sources.
build_elixir() {
    local there name
    unpack elixir
    there=$(cat elixir/VERSION 2> /dev/null) || there=''
    require_version "$ELIXIR_VERSION" "$there" elixir
    if [ ! -f elixir/lib/elixir/ebin/elixir.app ]; then
        step "Elixir $ELIXIR_VERSION: compile" make -C elixir compile
    fi
    say "Elixir $ELIXIR_VERSION: install"
    mkdir -p "$root$DESTINATION/bin" "$root$DESTINATION/lib/elixir/lib"
    cp -R elixir/bin elixir/VERSION "$root$DESTINATION/lib/elixir/"
    for name in elixir/lib/*/ebin; do
        name=${name%/ebin} name=${name##*/}
        mkdir -p "$root$DESTINATION/lib/elixir/lib/$name"
        cp -R "elixir/lib/$name/ebin" "$root$DESTINATION/lib/elixir/lib/$name/"
    done
    for name in elixir elixirc iex mix; do
        ln -s "../lib/elixir/bin/$name" "$root$DESTINATION/bin/$name"
    done
}

# An Elixir that is too new for its Erlang, and a crypto without OpenSSL, show here.
try() {
    local told
    told=$("$root$DESTINATION/bin/elixir" -e ':crypto.strong_rand_bytes(1); IO.puts(System.version())' 2>&1) || true
    [ "$told" = "$ELIXIR_VERSION" ] || {
        say "$told"
        fail "Elixir $ELIXIR_VERSION does not run with Erlang ${ERLANG_VERSION:-of this host}, for the reason above: Elixir's" \
            "page \"Compatibility and deprecations\" lists what goes together"
    }
}

# A toolchain that is half made takes more than a gigabyte.
trap 'rm -rf "$scratch/root" "$scratch/erlang" "$scratch/elixir"' EXIT
rm -rf root result.tar
[ -z "$ERLANG_VERSION" ] || fetch erlang "Erlang $ERLANG_VERSION" "$ERLANG_URL" "$ERLANG_SHA256"
fetch elixir "Elixir $ELIXIR_VERSION" "$ELIXIR_URL" "$ELIXIR_SHA256"
if [ -z "$ELIXIR_SHA256" ] || { [ -n "$ERLANG_VERSION" ] && [ -z "$ERLANG_SHA256" ]; }; then
    [ -z "$ERLANG_VERSION" ] || print_checksum erlang "Erlang $ERLANG_VERSION" "$ERLANG_URL"
    print_checksum elixir "Elixir $ELIXIR_VERSION" "$ELIXIR_URL"
    exit 0
fi
[ -z "$ERLANG_VERSION" ] || build_erlang
build_elixir
try
tar -C "$root$DESTINATION" -cf result.part .
replace result.part result.tar
say "Built the toolchain"
