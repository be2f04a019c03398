"""Opens the text of a vault in the operator's own editor, and never writes it to a disk."""

import os
import resource
import secrets
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vault.keys import VaultError

MEMORY = Path("/dev/shm")  # noqa: S108 - its type is checked, and it gets only a folder of mode 0700

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def edit_in_memory(plain: bytes, name: str, check: Callable[[bytes], object]) -> bytes:
    """Lets the operator edit a text, and returns the new text when it passes a check.

    The text is in a file of mode 0600 in a folder of mode 0700 on a memory file system. In the end the folder is removed
    with everything the editor left in it, also after a signal. On a terminal, the operator may edit a wrong text again.

    + plain: the old text
    + name: of the file; the editor shows it
    + check: raises VaultError with the problems of a text; not called for an unchanged one

    Raises VaultError when there is no memory file system or no editor, when the editor fails, and when the operator
    gives up. Raises SystemExit with 128 plus the number of a signal.
    """
    command = _editor()
    _require_memory(MEMORY)
    # A core dump of this process or of the editor would hold the text.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    directory = MEMORY / f"vault-{secrets.token_hex(8)}"
    with _signals_noted() as came:
        try:
            directory.mkdir(mode=0o700)
            edited = _edit_until_it_passes(command, directory / name, plain, check, came)
        except OSError as error:
            raise VaultError(f"the text cannot be kept in {MEMORY}: {error.strerror}") from None
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            if directory.exists():
                print(f"vault: {directory} could not be removed: remove it, it holds secrets", file=sys.stderr)
        _end_if(came)
        return edited


def _edit_until_it_passes(
    command: list[str], file: Path, plain: bytes, check: Callable[[bytes], object], came: list[int]
) -> bytes:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(plain)
    while True:
        status = _run([*command, str(file)], file.parent, came)
        if status != 0:
            raise VaultError(f"the editor ended with status {status}: the vault is left as it was")
        if not file.exists():
            raise VaultError("the editor left no file: the vault is left as it was")
        edited = file.read_bytes()
        if edited == plain:
            return plain
        try:
            check(edited)
        except VaultError as problems:
            print("The text cannot be stored:", *str(problems).splitlines(), sep="\n  ", file=sys.stderr)
        else:
            return edited
        if not _again(came):
            raise VaultError("the vault is left as it was")


def _run(command: list[str], directory: Path, came: list[int]) -> int:
    # Editors write copies to TMPDIR. No editor needs the operator's key.
    environment = {name: value for name, value in os.environ.items() if name != "VAULT_IDENTITY"}
    environment["TMPDIR"] = str(directory)
    screen = _open_screen()
    try:
        editor = subprocess.Popen(
            command,
            env=environment,
            stdout=None if os.isatty(1) else screen,
            stderr=None if os.isatty(2) else screen,
        )
    except OSError as error:
        raise VaultError(f"cannot start the editor {command[0]} ({error.strerror}): set EDITOR to one") from None
    finally:
        os.close(screen)
    while (status := editor.poll()) is None and not came:
        time.sleep(0.05)
    if status is None:
        _stop(editor)
    _end_if(came)
    return editor.returncode


def _open_screen() -> int:
    """The terminal for an editor when our own output is a pipe or a file, because a log would keep the text."""
    try:
        return os.open("/dev/tty", os.O_WRONLY)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)


def _stop(editor: subprocess.Popen[bytes]) -> None:
    editor.terminate()
    try:
        editor.wait(timeout=2)
    except subprocess.TimeoutExpired:
        editor.kill()
        editor.wait()


def _again(came: list[int]) -> bool:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    print("Edit again? [Y/n] ", end="", flush=True)
    while not came:
        if select.select([sys.stdin], [], [], 0.1)[0]:
            return _answer() in ("\n", "y\n", "yes\n")
    _end_if(came)
    return False


def _answer() -> str:
    """The typed line in lower case; empty at the end of the input or without a terminal."""
    try:
        return sys.stdin.readline().lower()
    except OSError:
        return ""


def _editor() -> list[str]:
    text = os.environ.get("VISUAL") or os.environ.get("EDITOR") or shutil.which("sensible-editor") or "vi"
    try:
        command = shlex.split(text)
    except ValueError:
        command = []
    if not command:
        raise VaultError("VISUAL or EDITOR is no command line: set EDITOR to your editor")
    program = Path(shutil.which(command[0]) or command[0]).resolve().name
    if program.startswith(("vim", "nvim")):
        # Vim's own configuration may put swap, undo, backup and history files on a disk.
        command += ["-n", "-i", "NONE", "-c", "silent! set noundofile nobackup nowritebackup"]
    return command


def _require_memory(directory: Path) -> None:
    kind = _file_system(directory)
    if kind not in ("tmpfs", "ramfs"):
        raise VaultError(
            f"{directory} is no memory file system ({kind or 'unknown'}), and secrets must not be written to a disk: "
            f"edit on a Linux machine, or in a container, that has a tmpfs there"
        )


def _file_system(directory: Path) -> str | None:
    """The type of a folder's file system; None if the kernel does not say."""
    try:
        device = directory.stat().st_dev
        mounts = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return None
    for mount in mounts:
        # proc_pid_mountinfo(5): the third field is major:minor; the type follows the lone dash.
        fields, _, rest = mount.partition(" - ")
        if fields.split()[2] == f"{os.major(device)}:{os.minor(device)}":
            return rest.split()[0]
    return None


@contextmanager
def _signals_noted() -> Iterator[list[int]]:
    """Collects signals instead of ending the process, and restores their handlers afterwards.

    The handler does not raise. An exception while the editor starts would leave a process behind, and one during the
    removal would leave the text.
    """
    came: list[int] = []
    previous = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _SIGNALS}
    try:
        yield came
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _end_if(came: list[int]) -> None:
    if came:
        raise SystemExit(128 + came[0])
