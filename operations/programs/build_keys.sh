#!/bin/bash
# shellcheck disable=SC2154  # build.sh sets the others
#
# A part of build.sh: private dependencies. git and Hex get the keys that group data names, and no release has one in it.

# git asks for tokens by a program that reads them from variables, so they are in no file, no argument and no global setting. The
# first entry clears the helpers of the host.
access_git() {
    local entry host name user number=0
    export GIT_TERMINAL_PROMPT=0
    if [ -r "${CREDENTIALS_DIRECTORY-}/deploy_key" ]; then
        export GIT_SSH_COMMAND="ssh -F none -i '$CREDENTIALS_DIRECTORY/deploy_key' -o IdentitiesOnly=yes -o IdentityAgent=none \
-o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile='$0.known_hosts' -o GlobalKnownHostsFile=/dev/null"
    fi
    for entry in "${git_tokens[@]}"; do
        name=${entry#* } host=${entry% *} user=x-access-token
        [[ $host != *@* ]] || user=${host%@*} host=${host##*@}
        export "GIT_CONFIG_KEY_$number=credential.https://$host.helper" "GIT_CONFIG_VALUE_$number="
        number=$((number + 1))
        export "GIT_CONFIG_KEY_$number=credential.https://$host.helper" \
            "GIT_CONFIG_VALUE_$number=!f() { [ \"\$1\" != get ] || printf 'username=%s\\npassword=%s\\n' '$user' \"\$$name\"; }; f"
        number=$((number + 1))
    done
    export GIT_CONFIG_COUNT=$number
}

# Hex writes its keys, or tokens for them, into its configuration: for the time of the build, in memory. Its other files stay where
# they are kept between builds.
access_hex() {
    [ ${#hex_access[@]} -gt 0 ] || return 0
    export MIX_XDG=1 MIX_HOME=$HOME/.mix XDG_CONFIG_HOME=$private/config XDG_CACHE_HOME=$HOME/.cache
    mkdir -p "$XDG_CONFIG_HOME/hex"
    # In a directory without a mix.exs.
    run env -C "$XDG_CONFIG_HOME" mix run --no-mix-exs "$0.hex.exs" "${hex_access[@]}" ||
        fail "Hex does not take a key of build_hex_organizations or build_hex_repositories, for the reason above"
}

# A secret that only a build may know must not be in what it makes. One that the application gets as well may, and the release then
# fits one environment alone.
check_for_secrets() {
    local found name file
    [ -n "${BUILD_SECRETS-}${CREDENTIALS_DIRECTORY-}" ] || return 0
    found=$(elixir "$0.secrets.exs" "$assembled")
    while read -r name file; do
        [ -n "$name" ] || continue
        [[ " ${shared_secrets[*]} " == *" $name "* ]] ||
            fail "the release has the value of $name in it, in $file: the application takes it in while it is compiled. Read it" \
                "nowhere but in mix.exs, or, if the application needs it, add it to secret_variables too"
        grep -qsx "secrets=built in" "$scratch/notes" || say "secrets=built in" >> "$scratch/notes"
    done <<< "$found"
}
