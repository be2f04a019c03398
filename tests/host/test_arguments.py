"""Every local user reads the arguments of all processes: no command of an operator has a secret in them."""

import secrets
import sys
import time
from pathlib import Path

import pytest

from tests.host import spies
from tests.host.conftest import BOOKWORM, Host
from tests.host.releases import Variant, build_variants
from tests.host.releasing import entry_point, release
from tests.host.test_build import build, commit, repository
from tests.host.test_secrets import new_secrets

# Minutes for each; the same programs run on both releases of Debian.
pytestmark = [BOOKWORM, pytest.mark.everything]

__all__ = ["repository"]

# What an operator runs by each command, for as long as it takes to look twice.
TEXTS = dict.fromkeys(("rpc", "task"), "Process.sleep(500); IO.puts(~s({}))") | {"exec": "sleep 0.5; echo {}"}
OLD, NEW = Variant("stage", "0.1.0", migrations=1), Variant("stage", "0.2.0", migrations=2)
# Of the list of all processes.
POLLS = 100_000


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
    texts = {word: secrets.token_hex(32) for word in TEXTS}
    needles += texts.values()
    spies.start(machine, "arguments.pl", needles, ["met", "polls"])
    _work(host, waves, [tarballs[OLD], tarballs[NEW]], texts)
    # The control: an argument of a process that lives for a moment.
    machine.run(f"for i in 1 2 3; do sh -c 'sleep 0.5; exit' {shown}; done")
    deadline = time.monotonic() + 900
    while (polls := 1000 * int(machine.run(f"stat --format %s {spies.HOME}/polls").stdout)) < POLLS:
        assert time.monotonic() < deadline, f"{polls} polls"
        time.sleep(2)
    assert list(spies.met(machine, needles, "met")) == [shown]


def _work(host: Host, waves: list[dict[str, dict[str, str]]], tarballs: list[Path], texts: dict[str, str]) -> None:
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
        ["status", "stage"],
    ):
        project.run(sys.executable, "-m", "commands", *words).require_success()
    for word, hidden in texts.items():
        text = TEXTS[word].format(hidden)
        assert project.run(sys.executable, "-m", "commands", word, "stage", stdin=text).output == f"{hidden}\n"
    project.run(sys.executable, "-m", "commands", "psql", "stage", stdin="select 1;").require_success()
    project.make("doctor", "ENV=stage")
