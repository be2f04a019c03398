"""Root in directories of others: whoever owns one may put a link in its place at any moment, and take it away again.

Every program that changes files is in one of the two tables below: it has an attack by a loop of renames here, or a reason.
Each attack has a control: the same program without its check, which the loop leads astray.
"""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from operations.host import program
from tests.unit.operations.programs.sandboxed import Sandbox

# Changes of files: commands in the place of a command, and outputs that go to a file.
CHANGES = re.compile(
    r"(?:^|[;&|({]|\b(?:then|do|else|if|!|as_user)|-exec)\s*"
    r"(?:rm|mkdir|rmdir|install|chown|chmod|cp|mv|ln|touch|mktemp|dd|replace|append|tee|tar -\w*x\w*|sed -i|unlink)\b"
    r"|(?<![-0-9&<>=$])>{1,2} ?[\"$\w./](?!dev/null)(?!ev/null)|-delete\b",
    re.MULTILINE,
)

ROOTS = "directories of root alone: below /etc, /opt, /run, /usr, /var"
BUILD = "runs as the user of builds, in a sandbox of its own"
SSH = "works in the home of the SSH user, as that user or for it: an operator, who has sudo"
POSTGRES = "directories of root and of postgres"
NOTHING = "changes no file: comparisons, or words about files"

REASONS = {
    "after_renewal.sh": ROOTS,
    "break_lock.sh": ROOTS,
    "build.sh": BUILD,
    "build_keys.sh": BUILD,
    "build_output.pl": NOTHING,
    "build_toolchain.sh": "runs as a user of systemd's making (DynamicUser)",
    "certbot_lineage.sh": ROOTS,
    "clear_store.sh": ROOTS,
    "close_logs.sh": "the directory of nginx's logs is root's, and what nginx's own user may do there is logs alone",
    "disk_forecast.sh": NOTHING,
    "disk_log.sh": ROOTS,
    "dump_list.sh": NOTHING,
    "dumps.sh": ROOTS,
    "durable.sh": "works where its callers work: they have the attacks",
    "find_secrets.exs": BUILD,
    "hand_over_build.sh": SSH,
    "health.sh": NOTHING,
    "install_file.sh": "writes into directories of root alone, or as the application's user (beside_release.sh)",
    "install_packages.sh": ROOTS,
    "install_secrets.sh": ROOTS,
    "install_site.sh": ROOTS,
    "issue_certificate.sh": ROOTS,
    "kept_code.sh": BUILD,
    "last_backup.sh": ROOTS,
    "made_by_packages.sh": POSTGRES,
    "migrations.sh": ROOTS,
    "name_by_dns.sh": ROOTS,
    "name_by_http.sh": ROOTS,
    "newest.sh": ROOTS,
    "order_certificate.sh": ROOTS,
    "otp_releases.sh": "root makes and removes a directory in one of its own; the user of builds writes what is in it",
    "packages_change.sh": ROOTS,
    "raise_nginx_limits.sh": ROOTS,
    "read_project.exs": NOTHING,
    "readable.pl": NOTHING,
    "receive.sh": SSH,
    "reload_nginx.sh": ROOTS,
    "restore.sh": POSTGRES,
    "run_build.sh": "reads and removes what a build left as the user of builds, without following a link: test_run_build.py",
    "run_toolchain.sh": "directories of root, and of a user that systemd made and that is gone by then",
    "stage_file.sh": "works where its callers work: install_file.sh and install_secrets.sh",
    "stand_in.sh": "one file, as the application's user, in the /dev/shm of its own sandbox",
    "store_artifact.sh": ROOTS,
    "take_artifact.sh": ROOTS,
    "take_lock.sh": ROOTS,
    "text.sh": "in the sandbox, in memory that the command alone has",
    "unpack_sources.sh": BUILD,
    "unpack_toolchain.sh": ROOTS,
}

# renameat2(2) with RENAME_EXCHANGE: at no moment is the name missing.
LOOP = """\
import ctypes, sys
place, link = (name.encode() for name in sys.argv[1:])
exchange = ctypes.CDLL(None).renameat2
while True:
    exchange(-100, place, -100, link, 2)
"""

# Root's chown and its traces, for a test that is not root.
CHOWN = 'for last; do :; done\necho changed 2> /dev/null > "$last/changed" || true'


