"""What a plan chose is what is carried out, also when somebody builds or releases meanwhile.

The variable DEPLOY_PLAN names a file. The process that plans writes its choice there; the process that carries out reads it,
and does exactly that or refuses. Without the variable each process chooses for itself.
"""

import json
import os
from pathlib import Path

from pyinfra.api.exceptions import DeployError

VARIABLE = "DEPLOY_PLAN"

# The version that runs, where there is none.
NOTHING = "-"


def is_asked_for() -> bool:
    """Whether another process waits for the choice."""
    return bool(os.environ.get(VARIABLE))


def choice() -> dict[str, str]:
    """What was chosen so far, by name; empty while nothing was."""
    path = os.environ.get(VARIABLE)
    if not path or not Path(path).exists():
        return {}
    return dict(json.loads(Path(path).read_text()))


def keep(**chosen: str) -> None:
    """Add to what was chosen, for the process that comes next.

    + chosen: values by name, in place of those there are
    """
    if path := os.environ.get(VARIABLE):
        Path(path).write_text(json.dumps(choice() | chosen))


def require_running(running: str | None) -> None:
    """Refuse when another release runs than when it was planned; the first process that asks sets it.

    + running: the version that runs now, or None

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
    """Refuse another tarball than the one that was planned or built; the first process that asks sets it.

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
