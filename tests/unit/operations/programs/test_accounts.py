"""Users that cannot be made or changed, and files that somebody protected."""

import os
import pwd
from pathlib import Path

import pytest

from operations import accounts, machine
from operations.host import program
from tests.unit.operations.programs.sandboxed import Sandbox

ME = pwd.getpwuid(os.getuid())
AS_IT_IS = (ME.pw_name, ME.pw_dir, ME.pw_shell)


def seen(sandbox: Sandbox, user: str, home: str, shell: str, attributes: str = "--------------e-------") -> list[str]:
    sandbox.stub("lsattr", f'for file; do [ "$file" = -d ] || echo "{attributes} $file"; done')
    done = sandbox.run("accounts.sh", user, home, shell)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_users_that_are_as_they_should_be_need_nothing(sandbox: Sandbox) -> None:
    assert seen(sandbox, *AS_IT_IS, attributes="----i-----") == []


def test_a_home_that_is_to_change_while_the_user_works(sandbox: Sandbox) -> None:
    [line] = seen(sandbox, ME.pw_name, "/srv/other", ME.pw_shell)
    word, user, home, processes = line.split("\t")
    assert (word, user, home) == ("busy", ME.pw_name, ME.pw_dir)
    assert processes[0].isdecimal()
    told = accounts.sentence({user: "/srv/other"}, word, user, home, processes)
    assert f"is {ME.pw_dir} and is to become /srv/other" in told
    assert f"processes of the user run: {processes}" in told


def test_a_number_that_another_user_has(sandbox: Sandbox) -> None:
    """Also one of a directory service, which lists nobody."""
    own = "billing:x:996:996::/home/billing:/bin/bash"
    for listed, first in ((f"{own}\ntwin:x:996:1::/:/bin/sh", own), (own, "twin:x:996:1::/:/bin/sh")):
        sandbox.stub(
            "getent",
            f"case $2 in '') printf '%s\\n' '{listed}' ;; 996) echo '{first}' ;; billing) echo '{own}' ;; esac",
        )
        [line] = seen(sandbox, "billing", "/home/billing", "/bin/bash")
        assert line == "shared\tbilling\t996\ttwin"
    assert "billing has the number 996, and twin has it too" in accounts.sentence({}, *line.split("\t"))


def test_a_shell_may_change_meanwhile(sandbox: Sandbox) -> None:
    assert seen(sandbox, ME.pw_name, ME.pw_dir, "/bin/other") == []


def test_a_new_user_needs_files_that_can_be_written(sandbox: Sandbox) -> None:
    lines = seen(sandbox, "nobody-yet", "/home/nobody-yet", "/bin/bash", attributes="----i---------e-----")
    assert "protected\t/etc/passwd" in lines
    assert "chattr -i -a /etc/passwd" in accounts.sentence({}, *lines[1].split("\t"))


@pytest.mark.parametrize("step", ["mktemp", "mv"])
def test_a_file_that_somebody_protected_is_named(sandbox: Sandbox, tmp_path: Path, step: str) -> None:
    target = tmp_path / "secret"
    sandbox.stub("lsattr", f"echo '----i---------e----- {target}'")
    sandbox.stub(step, "echo 'Operation not permitted' >&2; exit 1")
    done = sandbox.execute(
        program.words("install_file.sh", str(target), f"{os.getuid()}:{os.getgid()}", "600"),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0\n",
    )
    assert done.returncode == 1
    assert f"{target} is protected by chattr: look who did that and why; chattr -i -a {target}" in done.stderr


@pytest.mark.parametrize(
    ("present", "words"),
    [
        (None, "Will create user billing with the home /home/billing and the shell /bin/bash"),
        (("/home/billing", "/bin/sh"), "Will change user billing: shell /bin/sh becomes /bin/bash"),
        (
            ("/srv/billing", ""),
            "Will change user billing: home /srv/billing becomes /home/billing, shell none becomes /bin/bash",
        ),
    ],
)
def test_the_plan_names_what_changes(present: tuple[str, str] | None, words: str) -> None:
    assert machine._account_change("billing", present, "/home/billing", "/bin/bash") == words
