"""Releases of the example in the seed's form, built on their own Debian, and questions to a running release."""

import base64
import shlex
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from operations.host import program
from tests.host.project import CHECKOUT
from tests.host.web import Answer, get
from tests.sandbox.image import image, run_in
from tests.sandbox.machine import Machine

VERSION = "0.1.0"
SEED = CHECKOUT / "tests/applications/seed"
NAMES = {"stage": "stage.billing.example.com", "prod": "billing.example.com"}

# Compiled once for each environment, both at the same time; a variant is then put together from files of its own.
_BUILD = """\
set -eu
for environment in $(cut -d ' ' -f 1 /target/variants | sort -u); do
    (
        cp -r /source "/tmp/$environment"
        cd "/tmp/$environment"
        export MIX_ENV=$environment
        if [ -f /target/secret.exs ]; then
            export BILLING_RELEASE_TOOL=distillery
            cp /target/secret.exs "config/$environment.secret.exs"
        fi
        grep "^$environment " /target/variants | while read -r _ version migrations fail name; do
            mkdir -p priv
            echo "$migrations" > priv/migrations
            if [ "$fail" = - ]; then rm -f priv/fail; else echo "$fail" > priv/fail; fi
            mix release --quiet --overwrite --version "$version" </dev/null
            mkdir -p "/target/$environment"
            tar -C "_build/$environment/rel/billing" -cf - . | gzip -1 > "/target/$environment/$name"
            rm -rf "_build/$environment/rel"
        done
    ) &
done
wait
"""

_INSTALL = """\
set -eu
release=$1/releases/$2
user=$(stat -c %U "$1/private")
install -d -g "$user" "$1/releases" "$release"
tar -xzf /root/release.tar.gz -C "$release" --no-same-owner
chown -R "root:$user" "$release"
chmod -R u=rwX,g=rX,o=rX "$release"
ln -sfn "releases/$2" "$1/billing"
"""

# The parts of Distillery 2.1's start script that meet the unit and the release: where it looks for node name and cookie,
# what it writes, which version it boots with which configuration, where it says what went wrong, and how it becomes the VM.
# BOOT is what the VM boots: `start` the application, `start_clean` none.
_DISTILLERY = r"""#!/bin/bash
set -e
root=$(dirname "$(dirname "$(readlink -f "$0")")")
var=$RELEASE_MUTABLE_DIR
# Whatever release wrote it: after going back, the release gone back from is still named there.
if [ ! -f "$var/start_erl.data" ]; then
    mkdir -p "$var"
    cp "$root/releases/start_erl.data" "$var/start_erl.data"
fi
versions=($(< "$var/start_erl.data"))
erts=${versions[0]} version=${versions[1]}
if [ ! -d "$root/releases/$version" ]; then
    echo "$root/bin/billing_rc_exec.sh: line 45: $root/releases/$version/billing.sh: No such file or directory" >&2
    exit 127
fi
export BINDIR="$root/erts-$erts/bin" ROOTDIR="$root" EMU=beam PROGNAME=billing
# The configuration of the last start, if there is one: `foreground` alone renews it.
arguments="$var/vm.args"
if [ "$1" = foreground ] || [ ! -f "$arguments" ] || [ ! -f "$var/sys.config" ]; then
    cp "${VMARGS_PATH:-$root/releases/$version/vm.args}" "$var/vm.args"
    cp "$root/releases/$version/sys.config" "$var"
fi
name=$(awk '$1 == "-name" { print $2 }' "$arguments")
cookie=$(awk '$1 == "-setcookie" { print $2 }' "$arguments")
[ -n "$cookie" ] || cookie=$(cat "$HOME/.erlang.cookie")
library=(-boot_var RELEASE_LIB "$root/lib")
clean=(-boot "$root/releases/$version/start_clean" "${library[@]}")
export COOKIE=$cookie NAME=$name EXPRESSION=$2
client='erlang:set_cookie(node(), list_to_atom(os:getenv("COOKIE"))), Node = list_to_atom(os:getenv("NAME")),'
expression='unicode:characters_to_binary(os:getenv("EXPRESSION"))'
case $1 in
    foreground)
        exec "$BINDIR/erlexec" -noshell -noinput +Bd -boot "$root/releases/$version/BOOT" "${library[@]}" \
            -config "$var/sys" -args_file "$arguments"
        ;;
    ping)
        "$BINDIR/erlexec" -noshell "${clean[@]}" -name "ping-$$@127.0.0.1" -eval "$client"'
             Answer = net_adm:ping(Node), io:format("~s~n", [Answer]),
             halt(case Answer of pong -> 0; pang -> 1 end).'
        ;;
    rpc)
        "$BINDIR/erlexec" -noshell "${clean[@]}" -name "rpc-$$@127.0.0.1" -eval "$client"'
             {Value, _} = rpc:call(Node, '"'Elixir.Code', eval_string, [$expression]"'),
             io:format("~p~n", [Value]), halt(0).'
        ;;
    eval)
        "$BINDIR/erlexec" -noshell "${clean[@]}" -config "$var/sys" -pa "$root"/lib/*/ebin -eval '
             {ok, _} = application:ensure_all_started(elixir),
             try '"'Elixir.Code':eval_string($expression)"' of _ -> halt(0)
             catch _:Reason -> io:format("\e[31m▸  Evaluation failed with: ~p\e[0m~n", [Reason]), halt(1) end.'
        ;;
    remote_console) exec "$BINDIR/erlexec" "${clean[@]}" -name "remsh-$$@127.0.0.1" -hidden -remsh "$name" ;;
    *) exit 1 ;;
esac
"""


