"""Every input is refused with the name of its key, or arrives byte for byte and runs nothing; see tests/inputs."""

from pathlib import Path
from typing import Any

import pytest

from tests.host.conftest import Host
from tests.inputs.bash import SHOW
from tests.inputs.exploration import Tally, explore
from tests.inputs.machine_files import inside, ran
from tests.inputs.postgresql import logins
from tests.inputs.values import FIELDS

# The programs of both releases read the same files, so that one of them is asked about most.
CASES = {"trixie": 300, "bookworm": 60}
MANY = {"trixie": 1800, "bookworm": 100}

# Values that a regular expression, a format string, a pager or a shell on the way could change.
TEXT = (
    "\t 'a' \"b\" \\ \\n $HOME ${X} $(touch /tmp/pwned) `touch /tmp/pwned` #{1} {0} {mark} %h %% & / * ~ ! "
    "é e\u0301 𝄞 \u202e \u2028 \x85 \ufeff \x01 \x0b \x0c \x1b[31m \x1c \x1f \x7f "
)
LONG = TEXT * 100


@pytest.mark.everything
def test_every_input(host: Host, vaults: Path, everything: bool) -> None:
    cases = (MANY if everything else CASES)[host.machine.release]
    # What is drawn may have the names of what was applied.
    host.machine.run(
        "systemctl stop nginx; cd /etc/systemd/system; systemctl disable --quiet billing_stage billing_prod"
    )
    host.machine.run("rm /etc/systemd/system/billing_*.service && systemctl daemon-reload")
    tally = Tally()
    try:
        explore(host.machine, vaults, cases, 1, tally)
    finally:
        host.machine.run("rm -rf /etc/nginx/sites-enabled /etc/nginx/sites-available && mkdir /etc/nginx/sites-enabled")
        host.machine.run("mkdir /etc/nginx/sites-available && systemctl start nginx")
    assert not tally.complaints, "\n".join(tally.complaints)
    assert tally.accepted + tally.refused == cases
    # A project that refuses everything would have nothing to complain of.
    assert min(tally.accepted, tally.refused) > cases / 5
    if host.machine.release == "trixie":
        missed = [name for name in FIELDS if not tally.arrived[name]]
        # A few hundred cases cannot draw every setting.
        assert len(missed) <= (0 if everything else len(FIELDS) * 2 / 3), missed


HOSTILE: dict[str, Any] = {
    "aliases": {
        "a1": TEXT,
        "a2": LONG,
        "a3": "# BEGIN billing_stage, managed by the deploy repository",
        "if": "x'; y",
        "cd": ".",
    },
    "unit_environment": {
        "E1": TEXT,
        "E2": LONG,
        "E3": f"a\n{TEXT}\nPORT=1\n[Service]\n",
        "E4": "'",
        "E5": '"',
        "E6": "\\",
        "E7": "a\r\nb\r",
    },
}
PASSWORD = "'; DROP ROLE postgres; -- \\ \" $x$ :'p' %s #{1} $(touch /tmp/pwned) `"
SECRETS = {"database_password": PASSWORD, "secret_key_base": LONG, "free_key": f"a\n{TEXT}", "other": "#{1}\\"}


@pytest.fixture(scope="module")
def deployed(host: Host) -> Host:
    """Stage deployed with hostile values, after the inputs above went their way around the operations."""
    host.project.edit("stage", **HOSTILE)
    host.project.set_secrets("stage", **SECRETS)
    host.project.apply().require_success()
    return host


def test_a_second_apply_of_hostile_values_changes_nothing(deployed: Host) -> None:
    assert deployed.project.applied() == {}
    assert ran(deployed.machine) == []


def test_variables_of_the_deployed_unit(deployed: Host) -> None:
    machine = deployed.machine
    machine.run(
        "systemd-run --quiet --wait --property EnvironmentFile=/etc/default/billing_stage "
        "--property StandardOutput=truncate:/run/seen env -0"
    )
    seen = inside(machine, "/run/seen").read_bytes().split(b"\0")
    wanted = [f"{name}={value}".encode() for name, value in HOSTILE["unit_environment"].items()]
    assert [variable for variable in wanted if variable not in seen] == []
    assert ran(machine) == []


def test_aliases_of_the_deployed_user(deployed: Host) -> None:
    machine = deployed.machine
    output = "/home/billing/seen"
    machine.run(f"bash -O expand_aliases -c '. /home/billing/.bash_aliases; {SHOW}' > {output}", user="billing")
    parts = inside(machine, output).read_bytes().split(b"\0")
    seen = dict(zip(parts[::2], parts[1::2], strict=False))
    wanted = {name.encode(): text.encode() for name, text in HOSTILE["aliases"].items()}
    assert {name: text for name, text in seen.items() if name in wanted} == wanted
    assert ran(machine) == []


def test_password_of_the_deployed_role(deployed: Host) -> None:
    assert logins(deployed.machine, {"billing_stage": PASSWORD}) == []
    assert logins(deployed.machine, {"billing_stage": f"{PASSWORD} "}) == ["billing_stage"]
