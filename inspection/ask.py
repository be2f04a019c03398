"""Questions to the inventory's hosts that are no deploy: facts alone, asked of all hosts at the same time."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pyinfra.api import Config, FactBase, Host, Inventory, State
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_host, ctx_state

from group_data.schema.inventory import machine_of
from preflight.check import connection_problems

Answer = TypeVar("Answer")


def ask(
    inventory: Inventory, hosts: Sequence[Host], question: Callable[[Host], Answer]
) -> dict[str, Answer | PyinfraError]:
    """What each host answers, by host name; where it cannot be connected to or a fact fails, the error.

    + inventory: which the hosts belong to
    + question: asks the host it is given for facts; called in a greenlet for each host
    """
    # What paramiko would say of a host that does not answer is in the error.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    state = State()
    state.init(inventory, Config())
    # As facts are asked of: a connector may make something of the stage.
    state.set_stage(StateStage.Prepare)
    with ctx_state.use(state):
        answers = {host.name: state.pool.spawn(_answer, host, question) for host in hosts}
        return {name: answer.get() for name, answer in answers.items()}


def fact(host: Host, cls: type[FactBase[Answer]], user: str = "root", **arguments: Any) -> Answer:
    """A fact as a user of the host sees it, from `/`, which every user may enter.

    Raises PyinfraError when its command fails.
    """
    answer: Answer = host.get_fact(cls, _sudo=True, _sudo_user=user, _chdir="/", **arguments)
    return answer


def address(host: Host) -> str:
    """The machine behind a host, as people say it: its address, and the port of its sshd if that is not 22."""
    machine = machine_of(host)
    return machine.address if machine.port == 22 else f"{machine.address}:{machine.port}"


def _answer(host: Host, question: Callable[[Host], Answer]) -> Answer | PyinfraError:
    for problem in connection_problems(host.inventory, [host.name]):
        return ConnectError(problem.text)
    with ctx_host.use(host):
        try:
            host.connect(show_errors=False, raise_exceptions=True)
        except ConnectError as error:
            return error
        try:
            return question(host)
        except PyinfraError:
            # pyinfra has logged the command's own words; what it raises speaks of hosts that remain.
            return PyinfraError("a question to it failed, see above")
        finally:
            host.disconnect()