def seed_application(path: Path) -> Path:
    """Make a checkout of the example in the seed's form: each environment has a Mix environment and imports its secret file.

    + path: of the checkout, which does not exist
    """
    shutil.copytree(CHECKOUT / "examples/billing", path, ignore=shutil.ignore_patterns("_build", "config", "mix.exs"))
    return shutil.copytree(SEED, path, dirs_exist_ok=True)


@dataclass(frozen=True)
class Variant:
    """A release of the example.

    + environment: it is built for
    + version: of the release
    + fail: what goes wrong with it, a word of examples/billing/lib/billing/mishap.ex
    + migrations: how many of the ordinary ones it knows
    """

    environment: str
    version: str
    fail: str = ""
    migrations: int = 2

    @property
    def name(self) -> str:
        """Of its tarball."""
        return f"billing-{self.version}{self.fail and '-'}{self.fail}.tar.gz"


def build(release: str, directory: Path, version: str = VERSION) -> dict[str, Path]:
    """Tarballs of one version, which knows one migration, by environment, in a directory that exists; takes two seconds.

    + release: trixie or bookworm
    """
    variants = {environment: Variant(environment, version, migrations=1) for environment in NAMES}
    built = build_variants(release, directory, list(variants.values()))
    return {environment: built[variant] for environment, variant in variants.items()}


def build_variants(
    release: str, directory: Path, variants: Sequence[Variant], secret_file: str | None = None
) -> dict[Variant, Path]:
    """A tarball for each variant, in a directory that exists; one second each, after two for the first.

    + release: trixie or bookworm
    + secret_file: what the configuration imports while building, as for Distillery; None: it is read at start
    """
    if secret_file is not None:
        (directory / "secret.exs").write_text(secret_file)
    tarballs = {variant: directory / variant.environment / variant.name for variant in variants}
    for path in tarballs.values():
        path.unlink(missing_ok=True)
    (directory / "variants").write_text(
        "".join(f"{v.environment} {v.version} {v.migrations} {v.fail or '-'} {v.name}\n" for v in variants)
    )
    with TemporaryDirectory() as temporary:
        source = seed_application(Path(temporary) / "billing")
        binds = {source: ("/source", True), directory: ("/target", False)}
        run = run_in(image(release, "elixir"), _BUILD, binds=binds)
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
    machine.run(f"cat > {release}/bin/billing", stdin=_DISTILLERY.replace("BOOT", "start_clean"))
    machine.run(f"cat > {release}/releases/{VERSION}/vm.args", stdin=vm_args)
    machine.run(f"printf '[].\n' > {release}/releases/{VERSION}/sys.config")


def as_distillery(tree: Path, vm_args: str) -> None:
    """An unpacked mix release, built with its configuration in it, becomes one as Distillery lays it out.

    + tree: its directory
    + vm_args: text of the file of that name
    """
    (tree / "bin/billing").write_text(_DISTILLERY.replace("BOOT", "start"))
    version = (tree / "releases/start_erl.data").read_text().split()[1]
    (tree / f"releases/{version}/vm.args").write_text(vm_args)


def start(machine: Machine, environment: str) -> None:
    """The unit is started and its page answers."""
    machine.run(f"systemctl reset-failed billing_{environment}.service; systemctl start billing_{environment}.service")
    wait_for_page(machine, environment)


def page(machine: Machine, environment: str, path: str = "/", **headers: str) -> Answer:
    """A page of the application, through nginx, from outside."""
    return get(machine.address, NAMES[environment], path, tls=environment == "prod", **headers)


def wait_for_page(machine: Machine, environment: str) -> None:
    wait_until(lambda: page(machine, environment).status == 200, f"{environment} answers")


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
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
    """What `bin/billing …` prints in the application's sandbox."""
    unit, link = f"/etc/systemd/system/billing_{environment}.service", f"/home/billing/{environment}/billing"
    command = shlex.join(program.words("release_command.sh", unit, link, "bin/billing", "60", ""))
    run = machine.run(f"{command} {arguments}", check=check, timeout=90)
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
