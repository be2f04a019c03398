"""pyinfra's SSH connector over our client: one way to a machine for paramiko and ssh(1), and an end to every wait.

A connection that is lost raises LostError from whatever used it, and stands in the list of losses.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from gevent import Timeout, get_hub, sleep
from paramiko import SSHException
from pyinfra import logger
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.util import memoize
from pyinfra.connectors.ssh import FileTransferClient, SSHConnector
from pyinfra.connectors.ssh_util import _patch_paramiko_sk_key_support
from typing_extensions import override

from connectors.client import Client
from connectors.loss import LostError, note
from connectors.openssh import ConfigurationError
from connectors.reasons import reason
from connectors.silence import PATIENCE
from connectors.terminal import shown
from connectors.transport import BROKEN, Transport


class Connector(SSHConnector):
    """pyinfra's SSH connector, whose connections end when the network is silent."""

    client: Client | None  # type: ignore[assignment]

    @property
    def address(self) -> str:
        """Name or address of the machine, as the inventory has it."""
        return str(self.data["ssh_hostname"] or self.host.name)

    @property
    def transport(self) -> Transport | None:
        """The SSH transport of the client; None before it is connected."""
        transport: Any = self.client.get_transport() if self.client else None
        return transport if isinstance(transport, Transport) else None

    @override
    def connect(self) -> None:
        """Connect, again if the inventory asks for it (`ssh_connect_retries`). Raises LostError."""
        _patch_paramiko_sk_key_support()
        for left in reversed(range(int(self.data["ssh_connect_retries"]) + 1)):
            if not (why := self._attempt()):
                return
            if not left:
                raise self._loss(why, made=False)
            sleep(self.data["ssh_connect_retry_max_delay"])

    def _attempt(self) -> str | None:
        """Connect. Returns the reason if that fails."""
        logger.debug("Connecting to: %s", self.address)
        if not logging.root.handlers:
            # Without a handler of its own, paramiko's traceback goes to the terminal, with words of the host in it.
            logging.getLogger("paramiko").setLevel(logging.CRITICAL)
        try:
            self.client = client = Client(self.data, self.address)
        except ConfigurationError as error:
            return str(error)
        try:
            with Timeout(PATIENCE):
                client.open()
        except (Timeout, *BROKEN) as error:
            with suppress(*BROKEN):
                client.close()
            # Some of it is what the host said.
            return shown(reason(error, client))
        transport = client.get_transport()
        if not transport or not transport.is_authenticated():
            return f"it wants more than a key from {client.way.user}, such as a code: that cannot be given here"
        return None

    @memoize
    def get_file_transfer_connection(self) -> FileTransferClient | None:
        """A session for files, the same for all of them. Raises ConnectError."""
        if not self.client or self.data["ssh_file_transfer_protocol"] != "sftp":
            raise ConnectError("files are sent by SFTP alone: take ssh_file_transfer_protocol out")
        try:
            return self.client.files()
        except SSHException as error:
            raise ConnectError("sshd refuses a session for files: look for Subsystem sftp in sshd_config") from error

    @contextmanager
    def using(self) -> Iterator[None]:
        """A connection that is lost in the block raises LostError, whatever paramiko makes of it."""
        try:
            yield
        except LostError:
            raise
        except (*BROKEN, ConnectError) as error:
            # pyinfra raises ConnectError where no session for files can be opened.
            if self.is_lost():
                raise self._loss(self._why(), made=True) from error
            if isinstance(error, EOFError):
                # pyinfra would report it as a bug of its own.
                raise SSHException("the session broke") from error
            raise

    def require_connection(self) -> None:
        """Raises LostError if the connection is lost."""
        if self.is_lost():
            raise self._loss(self._why(), made=True)

    def is_lost(self) -> bool:
        """Whether there was a connection that works no more."""
        return self.transport is not None and self.transport.ended

    def _why(self) -> str:
        silence = self.transport.silence if self.transport else None
        return (
            f"it said nothing for {silence} seconds" if silence else "it was closed, by the machine or on the way there"
        )

    def _loss(self, why: str, *, made: bool) -> LostError:
        loss = note(self.host, why, made=made)
        hub = get_hub()
        # gevent prints a traceback of every other error that ends a greenlet. This one is told at the end.
        hub.NOT_ERROR = tuple({*hub.NOT_ERROR, LostError})
        return LostError(loss)
