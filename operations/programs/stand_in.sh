# shellcheck shell=bash
# shellcheck disable=SC2154  # names of switch.sh and its settings
# The stand-in: a second process of a release beside the application's unit. It proves the release before a visitor meets it, and
# serves while the unit restarts. A part of switch.sh.
#
#   stands_in           whether this action has a stand-in: the strategy, and an application that serves until now
#   switch_over VERSION  puts the release into service by a stand-in
#   end_standin         ends the stand-in and lets nginx pass to the unit: whatever of both is there
#   drop_standin         the same for the stand-in of an action whose notes are lost
#
# nginx passes a request to the stand-in when the unit's port refuses the connection (templates/site.j2). The kernel refuses it, for
# nginx alone, from before the unit ends until it is well again: so no request reaches an application that ends, and none is cut
# off. Both tables and the stand-in's unit are gone after a boot.

stands_in() {
    [ "$strategy" = stand_in ] && [ "$(property ActiveState)" = active ] && [ "$(property MainPID)" != 0 ] || return
    [ -n "$(ss --no-header --listening --tcp --numeric "sport = :$(served_port)")" ]
}

# Where nginx reaches the unit: after a change of `port` the site has the port of before, too, until the unit has restarted.
served_port() { started_port "$unit" || printf '%s\n' "$port"; }

switch_over() {
    local reason words served
    served=$(served_port)
    begin_standin "$1"
    turn_nginx_away "$served"
    note away yes
    prefer_standin
    # nginx asks the stand-in now. If it does not, such as with a site of before, nobody has missed anything yet.
    ask_page
    require_standin
    [ "$verdict" = well ] || undecided "$(answered) while the stand-in serves: make apply ENV=$environment, so that nginx knows it"
    let_end "$served" "$unit"
    require_standin
    [ "$(current)" = "$1" ] || link "$1"
    say "The stand-in serves; restarting $unit"
    restart
    [ -z "$refused" ] || undecided "systemd did not restart $unit, for the reason above"
    if ! reason=$(at "$unit" "$port" healthy "$1"); then
        note reason "$reason"
        at "$unit" "$port" last_words
        ! words=$(at "$unit" "$port" stranger "$port") || undecided "$reason; $words"
        # Without its stand-in it would do well.
        ! words=$(advice_on_unit) || undecided "$reason$words"
        fail "$reason"
    fi
    let_nginx_in
    note away ''
    require_listens_well
    say_origins
    say "$1 runs and answers."
}

# Starts the stand-in with a release and judges it as a release is judged. If it is not well, nobody has met it.
begin_standin() {
    local reason words listening=0
    has_room_in_run || undecided "/run has no room to start a process. Make room there"
    end_standin
    ! reason=$(at "$standin_unit" "$standin_port" stranger "$standin_port") || undecided "$reason"
    note standin "$1"
    say "Starting a stand-in with $1"
    start_standin "$1" || undecided "the stand-in could not be started, for the reason above"
    say "Waiting for the stand-in to answer at port $standin_port"
    if ! reason=$(at "$standin_unit" "$standin_port" healthy "$1"); then
        ! words=$(at "$standin_unit" "$standin_port" stranger "$standin_port") || undecided "$reason; $words"
        reason+=$(advice_on_standin)
        note reason "$reason"
        at "$standin_unit" "$standin_port" last_words
        fail "$reason. No visitor met it"
    fi
    reason=$(at "$standin_unit" "$standin_port" listens_well) || listening=$?
    # A restart and a rollback run what ran before; the unit's listeners are named after them. But nobody else than the stand-in
    # may get the requests at its port.
    case $listening:$(noted action) in
        1:release | 3:release) fail "$reason. No visitor met it" ;;
        2:release | 3:*) undecided "$reason" ;;
    esac
}

# If the slice has no memory left, the kernel ends the process that nobody meets: the stand-in before the hand-over, the unit after
# it. A container may refuse that.
prefer_standin() {
    choom --pid "$(judged=$standin_unit property MainPID)" --adjust -500 > /dev/null 2>&1 || true
}

# Only if systemd says so: no answer of a busy one must take nginx away from a stand-in that serves.
standin_ended() {
    local state
    state=$(systemctl show --property ActiveState --value "$standin_unit") && [[ $state =~ ^(inactive|failed)$ ]]
}

