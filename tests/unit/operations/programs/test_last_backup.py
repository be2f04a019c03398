"""last_backup.sh: the application is stopped and its database is dumped, or nothing goes."""

import subprocess
from pathlib import Path

import pytest

from operations.host import program

STUBS = {
    "systemctl": '[ "$1" != is-active ] || exit "$ACTIVE"',
    "runuser": 'shift 3; exec "$@"',
    "psql": "echo 4096",
    "pg_dump": 'echo dump; exit "$DUMPED"',
    "pg_restore": "grep -q dump",
    "sync": ":",
}


def run(
    tmp_path: Path, database: str = "billing_qa", *, active: int = 3, dumped: int = 0
) -> tuple[int, str, list[Path]]:
    bin_ = tmp_path / "bin"
    bin_.mkdir(exist_ok=True)
    for name, body in STUBS.items():
        (bin_ / name).write_text(f"#!/bin/sh\n{body}\n")
        (bin_ / name).chmod(0o755)
    done = subprocess.run(
        program.words("last_backup.sh", "billing_qa.service", database, str(tmp_path / "kept"), "60", "5432"),
        env={"PATH": f"{bin_}:/usr/bin:/bin", "ACTIVE": str(active), "DUMPED": str(dumped)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr, sorted((tmp_path / "kept/backups").glob("*"))


def test_a_dump_like_all_others_is_kept(tmp_path: Path) -> None:
    code, words, files = run(tmp_path)
    assert (code, [file.suffix for file in files]) == (0, [".dump", ".about"]), words
    assert f"Backing up the database to {files[0]}" in words
    assert files[0].name.endswith("-1-before-destroy.dump")
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    code, words, files = run(tmp_path)
    assert (code, len(files)) == (0, 4), "a repetition takes none away"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"active": 0}, "billing_qa.service could not be stopped"),
        (
            {"dumped": 1},
            "the database could not be backed up, for the reason above; it was not touched. Nothing was removed",
        ),
    ],
)
def test_otherwise_nothing_goes(tmp_path: Path, arguments: dict[str, int], said: str) -> None:
    code, words, files = run(tmp_path, active=arguments.get("active", 3), dumped=arguments.get("dumped", 0))
    assert (code, files) == (1, [])
    assert said in words


def test_without_a_database_nothing_is_dumped(tmp_path: Path) -> None:
    assert run(tmp_path, "") == (0, "", [])


def test_an_application_that_ran_runs_again_where_the_backup_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    state.write_text("active")
    systemctl = (
        f"case $1 in is-active) [ $(cat {state}) = active ] || exit 3 ;; stop) echo stopped > {state} ;;"
        f" start) echo active > {state} ;; esac"
    )
    monkeypatch.setitem(STUBS, "systemctl", systemctl)
    code, words, files = run(tmp_path, dumped=1)
    assert (code, files, state.read_text()) == (1, [], "active\n")
    assert "Nothing was removed, and the application was started again" in words
    assert run(tmp_path)[0] == 0
    assert state.read_text() == "stopped\n"
