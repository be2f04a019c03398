#!/bin/bash
# shellcheck disable=SC2154  # build.sh sets the others
#
# A part of build.sh: how to go on after an error that has a known remedy.

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