# Ends the action if the stand-in has ended while the unit still serves: nginx passes requests to the unit again.
require_standin() {
    local reason
    standin_ended || return 0
    let_nginx_in
    note away ''
    reason="$standin_unit ended by itself when nginx passed requests to it$(advice_on_standin)"
    note reason "$reason"
    at "$standin_unit" "$standin_port" last_words
    fail "$reason"
}

# While the unit starts. Without a stand-in nginx has nobody else to ask, so it asks the unit as soon as that answers.
mind_standin() {
    [ -n "$(noted away)" ] && standin_ended || return 0
    say "The stand-in ended by itself: nginx passes requests to $unit again" >&2
    let_nginx_in >&2
    note away ''
}

# In the sandbox of the unit, with its settings and variables. Not from a file: nothing is left that could start at boot.
start_standin() {
    local release=$releases/$1 settings=() variables=("${as_standin[@]}") revision command
    unit_settings "$unit_path" || { say "$unit_path names no user to run as: apply first" && return 1; }
    revision=$(revision_of "$1" || true)
    # The file that the unit has them from is about the release that runs.
    if is_revision "$revision"; then
        variables+=(APP_REVISION="$revision" RELEASE_REVISION="$revision")
    else
        variables=(/usr/bin/env -u APP_REVISION -u RELEASE_REVISION "${variables[@]}")
    fi
    note standin_started "$(date +%s)"
    # systemd reads $$ as $, and $NAME as a variable (systemd.service(5)).
    command=("${variables[@]}" "$release/$script" "$start")
    name_in_vm_args "$release"
    systemd-run --quiet --collect --unit="$standin_unit" --slice="$slice" --service-type=exec \
        --description="Stand-in of $unit" --property="WorkingDirectory=$release" --property=KillMode=mixed \
        --property="TimeoutStopSec=$drain_time" --property=OOMScoreAdjust=500 "${settings[@]}" -- "${command[@]//\$/\$\$}"
}

# Sets `command` to one that has the stand-in's name for a Distillery release in $1. Its script takes the node's name from vm.args,
# for the VM as for a command that asks it, and vm.args from VMARGS_PATH.
name_in_vm_args() {
    [ "$start" != start ] || return 0
    # shellcheck disable=SC2016
    command=(/bin/sh -c 'sed "s/^-s\{0,1\}name .*/-name $0/" "$1"/releases/*/vm.args > /dev/shm/vm.args && shift && exec "$@"'
        "$standin_node" "$1" /usr/bin/env VMARGS_PATH=/dev/shm/vm.args "${command[@]}")
}

# By env: the unit's files of variables would overrule variables that systemd-run is given. /dev/shm is the process's own.
as_standin=("${alone[@]}" PORT="$standin_port" RELEASE_NODE="$standin_node"
    ERL_CRASH_DUMP_SECONDS=0)
as_standin+=("${standin_variables[@]}")
[ -z "$appsignal" ] || as_standin+=(APPSIGNAL_WORKING_DIRECTORY_PATH=/dev/shm)

# Advice for an application that does not run twice, or not within its memory.
advice_on_standin() {
    local addresses trouble
    addresses=$(judged=$standin_unit listeners | without_nodes | joined) || return 0
    [[ " $addresses " != *":$standin_port "* ]] || return 0
    if standin_said 'OOM killer'; then
        say ". No memory was left: memory_limit holds for the application and its stand-in together, so raise it"
        return
    elif [ -n "$addresses" ]; then
        trouble="It does not listen at the port in its variable PORT, which a stand-in must do, but on $addresses"
    elif standin_said eaddrinuse; then
        trouble=$(second_port "$unit" "$(served_port)") ||
            trouble="A port that it opens is taken: a stand-in must have its web port from the variable PORT, and open no other fixed one"
    elif standin_said 'in use by another Erlang node'; then
        trouble="Its node has the name of another one: a stand-in must have its name from RELEASE_NODE, not from the release's env.sh"
    else
        return 0
    fi
    say ". $trouble. Otherwise set release_strategy = \"restart\""
}

# Advice for an application that cannot start beside its stand-in. Fails if that is not its trouble.
advice_on_unit() {
    local trouble
    said "$unit" "$(noted restarted)" eaddrinuse && trouble=$(second_port "$standin_unit" "$standin_port") || return
    say ". $trouble. Otherwise set release_strategy = \"restart\""
}

