#!/bin/bash
# Managed by the deploy repository: changes here are overwritten.
#
# Builds a release from the sources in the working directory. systemd runs it as the user of builds (run_build.sh).
#
# No step evaluates config/runtime.exs: it may ask for variables that only the application's unit has.
#
# Settings of the environment: the file with the same name and .conf at its end (templates/build.conf.j2). The file with .exs at
# its end reads mix.exs (read_project.exs).
#
# Environment: REVISION and BRANCH of the sources, TAKEN: existing versions. BUILD_SECRETS: names of variables with secrets. MARK:
# begins each line of the program itself (build_output.pl).
set -euo pipefail
. ./durable.sh

# For shellcheck; the settings set all of these.
app='' release='' release_named='' toolchain_path='' mix_env='' deployment_config='' include_erts='' include_src='' secrets=''
secrets_built_in='' release_tool='' build_directory='' assembled='' assemble=() build_commands=()
hex_access=() git_tokens=() shared_secrets=()
# shellcheck source=/dev/null
. "$0.conf"

scratch=${PWD%/*}
project=$scratch/project
# A directory in memory, for the time of the build alone: what is in the log may be secret.
private=${RUNTIME_DIRECTORY:-$scratch}
log=$private/log
export HOME=$scratch
export PATH=$toolchain_path/usr/local/bin:/usr/bin:/bin
export MIX_ENV=$mix_env
[ -z "$deployment_config" ] || export DEPLOYMENT_CONFIG=$deployment_config
# mix.exs and rel/config.exs may read these.
export INCLUDE_ERTS=$include_erts INCLUDE_SRC=$include_src

. ./uptime.sh
. ./kept_code.sh
. ./build_keys.sh
. ./build_advice.sh

say() { printf '%s\n' "$*"; }

# A line of this program itself, which is shown. What commands say is shown when a step fails.
announce() { say "${MARK-}$*"; }

fail() {
    announce "FAILED: $*"
    exit 1
}

# Begins a step, and ends the one before.
step() {
    end_step
    read_uptime
    step=$* began=$uptime warnings=0
    announce "$step …"
}

end_step() {
    [ -n "$step" ] || return 0
    read_uptime
    case $warnings in
    0) warnings='' ;;
    1) warnings=' (1 warning: VERBOSE=1 shows it)' ;;
    *) warnings=" ($warnings warnings: VERBOSE=1 shows them)" ;;
    esac
    announce "$step … $((uptime - began)) s$warnings"
    step=''
}
step='' began=0 warnings=0

# --- The application's mix.exs ---------------------------------------------------------------------------------------

enter_project() {
    local found
    cd "${build_directory:-.}" 2> /dev/null ||
        fail "the repository has no directory $build_directory: build_directory names the application's"
    [ ! -f mix.exs ] || return 0
    found=$(find . -maxdepth 4 -name mix.exs -not -path '*/deps/*' -printf '%P\n' | sort | xargs)
    fail "there is no mix.exs in ${build_directory:-the repository}: set build_directory to the application's directory" \
        "${found:+(there are: $found)}"
}

# Prints what mix.exs says.
told() {
    local line
    while IFS= read -r line; do
        [[ $line != "$1="* ]] || say "${line#*=}"
    done < "$project"
}

read_project() {
    local required
    rm -f "$project"
    elixir "$0.exs" "$project" "$release" ||
        fail "mix.exs cannot be read, for the reason above: MIX_ENV=$MIX_ENV mix help shows it in a fresh checkout"
    required=$(told required)
    [ "$(told outdated)" != true ] ||
        fail "mix.exs asks for Elixir $required, and this host has $(told elixir): set elixir_version to a matching" \
            "one"
    [ -n "$(told version)" ] || fail "mix.exs has no version: add version: to its project, or to its release" \
        "${release}"
}

# Host names come from group data, so both must name the same release. Without release_name the only release of mix.exs counts.
# Sets `made` to its name.
require_release() {
    local names app_there
    made=$release
    [ "$release_tool" = mix ] || return 0
    names=$(told releases) app_there=$(told app)
    if [ -n "$names" ]; then
        [[ " $names " != *" $release "* ]] || return 0
        if [[ $names != *' '* ]]; then
            [ "$release_named" = no ] || fail "mix.exs has the release $names, and group data expects $release:" \
                "set release_name = \"$names\" in group_data/all.py, then apply"
            made=$names assembled=${assembled%"$release"}$names
            return 0
        fi
        fail "mix.exs has the releases $names, and group data expects $release: set release_name in group_data/all.py to" \
            "one of them, then apply"
    fi
    [ -z "$(told umbrella)" ] || fail "mix.exs of an umbrella must name the release and its applications:" \
        "releases: [$release: [applications: [${app}_web: :permanent]]]"
    [ "$app_there" = "$release" ] || fail "mix.exs names no release, so it is called $app_there, and group data expects" \
        "$release: set release_name = \"$app_there\" in group_data/all.py, then apply"
}

# --- Steps -----------------------------------------------------------------------------------------------------------

# Distillery reads the secrets in config/ while it builds. A mix release reads them when it starts, unless its configuration
# imports them as Distillery's does.
link_secrets() {
    if [ -d config ] && [ -r "$secrets" ]; then
        ln -sfn "$secrets" "config/${secrets##*/}"
    elif [ "$secrets_built_in" = yes ]; then
        fail "Distillery builds the secrets in, and $secrets cannot be read on this host: build where the environment lives"
    fi
}

