#!/bin/sh
# Prints "in force" if the kernel has an nftables table exactly as a ruleset makes it; "untold" if nft is not installed.
# $1: family and name of the table, $2: ruleset.
table=$1 ruleset=$2
if ! command -v nft > /dev/null; then
    echo untold
    exit
fi

# nft writes a rule in other words than a person, and each version of it in words of its own. So the ruleset is loaded into a
# network namespace that ends with this program, and both are compared in nft's words.
# shellcheck disable=SC2016 # the inner shell reads its own argument
wanted=$(
    printf '%s' "$ruleset" |
        unshare --net sh -c 'nft --file - && nft --stateless list table "$1"' sh "$table" 2>/dev/null
)
[ -z "$wanted" ] || [ "$wanted" != "$(nft --stateless list table "$table" 2>/dev/null)" ] || echo "in force"
