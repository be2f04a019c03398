"""The two ways to reach what an environment serves: a command of its release, and a request by curl on its host."""

from collections.abc import Sequence
from typing import NamedTuple

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


def _headers(domain: str, port: int, url: str) -> Sequence[str | QuoteString]:
    """The start of a command that prints the headers nginx sends for a page, asked on the host itself."""
    place = QuoteString(f"{domain}:{port}:127.0.0.1")
    request = "--dump-header - --output /dev/null"
    return _CURL, "--http1.1 --insecure --resolve", place, request, QuoteString(url)


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
        return StringCommand(*_headers(domain, port, url), f"2>/dev/null || [ $? -ne 127 ] || echo '{CURL_MISSING}'")

    @override
    def process(self, output: list[str]) -> str | None:
        if output[0] == CURL_MISSING:
            return CURL_MISSING
        # The last one: an answer may be announced by others, such as 103 Early Hints.
        return next((line.strip() for line in reversed(output) if line.startswith("HTTP/")), None)


class Answer(NamedTuple):
    """The answer of a site's health page.

    + well: whether it shows that the application works; operations/programs/answer.sh decides it
    + status: three digits; empty without an answer
    + leads_to: the page that a redirect leads to; empty otherwise
    + advice: what to do about an answer that is not well, if the answer tells
    """

    well: bool
    status: str
    leads_to: str = ""
    advice: str = ""


class HealthAnswer(FactBase[Answer | None]):
    """The answer of a site's health page, judged as a release judges it; None where curl is missing."""

    @staticmethod
    @override
    def default() -> Answer | None:
        return None

    @override
    def command(self, domain: str, port: int, url: str, path: str) -> StringCommand:
        return program.command("ask_health.sh", domain, str(port), url, path)

    @override
    def process(self, output: list[str]) -> Answer | None:
        verdict, status, leads_to, advice = output[0].split("\t")
        return Answer(verdict == "well", status, leads_to, advice)


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


class SiteHsts(FactBase[list[str] | None]):
    """Every HSTS header that nginx sends for a page, asked on the host itself; None without an answer.

    The certificate is not verified: browsers do that.
    """

    @staticmethod
    @override
    def default() -> list[str] | None:
        return None

    @override
    def command(self, domain: str, port: int, url: str) -> StringCommand:
        return StringCommand(*_headers(domain, port, url), "2>/dev/null || true")

    @override
    def process(self, output: list[str]) -> list[str] | None:
        if not any(line.startswith("HTTP/") for line in output):
            return None
        headers = [line.partition(":") for line in output]
        return [value.strip() for name, _, value in headers if name.lower() == _HSTS]


def in_release(environment: Environment, *arguments: str, terminal: bool = False) -> list[str]:
    """The argument list that runs a command of the running release in the sandbox of its application.

    + arguments: of `bin/<release>`
    + terminal: whether the command gets a terminal
    """
    return ["sudo", "-n", *_command(environment, "infinity", "terminal" * terminal, *arguments)]


def evaluation(environment: Environment) -> list[str]:
    """The argument list that evaluates Elixir in the running node. It comes over standard input, with a NUL byte behind it.

    + environment: of the application
    """
    return ["sudo", "-n", *_command(environment, "infinity", "text", environment.tool.rpc)]


def node_output(host: Host, environment: Environment, expression: str, *, while_starting: bool = False) -> list[str]:
    """The lines an Elixir expression prints in the running node; none when the node does not answer.

    + expression: every local user of the host can read it
    + while_starting: repeat it until the application has had time to start

    Raises PyinfraError when the question to the host fails.
    """
    words = _command(environment, str(PATIENCE), "", environment.tool.rpc, expression)
    if while_starting:
        words = shell_program("while_starting.sh", environment.unit, str(PATIENCE), *words)
    return fact(host, Lines, arguments=words)


def status_line(host: Host, environment: Environment, path: str) -> str | None:
    """The status line of a page of the site, as `StatusLine` reads it.

    + path: from / on

    Raises PyinfraError when the question to the host fails.
    """
    url = f"{environment.url}{path}"
    return fact(host, StatusLine, domain=environment.domain, port=environment.url_port, url=url)


def health_answer(host: Host, environment: Environment) -> Answer | None:
    """The answer of the environment's health page, as `HealthAnswer` reads it.

    Raises PyinfraError when the question to the host fails.
    """
    return fact(
        host,
        HealthAnswer,
        domain=environment.domain,
        port=environment.url_port,
        url=environment.url,
        path=environment.health_path,
    )


def site_hsts(host: Host, environment: Environment) -> list[str] | None:
    """The HSTS headers of the site's first page, as `SiteHsts` reads them.

    Raises PyinfraError when the question to the host fails.
    """
    return fact(host, SiteHsts, domain=environment.domain, port=environment.url_port, url=f"{environment.url}/")


def shell_program(name: str, *arguments: str) -> list[str]:
    """The argument list that runs a program of operations/programs for /bin/sh.

    + name: its file name
    + arguments: every local user of the host can read them
    """
    return ["sh", "-c", program.text(name), name, *arguments]


def _command(environment: Environment, seconds: str, mode: str, *arguments: str) -> list[str]:
    places = (environment.unit_path, environment.app_path, environment.release_script)
    return program.words("release_command.sh", *places, seconds, mode, *arguments)
