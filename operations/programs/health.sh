# shellcheck shell=bash
# shellcheck disable=SC2154
# Decides whether the running release is well: it answers, has the requested version, listens where it should, and keeps
# running for a while. For switch.sh, whose settings and functions it uses.
#
#   at UNIT PORT COMMAND…   runs one of these functions about a process that is asked at its own port, past nginx. Otherwise they
#                           are about the application's unit, and ask through nginx
. ./answer.sh
. ./uptime.sh

# A refusal is final when the application itself repeated it this often, for this many seconds: its routes and its settings
# are in force with its first answer. Ten answers take three seconds, so a single slow answer decides nothing.
refusal_count=10 refusal_time=5

# The functions below see both names, which are local here.
# shellcheck disable=SC2034
at() {
    local judged=$1 direct=$2
    shift 2
    "$@"
}

# Succeeds if the release is well. Otherwise prints the reason and fails.
healthy() {
    local version=$1 process runs second
    process=$(property MainPID)
    answers "$process" || return 1
    # The node itself reports the version that it booted. All of the answer is read, and its first line counts: Distillery prints a
    # result behind it, and the VM of OTP 26 and later fails if nobody reads that any more.
    if ! runs=$(node "$rpc" "$running_version" 2> /dev/null | sed -n 1p); then
        say "the site answers, and the node does not: $script $rpc failed"
        return 1
    fi
    if [ "$runs" != "$version" ]; then
        say "version $runs runs, not $version: the release boots another one than it says"
        return 1
    fi
    for ((second = 0; second < settle_time; second++)); do
        sleep 1
        mind_standin
        same_process "$process" || return 1
    done
    ask_page
    same_process "$process" || return 1
    if [ "$verdict" != well ]; then
        say "$(answered) after $settle_time seconds$(advised)"
        return 1
    fi
}

# Waits until the health page answers. Otherwise prints the reason and fails.
answers() {
    local process=$1 deadline before='' count=0 since
    read_uptime
    deadline=$((uptime + health_timeout)) since=$uptime
    while ask_page && [ "$verdict" != well ]; do
        mind_standin
        same_process "$process" || return 1
        # Without its query, which may hold a number that is used once.
        if [ "$verdict $status ${leads_to%%[?#]*}" != "$before" ]; then
            before="$verdict $status ${leads_to%%[?#]*}" count=0 since=$uptime
        fi
        count=$((count + 1))
        read_uptime
        if [ "$verdict" = refusal ] && ((count >= refusal_count && uptime - since >= refusal_time)); then
            say "$(answered), the same $count times in $((uptime - since)) seconds$(advised)"
            return 1
        fi
        if ((uptime >= deadline)); then
            say "$(answered), still after $health_timeout seconds$(advised)"
            return 1
        fi
        sleep 0.3
    done
}

ask_page() {
    if [ -n "${direct:-}" ]; then
        answer_at "$direct" "$domain" "$url_port" "$url" "$health_path"
    else
        answer "$domain" "$url_port" "$url$health_path"
    fi
}

answered() {
    local way="through nginx"
    [ -z "${direct:-}" ] || way="at port $direct"
    say "$health_path answered ${status:-nothing} $way${leads_to:+ and leads to $leads_to}"
}

advised() {
    local words
    words=$(advice "$url" "$health_path")
    say "${words:+: $words}"
}

same_process() {
    local now
    now=$(property MainPID) && [ -n "$now" ] && [ "$now" = "$1" ] && [ "$1" != 0 ] && return
    say "${judged:-$unit} ended by itself"
    return 1
}

# Shows what the application says about itself. Its failure is no reason to end an action.
last_words() {
    local now since passed begin
    now=$(date +%s) since=$(noted restarted) passed=$(noted restarted_uptime)
    [ "${judged:-$unit}" = "$unit" ] || since=$(noted standin_started) passed=''
    read_uptime
    begin=(--since "@${since:-$((now - health_timeout))}")
    # The clock was set back, and the lines since the restart have earlier times.
    [ -z "$passed" ] || ((now - since + 2 >= uptime - passed)) || begin=()
    page_words || true
    say "The journal's last lines:"
    journalctl --quiet --all --unit "${judged:-$unit}" "${begin[@]}" --lines 1000 --no-hostname | readable |
        tail -n 20 | sed 's/^/    /' || say "    (it could not be read)"
}

# Shows the page that refuses or fails. nginx makes the pages for 502 and 504 itself.
page_words() {
    local words
    ask_page
    [[ $status =~ ^[45] && $status != 50[24] ]] || return 0
    words=$(page | head -c 65536 | text_of_page | readable | head -n 10)
    [ -n "$words" ] || return 0
    say "$health_path answered $status with:"
    sed 's/^/    /; s/^\(.\{300\}\).*/\1.../' <<< "$words"
}

page() {
    if [ -n "${direct:-}" ]; then
        request_at "$direct" "$domain" "$url_port" "$url" "$health_path"
    else
        request "$domain" "$url_port" "$url$health_path"
    fi
}

# A page without its tags and its empty lines.
text_of_page() { sed 's/<[^>]*>/ /g; s/[[:space:]]\+/ /g; s/^ //; /^ *$/d'; }
