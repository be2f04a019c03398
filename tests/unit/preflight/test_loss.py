"""The last words of a run whose connection was lost."""

import logging
from collections.abc import Iterator

import pytest
from pyinfra import logger

from connectors.loss import Loss, losses
from preflight import loss

CUT = Loss("stage", "server.example.com", True, True, "Machine: lock", "it said nothing for 40 seconds")


@pytest.fixture
def cut() -> Iterator[None]:
    """The connection of stage was lost."""
    losses.append(CUT)
    yield
    losses.clear()


@pytest.mark.parametrize(
    ("entry", "command"),
    [
        ("deploy.py", "run make apply ENV=stage again"),
        ("release.py", "make releases ENV=stage tells how it ended"),
        ("rollback.py", "make releases ENV=stage tells how it ended"),
        ("restart.py", "make releases ENV=stage tells how it ended"),
        ("migrate.py", "make releases ENV=stage tells how it ended"),
        ("restore.py", "make releases ENV=stage tells how it ended"),
        ("build.py", "make build ENV=stage again"),
        ("toolchain.py", "make toolchain ENV=stage again, which follows it"),
        ("own.py", "run the command again"),
    ],
)
def test_the_step_the_reason_and_the_next_command(entry: str, command: str) -> None:
    said = loss.last_words([CUT], entry, ["stage"])
    lost = 'The connection to server.example.com was lost in the step "Machine: lock": it said nothing for 40 seconds. '
    assert said.startswith(lost)
    assert command in said
    assert said.endswith("If the machine is then still locked by this run: make unlock ENV=stage.")


def test_before_the_first_change_nothing_has_to_be_done() -> None:
    planning = CUT._replace(executing=False, step="")
    said = "The connection to server.example.com was lost: it said nothing for 40 seconds. Nothing was changed."
    assert loss.last_words([planning, planning._replace(host="prod")], "deploy.py", []) == said
    down = planning._replace(made=False, reason="port 22 refuses connections")
    assert loss.last_words([down], "deploy.py", []) == (
        "No connection to server.example.com: port 22 refuses connections. Nothing was changed."
    )


def test_each_machine_is_told_once() -> None:
    other = CUT._replace(host="prod", machine="other.example.com")
    said = loss.last_words([CUT, CUT._replace(host="qa"), other], "deploy.py", ["stage", "prod"])
    assert (said.count("server.example.com"), said.count("other.example.com")) == (1, 1)
    assert "make apply again" in said


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("--> pyinfra error: No hosts remaining!", False),
        ("    [\x1b[1mstage\x1b[0m] Error: executed 0 commands", False),
        ("Traceback (most recent call last):", False),
        # Hosts of one machine share a connection.
        (f"    [\x1b[1mprod\x1b[0m] {CUT.sentence}", False),
        ("    [\x1b[1mprod\x1b[0m] Success", True),
    ],
)
def test_only_the_other_hosts_are_shown_after_it(cut: None, line: str, shown: bool) -> None:
    record = logging.LogRecord(logger.name, logging.ERROR, "", 0, line, None, None)
    assert loss._Quiet().filter(record) is shown


def test_without_a_loss_everything_is_shown() -> None:
    record = logging.LogRecord(logger.name, logging.ERROR, "", 0, "--> pyinfra error: No hosts remaining!", None, None)
    assert loss._Quiet().filter(record)
