#!/bin/bash
# shellcheck disable=SC2154  # build.sh sets the others
#
# A part of build.sh: decides which compiled code of the build before counts, and notes how far this build is.
#
# Mix compiles what changed, as on a developer's computer. It does not notice everything: a process that was killed, another
# Erlang, a dependency that is gone while another one was compiled to use it. In such a case the code is compiled anew, so
# that a build gives what a fresh checkout gives.
#
# Files in the build's directory, beside the sources:
#   unfinished  a build began: `dependencies` or `application` is what it was at; gone when it ended by itself
#   made_with   what the compiled code was made with; own_with: the same for the application's own code
#   configured  what dependencies were configured with, as digests
#   kept, lost  notes of unpack_sources.sh

# Set by `run` when a command was killed, or the disk was full: no other failure leaves files half written.
killed='' full=''

# Whether mix.exs, mix.lock or config changed since the last build that succeeded.
changed=''

# What own_with printed when the build began.
project_files=''

# Prints everything but sources that compiled code depends on.
made_with() {
    cat "$0" "$0.conf" "$0.exs" | sha256sum
    told elixir
    told otp
    sed -n 's/^VERSION_ID=//p' /etc/os-release
    printf '%s\n' "$MIX_ENV" "${MIX_TARGET-}"
}

# Prints a digest of the project's files and settings. Mix looks at their times, and not at all they decide about.
own_with() {
    find -L . -maxdepth 4 \( -path '*/deps' -o -path '*/_build' -o -path '*/node_modules' \) -prune -o -type f \
        \( -name mix.exs -o -name mix.lock -o -path '*/config/*' \) -print0 2> /dev/null | sort -z | xargs -0r sha256sum
}

# Removes compiled code that does not count, and says why.
begin_kept() {
    local at='' lost='' now
    [ ! -f "$scratch/unfinished" ] || at=$(cat "$scratch/unfinished")
    [ ! -f "$scratch/lost" ] || lost=$(cat "$scratch/lost")
    now=$(made_with) project_files=$(own_with)
    [ "$project_files" = "$(cat "$scratch/own_with" 2> /dev/null)" ] || changed=yes
    if [ -f "$scratch/unfinished" ] && [ "$at" != application ]; then
        # What Mix and Hex downloaded may be half a file, too.
        rm -rf "$scratch/.mix" "$scratch/.hex" "$scratch/.cache"
        renew_all "the build before was killed"
    elif [ "$now" != "$(cat "$scratch/made_with" 2> /dev/null)" ]; then
        renew_all "the build before had another Elixir, Erlang, Debian or settings"
    elif [[ $lost == *all* ]]; then
        renew_all "files that compiling dependencies had made are gone"
    elif clock_went_back; then
        renew_all "the clock went back"
    elif [ "$at" = application ]; then
        renew_own "the build before was killed"
    elif [[ $lost == *own* ]]; then
        renew_own "files that compiling it had made are gone"
    elif [ -n "$changed" ]; then
        renew_own "mix.exs, mix.lock or config changed"
    fi
    printf '%s\n' "$now" > "$scratch/made_with"
    note dependencies
}

# Mix compares times.
clock_went_back() { [ -n "$(find "$scratch/made_with" -newermt now)" ]; }

# Before anything else is written: this note survives a power cut.
note() {
    echo "$1" > "$scratch/unfinished"
    sync "$scratch/unfinished" "$scratch"
}

# Compilers write into the directories of dependencies, too.
renew_all() {
    local kept
    [ -d "$(build_path)" ] || [ -d "$(deps_path)" ] || return 0
    announce "Everything is compiled anew: $*"
    while read -r kept; do
        rm -rf "$scratch/source/${kept:?}"
    done < "$scratch/kept"
}

renew_code() {
    local build
    build=$(build_path)
    announce "Everything is compiled anew: $*"
    rm -rf "${build:?}/lib"
}

# Keeps dependencies: what has a directory in deps.
renew_own() {
    local library
    [ -d "$(build_path)/lib" ] || return 0
    announce "The application is compiled anew: $*"
    for library in "$(build_path)/lib"/*; do
        [ -d "$(deps_path)/${library##*/}" ] || rm -rf "$library"
    done
}

# A dependency that is gone may have been an optional one of another, which was compiled to use it.
renew_without_dependencies() {
    local before
    [ -n "$changed" ] && [ -d "$(build_path)/lib" ] || return 0
    before=$(list_code)
    run mix deps.clean --unused --only "$MIX_ENV"
    [ "$before" = "$(list_code)" ] || renew_code "a dependency is gone"
}

# Elixir 1.14 does not notice that a dependency was compiled with another configuration.
renew_configured_otherwise() {
    local now=$scratch/configured.part libraries line name
    [ -n "$changed" ] && [ -d "$(build_path)/lib" ] || return 0
    elixir "$0.exs" "$now" "$release" configuration > /dev/null || renew_code "its configuration cannot be compared"
    libraries=$(build_path)/lib
    while read -r line; do
        name=${line%%=*}
        [ -z "$name" ] || [ ! -d "$(deps_path)/$name" ] || rm -rf "${libraries:?}/$name"
    done < <(sort "$now" "$scratch/configured" 2> /dev/null | uniq -u)
}

list_code() { ls "$(build_path)/lib" "$(deps_path)"; }

build_path() {
    local path
    path=$(told build_path)
    say "${path:-_build/$MIX_ENV}"
}

deps_path() {
    local path
    path=$(told deps_path)
    say "${path:-deps}"
}

# All of the build's files are on the disk before it counts as ended: after a power cut they would be there and empty.
dependencies_are_kept() {
    [ -z "$changed" ] || elixir "$0.exs" "$scratch/configured" "$release" configuration > /dev/null
    sync --file-system "$scratch"
    note application
}

end_kept() {
    # As the repository has it: a build may stamp a version into mix.exs.
    printf '%s\n' "$project_files" > "$scratch/own_with"
    rm -f "$scratch/lost"
    sync --file-system "$scratch"
    rm -f "$scratch/unfinished"
}

# At every end of the program. After an ordinary failure, such as a compile error, mix goes on where it was.
leave_kept() {
    local status=$?
    # The room is not ours alone.
    [ -z "$full" ] || rm -rf "$scratch/source" "$scratch/release.tar.gz.part"
    [ -n "$killed" ] || [ "$status" -gt 125 ] || {
        sync --file-system "$scratch"
        rm -f "$scratch/unfinished"
    }
}
