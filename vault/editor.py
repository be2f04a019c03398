"""Edit a vault's text in the operator's own editor, without the text ever reaching a disk."""

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

MEMORY = Path("/dev/shm")  # noqa: S108 - its type is checked, and nothing is made in it but a folder of mode 0700

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def edit_in_memory(plain: bytes, name: str, check: Callable[[bytes], object]) -> bytes:
    """Let the operator edit a text, and give back what it became once it passes a check.

    The text lies in a file of mode 0600 in a folder of mode 0700 on a memory file system. The folder and whatever the
    editor left in it are removed in the end, also when a signal ends the command. A text that does not pass may be
    edited again where a terminal is there to ask.

    + plain: the text to begin with
    + name: the file's name, which the editor shows
    + check: raises VaultError with what is wrong with a text; not asked about an unchanged one

    Raises VaultError when there is no memory file system or no editor, when the editor fails, and when the operator
    gives up; SystemExit with 128 and the signal's number when a signal came.
    """
    command = _editor()
    _require_memory(MEMORY)
    # A core dump would hold the text, of this process or of the editor.
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
    # Editors put copies into TMPDIR; and none needs the operator's key.
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
    """Where an editor draws when our own output is a pipe or a file: a log would keep the text that it shows."""
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
    """What was typed, in lower case; nothing at the end of the input or when the terminal is gone."""
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
        # Vim's swap, undo, backup and history files go wherever its own configuration says.
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
    """The type of the file system a folder is on, None where the kernel does not say."""
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
    """Collect the signals that would end the process, and restore what they did before.

    The handler does not raise: an exception in the middle of starting the editor or of the removal would leave a
    process or the text behind.
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
