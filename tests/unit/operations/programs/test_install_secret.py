"""The files of secrets and the database password change together, or none of them does."""

import fnmatch
import hashlib
import os
import shutil
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
OLD_URL, NEW_URL = 'DATABASE_URL="old"\n', 'DATABASE_URL="new-secret\n$ü\r\x01 \\\\ %"\n'
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
    """The secret file and the file of secret variables, and what PostgreSQL was told."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.home = sandbox.directory / "home"
        self.home.mkdir()
        self.file = self.home / "prod.secret.exs"
        self.file.write_text(OLD)
        self.variables = self.home / "variables.secret"
        self.variables.write_text(OLD_URL)
        self.statements = sandbox.directory / "statements"
        sandbox.environment["STATEMENTS"] = str(self.statements)
        sandbox.stub("runuser", PSQL)
        # Root alone gives files away.
        sandbox.stub("chown", f'echo "$1" >> {sandbox.directory}/owner')

    def command(self) -> list[str]:
        files = ["5432", str(self.file), "root:billing", "640", str(self.variables), "root:root", "600"]
        return self.sandbox.command("install_secrets.sh", *files)

    def run(self, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return self.sandbox.execute(self.command(), given() if stdin is None else stdin)

    def told(self) -> list[str]:
        # The program does not wait for a psql whose transaction it gives up.
        deadline = time.monotonic() + 10
        while self.statements.exists() and time.monotonic() < deadline:
            lines = self.statements.read_bytes().decode().split("\n")[:-1]
            if lines[-1:] == ["end"]:
                return lines[:-1]
            time.sleep(0.02)
        return []

    def kept_only(self, *contents: str) -> bool:
        """Whether the files hold this, and nothing lies beside them."""
        return [path.read_bytes().decode() for path in sorted(self.home.iterdir())] == list(contents)


def sent(content: str) -> str:
    return f"{hashlib.sha256(content.encode()).hexdigest()} {len(content.encode())}\n{content}"


def given(statements: str = STATEMENTS) -> str:
    return f"{statements}\n{sent(NEW)}{sent(NEW_URL)}"


@pytest.fixture
def place(sandbox: Sandbox) -> Place:
    return Place(sandbox)


def test_all_change(place: Place) -> None:
    done = place.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert place.told() == [STATEMENTS, "COMMIT;"]
    assert place.kept_only(NEW, NEW_URL)
    assert place.file.stat().st_mode & 0o777 == 0o640
    assert place.variables.stat().st_mode & 0o777 == 0o600
    assert (place.sandbox.directory / "owner").read_text() == "root:billing\nroot:root\n"


def test_files_change_without_a_password(place: Place) -> None:
    done = place.run(given(statements=""))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not place.statements.exists()
    assert place.kept_only(NEW, NEW_URL)


@pytest.mark.parametrize("missing", [["file"], ["variables"], ["file", "variables"]], ids=" and ".join)
def test_missing_files_are_made(place: Place, missing: list[str]) -> None:
    for name in missing:
        getattr(place, name).unlink()
    assert place.run().returncode == 0
    assert place.kept_only(NEW, NEW_URL)


def test_the_files_are_in_place_before_the_commit(place: Place) -> None:
    place.sandbox.stub(
        "runuser",
        PSQL.replace("    *) ", f"    COMMIT*) cat {place.file} {place.variables} >> $STATEMENTS ;;\n    *) "),
    )
    assert place.run().returncode == 0
    assert "\n".join(place.told()) == f"{STATEMENTS}\n{NEW}{NEW_URL}".rstrip("\n")


@pytest.mark.parametrize("psql", [REFUSING, "exit 2", "echo 'could not connect' >&2; exit 2"])
def test_where_psql_refuses_the_files_stay(place: Place, psql: str) -> None:
    place.sandbox.stub("runuser", psql)
    done = place.run()
    assert done.returncode != 0
    assert place.kept_only(OLD, OLD_URL)


def test_psql_itself_says_why_it_refuses(place: Place) -> None:
    place.sandbox.stub("runuser", REFUSING)
    assert place.run().stderr == 'ERROR:  role "billing" does not exist\n'


def test_a_commit_that_fails_is_a_failure(place: Place) -> None:
    place.sandbox.stub("runuser", PSQL.replace("    *) ", "    COMMIT*) exit 3 ;;\n    *) "))
    assert place.run().returncode == 3
    assert place.kept_only(OLD, OLD_URL)


# Called as `mv -fT FROM TO`.
SECOND_MOVE_FAILS = """\
if [ "${3##*/}" = variables.secret ] && [ "${2%.before}" = "$2" ]; then
    echo "mv: cannot move" >&2
    exit 1
