"""Connections that could not be made, or were lost: what each was used for, and why it ended.

pyinfra reports such an end in several ways: as steps that executed no command, as hosts of which none remain, as an
exception of its own with a traceback. All of them say less than this list does.
"""

from typing import NamedTuple

from pyinfra.api import Host
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.state import StateStage


class Loss(NamedTuple):
    """A connection that ended.

    + host: name in the inventory
    + machine: address, with the port if it is not 22
    + made: whether there was a connection before
    + executing: whether the run was changing hosts
    + step: name of the step; empty outside of one
    + reason: a clause, without a full stop
    """

    host: str
    machine: str
    made: bool
    executing: bool
    step: str
    reason: str

    @property
    def sentence(self) -> str:
        """The loss as a sentence, without a full stop."""
        step = f' in the step "{self.step}"' if self.step else ""
        if self.made:
            return f"The connection to {self.machine} was lost{step}: {self.reason}"
        return f"No connection to {self.machine}{step}: {self.reason}"


class LostError(ConnectError):
    """A connection that could not be made or was lost.

    + loss: the connection
    """

    def __init__(self, loss: Loss) -> None:
        super().__init__(loss.sentence)
        self.loss = loss


# Of this process, in the order of their ends.
losses: list[Loss] = []


def note(host: Host, reason: str, *, made: bool) -> Loss:
    """Keep a loss for the end of the run.

    + host: that the connection led to
    + reason: a clause, without a full stop
    + made: whether there was a connection before
    """
    address, port = host.data.get("ssh_hostname") or host.name, str(host.data.get("ssh_port") or 22)
    running = host.executing_op_hash
    loss = Loss(
        host.name,
        address if port == "22" else f"{address}:{port}",
        made,
        host.state.current_stage is StateStage.Execute,
        next(iter(host.state.get_op_meta(running).names), "") if running else "",
        reason,
    )
    losses.append(loss)
    return loss
