"""What this clone remembers of the vaults it has opened: whom they were for, and which of them were sealed.

It is a file in git's own folder, so that no commit, branch or pull changes it. A new clone remembers nothing.
"""

import os
import subprocess
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Self


class Memory:
    """The lines that a clone remembers of one folder of vaults; none, and nothing kept, outside a clone.

    + file: with the lines; None outside a clone
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lines = set(_lines(file))

    @classmethod
    def of(cls, directory: Path) -> Self:
        """The memory of a folder of vaults.

        + directory: the folder
        """
        git = _git_directory(directory)
        name = sha256(os.fsencode(directory.resolve())).hexdigest()[:16]
        return cls(git / "vault-recipients" / name if git else None)

    @property
    def recipients(self) -> set[str]:
        """The public keys of recipients that this clone has accepted."""
        return {line.removeprefix("recipient ") for line in self._lines if line.startswith("recipient ")}

    def has_sealed(self, name: str) -> bool:
        """Whether a vault had a seal before.

        + name: of its environment
        """
        return f"sealed {name}" in self._lines

    def learn(self, name: str, recipients: Iterable[str]) -> None:
        """Remember a sealed vault and its recipients. A folder of git that cannot be written stays as it is.

        + name: of its environment
        + recipients: public keys
        """
        new = [
            line for line in (f"sealed {name}", *(f"recipient {key}" for key in recipients)) if line not in self._lines
        ]
        if not new or self._file is None:
            return
        self._lines.update(new)
        try:
            self._file.parent.mkdir(exist_ok=True)
            with self._file.open("a") as opened:
                opened.write("".join(f"{line}\n" for line in new))
        except OSError:
            # A clone of somebody else's may be read only: then it goes on like a new one.
            return


def _lines(file: Path | None) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines() if file else []
    except OSError:
        return []


def _git_directory(directory: Path) -> Path | None:
    """The folder of git that all worktrees of a clone share; None outside a clone or without git."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "VAULT_"))}
    command = ["git", "-C", str(directory), "rev-parse", "--path-format=absolute", "--git-common-dir"]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
    except OSError:
        return None
    return Path(os.fsdecode(done.stdout.rstrip(b"\n"))) if done.returncode == 0 else None
