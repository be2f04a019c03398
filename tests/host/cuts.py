"""Power cuts in the middle of an action, at moments that the programs on the host make: the calls of their commands."""

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.host.conftest import Host
from tests.host.project import Run
from tests.host.releases import page, wait_until
from tests.host.releasing import PYINFRA, psql

# Commands that change a disk, or start something that does.
COMMANDS = (
    "apt-get", "chmod", "chown", "cp", "dpkg", "groupadd", "ln", "mkdir", "mv", "nft", "openssl", "rm", "runuser", "sync",
    "systemctl", "systemd-run", "tar", "useradd",
)  # fmt: skip

_STAND_IN = Path(__file__).with_name("moment.sh").read_text()
_PLACE = "/usr/local/sbin"

# Seconds until a cut, at most, and until a machine serves again after its boot.
_PATIENCE = 240


class Moment(NamedTuple):
    """When the power goes.

    + call: number of the command's call, from 1 on
    + after: whether the command has done its work
    + pause: seconds after that; the disk's journal writes names every 5 seconds, and content every 30
    """

    call: int
    after: bool
    pause: float


@dataclass(frozen=True)
class Action:
    """What is cut off.

    + name: for people
    + prepare: brings the machine to the state before it
    + start: arguments of its process, of the controller
    + again: does it once more after the cut
    + versions: that may serve after the cut; the last one does after a success
    + check: a shell command on the machine that succeeds after the next command
    """

    name: str
    prepare: Callable[[Host], object]
    start: Callable[[Host], list[str]]
    again: Callable[[Host], Run]
    versions: tuple[str, ...]
    check: str = "true"


def install_stand_ins(host: Host) -> None:
    """Every later run on the machine can be cut at a call of one of the COMMANDS."""
    host.machine.run(f"cat > {_PLACE}/.moment && chmod 755 {_PLACE}/.moment", stdin=_STAND_IN)
    host.machine.run(f"cd {_PLACE} && for name in {' '.join(COMMANDS)}; do ln -f .moment $name; done; sync")


def count(host: Host, action: Action) -> list[str]:
    """The calls of an action that nothing cuts off."""
    action.prepare(host)
    _arm(host, Moment(0, after=False, pause=0))
    run = host.project.run(*action.start(host))
    calls = host.machine.run("cat /run/moments/calls; rm -r /run/moments").stdout.splitlines()
    run.require_success()
    return calls


def cut(host: Host, action: Action, moment: Moment) -> list[str]:
    """Cut an action off at a moment, and do it again after the boot. Returns what is wrong; nothing if all is well."""
    action.prepare(host)
    rows = _rows(host)
    host.machine.sync()
    done = _cut_off(host, action, moment)
    wrong = [f"after the boot: {words}" for words in _served(host, action, done=done)]
    again = action.again(host)
    if again.exit_code != 0:
        wrong.append(f"the next command failed:\n{again.output}")
    wrong += [f"after the next command: {words}" for words in _served(host, action, done=True)]
    checked = host.machine.run(action.check, check=False)
    if checked.returncode != 0:
        wrong.append(f"{action.check} failed: {checked.stdout}{checked.stderr}")
    if (now := _rows(host)) < rows:
        wrong.append(f"{rows} rows became {now}")
    if left := host.project.planned():
        wrong.append(f"a plan has {', '.join(left)}")
    return wrong


def cut_first_apply(host: Host, moment: Moment | None) -> list[str]:
    """Cut the first apply off at a moment, and apply again after the boot. Returns what is wrong.

    + host: a bare machine
    + moment: None to apply without a cut, and to return the number of calls as the only word
    """
    action = Action("first apply", lambda _: None, lambda _: deploy("deploy.py", None), lambda _: Run(0, ""), ())
    if moment is None:
        return [str(len(count(host, action)))]
    _cut_off(host, action, moment)
    again = host.project.apply()
    if again.exit_code != 0:
        return [f"the next apply failed:\n{again.output}"]
    left = host.project.planned()
    return [f"a plan has {', '.join(left)}"] if left else []


def _arm(host: Host, moment: Moment) -> None:
    at = f"{moment.call} {'after' if moment.after else 'before'}"
    host.machine.run(f"rm -rf /run/moments && mkdir -m 1777 /run/moments && echo '{at}' > /run/moments/at")


def _cut_off(host: Host, action: Action, moment: Moment) -> bool:
    """Whether the action had succeeded before the power went."""
    _arm(host, moment)
    output = host.project.path / "cut.out"
    with output.open("wb") as log:
        process = subprocess.Popen(
            action.start(host), cwd=host.project.path, env=host.project.environment, stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    reached = Path(f"/proc/{host.machine.pid}/root/run/moments/reached")
    deadline = time.monotonic() + _PATIENCE
    while not reached.exists() and process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"{action.name} stands still elsewhere:\n{output.read_text()}")
        time.sleep(0.05)
    time.sleep(moment.pause)
    done = process.poll() == 0
    host.machine.cut()
    process.kill()
    process.wait()
    host.machine.wait()
    _wait_for_end_at_boot(host)
    return done


def _wait_for_end_at_boot(host: Host) -> None:
    units = "billing_stage-boot-switch.service billing_prod-boot-switch.service"
    wait_until(
        lambda: "active" not in host.machine.run(f"systemctl is-active {units}", check=False).stdout.split(),
        "the end of what was cut off",
        _PATIENCE,
    )


def _served(host: Host, action: Action, *, done: bool) -> list[str]:
    allowed = action.versions[-1:] if done else action.versions
    wrong = []
    for environment, versions in (("stage", allowed), ("prod", ("0.1.0",))):
        serves = ""
        with suppress(AssertionError):
            wait_until(lambda: _version(host, environment) in versions, "a release serves", 60)  # noqa: B023
        serves = _version(host, environment)
        if serves not in versions:
            wrong.append(f"{environment} serves {serves}, not {' or '.join(versions)}")
    return wrong


def _version(host: Host, environment: str) -> str:
    try:
        answer = page(host.machine, environment)
    except OSError as error:
        return repr(error)
    return answer.text.splitlines()[0].removeprefix("version ") if answer.status == 200 else str(answer.status)


def _rows(host: Host) -> int:
    """How many rows both databases and those that a restore kept have, with one more in both."""
    for environment in ("stage", "prod"):
        psql(host.machine, environment, "INSERT INTO invoices (amount) VALUES (1)")
    kept = "SELECT substr(datname, 9) FROM pg_database WHERE datname ~ '^billing_(stage|prod)(_before_[0-9]+)?$'"
    names = psql(host.machine, "stage", kept).split()
    return sum(int(psql(host.machine, name, "SELECT count(*) FROM invoices")) for name in names)


def deploy(file: str, environment: str | None = "stage", **options: str) -> list[str]:
    """The arguments of a deploy's process that asks nothing.

    + file: of the deploy
    + environment: its name; None for all
    + options: VERSION and what else the deploy reads, without DEPLOY_
    """
    assignments = [f"DEPLOY_{name}={value}" for name, value in options.items()]
    limit = ["--limit", environment] if environment else []
    return ["env", *assignments, *PYINFRA, file, *limit, "--yes"]
