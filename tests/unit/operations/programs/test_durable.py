"""Writes that survive a power cut, and no program that renames without them."""

import re
import subprocess
from pathlib import Path

import pytest

from operations.host import program
from tests.unit.operations.programs.sandboxed import Sandbox

# After a power cut nothing relies on what these wrote: the next build compares its sources by content, kept_code.sh says
# which compiled code may stay, and an upload has its name for one run.
PASSING = {"unpack_sources.sh", "receive.sh"}

# A rename where a command begins.
RENAME = re.compile(r"(?:^|[;&|({!]|\b(?:then|else|do))\s*mv\b", re.MULTILINE)


def renames(script: str) -> bool:
    return bool(RENAME.search(re.sub(r"^\s*#.*", "", script, flags=re.MULTILINE)))


@pytest.mark.parametrize("path", sorted(program.PROGRAMS.glob("*.sh")), ids=lambda path: path.name)
def test_no_program_renames_without_a_sync(path: Path) -> None:
    """A rename may be on the disk before the content: it goes through `replace` of durable.sh."""
    assert path.name in {"durable.sh", *PASSING} or not renames(path.read_text())


@pytest.mark.parametrize(
    "script", ['mv -f "$1" "$2"\n', "true && mv a b\n", "if true; then mv a b; fi\n", "    ! mv a b || exit\n"]
)
def test_a_rename_is_found(script: str) -> None:
    assert renames(script)


@pytest.mark.parametrize("script", ["# mv a b\n", "echo mv\n", 'replace "$1" "$2"\n', "remv a b\n"])
def test_other_words_are_no_rename(script: str) -> None:
    assert not renames(script)


def run(sandbox: Sandbox, *words: str) -> subprocess.CompletedProcess[str]:
    text = program.text("durable.sh")
    return sandbox.execute(["sh", "-euc", f'{text}\n"$@"', "sh", *words])


def listen(sandbox: Sandbox) -> None:
    for name in ("sync", "mv"):
        sandbox.stub(name, f'echo {name} "$@" >> calls\nexec /bin/{name} "$@"')


def order(sandbox: Sandbox) -> list[str]:
    return (sandbox.directory / "calls").read_text().splitlines()


def test_content_comes_before_the_name_and_the_directory_last(sandbox: Sandbox) -> None:
    listen(sandbox)
    (sandbox.directory / "new").write_text("b")
    (sandbox.directory / "file").write_text("a")
    assert run(sandbox, "replace", "new", "file").returncode == 0
    assert (sandbox.directory / "file").read_text() == "b"
    assert order(sandbox) == ["sync new", "mv -fT new file", "sync ."]


def test_a_directory_is_synced_with_all_its_files(sandbox: Sandbox) -> None:
    listen(sandbox)
    (sandbox.directory / "new").mkdir()
    assert run(sandbox, "replace", "new", "a").returncode == 0
    assert order(sandbox) == ["sync --file-system new", "mv -fT new a", "sync ."]


def test_a_link_to_nothing_is_replaced(sandbox: Sandbox) -> None:
    (sandbox.directory / "new").symlink_to("nowhere")
    assert run(sandbox, "replace", "new", "link").returncode == 0
    assert (sandbox.directory / "link").readlink() == Path("nowhere")


@pytest.mark.parametrize("command", ["sync", "mv"])
def test_a_failure_is_told_and_the_file_is_as_it_was(sandbox: Sandbox, command: str) -> None:
    sandbox.stub(command, "exit 1")
    (sandbox.directory / "new").write_text("b")
    (sandbox.directory / "file").write_text("a")
    assert run(sandbox, "replace", "new", "file").returncode == 1
    assert (sandbox.directory / "file").read_text() == "a"


@pytest.mark.parametrize(
    ("before", "after"),
    [("", "line\n"), ("a\n", "a\nline\n"), ("half", "half\nline\n"), ("\0", "\0\nline\n"), ("\n", "\nline\n")],
)
def test_a_line_is_added_after_a_whole_line(sandbox: Sandbox, before: str, after: str) -> None:
    path = sandbox.directory / "log"
    if before:
        path.write_text(before)
    assert run(sandbox, "append", "log", "line").returncode == 0
    assert path.read_text() == after


def test_a_line_that_the_disk_does_not_take_is_told(sandbox: Sandbox) -> None:
    sandbox.stub("sync", "exit 1")
    assert run(sandbox, "append", "log", "line").returncode == 1
