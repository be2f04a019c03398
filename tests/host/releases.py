"""Releases of examples/billing, built on the Debian they are installed on, and what a test asks of one that runs."""

import base64
import shlex
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tests.host.project import CHECKOUT
from tests.host.web import Answer, get
from tests.sandbox.image import image, run_in
from tests.sandbox.machine import Machine

VERSION = "0.1.0"
NAMES = {"stage": "stage.billing.example.com", "prod": "billing.example.com"}

# Both environments at the same time: most of it is waiting for one compiler after the other to start.
_BUILD = """\
set -eu
for environment in stage prod; do
    (
        cp -r /source "/tmp/$environment"
        cd "/tmp/$environment"
        rm -rf _build
        MIX_ENV=$environment BILLING_VERSION={version} mix release --quiet </dev/null
        cp _build/$environment/billing-{version}.tar.gz "/target/$environment.tar.gz"
    ) &
done
wait
"""

_INSTALL = """\
set -eu
release=$1/releases/$2
install -d -o billing -g billing "$1/releases" "$release"
tar -xzf /root/release.tar.gz -C "$release" --no-same-owner
chown -R billing:billing "$release"
ln -sfn "releases/$2" "$1/billing"
chown -h billing:billing "$1/billing"
"""

# The parts of Distillery 2.1's start script that meet the unit: where it looks for node name and cookie, what it writes,
# and how it becomes the VM.
_DISTILLERY = r"""#!/bin/bash
set -e
root=$(dirname "$(dirname "$(readlink -f "$0")")")
versions=($(< "$root/releases/start_erl.data"))
erts=${versions[0]} version=${versions[1]}
export BINDIR="$root/erts-$erts/bin" ROOTDIR="$root" EMU=beam PROGNAME=billing
mkdir -p "$RELEASE_MUTABLE_DIR"
arguments="$RELEASE_MUTABLE_DIR/vm.args"
cp "$root/releases/$version/vm.args" "$arguments"
name=$(awk '$1 == "-name" { print $2 }' "$arguments")
cookie=$(awk '$1 == "-setcookie" { print $2 }' "$arguments")
[ -n "$cookie" ] || cookie=$(cat "$HOME/.erlang.cookie")
boot=(-boot "$root/releases/$version/start_clean" -boot_var RELEASE_LIB "$root/lib")
case $1 in
    foreground) exec "$BINDIR/erlexec" -noshell -noinput +Bd "${boot[@]}" -args_file "$arguments" ;;
    ping)
        COOKIE=$cookie NAME=$name "$BINDIR/erlexec" -noshell "${boot[@]}" -name "ping-$$@127.0.0.1" -eval \
            'erlang:set_cookie(node(), list_to_atom(os:getenv("COOKIE"))),
             Answer = net_adm:ping(list_to_atom(os:getenv("NAME"))), io:format("~s~n", [Answer]),
             halt(case Answer of pong -> 0; pang -> 1 end).'
        ;;
    remote_console) exec "$BINDIR/erlexec" "${boot[@]}" -name "remsh-$$@127.0.0.1" -hidden -remsh "$name" ;;
    *) exit 1 ;;
esac
"""


def build(release: str, directory: Path, version: str = VERSION) -> dict[str, Path]:
    """Tarballs of `mix release` by environment, in a directory that exists; takes two seconds.

    + release: trixie or bookworm
    """
    binds = {CHECKOUT / "examples/billing": ("/source", True), directory: ("/target", False)}
    run = run_in(image(release, "elixir"), _BUILD.format(version=version), binds=binds)
    tarballs = {environment: directory / f"{environment}.tar.gz" for environment in NAMES}
    assert [path for path in tarballs.values() if not path.exists()] == [], run.stdout + run.stderr
    return tarballs


def install(machine: Machine, environment: str, tarball: Path, version: str = VERSION) -> None:
    """The release is unpacked and linked as the running one; not started."""
    shutil.copyfile(tarball, f"/proc/{machine.pid}/root/root/release.tar.gz")
    machine.run(f"set -- /home/billing/{environment} {version}\n{_INSTALL}")


def install_distillery(machine: Machine, environment: str, tarball: Path, vm_args: str) -> None:
    """A release laid out as by Distillery takes the place of the running one; not started.

    Its VM is that of the mix release in `tarball`; of the application it has nothing.
    """
    version = "0.2.0-distillery"
    install(machine, environment, tarball, version)
    release = f"/home/billing/{environment}/releases/{version}"
    machine.run(f"cat > {release}/bin/billing", stdin=_DISTILLERY)
    machine.run(f"cat > {release}/releases/{VERSION}/vm.args", stdin=vm_args)


def start(machine: Machine, environment: str) -> None:
    """The unit is started and its page answers."""
    machine.run(f"systemctl reset-failed billing_{environment}.service; systemctl start billing_{environment}.service")
    wait_for_page(machine, environment)


def page(machine: Machine, environment: str, **headers: str) -> Answer:
    """The application's page, through nginx, from outside."""
    return get(machine.address, NAMES[environment], tls=environment == "prod", **headers)


def wait_for_page(machine: Machine, environment: str) -> None:
    wait_until(lambda: page(machine, environment).status == 200, f"{environment} answers")


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Return when the condition holds; fail the test if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} seconds: {what}"
        time.sleep(0.05)


def prop(machine: Machine, environment: str, name: str) -> str:
    """A property of the unit, as `systemctl show` prints it."""
    return machine.run(f"systemctl show --property {name} --value billing_{environment}.service").stdout.strip()


def main_pid(machine: Machine, environment: str) -> int:
    """Process id of the running VM."""
    pid = int(prop(machine, environment, "MainPID"))
    assert pid, f"billing_{environment} does not run"
    return pid


def release_command(machine: Machine, environment: str, arguments: str, check: bool = True) -> str:
    """What `bin/billing …` prints to the application user, who has read the unit's variables."""
    command = f"set -a; . /etc/default/billing_{environment}; exec /home/billing/{environment}/billing/bin/billing"
    run = machine.run(f"{command} {arguments}", user="billing", check=check, timeout=60)
    return run.stdout if check else run.stdout + run.stderr


def rpc(machine: Machine, environment: str, elixir: str) -> str:
    """What an expression prints in the running node."""
    return release_command(machine, environment, f"rpc {shlex.quote(elixir)}")


def in_unit(machine: Machine, environment: str, command: str) -> tuple[int, str]:
    """Exit code and output of a shell command that the application itself runs: inside the unit's sandbox."""
    encoded = base64.b64encode(command.encode()).decode()
    elixir = (
        f'{{output, code}} = System.cmd("sh", ["-c", Base.decode64!("{encoded}")], stderr_to_stdout: true)\n'
        "IO.puts([to_string(code), ?\\s, Base.encode64(output)])"
    )
    code, _, output = rpc(machine, environment, elixir).rstrip("\n").partition(" ")
    return int(code), base64.b64decode(output).decode(errors="replace")