@contextmanager
def loop(place: Path, target: Path) -> Iterator[None]:
    """Exchange a directory with a link, without an end."""
    link = place.with_name("link")
    link.symlink_to(target)
    with subprocess.Popen([sys.executable, "-c", LOOP, str(place), str(link)]) as process:
        try:
            while not place.is_symlink():
                assert process.poll() is None
                time.sleep(0.01)
            yield
        finally:
            process.kill()
            process.wait()
    if place.is_symlink():
        ctypes.CDLL(None).renameat2(-100, str(place).encode(), -100, str(link).encode(), 2)
    # The program may have removed the one or the other.
    if link.is_symlink():
        link.unlink()
    else:
        shutil.rmtree(link, ignore_errors=True)


class Attack(NamedTuple):
    """A program at work in a directory that somebody else owns.

    + place: the directory
    + prepare: makes it, and what the program needs
    + command: argument list of the program
    + check: what keeps the loop out, and what the control has in its place
    """

    place: str
    prepare: Callable[[Sandbox], None]
    command: Callable[[Sandbox], list[str]]
    check: tuple[tuple[str, str], ...]


def _me() -> str:
    return subprocess.run(["/usr/bin/id", "-un"], capture_output=True, text=True, check=True).stdout.strip()


def _release(sandbox: Sandbox) -> None:
    tarball = sandbox.directory / "release.tar.gz"
    tree = sandbox.directory / "tree"
    for name, text in {"bin/billing": "", "releases/start_erl.data": "15 0.2.0\n"}.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    with tarfile.open(tarball, "w:gz") as archive:
        archive.add(tree, ".")
    sandbox.stub("systemctl")
    (sandbox.directory / "home/stage").mkdir(parents=True, exist_ok=True)


def _unpack(sandbox: Sandbox) -> list[str]:
    tarball = sandbox.directory / "release.tar.gz"
    digest = sha256(tarball.read_bytes()).hexdigest()
    return sandbox.command(
        "unpack_release.sh", str(sandbox.directory / "home/stage"), "0.2.0", str(tarball), digest, _me(), "billing", ""
    )


def _stage(sandbox: Sandbox) -> None:
    (sandbox.directory / "home/stage").mkdir(parents=True, exist_ok=True)


def _root(sandbox: Sandbox) -> list[str]:
    root = str(sandbox.directory / "home/stage")
    return sandbox.command("environment_root.sh", "set", root, _me(), "nobody", "yes", "private=700")


def _releases(sandbox: Sandbox) -> None:
    (sandbox.directory / "home/stage/0.1.0/lib").mkdir(parents=True, exist_ok=True)


def _remove(sandbox: Sandbox) -> list[str]:
    return sandbox.command("remove_release.sh", str(sandbox.directory / "home/stage"), "0.1.0")


def _parts(*names: str, ends_with: str = "") -> str:
    return "\n".join([*(program.text(name) for name in names), "say() { :; }", "undecided() { exit 1; }", ends_with])


def _link(sandbox: Sandbox) -> list[str]:
    text = program.text("switch.sh")
    own = "\n".join(
        re.findall(r"^(?:set_link \(\)|set_link\(\)) \(\n.*?^\)$|^unlink_current\(\) \{\n.*?^\}$", text, re.M | re.S)
    )
    assert own.count("/proc/self/cwd") == 2
    end = f"root={sandbox.directory}/home/stage app=billing; set_link 0.2.0; unlink_current"
    return ["bash", "-c", _parts("durable.sh", ends_with=f"{own}\n{end}")]


def _served(sandbox: Sandbox) -> None:
    (sandbox.directory / "releases/0.2.0/lib/billing-1/priv/static").mkdir(parents=True, exist_ok=True)


def _assets(sandbox: Sandbox) -> list[str]:
    settings = f"releases={sandbox.directory}/releases web_app=billing assets={sandbox.directory}/copies"
    return ["bash", "-c", _parts("assets.sh", ends_with=f"{settings}; keep_assets 0.2.0")]


def _scratch(sandbox: Sandbox) -> None:
    others = sandbox.directory / "home/others"
    for number, name in enumerate(("old", "newer", "going")):
        (others / name / "deep/deeper/deepest").mkdir(parents=True, exist_ok=True)
        os.utime(others / name, (number, number))


def _keep(sandbox: Sandbox) -> list[str]:
    text = _parts("durable.sh", "branch_scratch.sh", ends_with=f"keep_scratch {sandbox.directory}/home/others new")
    return ["bash", "-c", text]


ENTERED = ('[ "$(readlink /proc/self/cwd)" = "$root" ]', "true")
NO_LINK = ('[ ! -L "${root##*/}" ]', "true")