fi
exec {mv} "$@"
"""


@pytest.mark.parametrize("before", [True, False], ids=["there before", "new"])
def test_where_the_second_file_cannot_be_renamed_the_first_comes_back(place: Place, before: bool) -> None:
    if not before:
        place.file.unlink()
    place.sandbox.stub("mv", SECOND_MOVE_FAILS.replace("{mv}", str(shutil.which("mv"))))
    done = place.run()
    assert (done.returncode, done.stderr) == (1, "mv: cannot move\n")
    assert place.told() == [STATEMENTS]
    assert place.kept_only(*([OLD] if before else []), OLD_URL)


def test_a_link_comes_back_as_a_link(place: Place) -> None:
    target = place.sandbox.directory / "elsewhere"
    place.file.rename(target)
    place.file.symlink_to(target)
    place.sandbox.stub("runuser", REFUSING)
    assert place.run().returncode != 0
    assert place.file.readlink() == target
    assert place.kept_only(OLD, OLD_URL)


def test_where_the_file_cannot_be_renamed_nothing_is_committed(place: Place) -> None:
    place.sandbox.stub("mv", "echo 'mv: No space left on device' >&2\nexit 1")
    done = place.run()
    assert (done.returncode, done.stderr) == (1, "mv: No space left on device\n")
    assert place.told() == [STATEMENTS]
    assert place.kept_only(OLD, OLD_URL)


def test_a_file_that_has_no_room_is_named(place: Place) -> None:
    place.sandbox.stub("head", "echo 'head: write error: No space left on device' >&2\nexit 1")
    done = place.run()
    assert done.returncode == 1
    assert done.stderr == (
        "head: write error: No space left on device\n"
        f"{place.file} could not be written, for the reason above: it is as it was\n"
    )
    assert place.told() == []
    assert place.kept_only(OLD, OLD_URL)


WHOLE = given()


@pytest.mark.parametrize(
    "length",
    [
        0,
        10,
        len(STATEMENTS),
        len(STATEMENTS) + 1,
        len(STATEMENTS) + 20,
        len(STATEMENTS) + 66,
        len(WHOLE) - len(NEW_URL) - 75,
        len(WHOLE) - len(NEW_URL) - 2,
        len(WHOLE) - 3,
    ],
)
def test_input_that_is_cut_off_changes_nothing(place: Place, length: int) -> None:
    done = place.run(WHOLE[:length])
    cut = place.file if length < len(f"{STATEMENTS}\n{sent(NEW)}") else place.variables
    assert (done.returncode, done.stderr) == (
        1,
        f"the content of {cut} did not arrive whole: the file is as it was, apply again\n",
    )
    assert not place.statements.exists()
    assert place.kept_only(OLD, OLD_URL)


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
    assert place.kept_only(OLD, OLD_URL)


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
    assert place.kept_only(NEW, NEW_URL)


def test_the_next_run_removes_what_a_killed_one_left(place: Place, environment: Callable[..., Environment]) -> None:
    reached = place.sandbox.directory / "reached"
    place.sandbox.stub("sha256sum", f"touch {reached}; sleep 20")
    process = begin(place)
    wait_for(reached)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)
    (staged,) = (path for path in place.home.iterdir() if path not in (place.file, place.variables))
    unfinished = next(trace for trace in TRACES if trace.thing == "unfinished secret file")
    assert fnmatch.fnmatch(staged.name, Path(unfinished.name(environment(environment="prod"))).name)
    (place.sandbox.bin / "sha256sum").unlink()
    kept = place.home / "prod.secret.exs.backup"
    kept.write_text(OLD)
    assert place.run().returncode == 0
    assert sorted(place.home.iterdir()) == [place.file, kept, place.variables]


def test_neither_arguments_nor_environments_hold_a_password(place: Place) -> None:
    notes = place.sandbox.spy("mktemp", "head", "sha256sum", "chmod", "mv", "rm")
    place.sandbox.stub("runuser", f'{{ echo "runuser $*"; env; }} >> {notes}\n{PSQL}')
    assert place.run().returncode == 0
    assert place.kept_only(NEW, NEW_URL)
    noted = notes.read_text()
    for command in ("mktemp", "head", "sha256sum", "chmod", "mv", "runuser"):
        assert f"{command} " in noted, "the test does not see this command"
    for secret in ("new-secret", "verifier", hashlib.sha256(NEW.encode()).hexdigest()):
        assert secret not in noted
        assert secret not in " ".join(place.command())


def test_what_a_killed_run_left_behind_goes(place: Place) -> None:
    for name in ("prod.secret.exs.new.abc123", "prod.secret.exs.new.before", "variables.secret.new.XyZ789"):
        (place.home / name).write_text("secrets of a run that was killed")
    assert place.run().returncode == 0
    assert place.kept_only(NEW, NEW_URL)
