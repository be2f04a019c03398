"""The table's view of a machine, before and after a first release, and with faults."""

import json
import re
import sys
from typing import Any

import pytest

from tests.host.conftest import BOOKWORM, Host
from tests.host.project import CHECKOUT, Run
from tests.host.releases import rpc

# What is asked, and how it is shown, does not depend on the release.
pytestmark = BOOKWORM

RELEASED = re.compile(r"active since 20\d\d-\d\d-\d\d \d\d:\d\d")


def status(host: Host, *arguments: str) -> Run:
    return host.project.run(sys.executable, "-m", "commands.status", *arguments)


def rows(host: Host, expected_code: int, *arguments: str) -> dict[str, dict[str, Any]]:
    run = status(host, "--json", *arguments)
    assert run.exit_code == expected_code, run.output
    return {row["environment"]: row for row in json.loads(run.output)}


@pytest.mark.everything
def test_without_a_release(host: Host) -> None:
    found = rows(host, 2)
    assert list(found) == ["stage", "prod"]
    for row in found.values():
        assert (row["reachable"], row["in_sync"], row["machine"]) == (True, True, "sandbox")
        assert (row["unit"], row["site"]) == ("no release yet", "502 Bad Gateway")
        assert re.fullmatch(r"\d+ kB", row["database"])
        assert re.fullmatch(r"\d+ %", row["disk"])
    told = host.project.make("doctor", "ENV=stage").output
    assert "there is no release yet, and billing_stage.service is inactive" in told
    assert re.search("make (update ENV=stage|release ENV=stage TARBALL=...) brings the first release", told)


@pytest.mark.everything
def test_a_pending_migration_is_not_in_order(running: Host) -> None:
    for row in rows(running, 2).values():
        assert (row["release"], row["node"], row["health"]) == ("0.1.0", "answers", "200 OK")
        assert (row["migrations"], row["last"], row["ok"]) == ("1 pending", "none", False)


def test_in_order(running: Host) -> None:
    for environment in ("stage", "prod"):
        rpc(running.machine, environment, "Billing.Release.migrate()")
    found = rows(running, 0)
    for row in found.values():
        assert RELEASED.fullmatch(row["unit"])
        assert (row["site"], row["migrations"], row["ok"]) == ("200 OK", "1 applied", True)
    table = status(running, "prod").require_success().output.splitlines()
    assert [line.split(" ")[0] for line in table] == [
        "environment",
        "prod",
        "",
        "environment",
        "prod",
        "",
        "environment",
        "prod",
    ]
    assert table[1].split() == ["prod", "https://billing.example.com", "sandbox", "4000", "billing_prod"]
    assert max(map(len, table)) <= 120
    running.project.make("status").require_success()


@pytest.mark.everything
def test_out_of_order(running: Host) -> None:
    running.machine.run(
        "systemctl stop billing_stage && rm /etc/nginx/sites-enabled/billing_prod && systemctl reload nginx"
    )
    found = rows(running, 2)
    assert (found["stage"]["unit"], found["stage"]["site"]) == ("stopped", "502 Bad Gateway")
    assert (found["prod"]["in_sync"], found["prod"]["site"]) == (False, "no answer")
    running.machine.run("systemctl stop nginx postgresql")
    found = rows(running, 2)
    assert {row["site"] for row in found.values()} == {"nginx does not run"}
    assert {row["database"] for row in found.values()} == {"no answer"}
    assert RELEASED.fullmatch(found["prod"]["unit"])


@pytest.mark.everything
def test_one_machine_does_not_answer(running: Host) -> None:
    with running.project.moved("prod", ssh_port=1):
        both = status(running)
        alone = status(running, "prod")
    assert both.exit_code == 2
    assert re.search(r"^stage +yes ", both.output, re.MULTILINE)
    assert re.search(r"^prod +\S+ +sandbox:1 +4000 +billing_prod$", both.output, re.MULTILINE)
    assert re.search(r"^prod +no +- +- +- +- +-$", both.output, re.MULTILINE)
    assert re.search(r"^prod +- +- +- +- +-$", both.output, re.MULTILINE)
    assert alone.exit_code == 1
    assert "Traceback" not in both.output


def test_the_documented_keys_are_those_of_the_json(host: Host) -> None:
    example = re.search(r"prints a list.*\n\n((?:    .*\n)+)", (CHECKOUT / "docs/drift.md").read_text())
    assert example
    assert list(json.loads(example[1])) == list(json.loads(status(host, "--json", "prod").output)[0])


def test_errors(host: Host) -> None:
    unknown = status(host, "nowhere")
    assert (unknown.exit_code, unknown.output) == (
        1, "there is no environment 'nowhere'; there are: stage, prod\n",
    )  # fmt: skip
    assert status(host, "--nope").exit_code == 1
