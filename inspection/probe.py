"""The two ways to reach what an environment serves: a command of its release, and a request by curl on its host."""

from collections.abc import Sequence

from pyinfra.api import FactBase, Host, QuoteString, StringCommand
from typing_extensions import override

from group_data.schema.environment import Environment
from inspection.ask import fact
from operations.host import program

# Seconds for anything that may hang: a node, a database, the web server of somebody else.
PATIENCE = 10

# A host that was never applied to may lack it.
CURL_MISSING = "curl is missing"

# No .curlrc and no proxy. A variable or a bracket in a URL stays as it is.
_CURL = f"curl --disable --silent --noproxy '*' --globoff --path-as-is --max-time {PATIENCE}"

_HSTS = "strict-transport-security"


class Lines(FactBase[list[str]]):
    """The lines that a command prints to standard output, whatever its exit code."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self, arguments: Sequence[str]) -> StringCommand:
        return StringCommand(*[QuoteString(argument) for argument in arguments], "2>/dev/null || true")

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


class StatusLine(FactBase[str | None]):
    """The status line nginx answers for a page, asked on the host itself: no DNS and no route to it are needed.

    None without an answer, CURL_MISSING where nothing could be asked. The certificate is not verified: browsers do that.
    """

    @staticmethod
    @override
    def default() -> str | None:
        return None

    @override
    def command(self, domain: str, port: int, url: str) -> StringCommand:
        return StringCommand(
            _CURL, "--http1.1 --insecure --resolve", QuoteString(f"{domain}:{port}:127.0.0.1"),
            "--dump-header - --output /dev/null", QuoteString(url),
            f"2>/dev/null || [ $? -ne 127 ] || echo '{CURL_MISSING}'",
        )  # fmt: skip

    @override
    def process(self, output: list[str]) -> str | None:
        if output[0] == CURL_MISSING:
            return CURL_MISSING
        # The last one: an answer may be announced by others, such as 103 Early Hints.
        return next((line.strip() for line in reversed(output) if line.startswith("HTTP/")), None)


class HstsHeaders(FactBase[dict[str, str]]):
    """The HSTS header of those names that send one over a connection that a browser accepts."""

    @staticmethod
    @override
    def default() -> dict[str, str]:
        return {}

    @override
    def command(self, names: Sequence[str]) -> StringCommand:
        pages = [bit for name in names for bit in ("--output /dev/null", QuoteString(f"https://{name}/"))]
        form = f"%{{url}} %header{{{_HSTS}}}\\n"
        return StringCommand(
            _CURL,
            "--head --parallel --parallel-immediate --write-out",
            QuoteString(form),
            *pages,
            "2>/dev/null || true",
        )

    @override
    def process(self, output: list[str]) -> dict[str, str]:
        answers = [line.partition(" ") for line in output]
        return {url.removeprefix("https://").rstrip("/"): header for url, _, header in answers if header}


def in_release(environment: Environment, *arguments: str) -> list[str]:
    """The argument list that runs a command of the running release, as the application user, with the unit's variables.

    + arguments: of `bin/<release>`
    """
    return ["sudo", "-n", "-u", environment.user, *_in_directory(environment, environment.release_script, *arguments)]


def node_output(host: Host, environment: Environment, expression: str, *, while_starting: bool = False) -> list[str]:
    """The lines an Elixir expression prints in the running node; none when the node does not answer.

    + expression: every local user of the host can read it
    + while_starting: repeat it until the application has had time to start

    Raises PyinfraError when the question to the host fails.
    """
    words = _in_directory(
        environment, "timeout", str(PATIENCE), environment.release_script, environment.tool.rpc, expression
    )
    if while_starting:
        words = shell_program("while_starting.sh", environment.unit, str(PATIENCE), *words)
    return fact(host, Lines, user=environment.user, arguments=words)


def status_line(host: Host, environment: Environment, path: str) -> str | None:
    """The status line of a page of the site, as `StatusLine` reads it.

    + path: from / on

    Raises PyinfraError when the question to the host fails.
    """
    url = f"{environment.url}{path}"
    return fact(host, StatusLine, domain=environment.domain, port=environment.url_port, url=url)


def shell_program(name: str, *arguments: str) -> list[str]:
    """The argument list that runs a program of operations/programs for /bin/sh.

    + name: its file name
    + arguments: every local user of the host can read them
    """
    return ["sh", "-c", program.text(name), name, *arguments]


def _in_directory(environment: Environment, *command: str) -> list[str]:
    return shell_program("in_release.sh", environment.variables_path, environment.app_path, *command)
