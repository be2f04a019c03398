"""What not_ours.sh takes for somebody else's."""

from pathlib import Path

import pytest

from tests.unit.operations.programs.sandboxed import Sandbox

MARK = "Managed by the deploy repository"
OURS = f"# {MARK}: changes here are overwritten.\n"
BLOCK = """\
# BEGIN billing_prod, managed by the deploy repository
alias logs=x
# END billing_prod, managed by the deploy repository
"""


class Machine:
    """A machine that knows users and groups from two files.

    + sandbox: an empty one
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.path = sandbox.directory
        self.home = self.path / "home"
        self.home.mkdir()
        sandbox.places["for place in /etc /run /usr/local/lib /usr/lib"] = Path(f"for place in {self.path}/etc")
        (self.path / "etc/systemd/system").mkdir(parents=True)
        sandbox.stub("getent", f'grep "^$2:" {self.path}/$1')
        self.write("passwd")
        self.write("group")

    def write(self, name: str, content: str = "") -> None:
        """A file below the machine's root."""
        (self.path / name).write_text(content)

    def user(self, words: str = "") -> None:
        """The application user, with these words about it."""
        self.write("passwd", f"root:x:0:0:root:/root:/bin/sh\nbilling:x:1001:1001:{words}:{self.home}:/bin/sh\n")

    def answer(self, *files: str) -> list[list[str]]:
        """The lines of the program."""
        done = self._sandbox.run(
            "not_ours.sh",
            *("billing", "stage logs", "billing_stage", "billing_stage.service"),
            *(f"{self.path}/billing_stage-switch", f"{self.path}/billing_*-switch"),
            *(f"{self.path}/{file}" for file in files),
        )
        assert (done.returncode, done.stderr) == (0, "")
        return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.fixture
def machine(sandbox: Sandbox) -> Machine:
    """A bare machine."""
    return Machine(sandbox)


def test_a_bare_machine(machine: Machine) -> None:
    assert machine.answer("site", "secret") == []


def test_a_user_that_was_there_before(machine: Machine) -> None:
    machine.user("Bill Ing")
    assert machine.answer() == [["user", "billing", str(machine.home), "/bin/sh"]]


def test_our_own_user(machine: Machine) -> None:
    """After an apply that was interrupted as soon as the user was there."""
    machine.user(MARK)
    assert machine.answer() == []


def test_the_user_of_another_environment(machine: Machine) -> None:
    """Prepared by a version that did not mark users."""
    machine.user()
    machine.write("billing_prod-switch", f"#!/bin/bash\n{OURS}")
    machine.write("site", "server {}\n")
    assert machine.answer("site") == [["file", f"{machine.path}/site"]]


def test_another_program_of_that_name_proves_nothing(machine: Machine) -> None:
    machine.user()
    machine.write("billing_prod-switch", "#!/bin/bash\n\n\n" + OURS)
    assert machine.answer() == [["user", "billing", str(machine.home), "/bin/sh"]]


def test_files_with_our_mark_are_ours(machine: Machine) -> None:
    machine.write("site", OURS)
    machine.write("rule", f"// {MARK}\n")
    machine.write("secret", "use Mix.Config\n")
    machine.write("etc/systemd/system/billing_stage.service", "[Unit]\n")
    (machine.path / "link").symlink_to("nowhere")
    assert machine.answer("site", "rule", "secret", "link", "nothing") == [
        ["unit", f"{machine.path}/etc/systemd/system/billing_stage.service"],
        ["file", f"{machine.path}/secret"],
        ["file", f"{machine.path}/link"],
    ]


def test_a_group_with_members(machine: Machine) -> None:
    """They could read the secret file. An empty group gives nobody anything."""
    machine.write("group", "billing_stage:x:999:\n")
    assert machine.answer() == []
    machine.write("group", "billing_stage:x:999:ann,bob\n")
    assert machine.answer() == [["group", "billing_stage", "ann, bob"]]


def test_aliases_of_somebody_else(machine: Machine) -> None:
    machine.user(MARK)
    aliases = f"alias ls='ls -l'\n{BLOCK}  alias stage='cd /srv'\nalias logsx=1\n#alias logs=2\n"
    (machine.home / ".bash_aliases").write_text(aliases)
    (machine.home / ".bashrc").write_text("alias logs='tail'\n")
    assert machine.answer() == [
        ["alias", "logs", f"{machine.home}/.bashrc"],
        ["alias", "stage", f"{machine.home}/.bash_aliases"],
    ]


def test_in_an_environment_that_is_prepared_nothing_is_somebody_elses(machine: Machine) -> None:
    """What was changed by hand there is drift."""
    machine.user()
    machine.write("billing_stage-switch", f"#!/bin/bash\n{OURS}")
    machine.write("site", "server {}\n")
    machine.write("group", "billing_stage:x:999:ann\n")
    assert machine.answer("site") == [["prepared"]]


def test_a_user_with_the_name_of_the_environment(machine: Machine) -> None:
    """The application would run as it."""
    machine.write("passwd", "billing_stage:x:1002:1002::/srv/stage:/bin/bash\n")
    assert machine.answer() == [["user", "billing_stage", "/srv/stage", "/bin/bash"]]
    machine.write("passwd", f"billing_stage:x:999:999:{MARK}:/home/billing/stage/private:/usr/sbin/nologin\n")
    assert machine.answer() == []
