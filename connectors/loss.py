"""Connections that could not be made, or were lost: what each was used for, and why it ended.

pyinfra reports such an end in several ways: as steps that executed no command, as hosts of which none remain, as an
exception of its own with a traceback. All of them say less than this list does.
"""

from typing import NamedTuple

from pyinfra.api.exceptions import ConnectError


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
