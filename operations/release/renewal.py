"""The restart that an apply finds due: judged like a release, and one environment after the other."""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from pyinfra import host, state
from pyinfra.api import operation
from pyinfra.api.operation import OperationMeta

from group_data.schema.environment import Environment
from operations.host import restart
from operations.host.report import announce
from operations.host.unit_state import HAS_FAILED, is_running, properties
from operations.release import history, strategy, switch

# Environments that visitors know: the others go first.
_LAST = frozenset({"prod", "production"})


def in_turn(
    environments: Mapping[str, Environment], after: Sequence[OperationMeta], then: Callable[[], None] | None = None
) -> None:
    """Restart this host's application if that is due, prod as the last one and the others in the order of the inventory.

    One that fails ends the run, and the environments after it go on as they are.

    + environments: all of the inventory, by host name
    + after: steps of this host that write files which its application reads at start
    + then: steps of this host that follow its turn
    """
    order = turns(environments)
    # Each turn is a step of its own: pyinfra ends the run after one that failed.
    for turn in host.loop(order):
        if turn == host.name:
            renew(name="Unit: running application restarts", environment=environments[turn], after=after)
            if then:
                then()


def turns(environments: Mapping[str, Environment]) -> list[str]:
    """The hosts in the order in which their applications restart.

    + environments: all of the inventory, by host name
    """
    return sorted(environments, key=lambda name: environments[name].environment in _LAST)


@operation()
def renew(environment: Environment, after: Sequence[OperationMeta]) -> Generator[Any]:
    """Restart the application if a file that it reads at start is newer than it, or start it if it has failed.

    The switch does it as `make restart` does, and the step fails with the application's last words unless it is well
    afterwards. An application that somebody stopped stays stopped. A process that edeliver started keeps running until the
    first release.

    + environment: of the application
    + after: steps that write these files
    """
    unit = properties(environment.unit)
    failed = unit.get("ActiveState") in HAS_FAILED
    runs, released = failed or is_running(unit), history.is_released(environment)
    if not (runs and released):
        if released:
            announce(f"{environment.unit} is stopped, and apply does not start it: make restart "
                     f"ENV={environment.environment} does")  # fmt: skip
        host.noop(f"{environment.unit} does not run")
        return
    stale = restart.stale(unit, environment.start_files)
    if not (stale or failed or restart.is_planned(after)):
        host.noop(f"{environment.unit} runs what its files say")
        return
    if not failed:
        announce(restart.reason(environment.unit, stale))
    if not (failed or state.is_executing):
        announce(strategy.describe(environment))
    yield from restart.touched_if_ahead(stale)
    yield from switch.run._inner(
        environment=environment,
        action=["restart"],
        summary=f"Will start {environment.unit}, which failed, and ask whether it is well"
        if failed
        else f"Will ask whether {environment.unit} is well then, and fail otherwise",
    )
