"""What can be seen of a running environment, from its host. What it means is told by inspection/diagnosis.py."""

import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

from pyinfra.api import FactBase, Host, QuoteString, StringCommand
from typing_extensions import override

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from inspection.ask import fact

# Seconds for whatever may hang: a node, a database, somebody else's web server.
PATIENCE = 10

# Sets `until`, when a unit's application has had time to start. What it does not do before, it may do in a moment.
_STARTING = f"""\
start=$(systemctl show --timestamp=us+utc --property ExecMainStartTimestamp --value "$unit")
until=$(($(date -d "$start" +%s) + {PATIENCE}))
"""

# $1: unit, $2: secret file, $3: file that dates the build, $4: AppSignal's directory, $5: application user, $6: certificate,
# the rest: directories whose disks count. One line for each thing seen: a word, and what was seen.
# An application that starts is waited for until it listens on a second port: the first is its node's own. The clock is read
# at both ends, for its mean to be of the middle however long that takes.
_LOOK = rf"""
export ERL_EPMD_ADDRESS=127.0.0.1
unit=$1 secret=$2 built=$3 appsignal=$4 user=$5 certificate=$6
shift 6
echo "clock $(date +%s.%N)"
echo "state $(systemctl show --property ActiveState --value "$unit")"
process=$(systemctl show --property MainPID --value "$unit")
if [ "$process" != 0 ]; then
    {_STARTING}
    while
        listens=$(ss --no-header --listening --tcp --numeric --processes | grep -F ",pid=$process,")
        [ "$(echo "$listens" | wc -l)" -lt 2 ] && [ "$(date +%s)" -lt "$until" ]
    do sleep 0.2; done
    echo "$listens" | awk 'NF {{ print "listens", $4 }}'
    find "$secret" -maxdepth 0 -newerct "$start" 2>/dev/null | sed 's/^/newer-than-start /'
    tr '\0' '\n' < "/proc/$process/environ" | sed -n 's/^APPSIGNAL_WORKING_DIRECTORY_PATH=/told-appsignal /p'
fi
find "$secret" -maxdepth 0 -newer "$built" 2>/dev/null | sed 's/^/newer-than-build /'
epmd -names 2>/dev/null | sed -n 's/^name \(.*\) at port \([0-9]*\)$/registered \1 \2/p'
setpriv --reuid "$user" --regid "$user" --init-groups test -w "$appsignal" && echo "writable $appsignal"
if [ -n "$certificate" ]; then
    end=$(openssl x509 -noout -enddate -in "$certificate" 2>/dev/null | cut -d = -f 2)
    [ -z "$end" ] || echo "certificate-ends $(date -d "$end" +%s)"
fi
df --output=pcent,ipcent,target "$@" 2>/dev/null | tail -n +2 | sort -u | sed 's/^/disk /'
[ ! -e /run/reboot-required ] || echo "reboot $(sort -u /run/reboot-required.pkgs 2>/dev/null | xargs)"
echo "clock $(date +%s.%N)"
"""

# $1: unit, $2: its variables, $3: where its program is, the rest: what is run there. By itself, and not after what is above:
# a look asks both side by side.
_ASK_NODE = f"""\
unit=$1
{_STARTING}
set -a; . "$2" && cd "$3" && shift 3 || exit
until timeout {PATIENCE} "$@" 2>/dev/null || [ "$(date +%s)" -ge "$until" ]; do sleep 0.2; done
"""

# Standard input: the password, which must be in no argument and is in the environment of a process of root alone.
_LOG_IN = 'IFS= read -r PGPASSWORD; export PGPASSWORD; exec psql --no-psqlrc --no-password --quiet --command "" "$1"'

# Whether a browser would heed it: over a connection whose certificate it accepts. $@: names.
_ASK_HSTS = rf"""
for name; do
    printf 'HEAD / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$name" |
        timeout {PATIENCE} openssl s_client -quiet -verify_quiet -verify_return_error -verify_hostname "$name" \
            -servername "$name" -connect "$name:443" 2>/dev/null |
        tr -d '\r' | sed -n "s/^[Ss]trict-[Tt]ransport-[Ss]ecurity:[[:space:]]*/$name /p" | head -n 1 &
done
wait
"""


class Symptoms(NamedTuple):
    """What was seen.

    + state: the unit's, e.g. active
    + listens: addresses with ports the application listens on
    + registered: ports by node name, as epmd has them
    + node: what the node says of itself, by name; empty when it does not answer
    + told_appsignal: AppSignal's working directory in the process's variables
    + appsignal_writable: whether the application could write in the directory that is meant for it
    + secret_newer_than_start: whether the secret file was changed after the process had started
    + secret_newer_than_build: whether it was changed after the release had been built
    + login: why PostgreSQL refuses the vault's password; empty if it accepts it, None if it was not asked
    + certificate_ends: seconds since 1970; None without a certificate
    + hsts: the header by domain, of those that send it
    + skew: how far the host's clock is ahead of this computer's, in seconds
    + disks: percent of bytes and of inodes used, by mount point
    + reboot: the packages that wait for a reboot; None if none does
    """

    state: str
    listens: list[str]
    registered: dict[str, int]
    node: dict[str, str]
    told_appsignal: str | None
    appsignal_writable: bool
    secret_newer_than_start: bool
    secret_newer_than_build: bool
    login: str | None
    certificate_ends: int | None
    hsts: dict[str, str]
    skew: float
    disks: dict[str, tuple[int, int]]
    reboot: str | None


