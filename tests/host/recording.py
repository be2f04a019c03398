"""`python -m tests.host.recording OUTPUT inventory.py deploy.py …` records the calls of pyinfra.

It records what pyinfra gives to the connector: every call of `Host`'s `run_shell_command`, `put_file` and `get_file`, one
line of JSON for each in OUTPUT, in the order in which they ended. The calls themselves stay as they are. Each line also
counts the uses of the connection: a connector may run more or fewer commands than it was asked for.
"""

import json
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

# Whether a call is recorded as a fact instead of a command: true from `Host.get_fact` to the command that it runs.
_is_fact: ContextVar[bool] = ContextVar("_is_fact", default=False)

# The current call of this greenlet.
_current: ContextVar["Call | None"] = ContextVar("_current", default=None)

# Placeholders for values that say nothing about the work.
_NAMES_ALONE = {"_env"}


@dataclass
class Call:
    """A call to a host.

    + kind: fact, command, put or get
    + host: its name
    + stage: of the run, such as Prepare
    + text: the command with secrets masked, or the path on the host
    + arguments: the other arguments of the connector that are set; of an environment the names alone
    + content: of standard input, or of the file
    + success: answer of the connector; None when it raised an exception
    + stdout: lines
    + stderr: lines, or the exception
    + exchanges: commands that went over the connection for it
    """

    kind: str
    host: str
    stage: str
    text: str
    arguments: dict[str, Any]
    content: str = ""
    success: bool | None = None
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    exchanges: int = 0


@dataclass(frozen=True)
class Recording:
    """The calls of a run.

    + calls: in the order in which they ended
    + exchanges: commands that went over connections in all
    """

    calls: list[Call]
    exchanges: int

    @classmethod
    def read(cls, path: Path) -> "Recording":
        """Read the OUTPUT of a run; empty if the run ended before it wrote one."""
        lines = path.read_text().splitlines() if path.exists() else []
        items = [json.loads(line) for line in lines]
        return cls([Call(**item) for item in items if item], items.count({}))

    @property
    def facts(self) -> list[Call]:
        """The calls of facts."""
        return [call for call in self.calls if call.kind == "fact"]

    @property
    def commands(self) -> list[Call]:
        """The calls that are no facts."""
        return [call for call in self.calls if call.kind != "fact"]


def main() -> None:
    """Run pyinfra with the rest of the command line."""
    output, *arguments = sys.argv[1:]
    # First, as in pyinfra's own program: it patches this process for gevent. A reader of recordings does not need it.
    import pyinfra.__main__
    from pyinfra_cli.main import main as run

    with Path(output).open("a", buffering=1) as file:
        _record(file)
        sys.argv = [pyinfra.__main__.__file__, *arguments]
        run()


def _record(file: IO[str]) -> None:
    from pyinfra.api.host import Host
    from pyinfra.connectors.sshuserclient import SSHClient

    def write(item: dict[str, Any]) -> None:
        file.write(json.dumps(item) + "\n")

    begins: dict[str, Callable[..., Call]] = {"run_shell_command": _command, "put_file": _put, "get_file": _get}
    for name, begin in begins.items():
        setattr(Host, name, _recorded(getattr(Host, name), begin, write))
    Host.get_fact = _marked(Host.get_fact)  # type: ignore[method-assign]
    SSHClient.exec_command = _counted(SSHClient.exec_command, write)  # type: ignore[method-assign]


def _marked(get_fact: Callable[..., Any]) -> Callable[..., Any]:
    def asking(*arguments: Any, **keywords: Any) -> Any:
        token = _is_fact.set(True)
        try:
            return get_fact(*arguments, **keywords)
        finally:
            _is_fact.reset(token)

    return asking


def _counted(exec_command: Callable[..., Any], write: Callable[[dict[str, Any]], None]) -> Callable[..., Any]:
    def counting(*arguments: Any, **keywords: Any) -> Any:
        write({})
        if call := _current.get():
            call.exchanges += 1
        return exec_command(*arguments, **keywords)

    return counting


def _recorded(
    method: Callable[..., Any], begin: Callable[..., Call], write: Callable[[dict[str, Any]], None]
) -> Callable[..., Any]:
    """A method that records its call when it ends.

    + begin: makes the record from the arguments, before the call
    """

    def recording(host: Any, *arguments: Any, **keywords: Any) -> Any:
        call = begin(host, *arguments, **keywords)
        token = _current.set(call)
        try:
            result = method(host, *arguments, **keywords)
            _end(call, result)
        except BaseException as error:
            call.stderr = [f"{type(error).__name__}: {error}"]
            raise
        else:
            return result
        finally:
            _current.reset(token)
            write(asdict(call))

    return recording


def _command(host: Any, command: Any, *_: Any, **arguments: Any) -> Call:
    stdin = arguments.pop("_stdin", None)
    kind = "fact" if _is_fact.get() else "command"
    content = stdin if isinstance(stdin, str) else "\n".join(stdin or [])
    return Call(kind, host.name, _stage(host), str(command), _given(arguments), content)


def _put(host: Any, source: Any, path: str, *_: Any, **arguments: Any) -> Call:
    return Call("put", host.name, _stage(host), path, _given(arguments), _content(source))


def _get(host: Any, path: str, *_: Any, **arguments: Any) -> Call:
    return Call("get", host.name, _stage(host), path, _given(arguments))


def _end(call: Call, result: Any) -> None:
    if call.kind in {"put", "get"}:
        call.success = bool(result)
        return
    call.success, output = result
    call.stdout, call.stderr = output.stdout_lines, output.stderr_lines


def _stage(host: Any) -> str:
    return str(host.state.current_stage.name)


def _given(arguments: dict[str, Any]) -> dict[str, Any]:
    given = {name: sorted(value) if name in _NAMES_ALONE else value for name, value in arguments.items() if value}
    return {name: value if isinstance(value, str | int | list) else str(value) for name, value in given.items()}


def _content(source: Any) -> str:
    """A digest of the content. The position in an open file stays as it is."""
    if not hasattr(source, "read"):
        return sha256(Path(source).read_bytes()).hexdigest()
    position = source.tell()
    source.seek(0)
    content = source.read()
    source.seek(position)
    return sha256(content if isinstance(content, bytes) else content.encode()).hexdigest()


if __name__ == "__main__":
    main()
