"""The page that only the environment's own site has, asked at every address of the machine."""

import pytest

from tests.unit.operations.programs.sandboxed import Sandbox

MARK = "0123456789abcdef"
ASKED = ("billing_stage", "stage.example.com", "80", "http://stage.example.com/.well-known/deploy-site", MARK)
INTERFACES = """1: lo    inet 127.0.0.1/8 scope host lo
2: eth0    inet 203.0.113.5/24 brd 203.0.113.255 scope global eth0
2: eth0    inet6 2001:db8::5/64 scope global dynamic
3: docker0    inet 172.17.0.1/16 scope global docker0
4: wg0    inet 10.8.0.1/24 scope global wg0
"""


@pytest.fixture
def machine(sandbox: Sandbox) -> Sandbox:
    """A machine whose nginx has the site, and answers everywhere."""
    nginx = sandbox.directory / "nginx"
    sandbox.places["/etc/nginx"] = nginx
    (nginx / "sites-enabled").mkdir(parents=True)
    (nginx / "sites-enabled" / "billing_stage").write_text(f'return 200 "{MARK}";\n')
    (sandbox.directory / "interfaces").write_text(INTERFACES)
    sandbox.stub("ip", "grep 'scope global' interfaces")
    answer(sandbox, f"printf '{MARK}\\n\\n200'")
    return sandbox


def answer(sandbox: Sandbox, other: str, address: str = "") -> None:
    """What curl gets at an address, or else."""
    own = f"printf '{MARK}\\n\\n200'"
    sandbox.stub("curl", f'case "$*" in *"80:{address}"*) {other} ;; *) {own} ;; esac')


def answers(sandbox: Sandbox) -> list[str]:
    done = sandbox.run("answers_at.sh", *ASKED)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_own_site_answers_at_every_address(machine: Sandbox) -> None:
    assert answers(machine) == ["127.0.0.1 own", "2001:db8::5 own", "203.0.113.5 own"]


@pytest.mark.parametrize(
    ("other", "state"),
    [
        ("printf 'not found\\n404'", "other"),
        ("printf '\\n200'", "other"),
        ("printf '\\n000'; exit 7", "silent"),
        ("exit 28", "silent"),
    ],
)
def test_another_answer_at_one_address(machine: Sandbox, other: str, state: str) -> None:
    answer(machine, other, "203.0.113.5")
    assert answers(machine) == ["127.0.0.1 own", "2001:db8::5 own", f"203.0.113.5 {state}"]
    answer(machine, other, "[2001:db8::5]")
    assert answers(machine) == ["127.0.0.1 own", f"2001:db8::5 {state}", "203.0.113.5 own"]


def test_a_site_from_before_is_not_asked(machine: Sandbox) -> None:
    (machine.directory / "nginx" / "sites-enabled" / "billing_stage").write_text("server {}\n")
    assert answers(machine) == []


def test_networks_within_the_machine_have_no_visitors(machine: Sandbox) -> None:
    assert machine.run("visitor_addresses.sh").stdout.split() == ["127.0.0.1", "2001:db8::5", "203.0.113.5"]
