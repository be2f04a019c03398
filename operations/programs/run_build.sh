#!/bin/bash
# Builds a release as a transient unit, shows the compiler's output, and stores the tarball with its checksum and the notes of
# the build. The tarball gets its name last. Files of the application user are read as that user: root would follow links.
#
# $1: unit, $2: program that builds, $3: user, $4: group that may read the secret file, $5: directory of builds, $6: revision,
# $7: branch, $8: seconds that a build may take, $9: directory of the store, $10: application, $11: distribution, $12: built_for,
# $13: recipe, $14: directory of releases, $15: archive of the sources, $16: program that unpacks them, $17: directory of the
# application in the sources
set -eu
. ./follow.sh
. ./durable.sh
. ./clear_store.sh
unit=$1 program=$2 user=$3 group=$4 builds=$5 revision=$6 branch=$7 patience=$8 store=$9
shift 9
app=$1 distribution=$2 built_for=$3 recipe=$4 releases=$5 archive=$6 unpack=$7 directory=$8
trap 'rm -f "$archive"' EXIT

as_user() { setpriv --reuid "$user" --regid "$user" --init-groups "$@"; }

# Existing versions: none is built twice.
taken() {
    # shellcheck disable=SC2012
    { ls "$store" | sed -n "s/^$app-\\(.*\\)\\.tar\\.gz\$/\\1/p"; ls "$releases" 2> /dev/null; } | xargs
}

build() {
    begin=$(date +%s.%6N)
    groups=()
    ! getent group "$group" > /dev/null || groups=(--property=SupplementaryGroups="$group")
    systemctl reset-failed "$unit" 2> /dev/null || true
    systemd-run --quiet --unit="$unit" --service-type=exec --uid="$user" --gid="$user" "${groups[@]}" \
        --property=UMask=0077 --property=PrivateTmp=yes --property=SyslogIdentifier="${unit%.service}" \
        --property=RuntimeMaxSec="$patience" --property=WorkingDirectory="$builds/scratch/source" \
        --setenv=REVISION="$revision" --setenv=BRANCH="$branch" --setenv=TAKEN="$(taken)" -- "$program"
    follow "$begin" "$unit"
}

store() {
    umask 077
    tarball=$store/$app-$version.tar.gz
    clear_store "$store" part
    as_user cat "$builds/scratch/release.tar.gz" > "$tarball.part"
    printf '%s\n' "revision=$revision" "branch=$branch" "distribution=$distribution" "built_for=$built_for" \
        "recipe=$recipe" "built=$(date -u +%Y-%m-%dT%H:%M:%SZ)" > "$tarball.build"
    as_user grep -sx "secrets=built in" "$builds/scratch/notes" >> "$tarball.build" || true
    echo "$(sha256sum < "$tarball.part" | cut -d ' ' -f 1)  ${tarball##*/}" > "$tarball.sha256"
    sync "$tarball.build" "$tarball.sha256"
    replace "$tarball.part" "$tarball"
    as_user rm -f "$builds/scratch/release.tar.gz"
}

install -d -o root -g "$user" -m 750 "$builds"
# Keeps two builds of one environment apart.
exec 9> "$builds/lock"
flock -n 9 || {
    echo "a build of this environment is at work: wait for it to end" >&2
    exit 1
}
# A machine that went down in the middle of a build may have kept the names of compiled files without their content. A build
# that ended otherwise leaves what the next one may use.
boot=$(cat /proc/sys/kernel/random/boot_id)
[ ! -e "$builds/at_work" ] || [ "$(cat "$builds/at_work")" = "$boot" ] || rm -rf "$builds/scratch"
install -d -o "$user" -g "$user" -m 700 "$builds/scratch"
echo "$boot" > "$builds/at_work"
sync "$builds/at_work" "$builds"
trap 'rm -f "$archive"; sync --file-system "$builds" && rm -f "$builds/at_work"' EXIT
as_user sh -c "$unpack" unpack_sources.sh "$builds/scratch" "$directory" < "$archive"
build
# shellcheck disable=SC2154
# The application prints this line: nothing else than a version gets into a path. group_data/schema/version.py has the pattern.
version=$(sed -n '$s/^Built \([0-9A-Za-z][0-9A-Za-z.+_-]\{0,127\}\)$/\1/p' << SEEN
$seen
SEEN
)
rm -f "$archive"
[ -n "$version" ] || {
    systemctl reset-failed "$unit" 2> /dev/null
    exit 1
}
store
