#!/bin/sh
# Installs packages. Refuses, with their names, to remove a package, to change one that is held back, and to install an older version:
# apt itself is told so as well, for what changes in between.
#
# The arguments are the packages.
set -eu
# Scripts of packages make directories that others must enter.
umask 022
. ./packages.sh

# apt's lock on the package lists has no timeout, and apt-daily holds it right after boot.
refresh() {
    for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        said=$(apt-get update 2>&1) && failed='' || failed=yes
        case $said in *"Could not get lock"*) [ "$try" = 15 ] || sleep 20 ;; *) break ;; esac
    done
    # Of one source that is down apt only warns. The lists of before may do.
    case $failed$said in
        yes* | *"W: Failed to fetch"*)
            echo "apt-get update says of the package sources of this machine, in /etc/apt/sources.list and sources.list.d:"
            printf '%s\n' "$said" | errors
            ;;
    esac >&2
}

# unattended-upgrades may hold dpkg's lock for minutes. After that something is stuck, and a person should look.
# PostgreSQL makes its cluster in the language of this machine.
install() (
    unset LC_ALL LANGUAGE
    apt_get --yes --no-remove -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        install "$@"
)

refresh
refused=$(changes "" "$@" | grep -E '^(remove|downgrade|held|error)' | tr '\t' ' ') || true
if [ -n "$refused" ]; then
    echo "No package was changed. To install $*, apt would have to do what only a person decides:" >&2
    printf '%s\n' "$refused" | sed 's/^held /change the package that is held back: /' >&2
    exit 1
fi
install "$@"
