"""`@snapshot/…`: pyinfra's SSH connector, answering facts from one look at the machine.

A run asks a machine for nearly the same facts as those before. So before the first fact of preparing, and again of
executing, the commands of the last two runs are run in one exchange, and facts are answered from what they gave, for as
long as nothing else was run on the machine. Everything else, and every fact it does not know, goes the SSH connector's way.
Hosts of one machine share a connection. `docs/architecture.md` says what is guaranteed, and how.
"""

import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from gevent import Greenlet, spawn
from gevent.event import AsyncResult
from gevent.lock import Semaphore
from paramiko import ChannelException, SSHException, Transport
from paramiko.channel import ChannelFile, ChannelStdinFile
from pyinfra import logger
from pyinfra.api import Host, State, StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.state import StateStage
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.sshuserclient import SSHClient
from pyinfra.connectors.util import (
    SUDO_PASSWORD_REQUIRED_LINES,
    CommandOutput,
    OutputLine,
    make_unix_command,
    make_unix_command_for_host,
)
from typing_extensions import override

from connectors import memory
from connectors.exchange import Answer, Command, answers, script
from connectors.transport import BROKEN, breaking, prompt

# Hosts that share a connection: sshd allows ten sessions in one (MaxSessions in sshd_config(5)), and each host may have one
# for a command and one for files, beside the one that is open ahead.
SHARED = 4

# Seconds for which a snapshot counts: a callback may wait for something by asking for a fact again and again.
AGE = 60

# What a command may be given that is asked beside others, and what does not concern the command itself.
_PLAIN = {"_sudo", "_sudo_user", "_env", "_chdir", "_shell_executable"}
_NO_CONCERN = {"_success_exit_codes", "_retries", "_retry_delay", "_retry_until", "_temp_dir"}

# Those in which facts are asked about a machine that is not being connected to or left.
_STAGES = {StateStage.Prepare, StateStage.Execute}

# pyinfra does not tell a connector that a command is a fact: true from `host.get_fact` to the command it runs.
_is_fact: ContextVar[bool] = ContextVar("_is_fact", default=False)

Outcome = tuple[bool, CommandOutput]

T = TypeVar("T")


class Shell(NamedTuple):
    """Where a script goes, and where what it prints comes from."""

    stdin: ChannelStdinFile
    stdout: ChannelFile


class Look(NamedTuple):
    """A look at the machine that has begun.

    + commands: what is asked
    + stdout: where the answers come from
    + moves: the connection's, as they were when it began
    + began: when that was, of the monotonic clock in seconds
    """

    commands: list[Command]
    stdout: ChannelFile
    moves: int
    began: float


class Connection:
    """What hosts share that are reached in the same way: a connection, and the look at the machine through it."""

    def __init__(self) -> None:
        self.connectors: list[SnapshotConnector] = []
        self.client: SSHClient | None = None
        # What tells the machine from others, by whatever name it was reached: its host key.
        self.machine: bytes | None = None
        # While somebody connects.
        self.attempt: AsyncResult[None] | None = None
        # Whoever connects next makes a new connection: the host may have been restarted.
        self.left = False
        # One looks, the others wait for what that shows.
        self.looking = Semaphore()
        # The stage that has had its look, or has no use for one any more.
        self.stage: StateStage | None = None
        self.answers: dict[Command, Answer] = {}
        self.taken = 0.0
        # Changes whenever something was run on the machine that is no fact.
        self.moves = 0
        # Shells that wait for a script, opened when the connection was made, and what begins the first look then.
        self.shells: list[Shell] = []
        self.ahead: Greenlet[..., Look | None] | None = None
        # Whether the machine has what the script needs.
        self.works = False

    @property
    def transport(self) -> Transport | None:
        """What is below the client, once it is connected."""
        return self.client.get_transport() if self.client else None

    def is_open(self) -> bool:
        """Whether commands can be run through it."""
        return self.transport is not None and self.transport.is_active() and not self.left

    def commands(self, stage: StateStage) -> list[Command]:
        """What all its hosts are expected to ask in a stage, each once."""
        return list(dict.fromkeys(command for each in self.connectors for command in each.expected(stage)))

    def enter(self, stage: StateStage) -> None:
        """What was seen in another stage counts no more."""
        self.stage = stage
        self.answers = {}

    def end(self, stage: StateStage) -> None:
        """Nothing that was seen so far counts any more, for the rest of a stage."""
        self.enter(stage)
        self.moves += 1

    def open_shell(self) -> Shell | None:
        """A shell on the machine, waiting for its script; None if there is none to be had."""
        client: SSHClient = self.client  # type: ignore[assignment]
        with suppress(*BROKEN):
            stdin, stdout, _ = client.exec_command("sh -s")
            return Shell(stdin, stdout)
        return None

    def look_ahead(self, commands: list[Command], shells: int) -> Look | None:
        """Open so many shells at the same time, and begin a look in one of them."""
        opened = [spawn(self.open_shell) for _ in range(shells)]
        self.shells = [shell for each in opened if (shell := each.get())]
        with suppress(*BROKEN):
            return self.begin(commands)
        return None

    def begin(self, commands: list[Command], first: str | None = None) -> Look | None:
        """Begin a look at the machine, if there is anything to ask, and a shell to ask it.

        + first: the line of a command to run before
        """
        shell = commands and (self.shells.pop() if self.shells else self.open_shell())
        if not shell:
            return None
        shell.stdin.write(script(commands, first))
        shell.stdin.close()
        return Look(commands, shell.stdout, self.moves, time.monotonic())

    def read(self, look: Look | None) -> Answer | None:
        """Answer from this look, unless something was run meanwhile; returns what its first command did."""
        if not look:
            return None
        seen, first = answers(look.commands, look.stdout.read())
        self.works = self.works or bool(seen)
        if look.moves == self.moves:
            self.answers, self.taken = seen, look.began
        return first


