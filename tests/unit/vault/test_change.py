"""Single values of a vault: set, shown, made anew, imported. Everything else in its text stays."""

import json
import os
import pty
import subprocess
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from group_data.schema.environment import Environment
from group_data.schema.paths import CHECKOUT
from tests.unit.vault.test_vault_cli import SECRET, TEXT, Desk
from vault import env_file
from vault.change import with_values
from vault.keys import VaultError

NAMED = json.dumps({"secret_variables": ["STRIPE_KEY"]})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.write(made.stage, TEXT + "STRIPE_KEY = 'old'  # of the test account\n\n# the end\n")
    return made


# --- The text --------------------------------------------------------------------------------------------------------


def test_every_other_line_stays() -> None:
    text = '# head\r\n\na = \'x\'   # why\n\t"b"="""\na = 1\n"""\n# tail'
    assert with_values(text.encode(), {"a": "y"}).decode() == text.replace("'x'", '"y"')
    added = with_values(text.encode(), {"C": "z"}).decode()
    assert added.startswith(text)
    assert tomllib.loads(added) == {"a": "x", "b": "a = 1\n", "C": "z"}


ANY = st.text(st.characters(exclude_categories=["Cs"]))


@given(ANY, ANY, st.sampled_from(["a", "B"]))
def test_any_value_can_be_set(first: str, second: str, key: str) -> None:
    text = with_values(with_values(b"# x\na = 'b'\n", {key: first}), {key: second})
    assert tomllib.loads(text.decode()) == {"a": "b", key: second}


def test_a_text_that_would_say_something_else_is_refused() -> None:
    with pytest.raises(VaultError, match="the end of the text is not TOML"):
        with_values(b"a = ", {"b": "c"})


# --- vault-set -------------------------------------------------------------------------------------------------------


def test_set_changes_one_value(desk: Desk) -> None:
    done = desk.run("set", "stage", "--key", "STRIPE_KEY", stdin=b"new-value\n", SETTINGS=NAMED)
    assert (done.returncode, done.stderr) == (0, "")
    assert "stage.age: changed STRIPE_KEY\nmake apply ENV=stage brings it to the host.\n" in done.stdout
    assert desk.text(desk.stage) == TEXT + 'STRIPE_KEY = "new-value"  # of the test account\n\n# the end\n'


def test_set_adds_a_value_and_says_the_line_for_group_data(desk: Desk) -> None:
    value = " a\nb \"'$HOME\\ é\r\n"
    done = desk.run("set", "stage", "--key", "SENTRY_DSN", stdin=f"{value}\n".encode(), SETTINGS=NAMED)
    assert 'group_data/stage.py, so that the application gets it: secret_variables = ["STRIPE_KEY", "SENTRY_DSN"]' in (
        done.stdout
    )
    assert desk.values(desk.stage)[-1] == value
    assert desk.text(desk.stage).startswith(TEXT)


def test_set_stores_a_key_of_several_lines_for_builds_alone(desk: Desk) -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n-----END OPENSSH PRIVATE KEY-----"
    known = f"git.example.com ssh-ed25519 {'A' * 68}"
    settings = json.dumps({"build_deploy_key": "BUILD_DEPLOY_KEY", "build_known_hosts": [known]})
    done = desk.run("set", "stage", "--key", "BUILD_DEPLOY_KEY", stdin=f"{key}\n".encode(), SETTINGS=settings)
    assert done.returncode == 0, done.stderr
    assert "secret_variables" not in done.stdout
    assert "The next make build ENV=stage gets it; there is nothing to apply." in done.stdout
    assert "make apply" not in done.stdout
    assert desk.values(desk.stage)[-1] == key


@pytest.mark.parametrize(
    ("key", "stdin", "message"),
    [
        ("STRIPE_KEY", b"", "no value for STRIPE_KEY came: type it, or send it to standard input"),
        ("STRIPE_KEY", b"\n", "no value for STRIPE_KEY came"),
        ("STRIPE_KEY", b"\xff", "the value is not UTF-8"),
        ("STRIPE_KEY", b"a\0b", "STRIPE_KEY: holds a NUL character"),
        ("STRIPE_KEY", "\ufffe".encode(), "STRIPE_KEY: holds one of Unicode's noncharacters"),
        (
            "DATABASE_URL",
            b"x",
            "DATABASE_URL is made from the vault's database_password and the settings of the database",
        ),
        (
            "PORT",
            b"x",
            "PORT is made from the settings, or the release's own scripts set it: it has no value of its own",
        ),
        ("cookie", b"short", "cookie: must be 20 to 255 letters"),
        ("a-b", b"x", "'a-b': is no key"),
    ],
)
def test_set_refuses(desk: Desk, key: str, stdin: bytes, message: str) -> None:
    before = desk.stage.read_bytes()
    assert message in desk.refused("set", "stage", "--key", key, stdin=stdin)
    assert desk.stage.read_bytes() == before


