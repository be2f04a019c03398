"""psql.sh: psql in the sandbox of the application, which sees PostgreSQL's socket there and nowhere else."""

import pytest

from tests.unit.operations.programs.sandboxed import Sandbox
from tests.unit.operations.programs.test_task import SYSTEMD_RUN, UNIT

HIDDEN = "InaccessiblePaths=-/run/postgresql"
CONNECTION = "host='/run/postgresql' dbname='billing_stage'"


def asked(sandbox: Sandbox, mode: str) -> list[str]:
    (sandbox.directory / "unit").write_text(
        UNIT.replace("[Install]", f"Group=billing\n{HIDDEN}\nInaccessiblePaths=-/run/dbus\n[Install]")
    )
    sandbox.stub("systemd-run", SYSTEMD_RUN)
    sandbox.stub("psql", "cat > /dev/null")
    done = sandbox.run("psql.sh", str(sandbox.directory / "unit"), mode, CONNECTION, stdin="select 1")
    assert (done.returncode, done.stderr) == (0, "")
    return (sandbox.directory / "asked").read_text().split("\0")[:-1]


@pytest.mark.parametrize("mode", ["", "terminal"])
def test_it_runs_in_the_sandbox_with_the_socket(sandbox: Sandbox, mode: str) -> None:
    words = asked(sandbox, mode)
    assert {
        "--property=User=billing",
        "--property=ProtectSystem=strict",
        "--property=InaccessiblePaths=-/run/dbus",
    } < set(words)
    assert f"--property={HIDDEN}" not in words
    # The application's processes would reach the socket through /proc of psql, if it had their group.
    assert [word for word in words if word.startswith("--property=Group=")] == ["--property=Group=nogroup"]
    # Nor do they by their files for keys, services and pagers.
    assert {"HOME=/nonexistent", "INPUTRC=/dev/null", "LESSSECURE=1"} < set(words)
    assert ("--pty" in words) == bool(mode)
    assert {"psql", "--no-psqlrc", CONNECTION} < set(words)
    assert ("--set=ON_ERROR_STOP=1" in words) != bool(mode)


def test_a_unit_without_a_user_runs_nothing(sandbox: Sandbox) -> None:
    (sandbox.directory / "unit").write_text(UNIT.replace("User=billing\n", ""))
    sandbox.stub("systemd-run", SYSTEMD_RUN)
    sandbox.stub("psql")
    done = sandbox.run("psql.sh", str(sandbox.directory / "unit"), "", CONNECTION)
    assert (done.returncode, "names no user to run a command" in done.stderr) == (1, True)
    assert not (sandbox.directory / "asked").exists()


def test_without_psql_it_says_what_to_install(sandbox: Sandbox) -> None:
    sandbox.environment["PATH"] = str(sandbox.bin)
    for name in ("bash", "cat"):
        sandbox.stub(name, f'exec /bin/{name} "$@"')
    done = sandbox.run("psql.sh", "unit", "", CONNECTION)
    assert (done.returncode, "apt-get install postgresql-client" in done.stderr) == (1, True)
