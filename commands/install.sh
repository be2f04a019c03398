#!/bin/sh
# What the Makefile needs before there is a .venv, and Debian's packages.
#   install.sh packages NAME…       the packages that are missing; says which where it may not install them
#   install.sh sandbox PYTHON       those of the throwaway machine
#   install.sh venv DIRECTORY LOCK  a virtual environment with what a lock file names; the stamp in it is written last, so
#                                   that an interrupted installation is done again
#   install.sh lock                 the lock files anew, from pyproject.toml
set -eu

packages() {
    missing=
    for package; do
        dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
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

venv() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || packages python3-venv
    echo "Making $1 from $2" >&2
    python3 -m venv "$1"
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
