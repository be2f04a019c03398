#!/bin/sh
# Unpacks a release into a directory of its own, which belongs to root. The directory gets its name after all checks. GNU tar
# itself only writes below its working directory.
#
# $1: root of the environment, $2: version, $3: tarball, $4: its SHA-256, $5: the application's user and group, $6: name of the
# release, $7: "yes" if the login user may read it
set -eu
umask 027
. ./lock.sh
. ./durable.sh
. ./contents.sh
root=$1 version=$2 tarball=$3 digest=$4 app=$5 release=$6
mode=750 others=''
# Kibibytes that stay free (operations/release/artifacts.py).
reserve=65536
[ "$7" != yes ] || mode=755 others=rX

refuse() {
    echo "$tarball $1: build it anew; nothing was released" >&2
    exit 1
}

# Root works in a directory whose name somebody else could give to a link. So it enters the directory and then checks where it
# is: from then on a link cannot redirect it.
enter_releases() {
    cd "$root"
    [ "$(readlink /proc/self/cwd)" = "$root" ] || { echo "$root leads elsewhere: apply first" >&2; exit 1; }
    [ -d releases ] || mkdir releases
    [ ! -L releases ] || { echo "$root/releases is a link: remove it" >&2; exit 1; }
    cd releases
    [ "$(readlink /proc/self/cwd)" = "$root/releases" ] || { echo "$root/releases leads elsewhere: remove it" >&2; exit 1; }
    chown root:"$app" .
    chmod "$mode" .
    # Remains of a power failure.
    rm -rf .unpacking.*
}

# A small tarball may unpack to more than any disk has, and the disk is that of other applications, too. Of each file a block
# counts at least, and its inode: a directory is listed without a size. By number, because the name of an owner may have spaces.
has_room() {
    # Kibibytes and files.
    sizes=$(tar --numeric-owner -tvzf "$tarball" |
        awk '{ sum += $3 ? int(($3 + 4095) / 4096) * 4 : 4 } END { printf "%.0f %d", sum, NR }')
    needed=${sizes% *} files=${sizes#* }
    # A file system without a number of inodes has room for any.
    df --output=avail,iavail,itotal . | tail -n 1 | {
        read -r free inodes total
        case $total in [1-9]*) ;; *) inodes=$files ;; esac
        [ "$needed" -le "$((free - reserve))" ] && [ "$files" -le "$inodes" ]
    } || {
        echo "$tarball unpacks to $((needed / 1024)) MiB in $files files, for which $root/releases has no room: make room there," \
            "or lower keep_releases; nothing was released" >&2
        exit 1
    }
}

unpack() {
    # Its names go to no file: a small tarball may have gigabytes of them.
    tar -tzf "$tarball" > /dev/null || refuse "cannot be read, it is cut off or no tarball"
    has_room
    ! tar -tzf "$tarball" 2> /dev/null | grep -qE '^/|(^|/)\.\.(/|$)' || refuse "holds paths that lead out of the release"
    # On a full disk tar says so for each file.
    said=$(tar -xzf "$tarball" -C "$new" --no-same-owner --no-same-permissions 2>&1) || {
        printf '%s\n' "$said" | head -n 3 >&2
        # Kibibytes. tar only reports the reason of its last write, and that write may have been a short one.
        [ "$(df --output=avail . | tail -n 1)" -ge 1024 ] || {
            echo "$root/releases is full: make room there, or lower keep_releases; nothing was released" >&2
            exit 1
        }
        refuse "could not be unpacked, for the reason above"
    }
}

# In the unpacked release.
check() {
    here=$(readlink /proc/self/cwd)
    [ -z "$(find . ! -type f ! -type d ! -type l -print -quit)" ] ||
        refuse "holds what is neither file nor directory nor link"
    find . -type l -exec realpath -mz {} + | tr '\0' '\n' | while IFS= read -r target; do
        case $target in "$here"/*) ;; *) refuse "holds a link that leads out of the release" ;; esac
    done
    [ -x "bin/$release" ] || refuse "has no bin/$release, which release_name in group data expects"
    boots=$(cut -d ' ' -f 2 releases/start_erl.data) || refuse "has no releases/start_erl.data"
    [ "$boots" = "$version" ] || refuse "would boot version $boots, not $version"
}

echo "$digest  $tarball" | sha256sum --check --status || refuse "is not what was built, its checksum differs"
enter_releases
new=$(mktemp -d .unpacking.XXXXXX)
trap 'rm -rf "$root/releases/$new"' EXIT
trap 'exit 1' HUP INT TERM
unpack
cd "$new"
check
echo "$digest" > .tarball.sha256
contents . > .contents
chown -hR root:"$app" .
chmod -R u=rwX,g=rX,o=$others .
cd ..
require_lock
rm -rf "$version"
replace "$new" "$version"
