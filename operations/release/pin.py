"""Pins the choice of a plan, so that a build or release by somebody else does not change it.

The variable DEPLOY_PLAN names a file. The process that plans writes its choice there; the process that carries out reads it,
and does exactly that or refuses. Without the variable each process chooses for itself.
"""

import json
import os
from pathlib import Path

from pyinfra.api.exceptions import DeployError

VARIABLE = "DEPLOY_PLAN"

# Stands for the running version if no release runs.
NOTHING = "-"


def is_asked_for() -> bool:
    """Whether another process waits for the choice."""
    return bool(os.environ.get(VARIABLE))


def choice() -> dict[str, str]:
    """The choices so far, by name; empty without one.

    Raises DeployError if the file is none that a plan wrote.
    """
    path = os.environ.get(VARIABLE)
    if not path or not Path(path).exists():
        return {}
    try:
        chosen = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise _unusable(path, str(error)) from None
    if not isinstance(chosen, dict) or not all(isinstance(value, str) for value in chosen.values()):
        raise _unusable(path, "other content")
    return chosen


def keep(**chosen: str) -> None:
    """Add choices for the next process.

    + chosen: values by name; they replace earlier ones

    Raises DeployError if the file is none that a plan wrote, or cannot be written.
    """
    if path := os.environ.get(VARIABLE):
        text = json.dumps(choice() | chosen)
        try:
            Path(path).write_text(text)
        except OSError as error:
            raise _unusable(path, str(error)) from None


def _unusable(path: str, reason: str) -> DeployError:
    return DeployError(
        f"{VARIABLE}={path} is not the file of a plan ({reason}): leave the variable out, or name a file that does not "
        "exist yet. Nothing was changed"
    )


def require_running(running: str | None) -> None:
    """Refuse if the running release is another one than in the plan. The first process that asks sets it.

    + running: running version, or None

    Raises DeployError.
    """
    now = running or NOTHING
    planned = choice().setdefault("running", now)
    if planned != now:
        raise DeployError(
            f"the plan was made while {_named(planned)} ran, and {_named(now)} runs now: somebody released meanwhile. Plan "
            "again. Nothing was changed"
        )
    keep(running=now)


def require_artifact(version: str, sha256: str) -> None:
    """Refuse a tarball that is another one than in the plan or build. The first process that asks sets it.

    + version: of the release
    + sha256: of the tarball

    Raises DeployError.
    """
    planned = choice()
    wanted = planned.get("version", version), planned.get("sha256", sha256)
    if wanted != (version, sha256):
        raise DeployError(
            f"the plan was made for {wanted[0]} ({wanted[1][:12]}), and there is {version} ({sha256[:12]}) now: somebody "
            "built it anew meanwhile. Plan again. Nothing was changed"
        )
    keep(version=version, sha256=sha256)


def _named(version: str) -> str:
    return "no release" if version == NOTHING else version