class SnapshotConnector(SSHConnector):
    """pyinfra's SSH connector, which answers facts from one look at the machine while nothing else is run there."""

    _connections: ClassVar[WeakKeyDictionary[State, dict[str, list[Connection]]]] = WeakKeyDictionary()

    @override
    @staticmethod
    def make_names_data(name: str) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        """The host keeps its name, which a prefix would become part of."""
        yield name, {"ssh_hostname": name}, []

    def __init__(self, state: State, host: Host) -> None:
        super().__init__(state, host)
        self._asked: dict[str, dict[Command, None]] = {}
        # What steps asked while they were prepared, and ask again when they are executed.
        self._by_steps: dict[Command, None] = {}
        host.get_fact = partial(_marked, host)  # type: ignore[method-assign]

    # --- Connecting ------------------------------------------------------------------------------------------------------

    @cached_property
    def connection(self) -> Connection:
        """The connection of this host and up to three others that are reached in the very same way."""
        connections = self._connections.setdefault(self.state, {})
        same = connections.setdefault(f"{self.data['ssh_hostname'] or self.host.name} {self.data}", [])
        if not same or len(same[-1].connectors) == SHARED:
            same.append(Connection())
        same[-1].connectors.append(self)
        return same[-1]

    @property
    def client(self) -> SSHClient | None:
        """The SSH client, which is the connection's."""
        return self.connection.client

    @client.setter
    def client(self, client: SSHClient | None) -> None:
        self.connection.client = client

    @override
    def make_paramiko_kwargs(self) -> dict[str, Any]:
        """As for pyinfra's SSH connector, with a transport that waits less."""
        return super().make_paramiko_kwargs() | {"transport_factory": prompt}

    @override
    def connect(self) -> None:
        """There is a connection, made by this host or by another of the same machine. Raises ConnectError."""
        connection = self.connection
        if connection.attempt:
            connection.attempt.get()
        elif not connection.is_open():
            connection.attempt = attempt = AsyncResult()
            try:
                super().connect()
                connection.left = False
                if connection.transport:
                    connection.machine = connection.transport.get_remote_server_key().asbytes()
                self._look_ahead()
                attempt.set()
            except ConnectError as error:
                attempt.set_exception(error)
                raise
            finally:
                connection.attempt = None

    @override
    def disconnect(self) -> None:
        """What was asked is remembered for the next runs."""
        super().disconnect()
        self.connection.left = True
        if self._asked:
            memory.remember(self._memory, self._asked)

    def _look_ahead(self) -> None:
        """Have the machine look while pyinfra goes on to read the deploy."""
        connection = self.connection
        # One that is made anew while executing, such as after a reboot, has nothing to prepare.
        prepares = self.state.current_stage is not StateStage.Execute
        commands = connection.commands(StateStage.Prepare) if prepares else []
        # With --yes executing follows at once. Over a distance, that its shell is waiting then saves two round trips.
        looks = 1 if self.state.should_check_for_changes() else 2
        connection.shells = []
        connection.ahead = spawn(connection.look_ahead, commands, looks) if commands else None

    # --- Running ---------------------------------------------------------------------------------------------------------

    @override
    @breaking()
    def run_shell_command(
        self, command: StringCommand, print_output: bool = False, print_input: bool = False, **arguments: Any
    ) -> Outcome:
        """As pyinfra's SSH connector does, except that a fact may be answered from the snapshot."""
        ordinary = partial(
            self._in_a_session, super().run_shell_command, command, print_output, print_input, **arguments
        )
        shown = print_output or print_input
        if _is_fact.get():
            # A command that is run on the way to this one, such as for a password, is none.
            _is_fact.set(False)
            return self._fact(command, arguments, shown) or ordinary()
        if not shown and self._brings_a_look(arguments) and (outcome := self._first(command, arguments)):
            return outcome
        with self._changing():
            return ordinary()

    @override
    @breaking()
    def put_file(self, *arguments: Any, **keywords: Any) -> bool:
        """As pyinfra's SSH connector does; ends the snapshot."""
        with self._changing():
            return self._in_a_session(super().put_file, *arguments, **keywords)

    @override
    @breaking()
    def get_file(self, *arguments: Any, **keywords: Any) -> bool:
        """As pyinfra's SSH connector does; ends the snapshot."""
        with self._changing():
            return self._in_a_session(super().get_file, *arguments, **keywords)

    @override
    def rsync(self, *arguments: Any, **keywords: Any) -> bool:
        """As pyinfra's SSH connector does; ends the snapshot."""
        with self._changing():
            done: bool = super().rsync(*arguments, **keywords)
            return done

    def expected(self, stage: StateStage) -> list[Command]:
        """What this host is likely to be asked in a stage: what it was lately, and what its steps have asked already."""
        prepared = self._by_steps if stage is StateStage.Execute else {}
        return [*self._remembered.get(stage.name, []), *prepared]

    def _fact(self, command: StringCommand, arguments: Mapping[str, Any], shown: bool) -> Outcome | None:
        """The answer from the snapshot, if there is one."""
        asked, stage = self._plain(command, arguments), self.state.current_stage
        if not asked or stage not in _STAGES:
            self._end()
            return None
        if asked not in self.expected(stage):
            self._end()
        self._asked.setdefault(stage.name, {})[asked] = None
        if stage is StateStage.Prepare and self.host.in_op:
            self._by_steps[asked] = None
        # What is to be shown is shown as it comes.
        answer = None if shown else self._seen(asked, stage)
        output = _output(answer) if answer else None
        if not answer or not output:
            return None
        logger.debug("Answered from the snapshot on %s: %s", self.host.name, asked.text)
        return answer.status in _codes(arguments), output

    def _seen(self, asked: Command, stage: StateStage) -> Answer | None:
        connection = self.connection
        with connection.looking:
            if connection.stage is not stage:
                connection.enter(stage)
                with suppress(*BROKEN):
                    begun = connection.ahead if stage is StateStage.Prepare else None
                    # A greenlet that has ended is false.
                    look = begun.get() if begun is not None else None
                    connection.read(look or connection.begin(connection.commands(stage)))
        return connection.answers.get(asked) if time.monotonic() - connection.taken < AGE else None

    def _brings_a_look(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a command is the first thing to happen to the machine in executing, and can be asked with others."""
        connection, stage = self.connection, self.state.current_stage
        first = stage is StateStage.Execute and connection.stage is not stage and connection.works
        return first and not self._needs(arguments) and bool(connection.commands(stage))

    def _first(self, command: StringCommand, arguments: dict[str, Any]) -> Outcome | None:
        """Run a command, and in the same exchange look at the machine when it is done.

        None if that is not possible: sudo wants a password, or there is no shell to be had.
        """
        connection = self.connection
        self._end()
        line = make_unix_command_for_host(self.state, self.host, command, **self._words(arguments)).get_raw_value()
        look = connection.begin(connection.commands(self.state.current_stage), line)
        if not look:
            return None
        answer = connection.read(look)
        self._end(besides=connection)
        if not answer:
            return False, CommandOutput([OutputLine("stderr", "the connection broke before the command was done")])
        output = _output(answer, errors="replace") or CommandOutput([])
        if answer.status and not {line.strip() for line in output.output_lines}.isdisjoint(
            SUDO_PASSWORD_REQUIRED_LINES
        ):
            return None
        return answer.status in _codes(arguments), output

    def _in_a_session(self, act: Callable[..., T], *arguments: Any, **keywords: Any) -> T:
        """Do what needs a session, on a connection of this host's own where this one may have no more of them.

        How many sshd allows (MaxSessions) it does not say. Those who harden machines allow two, of which one that has just
        ended may still be one.
        """
        try:
            return act(*arguments, **keywords)
        except (SSHException, ConnectError) as error:
            if not self._is_refusal(error.__cause__ or error):
                raise
        self._part()
        return act(*arguments, **keywords)

    def _is_refusal(self, error: BaseException) -> bool:
        """Whether it says that the host allowed no session, in a connection that goes on."""
        # Of two that are refused at the same time, paramiko tells one the reason, and the other that there is none.
        words = isinstance(error, ChannelException) or str(error) == "Unable to open channel."
        return words and self.connection.is_open()

    def _part(self) -> None:
        """This host has a connection of its own from now on. Raises ConnectError."""
        logger.debug(
            "%s: sshd allows no more sessions in this connection (MaxSessions), making another", self.host.name
        )
        before, own = self.connection, Connection()
        own.connectors, own.machine = [self], before.machine
        # Its first look is that of the next stage.
        own.enter(self.state.current_stage)
        before.connectors.remove(self)
        self._connections[self.state][f"{self.host.name} alone"] = [own]
        self.connection = own
        super().connect()
        # What was opened for files belongs to the connection that was left.
        self.get_file_transfer_connection.cache.clear()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """What is done in the block may change the machine."""
        self._end()
        try:
            yield
        finally:
            self._end()

    def _end(self, besides: Connection | None = None) -> None:
        """Nothing that was seen on this machine in this stage counts any more, through whichever connection it was seen."""
        connections = (one for those in self._connections[self.state].values() for one in those)
        machine = self.connection.machine
        for connection in connections:
            if connection is not besides and (connection is self.connection or connection.machine == machine):
                connection.end(self.state.current_stage)

    # --- Words -----------------------------------------------------------------------------------------------------------

    def _plain(self, command: StringCommand, arguments: Mapping[str, Any]) -> Command | None:
        """A command as it can be asked beside others and remembered; None if it needs more than that, or hides a value."""
        if self._needs(arguments):
            return None
        words = self._words(arguments)
        become = {name: words.pop(name) for name in ("_sudo", "_sudo_user") if name in words}
        text = make_unix_command(command, **words)
        if text.get_raw_value() != text.get_masked_value():
            return None
        return Command(
            make_unix_command(StringCommand(), _shell_executable=None, **become).get_raw_value().strip(),
            text.get_raw_value(),
        )

    def _needs(self, arguments: Mapping[str, Any]) -> set[str]:
        """What a command is given that keeps it from being asked beside others."""
        given = {name for name, value in arguments.items() if value and name not in _PLAIN | _NO_CONCERN}
        if not arguments.get("_shell_executable", True):
            given.add("_shell_executable")
        if self.host.connector_data.get("prompted_sudo_password"):
            given.add("_sudo_password")
        return given

    def _words(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in arguments.items() if name in _PLAIN}

    # --- Remembering -----------------------------------------------------------------------------------------------------

    @cached_property
    def _memory(self) -> Path:
        program = Path(sys.argv[0])
        # `python -m pyinfra` is pyinfra.
        name = program.parent.name if program.name == "__main__.py" else program.name
        files = [argument for argument in sys.argv[1:] if argument.endswith(".py")]
        address = f"{self.data['ssh_hostname']} {self.data['ssh_port']}"
        # With --yes pyinfra asks for hardly anything before it executes.
        detects = str(self.state.should_check_for_changes())
        # What belongs to the machine is asked by whichever of its hosts comes first in the run.
        neighbours = sorted(other.host.name for other in self.connection.connectors)
        return memory.path_of([str(Path.cwd()), name, *files, detects, address, self.host.name, *neighbours])

    @cached_property
    def _remembered(self) -> dict[str, list[Command]]:
        return memory.recall(self._memory)


def _marked(host: Host, *arguments: Any, **keywords: Any) -> Any:
    """`Host.get_fact`, with its command marked as a fact."""
    token = _is_fact.set(True)
    try:
        return Host.get_fact(host, *arguments, **keywords)
    finally:
        _is_fact.reset(token)


def _codes(arguments: Mapping[str, Any]) -> Collection[int]:
    return arguments.get("_success_exit_codes") or [0]


def _output(answer: Answer, errors: str = "strict") -> CommandOutput | None:
    """What was written, line by line as pyinfra reads it; None if that is no UTF-8, which pyinfra reads in its own way."""
    try:
        lines = [
            OutputLine(name, line)
            for name, written in (("stdout", answer.stdout), ("stderr", answer.stderr))
            for line in written.decode(errors=errors).removesuffix("\n").split("\n")
            if written
        ]
    except UnicodeDecodeError:
        return None
    return CommandOutput(lines)
