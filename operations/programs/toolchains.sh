#!/bin/sh
# Lists the toolchains on a host, complete or not: its name, a tab, and its versions as far as they are known.
for path in /opt/toolchains/* /var/cache/private/deploy-toolchain-*; do
    [ -e "$path" ] || continue
    name=${path##*/} erlang='' elixir=''
    for file in "$path"/lib/erlang/releases/*/OTP_VERSION; do
        [ ! -f "$file" ] || erlang=$(head -n 1 "$file")
    done
    [ ! -f "$path/lib/elixir/VERSION" ] || elixir=$(head -n 1 "$path/lib/elixir/VERSION")
    printf '%s\t%s\n' "$name" "${erlang:+Erlang $erlang }${elixir:+Elixir $elixir}"
done
