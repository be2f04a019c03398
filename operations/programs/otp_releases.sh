# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # names for the program that takes this in, and of the build's settings
# A place for the table of releases that Erlang/OTP writes while Distillery builds.
#
#   otp_releases PROGRAM USER DIRECTORY   sets the array `otp_releases` to options of systemd-run for a build by PROGRAM, which
#                                         are none where no such place is needed. DIRECTORY is one of root's.
#
# From OTP 25 on, release_handler:create_RELEASES writes into the directory releases of OTP itself, whichever one Distillery
# names. No build may write there: other builds and the system use it, and a toolchain never changes. So a copy takes its place in
# the file system that the build sees. There the build finds the table: OTP_RELEASES is the path.
#
# `as_user` is the caller's.

otp_releases() {
    local place=$3 path root
    otp_releases=()
    # shellcheck source=/dev/null
    path=$(. "$1.conf" 2> /dev/null && [ "$release_tool" = distillery ] && printf %s "$toolchain_path") || return 0
    # As nobody: what this prints decides which directory of the build's view is replaced, and a process of that user
    # could be made to print another one.
    root=$(setpriv --reuid nobody --regid nogroup --clear-groups env -i "PATH=$path/usr/local/bin:/usr/bin:/bin" HOME=/nonexistent \
        erl -noshell -noinput -boot no_dot_erlang -eval 'io:put_chars(code:root_dir()), halt().') || return 0
    [ -d "$root/releases" ] || return 0
    rm -rf "$place"
    install -d -o "$2" -g "$2" -m 700 "$place"
    as_user cp -RL "$root/releases/." "$place"
    # Only a table of this build gets into its release.
    as_user rm -f "$place/RELEASES"
    otp_releases=(--property=BindPaths="$place:$root/releases" --setenv=OTP_RELEASES="$root/releases")
}
