"""The secret file and the database password change together, or neither does."""

import fnmatch
import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from group_data.schema.environment import Environment
from inspection.traces import TRACES
from tests.unit.operations.programs.sandboxed import Sandbox, wait_for

OLD, NEW = "password: old\n", "password: new-secret\n"
STATEMENTS = "SET log_statement = 'none'; BEGIN; ALTER ROLE \"billing\" PASSWORD 'SCRAM-SHA-256$verifier';"

# psql, as far as the program needs it: it keeps statements, answers \echo, and ends with its input.
PSQL = """\
while IFS= read -r line; do
    case $line in
    '\\echo '*) echo "${line#??????}" ;;
    *) printf '%s\\n' "$line" >> "$STATEMENTS" ;;
    esac
done
echo end >> "$STATEMENTS"
"""

REFUSING = """\
read -r line
echo 'ERROR:  role "billing" does not exist' >&2
exit 3
"""


class Place:
    """A secret file, and what PostgreSQL was told."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.home = sandbox.directory / "home"
        self.home.mkdir()
        self.file = self.home / "prod.secret.exs"
        self.file.write_text(OLD)
        self.statements = sandbox.directory / "statements"
        sandbox.environment["STATEMENTS"] = str(self.statements)
        sandbox.stub("runuser", PSQL)
        # Root alone gives files away.
        sandbox.stub("chown", f'echo "$1" > {sandbox.directory}/owner')

    def command(self) -> list[str]:
        return self.sandbox.command("install_secret_with_password.sh", str(self.file), "root:billing", "640")

    def run(self, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return self.sandbox.execute(self.command(), given() if stdin is None else stdin)

    def told(self) -> list[str]:
        # The program does not wait for a psql whose transaction it gives up.
        deadline = time.monotonic() + 10
        while self.statements.exists() and time.monotonic() < deadline:
            lines = self.statements.read_text().splitlines()
            if lines[-1:] == ["end"]:
                return lines[:-1]
            time.sleep(0.02)
        return []

    def kept_only(self, content: str) -> bool:
        """Whether the file holds this, and nothing lies beside it."""
        return [path.read_text() for path in self.home.iterdir()] == [content]


def given(content: str = NEW, statements: str = STATEMENTS) -> str:
    return f"{statements}\n{hashlib.sha256(content.encode()).hexdigest()}\n{content}"


@pytest.fixture
def place(sandbox: Sandbox) -> Place:
    return Place(sandbox)


def test_both_change(place: Place) -> None:
    done = place.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert place.told() == [STATEMENTS, "COMMIT;"]
    assert place.kept_only(NEW)
    assert place.file.stat().st_mode & 0o777 == 0o640
    assert (place.sandbox.directory / "owner").read_text() == "root:billing\n"


def test_the_file_is_in_place_before_the_commit(place: Place) -> None:
    place.sandbox.stub("runuser", PSQL.replace("    *) ", f"    COMMIT*) cat {place.file} >> $STATEMENTS ;;\n    *) "))
    assert place.run().returncode == 0
    assert place.told() == [STATEMENTS, NEW.strip()]


@pytest.mark.parametrize("psql", [REFUSING, "exit 2", "echo 'could not connect' >&2; exit 2"])
def test_where_psql_refuses_the_file_stays(place: Place, psql: str) -> None:
    place.sandbox.stub("runuser", psql)
    done = place.run()
    assert done.returncode != 0
    assert place.kept_only(OLD)


def test_psql_itself_says_why_it_refuses(place: Place) -> None:
    place.sandbox.stub("runuser", REFUSING)
    assert place.run().stderr == 'ERROR:  role "billing" does not exist\n'


def test_a_commit_that_fails_is_a_failure(place: Place) -> None:
    place.sandbox.stub("runuser", PSQL.replace("    *) ", "    COMMIT*) exit 3 ;;\n    *) "))
    assert place.run().returncode == 3


def test_where_the_file_cannot_be_renamed_nothing_is_committed(place: Place) -> None:
    place.sandbox.stub("mv", "echo 'mv: No space left on device' >&2\nexit 1")
    done = place.run()
    assert (done.returncode, done.stderr) == (1, "mv: No space left on device\n")
    assert place.told() == [STATEMENTS]
    assert place.kept_only(OLD)


WHOLE = given()


@pytest.mark.parametrize(
    "length", [0, 10, len(STATEMENTS), len(STATEMENTS) + 1, len(STATEMENTS) + 20, len(STATEMENTS) + 66, len(WHOLE) - 3]
)
def test_input_that_is_cut_off_changes_nothing(place: Place, length: int) -> None:
    done = place.run(WHOLE[:length])
    assert (done.returncode, done.stderr) == (
        1,
        f"the content of {place.file} did not arrive whole: the file is as it was, apply again\n",
    )
    assert not place.statements.exists()
    assert place.kept_only(OLD)


WAITING = "touch {reached}; until [ -e {go} ]; do sleep 0.02; done\n"

SIGNALS = [signal.SIGHUP, signal.SIGINT, signal.SIGTERM]


def begin(place: Place) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        place.command(),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | place.sandbox.environment,
        start_new_session=True,
    )
    assert process.stdin
    process.stdin.write(given())
    process.stdin.close()
    return process


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_before_the_transaction_changes_nothing(place: Place, number: signal.Signals) -> None:
    # The whole content has arrived, and its checksum is being compared.
    reached, go = place.sandbox.directory / "reached", place.sandbox.directory / "go"
    place.sandbox.stub("sha256sum", WAITING.format(reached=reached, go=go))
    process = begin(place)
    wait_for(reached)
    os.kill(process.pid, number)
    go.touch()
    assert process.wait(20) != 0
    assert not place.statements.exists()
    assert place.kept_only(OLD)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_within_the_transaction_keeps_nothing_apart(place: Place, number: signal.Signals) -> None:
    reached, go = place.sandbox.directory / "reached", place.sandbox.directory / "go"
    place.sandbox.stub("runuser", WAITING.format(reached=reached, go=go) + PSQL)
    process = begin(place)
    wait_for(reached)
    # As a terminal or a connection that ends sends it: to psql as well.
    os.killpg(process.pid, number)
    go.touch()
    assert process.wait(20) == 0
    assert place.told() == [STATEMENTS, "COMMIT;"]
    assert place.kept_only(NEW)


def test_the_next_run_removes_what_a_killed_one_left(place: Place, environment: Callable[..., Environment]) -> None:
    reached = place.sandbox.directory / "reached"
    place.sandbox.stub("sha256sum", f"touch {reached}; sleep 20")
    process = begin(place)
    wait_for(reached)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)
    (staged,) = (path for path in place.home.iterdir() if path != place.file)
    unfinished = next(trace for trace in TRACES if trace.thing == "unfinished secret file")
    assert fnmatch.fnmatch(staged.name, Path(unfinished.name(environment(environment="prod"))).name)
    (place.sandbox.bin / "sha256sum").unlink()
    kept = place.home / "prod.secret.exs.backup"
    kept.write_text(OLD)
    assert place.run().returncode == 0
    assert sorted(place.home.iterdir()) == [place.file, kept]


def test_neither_arguments_nor_environments_hold_a_password(place: Place) -> None:
    notes = place.sandbox.spy("mktemp", "cat", "sha256sum", "chmod", "mv", "rm")
    place.sandbox.stub("runuser", f'{{ echo "runuser $*"; env; }} >> {notes}\n{PSQL}')
    assert place.run().returncode == 0
    assert place.kept_only(NEW)
    noted = notes.read_text()
    for command in ("mktemp", "cat", "sha256sum", "chmod", "mv", "runuser"):
        assert f"{command} " in noted, "the test does not see this command"
    for secret in ("new-secret", "verifier", hashlib.sha256(NEW.encode()).hexdigest()):
        assert secret not in noted
        assert secret not in " ".join(place.command())
