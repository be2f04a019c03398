"""Questions to hosts outside a deploy: facts alone, asked of all hosts at the same time."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pyinfra.api import Config, FactBase, Host, Inventory, State
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_host, ctx_state

from connectors.language import LANGUAGE
from group_data.schema.inventory import machine_of
from preflight.access import refusal_of
from preflight.check import connection_problems

Answer = TypeVar("Answer")

# Where a host keeps the time of the first question.
_BEGAN = "first_question"


def ask(
    inventory: Inventory, hosts: Sequence[Host], question: Callable[[Host], Answer]
) -> dict[str, Answer | PyinfraError]:
    """The answer of each host, by host name, or the error if it cannot be connected to or a fact fails.

    + inventory: the one the hosts belong to
    + question: asks the host it is given for facts; called in a greenlet for each host
    """
    # The error holds everything that paramiko would log of a host that does not answer.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    state = State()
    state.init(inventory, Config(ENV=LANGUAGE))
    # The stage that facts belong to: a connector may depend on it.
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
    """The machine behind a host, for people: its address, and the port of its sshd if that is not 22."""
    machine = machine_of(host)
    return machine.address if machine.port == 22 else f"{machine.address}:{machine.port}"


def began(host: Host) -> float:
    """The time of this computer before the host was asked anything, in seconds since 1970.

    + host: one that is asked
    """
    return float(host.connector_data.get(_BEGAN, time.time()))


def _answer(host: Host, question: Callable[[Host], Answer]) -> Answer | PyinfraError:
    for problem in connection_problems(host.inventory, [host.name]):
        return ConnectError(problem.text)
    with ctx_host.use(host):
        host.connector_data[_BEGAN] = time.time()
        try:
            host.connect(show_errors=False, raise_exceptions=True)
        except ConnectError as error:
            return error
        try:
            if refusal := refusal_of(host):
                return PyinfraError(refusal)
            return question(host)
        except ConnectError as error:
            return error
        except PyinfraError:
            # pyinfra has logged the output of the command. The text of its own error speaks of remaining hosts.
            return PyinfraError("a question to it failed, see above")
        finally:
            host.disconnect()
