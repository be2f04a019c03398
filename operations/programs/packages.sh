#!/bin/sh
# What apt would change on this machine to install packages, as functions: a line for each package, with tabs
# between. Another program sources this file.
#
#   install NAME VERSION, upgrade NAME OLD NEW, downgrade NAME OLD NEW, remove NAME VERSION, held NAME, error WORDS
export DEBIAN_FRONTEND=noninteractive

# The same for the plan and for the installation.
apt_get() { apt-get --no-install-recommends --no-install-suggests --no-auto-remove "$@"; }

# The errors of apt in its output, and the dependencies that it names.
errors() { sed -n 's/^[EW]: *//p; s/^ \(.* : .*\)/\1/p' | tr -s '\t ' ' ' | cut -c -300 | head -n 20; }

# $1: output of a simulation
listed() {
    printf '%s\n' "$1" | sed -n '
        s/^Inst \([^ ]*\) \[\([^]]*\)\] (\([^ ]*\) .*/upgrade\t\1\t\2\t\3/p
        s/^Inst \([^ ]*\) (\([^ ]*\) .*/install\t\1\t\2/p
        s/^Remv \([^ ]*\) \[\([^]]*\)\].*/remove\t\1\t\2/p' |
        while IFS='	' read -r kind name old new; do
            [ "$kind" != upgrade ] || dpkg --compare-versions "$old" lt "$new" || kind=downgrade
            printf '%s\t%s\t%s%s\n' "$kind" "$name" "$old" "${new:+	$new}"
            ! apt-mark showhold "${name%%:*}" | grep -q . || printf 'held\t%s\n' "$name"
        done
}

# $1: options of apt with spaces between, the rest: packages
changes() {
    options=$1
    shift
    # shellcheck disable=SC2086
    if said=$(apt_get --simulate $options install "$@" 2>&1); then
        listed "$said"
    else
        printf '%s\n' "$said" | errors | sed 's/^/error\t/'
        apt-mark showhold | sed 's/^/error\theld back: /'
    fi
}

lists=''
eval "$(apt-config shell lists Dir::State::Lists/d)"

# Whether package lists were ever fetched.
have_lists() { find "$lists" -maxdepth 1 -name '*_Packages*' 2> /dev/null | grep -q .; }