ATTACKS = {
    "environment_root.sh": Attack("home/stage", _stage, _root, (ENTERED, NO_LINK)),
    "unpack_release.sh": Attack(
        "home/stage", _release, _unpack, (ENTERED, ('[ "$(readlink /proc/self/cwd)" = "$root/releases" ]', "true"))
    ),
    "remove_release.sh": Attack(
        "home/stage", _releases, _remove, (('[ "$(readlink /proc/self/cwd)" = "$1" ]', "true"),)
    ),
    "switch.sh": Attack(
        "home/stage", _stage, _link, (('[ "$(readlink /proc/self/cwd)" != "$root" ]', "false"), ENTERED)
    ),
    "assets.sh": Attack(
        "releases/0.2.0/lib/billing-1/priv/static",
        _served,
        _assets,
        (('[ "$(readlink /proc/self/cwd)" = "$directory" ]', "true"),),
    ),
    # rm itself follows no link.
    "branch_scratch.sh": Attack(
        "home/others/old/deep/deeper",
        _scratch,
        _keep,
        (('rm -rf "${1:?}/$old"', 'find -L "${1:?}/$old" -type f -delete'),),
    ),
}


def test_no_program_trusts_the_shell_about_where_it_is() -> None:
    """bash looks the name up once more, which leads elsewhere by then. dash asks the kernel, and sh may be either."""
    texts = {path.name: path.read_text() for path in program.PROGRAMS.glob("*.sh")}
    # In its log, which its own user writes.
    assert [name for name, text in texts.items() if "pwd -P" in re.sub(r"#.*", "", text)] == ["build_toolchain.sh"]


def changed(text: str) -> bool:
    """Whether a program changes files, beside its comments."""
    return bool(CHANGES.search(re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)))


def test_each_program_that_changes_files_has_an_attack_or_a_reason() -> None:
    programs = {
        path.name: path.read_text() for path in program.PROGRAMS.iterdir() if path.suffix in (".sh", ".pl", ".exs")
    }
    assert len(programs) > 100
    assert sorted(name for name, text in programs.items() if changed(text)) == sorted({*REASONS, *ATTACKS})
    assert not {*REASONS} & {*ATTACKS}


@pytest.mark.parametrize(
    "line", ["rm -rf x", "  [ -d a ] || mkdir a", 'echo > "$1"', "as_user cp a b", "do\n    chmod 755 a"]
)
def test_a_new_program_that_changes_files_is_noticed(line: str) -> None:
    assert changed(line)
    assert not changed(f"# {line.strip()}".replace("\n", ""))


def prods(target: Path) -> dict[str, tuple[int, str]]:
    """What is in somebody else's directory: names, modes and content."""
    return {
        str(path.relative_to(target)): (path.lstat().st_mode, path.read_text() if path.is_file() else "")
        for path in (target, *target.rglob("*"))
    }


def led_astray(sandbox: Sandbox, attack: Attack, changes: tuple[tuple[str, str], ...], seconds: float) -> bool:
    """Whether the loop has a program change prod's directory within a time.

    + changes: texts of the program, and others in their place
    """
    target = sandbox.directory / "prod"
    place = sandbox.directory / attack.place
    for name in ("0.1.0/lib/file", f"app-{'d' * 32}.js", "deeper/file"):
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("prod's")
    (target / "billing").symlink_to("releases/9")
    # Of prod's files, where everybody may read them.
    (sandbox.directory / "copies").mkdir()
    before = prods(target), prods(sandbox.directory / "copies")
    end = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < end or rounds < 5:
        rounds += 1
        attack.prepare(sandbox)
        command = attack.command(sandbox)
        for old, new in changes:
            assert old in command[2]
            command[2] = command[2].replace(old, new)
        with loop(place, target):
            sandbox.execute(command)
        if (prods(target), prods(sandbox.directory / "copies")) != before:
            return True
    return False


@pytest.mark.parametrize("name", ATTACKS)
def test_no_loop_of_renames_leads_root_elsewhere(sandbox: Sandbox, name: str) -> None:
    sandbox.stub("chown", CHOWN)
    assert not led_astray(sandbox, ATTACKS[name], (), 3)


@pytest.mark.parametrize("name", ATTACKS)
def test_without_its_check_a_program_is_led_elsewhere(sandbox: Sandbox, name: str) -> None:
    sandbox.stub("chown", CHOWN)
    assert led_astray(sandbox, ATTACKS[name], ATTACKS[name].check, 30)