class _Lines(FactBase[list[str]]):
    """What a script prints, whatever its exit code."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self, script: str, arguments: Sequence[str]) -> StringCommand:
        quoted = [QuoteString(argument) for argument in arguments]
        return StringCommand("sh -c", QuoteString(script), "sh", *quoted, "|| true")

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


def read(host: Host, environment: Environment, secrets: Secrets) -> Symptoms:
    """Everything that can be seen of an environment.

    + secrets: of its vault

    Raises PyinfraError when a question to the host fails.
    """
    before = time.time()
    seen: dict[str, list[str]] = {}
    for line in fact(host, _Lines, script=_LOOK, arguments=_looked_at(environment)):
        word, _, rest = line.partition(" ")
        seen.setdefault(word, []).append(rest.strip())
    here = (before + time.time()) / 2
    active = seen["state"] == ["active"]
    return Symptoms(
        state=seen["state"][0],
        listens=seen.get("listens", []),
        registered={name: int(port) for name, port in (line.split(" ") for line in seen.get("registered", []))},
        node=_said_by_node(host, environment) if active else {},
        told_appsignal=seen.get("told-appsignal", [None])[0],
        appsignal_writable="writable" in seen,
        secret_newer_than_start="newer-than-start" in seen,
        secret_newer_than_build="newer-than-build" in seen,
        login=_login(host, environment, secrets),
        certificate_ends=int(seen["certificate-ends"][0]) if "certificate-ends" in seen else None,
        hsts=_hsts(host, environment),
        skew=statistics.mean(map(float, seen["clock"])) - here,
        disks={
            target: (_percent(b), _percent(i))
            for b, i, target in (line.split(None, 2) for line in seen.get("disk", []))
        },
        reboot=seen.get("reboot", [None])[0],
    )


def _percent(text: str) -> int:
    # A file system without inodes of its own says "-".
    return int(text.rstrip("%")) if text != "-" else 0


def _looked_at(environment: Environment) -> list[str]:
    return [
        environment.unit,
        environment.secret_path,
        f"{environment.app_path}/releases/start_erl.data",
        environment.appsignal_path,
        environment.user,
        environment.certificate_path or "",
        "/",
        environment.root,
        environment.state_path,
        *(["/var/lib/postgresql"] if environment.database_managed else []),
    ]


def _said_by_node(host: Host, environment: Environment) -> dict[str, str]:
    # MD5 is in the VM itself, whatever the release has; the digest leaves the host over SSH and is shown to nobody.
    expression = (
        'IO.puts("node #{node()}"); '
        'IO.puts("cookie #{Base.encode16(:erlang.md5(Atom.to_string(Node.get_cookie())))}"); '
        f'IO.puts("server #{{inspect((Application.get_env(:{environment.app}, {environment.endpoint}) || [])[:server])}}"); '
        'IO.puts("appsignal #{(Application.get_env(:appsignal, :config) || [])[:working_directory_path]}")'
    )
    program = [f"bin/{environment.app}", environment.tool.rpc, expression]
    arguments = [environment.unit, environment.variables_path, environment.app_path, *program]
    lines = fact(host, _Lines, user=environment.user, script=_ASK_NODE, arguments=arguments)
    return {name: value for name, _, value in (line.partition(" ") for line in lines)}


def _login(host: Host, environment: Environment, secrets: Secrets) -> str | None:
    connection = {
        "host": environment.database_host,
        "port": str(environment.database_port),
        "user": environment.database_role,
        "dbname": environment.database,
        "connect_timeout": str(PATIENCE),
    }
    if environment.database_tls == "verified":
        connection |= {"sslmode": "verify-full", "sslrootcert": environment.database_ca_path}
    words = " ".join(f"{name}='{value}'" for name, value in connection.items())
    succeeded, output = host.run_shell_command(
        StringCommand("sh -c", QuoteString(_LOG_IN), "sh", QuoteString(words)),
        _sudo=True,
        _chdir="/",
        _stdin=secrets.database_password.get_secret_value(),
    )
    if succeeded:
        return ""
    # A database that is managed elsewhere brings no client with it.
    return None if "psql: not found" in output.stderr else output.stderr.strip().splitlines()[-1]


def _hsts(host: Host, environment: Environment) -> dict[str, str]:
    """Of the site's own name and those above it, but for the top level."""
    labels = environment.domain.split(".")
    names = [".".join(labels[level:]) for level in range(len(labels) - 1)]
    lines = fact(host, _Lines, script=_ASK_HSTS, arguments=names)
    return {name: header for name, _, header in (line.partition(" ") for line in lines)}
