#!/bin/sh
# Unpacks the sources of a revision, as the user of builds. Afterwards the directory `source` has exactly the files of the
# archive, and beside them dependencies and compiled code of the build before, for speed. A file with the content of before
# keeps its time, so that it is not compiled again; any other file is as new as this build.
#
# Leaves notes for build.sh: `kept`, the directories that are no part of the archive, and `lost`: `own` when files are gone
# that compiling the application may have made (a Rust library in priv, for instance), `all` for files of dependencies.
#
# $1: directory of the sources and of the build, $2: directory of the application in the sources; standard input: the archive
set -eu
umask 077
directory=$2
cd "$1"
rm -rf new release.tar.gz release.tar.gz.part
mkdir new
# Without room for all of it, nothing of it stays.
trap 'rm -rf new' EXIT
# On a full disk tar says so for each file.
said=$(tar -xzv --no-same-owner --no-same-permissions -C new 2>&1 > files.new) || {
    printf '%s\n' "$said" | head -n 3 >&2
    echo "the sources could not be unpacked in $1, for the reason above" >&2
    exit 1
}
mkdir -p source
touch files lost

# Dependencies and compiled code, of the application or of an umbrella around it. Those in the repository count alone.
set --
: > kept
while :; do
    for name in deps _build; do
        path=$directory/$name
        path=${path#./}
        if [ ! -e "new/$path" ] && [ ! -L "new/$path" ]; then
            set -- "$@" "--exclude=/$path"
            echo "$path" >> kept
        fi
    done
    [ "$directory" != . ] || break
    directory=$(dirname "$directory")
done

# What the build commands make, they make again. The secret file's link is made again, too.
made_again='(^|/)node_modules(/|$)|(^|/)priv/static(/|$)|(^|/)config/[^/]*\.secret\.exs$|/$'

# Without times: what rsync writes has the time of now.
if rsync --recursive --links --perms --checksum --delete --itemize-changes "$@" new/ source/ > changes; then
    sed -n 's/^\*deleting  *//p' changes | { grep -Ev "$made_again" || true; } | sort > gone
    sed 's|^\./||' files | sort | comm -13 - gone > made
    # Kept until a build succeeds.
    if grep -Eq '(^|/)deps/' made; then
        echo all >> lost
    elif [ -s made ]; then
        echo own >> lost
    fi
else
    echo "the sources cannot be brought up to date, so everything is compiled anew"
    rm -rf source
    mv new source
fi
mv files.new files
rm -rf new changes gone made