def test_set_asks_on_a_terminal_and_does_not_show_what_is_typed(desk: Desk) -> None:
    ours, theirs = pty.openpty()
    command = ["setsid", "--ctty", "--wait", *desk.command("set", "stage", "--key", "STRIPE_KEY")]
    process = subprocess.Popen(command, cwd=CHECKOUT, env=desk.environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while b"not shown: " not in shown:
        shown += os.read(ours, 1024)
    os.write(ours, b"typed-secret\n")
    while True:
        try:
            shown += os.read(ours, 1024)
        except OSError:
            break
    assert process.wait(20) == 0, shown
    assert b"typed-secret" not in shown
    assert "typed-secret" in desk.values(desk.stage)


# --- vault-show ------------------------------------------------------------------------------------------------------


def test_show_prints_the_value_alone(desk: Desk) -> None:
    value = "a\n \x1b[31m é\n"
    desk.run("set", "stage", "--key", "STRIPE_KEY", stdin=f"{value}\n".encode())
    done = desk.start("show", "stage", "--key", "STRIPE_KEY")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{value}\n".encode(), b"")


def test_show_names_the_keys_when_there_is_no_such_key(desk: Desk) -> None:
    told = desk.refused("show", "stage", "--key", "STRIPE")
    assert "has no key 'STRIPE'; it has: 'database_password', 'secret_key_base', 'cookie', 'STRIPE_KEY'" in told


# --- vault-rotate ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "cost"),
    [
        ("database_password", "PostgreSQL refuses new connections of the running application"),
        ("secret_key_base", "Everybody is signed out"),
        ("cookie", "Apply restarts the application"),
        ("STRIPE_KEY", "must come from them: `make vault-set`"),
    ],
)
def test_rotate_says_the_cost_and_asks(desk: Desk, key: str, cost: str) -> None:
    before = desk.stage.read_bytes()
    told = desk.refused("rotate", "stage", "--key", key)
    assert cost in told
    assert "There is no terminal to ask on: repeat with YES=1" in told
    assert desk.stage.read_bytes() == before
    old = desk.values(desk.stage)
    done = desk.run("rotate", "stage", "--key", key, "--yes")
    assert done.returncode == 0
    assert f"stage.age: made a new {key}" in done.stdout
    (changed,) = [(a, b) for a, b in zip(old, desk.values(desk.stage), strict=True) if a != b]
    assert len(changed[1]) >= 43


def test_rotate_needs_a_key_that_is_there_and_is_ours(desk: Desk) -> None:
    assert "has no key 'SENTRY_DSN'" in desk.refused("rotate", "stage", "--key", "SENTRY_DSN", "--yes")
    assert "AppSignal makes this key" in desk.refused("rotate", "stage", "--key", "appsignal_push_api_key", "--yes")
    assert "The name server has this key, too" in desk.refused("rotate", "stage", "--key", "acme_dns_secret", "--yes")


@pytest.mark.parametrize("command", ["set", "show", "rotate"])
def test_a_missing_key_is_asked_for(desk: Desk, command: str) -> None:
    done = desk.run(command, "stage")
    assert done.returncode == 2
    assert f"Say which key: make vault-{command} ENV=stage KEY=STRIPE_KEY" in done.stderr


# --- vault-import ----------------------------------------------------------------------------------------------------

FILE = f"""\
# comment
export SENTRY_DSN=https://x@example.com/1 # why
PEM="-----BEGIN
{SECRET} \\"$X\\" \\n
-----END"
SINGLE='a # b \\n'
STRIPE_KEY = {SECRET}
DATABASE_URL=ecto://a:b@c/d
SECRET_KEY_BASE=abc
PORT=4000
MAIL_FROM=x
EMPTY=
NOTHING
lower=x
"""


def test_import_takes_what_is_the_applications(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(FILE)
    settings = json.dumps({"unit_environment": {"MAIL_FROM": "y"}, "secret_variables": ["STRIPE_KEY"]})
    before = desk.stage.read_bytes()
    told = desk.run("import", "stage", "--file", str(tmp_path / ".env"), SETTINGS=settings)
    assert told.returncode == 1
    assert "repeat with YES=1" in told.stderr
    assert desk.stage.read_bytes() == before

    done = desk.run("import", "stage", "--file", str(tmp_path / ".env"), "--yes", SETTINGS=settings)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:7] == [
        "left out: DATABASE_URL: it is made from the vault's database_password and the settings of the database",
        "left out: SECRET_KEY_BASE: it is made from the vault's secret_key_base. `make vault-set ENV=stage "
        "KEY=secret_key_base` stores this value there, and nobody is signed out",
        "left out: PORT: it is made from the settings, or the release's own scripts set it",
        "left out: MAIL_FROM: unit_environment sets it",
        "left out: EMPTY: it is empty",
        "left out: NOTHING: it is empty",
        "left out: lower: only names of letters, digits and _ with a capital letter can be variables in a vault",
    ]
    assert lines[7] == "takes: SENTRY_DSN, PEM, SINGLE, STRIPE_KEY"
    assert 'secret_variables = ["STRIPE_KEY", "SENTRY_DSN", "PEM", "SINGLE"]' in lines[9]
    values = tomllib.loads(desk.text(desk.stage))
    assert values["SENTRY_DSN"] == "https://x@example.com/1"
    assert values["PEM"] == f'-----BEGIN\n{SECRET} "$X" \n\n-----END'
    assert values["SINGLE"] == "a # b \\n"
    assert values["STRIPE_KEY"] == SECRET
    assert desk.text(desk.stage).startswith(TEXT)

    again = desk.run("import", "stage", "--file", str(tmp_path / ".env"), SETTINGS=settings)
    assert again.returncode == 0
    assert "nothing changed" in again.stdout


def test_import_of_what_is_no_env_file(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(f"A=1\n{SECRET} swordfish = 'a\nB='x\n")
    told = desk.refused("import", "stage", "--file", str(path))
    assert "the file has lines that are no assignments: 2, 3; mend or remove them" in told
    path.write_bytes(b"A=1\n\xff")
    assert "line 2 of the file is not UTF-8" in desk.refused("import", "stage", "--file", str(path))
    assert "cannot be read: No such file" in desk.refused("import", "stage", "--file", str(tmp_path / "none"))
    assert desk.run("import", "stage").returncode == 2


def test_distillery_gets_database_url_like_any_other_variable() -> None:
    distillery = Environment(
        app="billing", environment="stage", domain="stage.example.com", port=4001, release_tool="distillery"
    )
    assert list(env_file.read(b"DATABASE_URL=x", distillery).taken) == ["DATABASE_URL"]
