"""The shell programs that inspect a host, as they are sent there, against stub commands on a PATH of their own."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inspection.symptoms import by_word
from operations.host import program

Run = Callable[..., "subprocess.CompletedProcess[str]"]

# systemd's answers about the start of a process.
NOW = "sed 's/[.].*/000000/' /proc/uptime"
LONG_AGO = "echo 1000000"


@pytest.fixture
def stub(tmp_path: Path) -> Callable[[str, str], None]:
    """Make a command of this name that runs this shell text."""
    (tmp_path / "bin").mkdir()

    def make(name: str, text: str) -> None:
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    return make


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a program with these arguments; stub commands are found before the system's own."""

    def start(
        name: str, *arguments: str, stdin: str = "", path: str = "/usr/bin:/bin"
    ) -> "subprocess.CompletedProcess[str]":
        shell, *words = program.words(name, *arguments)
        return subprocess.run(
            [f"/bin/{shell}", *words],
            input=stdin,
            env={"PATH": f"{tmp_path}/bin:{path}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return start


@pytest.fixture
def places(stub: Callable[[str, str], None], tmp_path: Path) -> list[str]:
    """An environment with a release: its unit file, the link, and the script."""
    (tmp_path / "unit").write_text("[Service]\nUser=billing_stage\nProtectSystem=strict\nExecStart=x\n[Install]\n")
    (tmp_path / "releases/0.1.0").mkdir(parents=True)
    (tmp_path / "billing").symlink_to("releases/0.1.0")
    (tmp_path / "releases/0.1.0/run").write_text('#!/bin/sh\nprintf "%s|" "$@"\nexit 3\n')
    (tmp_path / "releases/0.1.0/run").chmod(0o755)
    # systemd reads $$ as $.
    run = 'exec bash -c \'exec "${@//\\$\\$/\\$}"\' run "$@"'
    stub("systemd-run", f'echo "$@" > {tmp_path}/asked; while [ "$1" != -- ]; do shift; done; shift; {run}')
    return [str(tmp_path / "unit"), str(tmp_path / "billing"), "run"]


def test_a_command_of_the_release_runs_in_the_sandbox_of_its_unit(run: Run, places: list[str], tmp_path: Path) -> None:
    done = run("release_command.sh", *places, "10", "", "rpc", "a b", "'", "")
    assert (done.returncode, done.stdout) == (3, "rpc|a b|'||")
    asked = (tmp_path / "asked").read_text()
    for option in ("User=billing_stage", "ProtectSystem=strict", f"WorkingDirectory={tmp_path}/releases/0.1.0"):
        assert f"--property={option}" in asked
    assert "ExecStart" not in asked
    (tmp_path / "unit").write_text("[Service]\nProtectSystem=strict\n[Install]\n")
    (tmp_path / "asked").unlink()
    assert run("release_command.sh", *places, "10", "", "rpc").returncode == 1
    assert not (tmp_path / "asked").exists()


def test_an_expression_comes_over_standard_input(
    run: Run, places: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And goes to a file that the command alone has: no argument list has it."""
    words, place = program.words, tmp_path / "text"
    named = "/dev/shm/text"  # noqa: S108
    monkeypatch.setattr(program, "words", lambda *given: [word.replace(named, str(place)) for word in words(*given)])
    expression = "IO.puts('ü')\n\"$x\"\n"
    done = run("release_command.sh", *places, "10", "text", "rpc", stdin=f"{expression}\0")
    assert (done.returncode, done.stderr, place.read_text()) == (3, "", expression)
    assert done.stdout.startswith("rpc|{:ok, text} = ")
    assert "IO.puts" not in (tmp_path / "asked").read_text()
    done = run("release_command.sh", *places, "10", "text", "rpc", stdin="File.rm_rf!(")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "the text did not arrive whole, and was not run\n"


def test_without_a_release_nothing_runs(run: Run, tmp_path: Path) -> None:
    done = run("release_command.sh", f"{tmp_path}/unit", f"{tmp_path}/billing", "bin/billing", "10", "", "rpc")
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        f"there is no release yet: make release ENV={tmp_path.name}\n",
    )


def test_a_release_that_may_not_be_executed_is_no_missing_one(run: Run, places: list[str], tmp_path: Path) -> None:
    (tmp_path / "releases/0.1.0/run").chmod(0o644)
    done = run("release_command.sh", *places, "10", "", "rpc")
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        "releases/0.1.0/run may not be executed: mount shows whether its file system has the option noexec"
        in done.stderr
    )


@pytest.mark.parametrize(("start", "attempts"), [(NOW, 3), (LONG_AGO, 1)])
def test_a_failing_command_is_repeated_while_the_application_starts(
    run: Run, stub: Callable[[str, str], None], tmp_path: Path, start: str, attempts: int
) -> None:
    stub("systemctl", start)
    stub("ask", f'echo attempt >> {tmp_path}/attempts; [ "$(wc -l < {tmp_path}/attempts)" -ge 3 ] && echo "$1"')
    done = run("while_starting.sh", "billing_stage.service", "20", "ask", "a b")
    assert len((tmp_path / "attempts").read_text().splitlines()) == attempts
    assert done.stdout == ("a b\n" if attempts == 3 else "")


@pytest.fixture
def application() -> Iterator[int]:
    """A process with AppSignal's variable; its id."""
    with subprocess.Popen(["/bin/sleep", "60"], env={"APPSIGNAL_WORKING_DIRECTORY_PATH": "/its/own"}) as process:
        yield process.pid
        process.kill()


@pytest.fixture
def environment_of(stub: Callable[[str, str], None], tmp_path: Path) -> list[str]:
    """The arguments of symptoms.sh for an environment whose files and commands are stubs."""
    for name in ("built", "secret"):
        (tmp_path / name).touch()
    os.utime(tmp_path / "built", (1, 1))
    stub("epmd", 'echo "epmd: up and running"; echo "name billing_stage at port ${ERL_EPMD_PORT}1"')
    stub("stat", f'[ "$*" = "-c %U %A {tmp_path}" ] && echo "billing_stage drwxr-x---"')
    stub("curl", "exit 28")
    stub("df", 'echo "Use% IUse% Mounted on"; echo " 42% - /"; echo " 42% - /"; echo " 7% 1% /a b"')
    return [
        "billing_stage.service",
        "20",
        "4001",
        f"{tmp_path}/secret",
        f"{tmp_path}/built",
        str(tmp_path),
        "billing_stage",
        "20672",
    ]


def test_symptoms_of_a_running_environment(
    run: Run, stub: Callable[[str, str], None], environment_of: list[str], application: int
) -> None:
    stub(
        "systemctl",
        f"case $* in *ActiveState*) echo active;; *MainPID*) echo {application};; *) {LONG_AGO};; esac",
    )
    line = 'echo "LISTEN 0 128 {} 0.0.0.0:* users:((\\"beam.smp\\",pid={},fd=1))"'
    stub("ss", "; ".join([line.format("127.0.0.1:4001", application), line.format("*:22", 1)]))
    seen = by_word(run("symptoms.sh", *environment_of, "/").stdout.splitlines())
    assert len(seen.pop("clock")) == 2
    seen.pop("reboot", None)
    assert seen == {
        "state": ["active"],
        "listens": ["127.0.0.1:4001"],
        "hangs": [""],
        "newer-than-build": [environment_of[3]],
        "told-appsignal": ["/its/own"],
        "registered": ["billing_stage 206721"],
        "writable": [environment_of[5]],
        "disk": ["42% - /", "7% 1% /a b"],
    }


def test_a_second_port_is_waited_for_while_the_application_starts(
    run: Run, stub: Callable[[str, str], None], environment_of: list[str], application: int, tmp_path: Path
) -> None:
    answers = f"case $* in *ActiveState*) echo active;; *MainPID*) echo {application};; *) {NOW};; esac"
    stub("systemctl", answers)
    asked = f'echo asked >> {tmp_path}/asked; [ "$(wc -l < {tmp_path}/asked)" -lt 3 ] || '
    stub("ss", f'echo "L 0 1 *:39001 *:* ,pid={application},"; {asked}echo "L 0 1 *:4001 *:* ,pid={application},"')
    seen = by_word(run("symptoms.sh", *environment_of, "/").stdout.splitlines())
    assert seen["listens"] == ["*:39001", "*:4001"]


def test_symptoms_of_a_stopped_environment(
    run: Run, stub: Callable[[str, str], None], environment_of: list[str]
) -> None:
    stub("systemctl", "case $* in *ActiveState*) echo failed;; *MainPID*) echo 0;; esac")
    seen = by_word(run("symptoms.sh", *environment_of, "/").stdout.splitlines())
    assert seen["state"] == ["failed"]
    assert not {"listens", "told-appsignal"} & set(seen)


def test_the_password_is_in_no_argument(run: Run, stub: Callable[[str, str], None]) -> None:
    stub("psql", 'echo "$*" | grep -q swordfish || [ "$PGPASSWORD" != "sword fish\\\\" ]; echo $? "$*"')
    done = run("database_login.sh", "host='a b'", stdin="sword fish\\\n")
    assert done.stdout == "1 --no-psqlrc --no-password --quiet --command  host='a b'\n"


def test_without_a_client_it_is_the_client_that_is_missing(run: Run, stub: Callable[[str, str], None]) -> None:
    done = run("database_login.sh", "host='a'", stdin="swordfish\n", path="")
    assert done.returncode == 127
    assert done.stderr.rstrip().endswith("psql: not found")


MANAGED = "# Managed by the deploy repository.\n"
SECRETS = MANAGED + "config :{app}, Repo,\n"


def test_leftovers_are_recognised_by_their_tests(run: Run, stub: Callable[[str, str], None], tmp_path: Path) -> None:
    texts = {"a.unit": MANAGED, "b.unit": "[Unit]\n", "a.exs": SECRETS.format(app="billing"), "b.exs": SECRETS}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "a.state/artifacts").mkdir(parents=True)
    (tmp_path / "b.state").mkdir()
    (tmp_path / "aliases").write_text("alias secret='swordfish'\n# BEGIN billing_qa, ours\n# END billing_qa, ours\n")
    stub("getent", "echo billing_qa:x:999:; echo billing_people:x:1001:; echo billing_used:x:998:somebody")
    stub("openssl", 'case $5 in *a.pem) echo "subject=O = self-signed" ;; *) exit 1 ;; esac')
    for name in ("a.pem", "b.pem"):
        (tmp_path / name).touch()
    tests = {
        "ours": "*.unit", "secrets": "*.exs", "state": "*.state", "directory": "*.state", "file": "nothing-*",
        "self_signed": "*.pem", "block": "# BEGIN billing_*", "group": "billing_*",
    }  # fmt: skip
    words = [
        word
        for test, pattern in tests.items()
        for word in (test, pattern if " " in pattern else f"{tmp_path}/{pattern}")
    ]
    done = run("leftovers.sh", "billing", f"{tmp_path}/aliases", *words)
    found = [
        (list(tests)[int(line.split("\t")[0])], Path(line.split("\t")[1]).name) for line in done.stdout.splitlines()
    ]
    assert found == [
        ("ours", "a.unit"), ("secrets", "a.exs"), ("state", "a.state"), ("directory", "a.state"), ("directory", "b.state"),
        ("self_signed", "a.pem"), ("block", "# BEGIN billing_qa, ours"), ("group", "billing_qa"),
    ]  # fmt: skip
