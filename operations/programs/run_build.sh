#!/bin/bash
# Builds a release as a transient unit, shows its steps, and stores the tarball with its checksum and the notes of the build. The
# tarball gets its name last. Files of the user of builds are read as that user: root would follow links.
#
# A step is shown in one line when it has ended. When it has failed, the last 200 lines of what its commands said are shown, too.
# The journal has everything.
#
# $1: unit, $2: program that builds, $3: user, $4: group that may read the secret file, $5: directory of builds, $6: revision,
# $7: branch, $8: seconds that a build may take, $9: directory of the store, $10: application, $11: distribution, $12: built_for,
# $13: recipe, $14: directory of releases, $15: archive of the sources, $16: program that unpacks them, $17: directory of the
# application in the sources, $18: "all" shows the whole output, $19: seconds between two lines about a step that goes on, 0 for
# none, $20: names of the build's secrets, with spaces between, $21: git's name of the branch, empty for a revision, $22: port of
# PostgreSQL, $23 and so on: options of systemd-run
#
# Standard input: a line with SHA-256 and number of bytes of the variables, and of the deploy key; then both, the variables in the
# syntax of systemd. They become files in memory that have no name, and that systemd reads when it starts the unit. So they end
# with this program, however it ends.
set -eu
. ./follow.sh
. ./otp_releases.sh
. ./uptime.sh
. ./durable.sh
. ./clear_store.sh
. ./newest.sh
. ./branch_scratch.sh
. ./build_firewall.sh
unit=$1 program=$2 user=$3 group=$4 builds=$5 revision=$6 branch=$7 patience=$8 store=$9
shift 9
app=$1 distribution=$2 built_for=$3 recipe=$4 releases=$5 archive=$6 unpack=$7 directory=$8 output=$9
shift 9
pause=$1 secrets=$2 ref=$3 database_port=$4
shift 4
properties=("$@") current='' entered=0 told=0 part=''
# MiB of a tarball.
largest=4096
trap 'rm -f "$archive" "$part"' EXIT

# The files of the secrets stay with root.
as_user() { setpriv --reuid "$user" --regid "$user" --init-groups "$@" 7>&- 8>&-; }

receive_secrets() {
    local digest size key_digest key_size place
    umask 077
    place=$(mktemp -d /run/build.XXXXXX)
    exec 7<> "$place/variables" 8<> "$place/deploy_key"
    rm -r "$place"
    read -r digest size key_digest key_size || true
    head -c "${size:-0}" >&7
    head -c "${key_size:-0}" >&8
    if ! echo "$digest  /proc/self/fd/7
$key_digest  /proc/self/fd/8" | sha256sum --check --strict --status 2> /dev/null; then
        echo "the secrets of the build did not arrive whole: build again" >&2
        exit 1
    fi
    exec < /dev/null
    [ "$size" = 0 ] || properties+=(--property=EnvironmentFile="/proc/$$/fd/7")
    [ "$key_size" = 0 ] || properties+=(--property=LoadCredential="deploy_key:/proc/$$/fd/8")
}

# Existing versions: none is built twice.
taken() {
    # shellcheck disable=SC2012
    { ls "$store" | sed -n "s/^$app-\\(.*\\)\\.tar\\.gz\$/\\1/p"; ls "$releases" 2> /dev/null; } | xargs
}

# Prints text without a temporary file, for which a full disk has no room.
said() { [ -z "$1" ] || printf '%s\n' "$1"; }

# Shows what is new, for `follow`. Lines of the build program have the level notice (build_output.pl).
news() {
    local line levels=(PRIORITY=5)
    [ "$output" != all ] || levels=()
    seen=$(journal "$1" "$2" _SYSTEMD_UNIT="$2" "${levels[@]}")
    while IFS= read -r line; do show "$line"; done < <(said "$seen" | tail -n +"$((shown + 1))")
    shown=$(said "$seen" | wc -l)
    read_uptime
    [ -z "$current" ] || [ "$pause" = 0 ] || [ "$((uptime - told))" -lt "$pause" ] || {
        told=$uptime
        printf '%s %s s so far\n' "$current" "$((told - entered))"
    }
}

# $1: a line. The beginning of a step is no line of its own, and an error waits for the output before it.
show() {
    case $output:$1 in
    all:*) printf '%s\n' "$1" ;;
    *' …')
        read_uptime
        current=$1 entered=$uptime told=$uptime
        ;;
    *:'FAILED: '*) ;;
    *)
        current=''
        printf '%s\n' "$1"
        ;;
    esac
}

