"""`@snapshot/…`: pyinfra's SSH connector, which answers facts from one look at the machine.

A run asks a machine for nearly the same facts as the run before. So the commands of the last two runs are run in one
exchange, before the first fact of preparing and before the first fact of executing. Facts are answered from this look until
something else runs on the machine. All other commands go through pyinfra's SSH connector. Hosts of one machine share a
connection. `docs/architecture.md` describes the guarantees.
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

import paramiko
from gevent import Greenlet, Timeout, spawn
from gevent.event import AsyncResult
from gevent.lock import Semaphore
from paramiko import ChannelException, SSHException
from paramiko.channel import ChannelFile, ChannelStdinFile
from pyinfra import logger
from pyinfra.api import Host, State, StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.state import StateStage
from pyinfra.connectors.util import (
    SUDO_PASSWORD_REQUIRED_LINES,
    CommandOutput,
    OutputLine,
    make_unix_command,
    make_unix_command_for_host,
)
from typing_extensions import override

from connectors import memory
from connectors.client import Client
from connectors.connector import Connector
from connectors.exchange import STREAM_LIMIT, Answer, Command, answers, script
from connectors.frame import MARK, after_mark, is_too_much
from connectors.terminal import harmless
from connectors.transport import BROKEN

# Number of hosts that share a connection. sshd allows ten sessions in one (MaxSessions in sshd_config(5)); each host may use
# one for a command and one for files, and one more is open in advance.
SHARED = 4

# Age in seconds after which a snapshot is not used: a callback may wait for a change by repeating a fact.
AGE = 60

# Seconds for the answers of a look, with the time that they take over a slow network, and for a fact without a `_timeout` of
# its own. A host could send a byte now and then for ever.
LOOK_PATIENCE, FACT_PATIENCE = 120, 900

# Arguments of a command that may run beside others, and arguments that do not change the command itself.
_PLAIN = {"_sudo", "_sudo_user", "_env", "_chdir", "_shell_executable"}
_NO_CONCERN = {"_success_exit_codes", "_retries", "_retry_delay", "_retry_until", "_temp_dir"}

# Stages in which a fact may be answered from a snapshot.
_STAGES = {StateStage.Prepare, StateStage.Execute}

# pyinfra does not tell a connector that a command is a fact. This is true from `host.get_fact` to the fact's command.
_is_fact: ContextVar[bool] = ContextVar("_is_fact", default=False)

Outcome = tuple[bool, CommandOutput]

T = TypeVar("T")


class Shell(NamedTuple):
    """Standard input and output of a shell on the machine."""

    stdin: ChannelStdinFile
    stdout: ChannelFile


class Look(NamedTuple):
    """A look at the machine that is under way.

    + commands: of the look
    + stdout: stream of the answers
    + moves: `moves` of the connection at the start
    + began: time of the start, of the monotonic clock in seconds
    + patience: seconds for its answers; None if a command runs before them
    """

    commands: list[Command]
    stdout: ChannelFile
    moves: int
    began: float
    patience: float | None


class Connection:
    """A connection that several hosts of one machine share, and the answers of its look at the machine."""

    def __init__(self) -> None:
        self.connectors: list[SnapshotConnector] = []
        self.client: Client | None = None
        # Host key: identifies the machine under any name.
        self.machine: bytes | None = None
        # Result of a connect in progress; None otherwise.
        self.attempt: AsyncResult[None] | None = None
        # After a disconnect, the next connect opens a new connection: the host may have been restarted.
        self.left = False
        # One host looks, the others wait for its answers.
        self.looking = Semaphore()
        # The last stage with a look, or the stage whose look was ended.
        self.stage: StateStage | None = None
        self.answers: dict[Command, Answer] = {}
        self.taken = 0.0
        # Number of commands so far that were not facts.
        self.moves = 0
        # Shells that wait for a script, and the first look; both start with the connection.
        self.shells: list[Shell] = []
        self.ahead: Greenlet[..., Look | None] | None = None
        # Whether the machine has the programs that the script needs.
        self.works = False

    @property
    def transport(self) -> paramiko.Transport | None:
        """The SSH transport of the client; None before it is connected."""
        return self.client.get_transport() if self.client else None

    def is_open(self) -> bool:
        """Whether commands can be run through it."""
        return self.transport is not None and self.transport.is_active() and not self.left

    @property
    def is_roots(self) -> bool:
        """Whether root logs in."""
        return self.client is not None and self.client.way.user == "root"

    def commands(self, stage: StateStage) -> list[Command]:
        """The commands that its hosts are expected to run in a stage, each once."""
        return list(dict.fromkeys(command for each in self.connectors for command in each.expected(stage)))

    def enter(self, stage: StateStage) -> None:
        """Forget the answers of another stage."""
        self.stage = stage
        self.answers = {}

    def end(self, stage: StateStage) -> None:
        """Use no answer any more for the rest of a stage."""
        self.enter(stage)
        self.moves += 1

    def open_shell(self) -> Shell | None:
        """A shell on the machine that waits for its script; None if the machine refuses one."""
        client: Client = self.client  # type: ignore[assignment]
        with suppress(*BROKEN):
            stdin, stdout, _ = client.exec_plain("sh -s")
            return Shell(stdin, stdout)
        return None

    def look_ahead(self, commands: list[Command], shells: int) -> Look | None:
        """Open shells in parallel, and begin a look in one of them.

        + commands: of the look
        + shells: number to open
        """
        opened = [spawn(self.open_shell) for _ in range(shells)]
        self.shells = [shell for each in opened if (shell := each.get())]
        with suppress(*BROKEN):
            return self.begin(commands)
        return None

    def begin(self, commands: list[Command], first: str | None = None) -> Look | None:
        """Begin a look at the machine; None without commands or without a shell.

        + commands: of the look
        + first: line of a command to run before them
        """
        shell = commands and (self.shells.pop() if self.shells else self.open_shell())
        if not shell:
            return None
        shell.stdin.write(script(commands, first, root=self.is_roots))
        shell.stdin.close()
        return Look(commands, shell.stdout, self.moves, time.monotonic(), None if first else LOOK_PATIENCE)

    def read(self, look: Look | None) -> Answer | None:
        """Use the answers of a look, unless something else ran meanwhile. Returns the answer of its first command."""
        if not look:
            return None
        stream = b""
        with Timeout(look.patience, exception=False):
            stream = look.stdout.read(STREAM_LIMIT)
        # The rest, if there is more than the limit, is not waited for.
        look.stdout.channel.close()
        seen, first = answers(look.commands, stream)
        if self.client and MARK.encode() in stream:
            self.client.noisy = after_mark(stream)[1]
        self.works = self.works or bool(seen)
        if look.moves == self.moves:
            self.answers, self.taken = seen, look.began
        return first


class SnapshotConnector(Connector):
    """The SSH connector, which answers facts from one look at the machine until something else runs there."""

    _connections: ClassVar[WeakKeyDictionary[State, dict[str, list[Connection]]]] = WeakKeyDictionary()

    @override
    @staticmethod
    def make_names_data(name: str) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        """The host keeps its name; pyinfra would make `@snapshot/` a part of it."""
        yield name, {"ssh_hostname": name}, []

    def __init__(self, state: State, host: Host) -> None:
        super().__init__(state, host)
        self._asked: dict[str, dict[Command, None]] = {}
        # Commands of steps while they were prepared; the steps run them again when they are executed.
        self._by_steps: dict[Command, None] = {}
        host.get_fact = partial(_marked, host)  # type: ignore[method-assign]

    # --- Connecting ------------------------------------------------------------------------------------------------------

    @cached_property
    def connection(self) -> Connection:
        """The connection of this host and of up to three others with the same address and SSH settings."""
        connections = self._connections.setdefault(self.state, {})
        same = connections.setdefault(f"{self.data['ssh_hostname'] or self.host.name} {self.data}", [])
        if not same or len(same[-1].connectors) == SHARED:
            same.append(Connection())
        same[-1].connectors.append(self)
        return same[-1]

    @property  # type: ignore[override]
    def client(self) -> Client | None:
        """The SSH client of the connection."""
        return self.connection.client

    @client.setter
    def client(self, client: Client | None) -> None:
        self.connection.client = client

    @override
    def connect(self) -> None:
        """Open a connection, or wait until another host of the machine has opened it. Raises ConnectError."""
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
        """Close the connection, and keep the commands for the next runs."""
        super().disconnect()
        self.connection.left = True
        if self._asked:
            memory.remember(self._memory, self._asked)

    def _look_ahead(self) -> None:
        """Begin the first look, which runs while pyinfra reads the deploy."""
        connection = self.connection
        # A connection that is opened while executing, such as after a reboot, prepares nothing.
        prepares = self.state.current_stage is not StateStage.Execute
        commands = connection.commands(StateStage.Prepare) if prepares else []
        # With --yes executing follows at once. A shell that already waits then saves two round trips.
        looks = 1 if self.state.should_check_for_changes() else 2
        connection.shells = []
        connection.ahead = spawn(connection.look_ahead, commands, looks) if commands else None

    # --- Running ---------------------------------------------------------------------------------------------------------

    @override
    def run_shell_command(
        self, command: StringCommand, print_output: bool = False, print_input: bool = False, **arguments: Any
    ) -> Outcome:
        """The same as in pyinfra's SSH connector, but a fact may be answered from the snapshot. Raises LostError."""
        with self.using():
            outcome = self._run(command, print_output, print_input, **arguments)
        # paramiko tells a lost connection as a command that failed. One that restarts the machine may end like that.
        if not outcome[0]:
            self.require_connection()
        return outcome

    def _run(self, command: StringCommand, print_output: bool, print_input: bool, **arguments: Any) -> Outcome:
        timeout = arguments.get("_timeout") or (FACT_PATIENCE if _is_fact.get() else None)
        ordinary = partial(
            self._in_a_session, super().run_shell_command, command, print_output, print_input,
            **arguments | {"_timeout": timeout},
        )  # fmt: skip
        shown = print_output or print_input
        if _is_fact.get():
            # A command that this one needs first, such as for a password, is no fact.
            _is_fact.set(False)
            return self._fact(command, arguments, shown) or ordinary()
        if not shown and self._brings_a_look(arguments) and (outcome := self._first(command, arguments)):
            return outcome
        with self._changing():
            return ordinary()

    @override
    def put_file(self, *arguments: Any, **keywords: Any) -> bool:
        """As pyinfra's SSH connector does; ends the snapshot. Raises LostError."""
        with self.using(), self._changing():
            return self._in_a_session(super().put_file, *arguments, **keywords)

    @override
    def get_file(self, *arguments: Any, **keywords: Any) -> bool:
        """As pyinfra's SSH connector does; ends the snapshot. Raises LostError."""
        with self.using(), self._changing():
            return self._in_a_session(super().get_file, *arguments, **keywords)

    @override
    def rsync(self, *arguments: Any, **keywords: Any) -> bool:
        """As pyinfra's SSH connector does; ends the snapshot."""
        with self._changing():
            done: bool = super().rsync(*arguments, **keywords)
            return done

    def expected(self, stage: StateStage) -> list[Command]:
        """The likely commands of this host in a stage: those of the last runs, and those of its prepared steps."""
        prepared = self._by_steps if stage is StateStage.Execute else {}
        return [*self._remembered.get(stage.name, []), *prepared]

    def _fact(self, command: StringCommand, arguments: Mapping[str, Any], shown: bool) -> Outcome | None:
        """The answer from the snapshot; None without one."""
        asked, stage = self._plain(command, arguments), self.state.current_stage
        if not asked or stage not in _STAGES:
            self._end()
            return None
        if asked not in self.expected(stage):
            self._end()
        self._asked.setdefault(stage.name, {})[asked] = None
        if stage is StateStage.Prepare and self.host.in_op:
            self._by_steps[asked] = None
        # Output that the operator sees must appear while the command runs.
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
                    # A finished greenlet is false, so it is compared with None.
                    look = begun.get() if begun is not None else None
                    connection.read(look or connection.begin(connection.commands(stage)))
        return connection.answers.get(asked) if time.monotonic() - connection.taken < AGE else None

    def _brings_a_look(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a command is the first of executing, and may run together with a look."""
        connection, stage = self.connection, self.state.current_stage
        first = stage is StateStage.Execute and connection.stage is not stage and connection.works
        return first and not self._needs(arguments) and bool(connection.commands(stage))

    def _first(self, command: StringCommand, arguments: dict[str, Any]) -> Outcome | None:
        """Run a command, and look at the machine after it, in one exchange.

        None if that is impossible because sudo requires a password or there is no shell.
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
            self.require_connection()
            return False, CommandOutput([OutputLine("stderr", "the session broke before the command was done")])
        output = _output(answer, errors="replace") or CommandOutput([])
        if answer.status and not {line.strip() for line in output.output_lines}.isdisjoint(
            SUDO_PASSWORD_REQUIRED_LINES
        ):
            return None
        return answer.status in _codes(arguments), output

    def _in_a_session(self, act: Callable[..., T], *arguments: Any, **keywords: Any) -> T:
        """Call a function that needs a session; if sshd refuses one, call it again on a connection of this host's own.

        sshd does not announce its limit (MaxSessions). Hardened machines allow two sessions, and one that has just ended may
        still count.
        """
        try:
            return act(*arguments, **keywords)
        except (SSHException, ConnectError) as error:
            if not self._is_refusal(error.__cause__ or error):
                raise
        self._part()
        return act(*arguments, **keywords)

    def _is_refusal(self, error: BaseException) -> bool:
        """Whether an error means that the host refused a session while the connection still works."""
        # If two sessions are refused at the same time, paramiko reports the reason for only one of them.
        words = isinstance(error, ChannelException) or str(error) == "Unable to open channel."
        return words and self.connection.is_open()

    def _part(self) -> None:
        """Open a connection for this host alone. Raises ConnectError."""
        logger.debug(
            "%s: sshd allows no more sessions in this connection (MaxSessions), making another", self.host.name
        )
        before, own = self.connection, Connection()
        own.connectors, own.machine = [self], before.machine
        # Its first look happens in the next stage.
        own.enter(self.state.current_stage)
        before.connectors.remove(self)
        self._connections[self.state][f"{self.host.name} alone"] = [own]
        self.connection = own
        super().connect()
        # The session for files belongs to the old connection.
        self.get_file_transfer_connection.cache.clear()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """The block may change the machine, so answers from before it and during it are not used."""
        self._end()
        try:
            yield
        finally:
            self._end()

    def _end(self, besides: Connection | None = None) -> None:
        """Use no answer about this machine any more in this stage, from any of its connections.

        + besides: a connection that keeps its answers
        """
        connections = (one for those in self._connections[self.state].values() for one in those)
        machine = self.connection.machine
        for connection in connections:
            if connection is not besides and (connection is self.connection or connection.machine == machine):
                connection.end(self.state.current_stage)

    # --- Words -----------------------------------------------------------------------------------------------------------

    def _plain(self, command: StringCommand, arguments: Mapping[str, Any]) -> Command | None:
        """A command that may run beside others and be kept; None if it needs other arguments or hides a value."""
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
        """The arguments because of which a command cannot run beside others."""
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
        # `python -m pyinfra` counts as pyinfra.
        name = program.parent.name if program.name == "__main__.py" else program.name
        files = [argument for argument in sys.argv[1:] if argument.endswith(".py")]
        address = f"{self.data['ssh_hostname']} {self.data['ssh_port']}"
        # With --yes pyinfra runs few facts before it executes.
        detects = str(self.state.should_check_for_changes())
        # The first host of a machine in the run asks for everything that belongs to the machine.
        neighbours = sorted(other.host.name for other in self.connection.connectors)
        return memory.path_of([str(Path.cwd()), name, *files, detects, address, self.host.name, *neighbours])

    @cached_property
    def _remembered(self) -> dict[str, list[Command]]:
        return memory.recall(self._memory)


def _marked(host: Host, *arguments: Any, **keywords: Any) -> Any:
    """Calls `Host.get_fact`, with its command marked as a fact."""
    token = _is_fact.set(True)
    try:
        return Host.get_fact(host, *arguments, **keywords)
    finally:
        _is_fact.reset(token)


def _codes(arguments: Mapping[str, Any]) -> Collection[int]:
    return arguments.get("_success_exit_codes") or [0]


def _output(answer: Answer, errors: str = "strict") -> CommandOutput | None:
    """The output in lines, as pyinfra splits it; None if it is too much, or not UTF-8."""
    outputs = (answer.stdout, answer.stderr)
    if is_too_much(sum(map(len, outputs)), sum(output.count(b"\n") for output in outputs)):
        return None
    try:
        lines = [
            OutputLine(name, line)
            for name, written in (("stdout", answer.stdout), ("stderr", answer.stderr))
            for line in harmless(written.decode(errors=errors)).removesuffix("\n").split("\n")
            if written
        ]
    except UnicodeDecodeError:
        return None
    return CommandOutput(lines)
