"""Every local user reads the arguments of all processes: no command of an operator has a secret in them."""

import secrets
import sys
import time
from pathlib import Path

import pytest

from tests.host.conftest import BOOKWORM, Host
from tests.host.releases import Variant, build_variants
from tests.host.releasing import entry_point, release
from tests.host.test_build import build, commit, repository
from tests.host.test_secrets import new_secrets
from tests.sandbox.machine import Machine

# Minutes for each; the same programs run on both releases of Debian.
pytestmark = [BOOKWORM, pytest.mark.everything]

__all__ = ["repository"]

SPY = (Path(__file__).parent / "arguments.pl").read_text()
OLD, NEW = Variant("stage", "0.1.0", migrations=1), Variant("stage", "0.2.0", migrations=2)
# Of the list of all processes.
POLLS = 100_000


def watch(machine: Machine, needles: list[str]) -> None:
    """A local user reads from now on."""
    machine.run("useradd --create-home --shell /bin/bash mallory")
    machine.run("umask 077; cat > /home/mallory/spy.pl; : > /home/mallory/polls; : > /home/mallory/met", "mallory", SPY)
    machine.run("umask 077; cat > /home/mallory/needles", "mallory", "".join(f"{needle}\n" for needle in needles))
    machine.run("systemd-run --quiet --collect --unit spy --uid mallory perl /home/mallory/spy.pl /home/mallory")


def polls(machine: Machine) -> int:
    """How often it has read them all."""
    return 1000 * int(machine.run("stat --format %s /home/mallory/polls").stdout)


def met(machine: Machine, needles: list[str]) -> list[str]:
    """Needles that it met."""
    lines = machine.run("cat /home/mallory/met").stdout.splitlines()
    return [needles[int(line.split(" ", 1)[0])] for line in lines]


def test_no_command_shows_a_secret_in_its_arguments(
    host: Host, request: pytest.FixtureRequest, release: str, tmp_path: Path
) -> None:
    tarballs = build_variants(release, tmp_path, [OLD, NEW])
    commit(request.getfixturevalue("repository"))
    project, machine = host.project, host.machine
    project.edit("all", secret_variables=["STRIPE_KEY"], build_secrets=["HEX_KEY"])
    project.edit("stage", release_strategy="stand_in", settle_time=2)
    waves = [{name: new_secrets() | {"HEX_KEY": secrets.token_hex(32)} for name in ("stage", "prod")} for _ in range(2)]
    shown = secrets.token_hex(32)
    needles = [value for wave in waves for chosen in wave.values() for value in chosen.values()] + [shown]
    watch(machine, needles)
    _work(host, waves, [tarballs[OLD], tarballs[NEW]])
    # The control: an argument of a process that lives for a moment.
    machine.run(f"for i in 1 2 3; do sh -c 'sleep 0.5; exit' {shown}; done")
    deadline = time.monotonic() + 900
    while polls(machine) < POLLS:
        assert time.monotonic() < deadline, f"{polls(machine)} polls"
        time.sleep(2)
    assert met(machine, needles) == [shown]


def _work(host: Host, waves: list[dict[str, dict[str, str]]], tarballs: list[Path]) -> None:
    """Everything that an operator does in a week."""
    project = host.project
    for wave in waves:
        for environment, chosen in wave.items():
            project.set_secrets(environment, **chosen)
        project.apply().require_success()
        for tarball in tarballs:
            release(host, "stage", tarball).require_success()
        entry_point(host, "deploys/rollback.py", "stage", VERSION="0.1.0").require_success()
        entry_point(host, "deploys/restart.py", "stage").require_success()
        entry_point(host, "deploys/migrate.py", "stage").require_success()
    build(host).require_success()
    for words in (
        ["ping", "stage"],
        ["rpc", "stage", "1 + 1"],
        ["exec", "stage", "id"],
        ["status", "stage"],
    ):
        project.run(sys.executable, "-m", "commands", *words).require_success()
    project.run(sys.executable, "-m", "commands", "psql", "stage", stdin="select 1;").require_success()
    project.make("doctor", "ENV=stage")
