#!/bin/bash
# Managed by the deploy repository: changes here are overwritten.
#
# Builds a release from the sources in the working directory. systemd runs it as the application user (run_build.sh).
#
# Settings of the environment: the file with the same name and .conf at its end (templates/build.conf.j2).
#
# Environment: REVISION and BRANCH of the sources, TAKEN: existing versions.
set -euo pipefail

# For shellcheck; the settings set all of these.
app='' scratch='' toolchain_path='' mix_env='' deployment_config='' include_erts='' include_src='' secrets=''
secrets_built_in='' release_tool='' assembled='' assemble=() build_commands=()
# shellcheck source=/dev/null
. "$0.conf"

export LANG=C.UTF-8 HOME=$scratch
export PATH=$toolchain_path/usr/local/bin:/usr/bin:/bin
export MIX_ENV=$mix_env
[ -z "$deployment_config" ] || export DEPLOYMENT_CONFIG=$deployment_config
# mix.exs and rel/config.exs may read these.
export INCLUDE_ERTS=$include_erts INCLUDE_SRC=$include_src

say() { printf '%s\n' "$*"; }

fail() {
    say "FAILED: $*"
    exit 1
}

# Distillery reads the secrets in config/ while it builds. A mix release reads them when it starts.
link_secrets() {
    if [ -d config ] && [ -r "$secrets" ]; then
        ln -sfn "$secrets" "config/${secrets##*/}"
    elif [ "$secrets_built_in" = yes ]; then
        fail "Distillery builds the secrets in, and $secrets cannot be read on this host: build where the environment lives"
    fi
}

fetch_dependencies() {
    [ -f mix.lock ] || return 0
    say "Fetching dependencies"
    mix local.hex --force --if-missing
    mix local.rebar --force --if-missing
    mix deps.get --only "$MIX_ENV"
}

run_build_commands() {
    local command
    for command in "${build_commands[@]}"; do
        say "+ $command"
        bash -c "$command" || fail "build_commands: $command failed, for the reason above"
    done
}

# Sets `version`: the version in mix.exs with date, branch and revision, and with a number if that version exists.
stamp() {
    local base stamped number
    # Nothing is compiled yet, and mix would complain about that.
    base=$(mix run --no-compile --no-deps-check --no-start \
        -e 'IO.puts(["version ", Mix.Project.config()[:version]])' 2> /dev/null | sed -n 's/^version //p') || true
    [ -n "$base" ] || fail "mix run cannot tell the version in mix.exs: try it in a fresh checkout"
    stamped=$base+$(date -u +%Y%m%d)${BRANCH:+-$BRANCH}-${REVISION:0:7}
    version=$stamped
    for ((number = 2; ; number++)); do
        [[ " $TAKEN " == *" $version "* ]] || break
        version=$stamped.$number
    done
    [ "$release_tool" = distillery ] || return 0
    # Distillery only takes the version in mix.exs.
    sed -i "s/version: \"$base\"/version: \"$version\"/" mix.exs
    grep -qF "version: \"$version\"" mix.exs ||
        fail "mix.exs has no line version: \"$base\", which the build could stamp"
}

check_release() {
    local booted
    booted=$(cut -d ' ' -f 2 "$assembled/releases/start_erl.data")
    [ "$booted" = "$version" ] || fail "the release boots $booted, not $version: mix.exs sets a version of its own for it"
    if [ "$include_erts" = true ]; then
        compgen -G "$assembled/erts-*" > /dev/null ||
            fail "the Erlang runtime is not in the release: set include_erts: true for it, or include_erts = False here"
    elif compgen -G "$assembled/erts-*" > /dev/null; then
        fail "the Erlang runtime is in the release: set include_erts: false for it, or include_erts = True here"
    fi
}

add_sources() {
    local library
    [ "$include_src" = true ] || return 0
    for library in "$assembled/lib/$app"-*; do
        mkdir -p "$library/src"
        cp -r lib "$library/src/"
    done
}

link_secrets
fetch_dependencies
run_build_commands
stamp
say "Building $version with ${assemble[1]}"
"${assemble[@]//\{version\}/$version}"
check_release
add_sources
tar -C "$assembled" -czf ../release.tar.gz.part .
mv ../release.tar.gz.part ../release.tar.gz
say "Built $version"
