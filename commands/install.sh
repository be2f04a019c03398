#!/bin/sh
# What the Makefile needs before there is a .venv, and Debian's packages.
#   install.sh packages NAME…       the packages that are missing; says which where it may not install them
#   install.sh sandbox PYTHON       those of the throwaway machine
#   install.sh venv DIRECTORY LOCK  a virtual environment with what a lock file names; the stamp in it is written last, so
#                                   that an interrupted installation is done again
#   install.sh lock                 the lock files anew, from pyproject.toml
set -eu

is_installed() {
    if ! command -v dpkg-query >/dev/null; then
        # Elsewhere than on Debian the command tells.
        case $1 in openssh-client) command -v ssh ;; *) command -v "$1" ;; esac >/dev/null
        return
    fi
    # dpkg knows removed packages, too, and says a word for each architecture.
    case $(dpkg-query -W -f ' ${db:Status-Status} ' "$1" 2>/dev/null) in
        *' installed '*) ;;
        *) return 1 ;;
    esac
}

packages() {
    missing=
    for package; do
        is_installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || { echo "Missing on this computer, by their names in Debian:$missing. Install them" >&2; exit 1; }
    [ "$(id -u)" = 0 ] || { echo "Missing packages. Install them: sudo apt-get install$missing" >&2; exit 1; }
    echo "Installing$missing" >&2
    apt-get update -qq
    # shellcheck disable=SC2086  # one word for each package
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

sandbox() {
    # Elsewhere than as root on Debian, the sandbox itself says what is missing.
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        return 0
    fi
    names=$("$1" -m tests.sandbox packages)
    # shellcheck disable=SC2086  # one word for each package
    packages $names
}

# Everything here needs /proc and /dev/shm of Linux: secrets are edited in memory.
require_linux() {
    system=$(uname -s)
    [ "$system" != Linux ] || return 0
    echo "This computer runs $system, and this project runs on Linux: work in a container or a virtual machine, such as" \
        "docker run -it --rm -v \"\$PWD\":/deploy -w /deploy debian:12; on Windows in WSL" >&2
    exit 1
}

# Sets `python` to the first command that is new enough.
find_python() {
    for python in python3 python3.13 python3.12 python3.11; do
        ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || return 0
    done
    if command -v python3 >/dev/null; then
        echo "Python 3.11 or newer is needed, and python3 is $(python3 --version 2>&1). Install a newer one beside it:" \
            "python3.11 to python3.13 are found in PATH" >&2
    else
        echo "Python 3.11 or newer is needed, and there is no python3 in PATH. Install it" >&2
    fi
    exit 1
}

# Commands that the project's own run: sources come from git, and hosts are reached by ssh.
require_commands() {
    needed=
    command -v git >/dev/null || needed="$needed git"
    command -v ssh >/dev/null || needed="$needed openssh-client"
    # shellcheck disable=SC2086  # one word for each package
    packages $needed
}

venv() {
    require_linux
    # A fresh Debian has none, and root may install it.
    command -v python3 >/dev/null || ! command -v dpkg >/dev/null || packages python3-venv
    find_python
    require_commands
    "$python" -c 'import ensurepip, venv' 2>/dev/null || packages python3-venv
    echo "Making $1 from $2" >&2
    "$python" -m venv "$1"
    "$1/bin/pip" install -qq --disable-pip-version-check --require-hashes -r "$2"
    # pyinfra finds connectors/ by its entry point. Nothing is fetched: what builds it is in the lock file.
    [ "$1" != .venv ] || "$1/bin/pip" install -qq --disable-pip-version-check --no-index --no-deps --no-build-isolation \
        --editable .
    touch "$1/installed"
}

lock() {
    directory=$(mktemp -d)
    trap 'rm -rf "$directory"' EXIT
    python3 -m venv "$directory"
    "$directory/bin/pip" install -qq uv
    for pair in test:requirements.lock bench:bench/requirements.lock; do
        "$directory/bin/uv" pip compile pyproject.toml --extra "${pair%%:*}" --universal --generate-hashes \
            --no-emit-index-url --no-header --upgrade --quiet --output-file "${pair#*:}"
    done
}

"$@"
