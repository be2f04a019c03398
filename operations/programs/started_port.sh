# shellcheck shell=bash
# Sourced. `started_port UNIT` prints the web port that the unit's process was started with, by its variable PORT, if the unit listens
# there. Fails otherwise. After a change of the setting `port` it is the one of before, until the unit restarts.
started_port() {
    local name value process='' group='' port
    while IFS='=' read -r name value; do
        case $name in MainPID) process=$value ;; ControlGroup) group=$value ;; esac
    done < <(systemctl show --property MainPID --property ControlGroup "$1")
    [[ $process =~ ^[1-9] && -n $group ]] || return
    port=$(tr '\0' '\n' 2> /dev/null < "/proc/$process/environ" | sed -n 's/^PORT=\([0-9]\{1,5\}\)$/\1/p' | tail -n 1)
    [ -n "$port" ] || return
    # The application can write what it likes into its variables: its own listeners count alone. The VM also by its number, for a
    # container whose kernel does not tell control groups.
    ss --no-header --listening --tcp --numeric --processes --cgroup "sport = :$port" |
        awk -v group="cgroup:$group" -v process=",pid=$process," '
            $NF == group || index($NF, group "/") == 1 || index($0, process) { found = 1 }
            END { exit !found }' || return
    # A port that it took for itself could be a neighbour's on another address: root's table of the unit has its web ports.
    grep -qE "tcp dport (\{ ([0-9]+, )?)?$port(, [0-9]+)?( \})? meta skuid != " "/etc/deploy-ports.d/${1%.service}.nft" \
        2> /dev/null || return
    printf '%s\n' "$port"
}
