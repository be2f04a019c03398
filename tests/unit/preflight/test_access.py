"""Why a user cannot become root, told apart by sudo's own words."""

import subprocess
from pathlib import Path

import pytest

from operations.host import program
from preflight.access import RootRefused, refusal


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("sudo: a password is required", "sudo wants a password of devops. As root on the machine: echo 'devops ALL="),
        ("sudo-rs: interactive authentication is required", "sudo wants a password of devops. "),
        (
            "sudo: sorry, you must have a tty to run sudo",
            "echo 'Defaults:devops !requiretty' > /etc/sudoers.d/devops-tty",
        ),
        ("devops is not in the sudoers file.", "devops may not use sudo. As root on the machine: "),
        (
            "it did not answer: This account is not available.",
            "runs no command: This account is not available. As root",
        ),
        (
            "secure_path /usr/bin:/bin",
            "looks for programs in /usr/bin:/bin alone, and those of administration are in /usr/sbin. As root on the "
            "machine: echo 'Defaults:devops secure_path=/usr/local/sbin:",
        ),
        ("sudo: a password is required", ".venv/bin/pyinfra inventory.py deploy.py --limit qa --same-sudo-password"),
        ("sudo is not installed", "As root on the machine: apt-get install sudo. As root on the machine: echo"),
        ("sudo: /etc/sudoers: syntax error", "sudo does not work for devops: sudo: /etc/sudoers: syntax error"),
    ],
)
def test_each_cause_has_its_own_way_out(words: str, said: str) -> None:
    assert said in refusal(words, "devops", "qa")


@pytest.mark.parametrize("words", ["sudo: a password is required", "you must have a tty to run sudo"])
def test_sudo_reads_the_file_of_a_user_with_a_dot(words: str) -> None:
    """It passes over files with a dot in their names."""
    assert "> /etc/sudoers.d/jane_doe" in refusal(words, "jane.doe", "qa")


@pytest.mark.parametrize(
    ("user", "sudo", "said"),
    [
        ("0", None, "allowed"),
        ("1000", None, "refused sudo is not installed"),
        ("1000", 'shift 2; PATH=/bin:/usr/sbin exec sh "$@"'.replace("shift 2", "shift; shift"), "allowed"),
        ("1000", "echo lecture; echo 'secure_path /usr/bin:/bin'", "refused secure_path /usr/bin:/bin"),
        ("1000", "echo 'sudo: no luck' >&2; echo again >&2; exit 1", "refused sudo: no luck again"),
    ],
)
def test_the_host_says_why(tmp_path: Path, user: str, sudo: str | None, said: str) -> None:
    for name, text in {
        "id": f"echo {user}",
        "sudo": sudo,
        "tr": 'exec /usr/bin/tr "$@"',
        "sed": 'exec /bin/sed "$@"',
        "sh": 'exec /bin/sh "$@"',
    }.items():
        if text:
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
    run = subprocess.run(
        ["/bin/sh", "-c", program.text("root_access.sh")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == f"{said}\n"


def test_nothing_but_allowed_is_allowed() -> None:
    assert RootRefused().process(["allowed"]) is None
    assert RootRefused().process(["refused sudo: a", "b"]) == "sudo: a b"