# Shows why the build has failed: the output since the last line of the build program, and the reason.
explain() {
    local last from all lines=200
    if [ "$output" != all ]; then
        read_uptime
        [ -z "$current" ] || printf '%s failed after %s s\n' "$current" "$((uptime - entered))"
        all=$(journal "$run" "$unit" _SYSTEMD_UNIT="$unit")
        last=$(said "$seen" | grep -v '^FAILED: ' | tail -n 1)
        [ -z "$last" ] || from=$(said "$all" | grep -nxF -e "$last" | tail -n 1 | cut -d : -f 1)
        all=$(said "$all" | tail -n +"$((${from:-0} + 1))")
        [ "$(said "$all" | wc -l)" -le "$lines" ] ||
            echo "(the last $lines lines; the journal has all of them: journalctl --unit $unit)"
        said "$all" | tail -n "$lines"
    fi
    ! said "$seen" | grep -q '^FAILED: ' || return 0
    if [ -z "$seen" ]; then
        echo "FAILED: the journal has no line of $unit, so nothing tells why: is /var/log or /run full, or read-only?"
    fi
    case $(systemctl show --property=Result --value "$unit") in
    oom-kill)
        echo "FAILED: the build ran out of memory: raise build_memory_limit, or build on a host with more memory (build_host)"
        ;;
    timeout) echo "FAILED: the build was ended after $patience s" ;;
    signal) echo "FAILED: a signal ended the build" ;;
    esac
}

build() {
    new_run
    groups=()
    ! getent group "$group" > /dev/null || groups=(--property=SupplementaryGroups="$group")
    otp_releases "$program" "$user" "$builds/otp" 7>&- 8>&-
    groups+=("${otp_releases[@]}")
    systemctl reset-failed "$unit" 2> /dev/null || true
    trap 'rm -f "$archive" "$part"; allow_database "$user"' EXIT
    refuse_database "$user" "$database_port"
    systemd-run --quiet --unit="$unit" --service-type=exec --uid="$user" --gid="$user" "${groups[@]}" \
        --property=UMask=0077 --property=SyslogIdentifier="${unit%.service}" \
        --property=LogExtraFields="$run" \
        --property=RuntimeDirectory="${unit%.service}" --property=RuntimeDirectoryMode=0700 \
        --property=LogRateLimitIntervalSec=0 --property=RuntimeMaxSec="$patience" \
        --property=WorkingDirectory="$builds/scratch/source" "${properties[@]}" --setenv=BUILD_SECRETS="$secrets" \
        --setenv=REVISION="$revision" --setenv=BRANCH="$branch" --setenv=TAKEN="$(taken)" -- "$program.pl" "$program"
    # The build has begun, so systemd has read them.
    exec 7>&- 8>&-
    follow "$run" "$unit"
}

# People and make promote know a build by its version, and a build's own code prints it: it must be of this branch and revision, as
# build.sh stamps it, and of no other build.
require_own_version() {
    local end="${branch:+-$branch}-${revision:0:7}" said=''
    if ! [[ $version =~ [+.][0-9]{8}"$end"(\.[0-9]+)?$ ]]; then
        said="the build calls itself $version, which does not end with its date and $end: nothing was stored"
    elif [[ " $(taken) " == *" $version "* ]]; then
        said="the build calls itself $version, as another build does: nothing was stored"
    fi
    [ -z "$said" ] || { echo "FAILED: $said" && exit 1; }
}

store() {
    umask 077
    tarball=$store/$app-$version.tar.gz
    part=$tarball.part
    clear_store "$store" part
    # What the build left there may be a link, or without an end.
    as_user dd if="$builds/scratch/release.tar.gz" iflag=nofollow,nonblock,fullblock bs=1M count="$largest" status=none > "$part"
    if [ "$(stat -c %s "$part")" -ge "$((largest << 20))" ]; then
        echo "the tarball has $largest MiB or more, which no release has: nothing was stored" >&2
        exit 1
    fi
    printf '%s\n' "revision=$revision" "branch=$branch" "distribution=$distribution" "built_for=$built_for" \
        "recipe=$recipe" "ref=${ref:-anew}" "built=$(date -u +%Y-%m-%dT%H:%M:%SZ)" > "$tarball.build"
    as_user grep -sx "secrets=built in" "$builds/scratch/notes" >> "$tarball.build" || true
    echo "$(sha256sum < "$part" | cut -d ' ' -f 1)  ${tarball##*/}" > "$tarball.sha256"
    sync "$tarball.build" "$tarball.sha256"
    make_newest "$part"
    replace "$part" "$tarball"
    as_user rm -f "$builds/scratch/release.tar.gz"
}

receive_secrets
install -d -o root -g "$user" -m 750 "$builds"
# Keeps two builds of one environment apart.
exec 9> "$builds/lock"
flock -n 9 || {
    echo "a build of this environment is at work: wait for it to end" >&2
    exit 1
}
bring_scratch "$builds" "$ref"
install -d -o "$user" -g "$user" -m 700 "$builds/scratch"
as_user sh -c "$unpack" unpack_sources.sh "$builds/scratch" "$directory" < "$archive"
build
# shellcheck disable=SC2154
# The application prints this line: nothing else than a version gets into a path. group_data/schema/version.py has the pattern.
version=$(said "$seen" | sed -n '$s/^Built \([0-9A-Za-z][0-9A-Za-z.+_-]\{0,127\}\)$/\1/p')
rm -f "$archive"
[ -n "$version" ] || {
    explain
    systemctl reset-failed "$unit" 2> /dev/null
    exit 1
}
require_own_version
store
