#!/bin/sh
# Prints the tarballs in a store, one a line, the newest first. Fields with tabs between: version, SHA-256, size in bytes, and
# from the notes of the build: revision, distribution, built_for, recipe, secrets, ref. A tarball whose checksum a power cut took is
# left out, and clear_store.sh removes it.
#
# $1: directory of the store, $2: application
cd "$1" 2> /dev/null || exit 0
built() { sed -n "s/^$1=//p" "$file.build" 2> /dev/null; }
# shellcheck disable=SC2012
ls -1t | sed -n "s/^$2-\\(.*\\)\\.tar\\.gz\$/\\1/p" | while read -r version; do
    file=$2-$version.tar.gz
    [ ! -e "$file.sha256" ] || grep -qE '^[0-9a-f]{64} ' "$file.sha256" || continue
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$version" "$(cut -d ' ' -f 1 "$file.sha256" 2> /dev/null)" \
        "$(stat -c %s "$file")" "$(built revision)" "$(built distribution)" "$(built built_for)" "$(built recipe)" \
        "$(built secrets)" "$(built ref)"
done