# Leaves a note for run_build.sh if the secrets are in the release, which then fits one environment alone. One secret that each
# secret file has stands for all. It is no argument: every local user reads those.
note_secrets() {
    rm -f "$scratch/notes"
    if [ "$secrets_built_in" = yes ] ||
        sed -n 's/.*secret_key_base: "\([^"]\{8,\}\)".*/\1/p' "$secrets" 2> /dev/null |
        grep -qsFf - "$assembled/releases/$version/sys.config"; then
        say "secrets=built in" > "$scratch/notes"
    fi
}

# Runs a command, shows its output, and says how to go on after an error that has a known remedy.
run() {
    local remedy status=0
    # Line by line, so that the journal shows a long step while it runs.
    "$@" 2>&1 | tee "$log" || status=$?
    [ "$status" -le 128 ] || killed=yes
    warnings=$((warnings + $(grep -c '^ *warning: ' "$log" || true)))
    [ "$status" != 0 ] || return 0
    ! found "/$no_room/p" > /dev/null || full=yes
    remedy=$(advice)
    [ -z "$remedy" ] || fail "$remedy"
    [ "$status" != 137 ] || fail "the kernel ended $1, as it does when memory runs out: raise build_memory_limit, or build on a" \
        "host with more memory (build_host)"
    return 1
}

fetch_dependencies() {
    [ "$(told fetches)" != true ] || [ -f mix.lock ] || [ -d deps ] ||
        fail "mix.exs has dependencies and there is no mix.lock: run mix deps.get in the application's checkout, and commit" \
            "mix.lock"
    [ -f mix.lock ] || return 0
    step "Fetching dependencies"
    # Each task of Mix reads config/config.exs, so the first one already meets its faults.
    run mix local.hex --force --if-missing
    run mix local.rebar --force --if-missing
    access_hex
    run mix deps.get --only "$MIX_ENV"
    renew_without_dependencies
    renew_configured_otherwise
    step "Compiling dependencies"
    run mix deps.loadpaths
    dependencies_are_kept
}

run_build_commands() {
    local command
    for command in "${build_commands[@]}"; do
        step "+ $command"
        run bash -c "$command" || fail "build_commands: $command failed, for the reason above"
    done
}

# Sets `version`: the version in mix.exs with date, branch and revision, and with a number if that version exists.
stamp() {
    local base joint=+ stamped number
    base=$(told version)
    # A version has one part for such words, after the first plus.
    [[ $base != *+* ]] || joint=.
    stamped=$base$joint$(date -u +%Y%m%d)${BRANCH:+-$BRANCH}-${REVISION:0:7}
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

# Adds the release's name to the command. Without `releases:`, Mix takes no name.
name_release() {
    if [ "$release_tool" = distillery ]; then
        [ "$release" = "$app" ] || assemble+=("--name=$release")
    elif [ -n "$(told releases)" ]; then
        assemble+=("$made")
    fi
}

# mix release makes another cookie for each build, and the same revision shall give the same release. The unit uses neither.
keep_cookie() {
    local made_here=$scratch/cookie
    [ -f "$assembled/releases/COOKIE" ] && [ "$(told cookie)" != given ] || return 0
    if [ ! -s "$made_here" ]; then
        cp "$assembled/releases/COOKIE" "$made_here.part"
        replace "$made_here.part" "$made_here"
    fi
    cp "$made_here" "$assembled/releases/COOKIE"
}

# Assembles the release. Before Distillery 2.1 the task had the name that Mix has now.
assemble() {
    if ! run "${assemble[@]//\{version\}/$version}"; then
        grep -qF 'task "distillery.release" could not be found' "$log" || return 1
        announce "Distillery before 2.1: building with mix release"
        run mix release "${assemble[@]:2}"
    fi
    bring_table
}

# Distillery's commands read the table of releases, and OTP 25 and later write it elsewhere (otp_releases.sh).
bring_table() {
    [ "$release_tool" = distillery ] && [ ! -e "$assembled/releases/RELEASES" ] || return 0
    cp "${OTP_RELEASES:-}/RELEASES" "$assembled/releases/" ||
        fail "Erlang wrote no releases/RELEASES, which the commands of a Distillery release read"
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

# The host calls the script by the name in group data.
name_script() {
    [ "$made" != "$release" ] || return 0
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nexec "$(dirname "$(readlink -f "$0")")/%s" "$@"\n' "$made" > "$assembled/bin/$release"
    chmod 755 "$assembled/bin/$release"
}

# In an umbrella each application has sources.
add_sources() {
    local sources name library
    [ "$include_src" = true ] || return 0
    for sources in lib apps/*/lib; do
        name=${sources%/lib} name=${name##*/}
        [ "$sources" != lib ] || name=$app
        for library in "$assembled/lib/$name"-*; do
            if [ -d "$sources" ] && [ -d "$library" ]; then
                mkdir -p "$library/src"
                cp -r "$sources" "$library/src/"
            fi
        done
    done
}

enter_project
access_git
read_project
require_release
[ "$release_tool" != mix ] || assembled=$(build_path)/rel/$made
link_secrets
trap leave_kept EXIT
trap 'killed=yes; exit 143' TERM INT HUP
begin_kept
fetch_dependencies
run_build_commands
stamp
name_release
step "Building $version with ${assemble[1]}"
# Release tools add to this directory: former versions would get into the tarball.
rm -rf "$assembled"
assemble
end_step
keep_cookie
check_release
name_script
note_secrets
add_sources
check_for_secrets
step "Packing the release"
run tar -C "$assembled" -czf "$scratch/release.tar.gz.part" . || fail "the release could not be packed, for the reason above"
end_kept
replace "$scratch/release.tar.gz.part" "$scratch/release.tar.gz"
end_step
announce "Built $version"