# Advice about ports of a process beside its web port. Fails if it listens at no other. $1: its unit, $2: its web port
second_port() {
    local ports
    ports=$(judged=$1 listeners | without_nodes | sed 's/.*://' | grep -vx "$2" | sort -un | joined) || return
    say "A port that it opens is taken: the application listens at $ports, too, and its stand-in runs beside it. Have it read such" \
        "a port from a variable, and give the stand-in another number: stand_in_environment = {\"NAME\": \"…\"}"
}

# Of addresses, those whose ports are not the nodes' (group_data/schema/environment.py).
without_nodes() { awk -F : -v first="$((standin_port - 31))" -v own="$standin_port" '$NF < first || $NF >= own'; }

# Reads all of it: a journalctl that loses its reader counts as failed.
said() { journalctl --quiet --unit "$1" --since "@$2" --lines 1000 --output cat | grep -F "$3" > /dev/null; }

standin_said() { said "$standin_unit" "$(noted standin_started)" "$1"; }

# --- Who gets the requests -------------------------------------------------------------------------------------------

# $1: the port at which the unit serves
turn_nginx_away() {
    local ports=$port
    [ "$1" = "$port" ] || ports="{ $port, $1 }"
    say "nginx passes requests to the stand-in"
    nft --file - <<< "table inet $standin_table { }
        delete table inet $standin_table
        table inet $standin_table {
            chain output {
                type filter hook output priority filter + 10; policy accept;
                oif \"lo\" tcp dport $ports tcp flags & (syn | ack) == syn meta skuid != { \"root\", \"$user\" } reject with tcp reset
            }
        }" || undecided "the kernel does not take the table $standin_table, for the reason above"
}

let_nginx_in() {
    nft --file - <<< "table inet $standin_table { }
        delete table inet $standin_table" || say "The table $standin_table could not be removed, for the reason above"
}

# Waits until the requests at port $1 have their answers, for drain_time at most. Websockets do not end: they come from another
# address (templates/site.j2), and get their end from the application.
let_end() {
    local deadline
    # nginx has made by then the connections that it was about to make, also on a busy machine.
    sleep 1
    read_uptime
    deadline=$((uptime + drain_time))
    while requests_at "$1"; do
        [ "$1" = "$standin_port" ] || [ -z "$(noted away)" ] || require_standin
        read_uptime
        ((uptime < deadline)) || { say "Requests to $2 still go on after $drain_time seconds" && return; }
        sleep 0.1
    done
}

# A connection that is still to be accepted counts: its first packet may have been dropped, and is sent again after a second. Of those
# only nginx's: the table of the port drops the packets of neighbours, who could keep a release waiting with them.
requests_at() {
    local connections
    connections=$(ss --no-header --tcp --numeric --extended state established state syn-sent "dst 127.0.0.1:$1 and not src 127.0.0.2")
    [ -n "$connections" ] || return
    awk -v users=" $(nginx_users) " '
        { uid = match($0, / uid:[0-9]+/) ? substr($0, RSTART + 5, RLENGTH - 5) : 0 }
        $1 != "SYN-SENT" || users !~ /[0-9]/ || index(users, " " uid " ") { found = 1 }
        END { exit !found }' <<< "$connections"
}

# Prints the numbers of the users whose processes nginx's main process has started; nothing if it does not run.
nginx_users() (
    exec 2> /dev/null
    children=''
    main=$(systemctl show --property MainPID --value nginx.service)
    # The file has no end of a line.
    [[ ! $main =~ ^[1-9] ]] || read -r children < "/proc/$main/task/$main/children" || true
    for process in $children; do stat --format %u "/proc/$process" || true; done | sort -u | joined
)

# --- The end ---------------------------------------------------------------------------------------------------------

end_standin() {
    # Where this action has been cut off, nginx still waits for the unit. One that is not well has no better time to come.
    [ -z "$(noted away)" ] || [ -n "${cut_off:-}" ] || at "$unit" "$(served_port)" answers "$(property MainPID)" > /dev/null || true
    drop_standin
    note away '' || true
}

drop_standin() {
    let_nginx_in
    at_work "$standin_unit" || return 0
    let_end "$standin_port" "the stand-in"
    timeout "$((drain_time + 10))" systemctl stop "$standin_unit" ||
        systemctl kill --signal SIGKILL "$standin_unit" || true
}
