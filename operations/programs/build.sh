#!/bin/bash
# Managed by the deploy repository: changes here are overwritten.
#
# Builds a release from the sources in the working directory. systemd runs it as the application user (run_build.sh).
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
export LANG=C.UTF-8 HOME=$scratch
export PATH=$toolchain_path/usr/local/bin:/usr/bin:/bin
export MIX_ENV=$mix_env
[ -z "$deployment_config" ] || export DEPLOYMENT_CONFIG=$deployment_config
# mix.exs and rel/config.exs may read these.
export INCLUDE_ERTS=$include_erts INCLUDE_SRC=$include_src

. ./kept_code.sh
. ./uptime.sh

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

# --- Private dependencies --------------------------------------------------------------------------------------------

# git asks for tokens by a program that reads them from variables, so they are in no file, no argument and no global setting. The
# first entry clears the helpers of the host.
access_git() {
    local entry host name user number=0
    export GIT_TERMINAL_PROMPT=0
    if [ -r "${CREDENTIALS_DIRECTORY-}/deploy_key" ]; then
        export GIT_SSH_COMMAND="ssh -F none -i '$CREDENTIALS_DIRECTORY/deploy_key' -o IdentitiesOnly=yes -o IdentityAgent=none \
-o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile='$0.known_hosts' -o GlobalKnownHostsFile=/dev/null"
    fi
    for entry in "${git_tokens[@]}"; do
        name=${entry#* } host=${entry% *} user=x-access-token
        [[ $host != *@* ]] || user=${host%@*} host=${host##*@}
        export "GIT_CONFIG_KEY_$number=credential.https://$host.helper" "GIT_CONFIG_VALUE_$number="
        number=$((number + 1))
        export "GIT_CONFIG_KEY_$number=credential.https://$host.helper" \
            "GIT_CONFIG_VALUE_$number=!f() { [ \"\$1\" != get ] || printf 'username=%s\\npassword=%s\\n' '$user' \"\$$name\"; }; f"
        number=$((number + 1))
    done
    export GIT_CONFIG_COUNT=$number
}

# Hex writes its keys, or tokens for them, into its configuration: for the time of the build, in memory. Its other files stay where
# they are kept between builds.
access_hex() {
    [ ${#hex_access[@]} -gt 0 ] || return 0
    export MIX_XDG=1 MIX_HOME=$HOME/.mix XDG_CONFIG_HOME=$private/config XDG_CACHE_HOME=$HOME/.cache
    mkdir -p "$XDG_CONFIG_HOME/hex"
    # In a directory without a mix.exs.
    run env -C "$XDG_CONFIG_HOME" mix run --no-mix-exs "$0.hex.exs" "${hex_access[@]}" ||
        fail "Hex does not take a key of build_hex_organizations or build_hex_repositories, for the reason above"
}

# A secret that only a build may know must not be in what it makes. One that the application gets as well may, and the release then
# fits one environment alone.
check_for_secrets() {
    local found name file
    [ -n "${BUILD_SECRETS-}${CREDENTIALS_DIRECTORY-}" ] || return 0
    found=$(elixir "$0.secrets.exs" "$assembled")
    while read -r name file; do
        [ -n "$name" ] || continue
        [[ " ${shared_secrets[*]} " == *" $name "* ]] ||
            fail "the release has the value of $name in it, in $file: the application takes it in while it is compiled. Read it" \
                "nowhere but in mix.exs, or, if the application needs it, add it to secret_variables too"
        grep -qsx "secrets=built in" "$scratch/notes" || say "secrets=built in" >> "$scratch/notes"
    done <<< "$found"
}

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
told() { sed -n "s/^$1=//p" "$project"; }

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

# As the kernel's words are, those of Elixir, and Erlang's.
no_room='[Nn]o space left on device\|[Dd]isk quota exceeded\|[:{, ]enospc\b'

# Prints the remedy for what the log says; nothing for an unknown error.
advice() {
    local name programs='cc\|gcc\|c++\|g++\|make\|cmake\|cargo\|rustc\|npm\|npx\|node\|yarn\|git'
    if found "/$no_room/p" > /dev/null; then
        say "no room is left on the disk, for the reason above: df $scratch and df --inodes $scratch show it. What this" \
            "build made is removed, and the next one compiles everything"
    elif name=$(found 's/.*[Cc]ould not find application :\([a-z_0-9]*\).*/\1/p'); then
        say "the application $name is not on this host: it belongs into deps, or into build_packages as Debian's package" \
            "erlang-${name//_/-}"
    elif name=$(found 's/.*could not fetch environment variable "\([^"]*\)".*/\1/p'); then
        say "the configuration asks for the variable $name while it is compiled, and only the running application has it:" \
            "read it in config/runtime.exs, which a build does not evaluate"
    elif name=$(found "s/.*\"\\($programs\\)\" not found in the path.*/\\1/p
        s/.*: \\($programs\\): \\(command not found\\|not found\\|No such file or directory\\)\$/\\1/p"); then
        say "the build needs the program $name: add Debian's package $(package_of "$name") to build_packages"
    elif name=$(found 's/.*could not read file ".*\/\(config\/[a-z_0-9]*\.exs\)".*/\1/p'); then
        say "the configuration imports $name, which is not in the repository: set mix_env to an environment that it has," \
            "such as \"prod\", or let make app-apply write the file, and commit it"
    elif found '/Could not resolve "phoenix-colocated/p' > /dev/null; then
        say "LiveView's compiler writes a part of the JavaScript: put \"mix compile\" before the other build_commands"
    elif found '/Invalid application .:sasl/p' > /dev/null; then
        say "Elixir 1.15 and later hide Erlang's applications from Distillery: add prune_code_paths: false to the project" \
            "in mix.exs"
    elif name=$(found "s/.*could not read Username for 'https:\/\/\([^']*\)'.*/\1/p
        s/.*Authentication failed for 'https:\/\/\([^/']*\).*/\1/p"); then
        say "git has no token that $name takes: name one in build_git_tokens"
    elif found '/Host key verification failed/p' > /dev/null; then
        say "ssh does not know the public key of the git server, or it is another one: build_known_hosts names it"
    elif found '/Permission denied (publickey/p' > /dev/null; then
        say "the git server takes no key of this build: add the public half of build_deploy_key to the repository there"
    elif name=$(found 's/.*[Nn]o authenticated organization found for \([a-z0-9_-]*\).*/\1/p
        s/.*[Uu]nknown repository "hexpm:\([^"]*\)".*/\1/p'); then
        say "Hex has no key for the organization $name: name one in build_hex_organizations"
    elif name=$(found 's/.*[Uu]nknown repository "\([^"]*\)".*/\1/p'); then
        say "Hex does not know the repository $name: name it in build_hex_repositories"
    elif found '/Cannot allocate memory\|erl_child_setup: .*memory/p' > /dev/null; then
        say "the build ran out of memory: raise build_memory_limit, or build on a host with more memory (build_host)"
    elif found '/does not match .*mix\.lock\|lock mismatch/p' > /dev/null; then
        say "mix.exs and mix.lock disagree: run mix deps.get in the application's checkout, and commit mix.lock"
    fi
}

# $1: sed's commands that print a name. Prints the first one.
found() { sed -n "$1" "$log" | head -n 1 | grep .; }

package_of() {
    case $1 in
    cc | gcc) say gcc ;;
    g++ | c++) say g++ ;;
    node) say nodejs ;;
    *) say "$1" ;;
    esac
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
