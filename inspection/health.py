"""How an environment is doing on its host, from the unit to the last release. Facts, and what they mean."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from pyinfra.api import FactBase, Host, QuoteString, StringCommand
from typing_extensions import override

from group_data.schema.environment import Environment
from inspection.ask import fact
from operations.database import PSQL
from operations.release.expressions import RUNNING_VERSION, migrations
from operations.release.history import GOOD, LEFT, NEW, Releases, ReleasesOnHost, paths

# In percent. Where Debian's monitoring plugins call it critical (check_all_disks: less than 10 % free).
DISK_FULL = 90

# Seconds a site may take to answer.
_PATIENCE = 10

# A status line is all that is asked for; a site that answers anything but an HTTP response has none.
_REQUEST = r"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: status\r\nConnection: close\r\n\r\n"

# What the running node prints after its migrations.
_END = "end of migrations"


class Reading(NamedTuple):
    """One cell of the table.

    + text: what there is to see
    + ok: whether it is in order
    """

    text: str
    ok: bool


class Health(NamedTuple):
    """One environment's readings: what carries the application, and then the application."""

    unit: Reading
    site: Reading
    database: Reading
    disk: Reading
    release: Reading
    node: Reading
    health: Reading
    migrations: Reading
    last: Reading


class _Unit(FactBase[dict[str, str]]):
    """`ActiveState`, `ActiveEnterTimestamp` (seconds since 1970 after an @), and `Release=yes` if one is there."""

    @staticmethod
    @override
    def default() -> dict[str, str]:
        return {}

    @override
    def command(self, unit: str, release: str) -> StringCommand:
        return StringCommand(
            "systemctl show --timestamp=unix --property ActiveState --property ActiveEnterTimestamp", QuoteString(unit),
            "; [ ! -e", QuoteString(release), "] || echo Release=yes",
        )  # fmt: skip

    @override
    def process(self, output: list[str]) -> dict[str, str]:
        return dict(line.split("=", 1) for line in output)


class _StatusLine(FactBase[str | None]):
    """The status line nginx answers for a page, asked on the host itself: no DNS and no route to it are needed."""

    @staticmethod
    @override
    def default() -> str | None:
        return None

    @override
    def command(self, domain: str, tls: bool, path: str) -> StringCommand:
        # The certificate is not verified: that is the business of whoever is outside.
        script = (
            f'printf \'{_REQUEST}\' "$2" "$1" | openssl s_client -quiet -connect 127.0.0.1:443 -servername "$1" 2>/dev/null'
            if tls
            else f'exec 3<>/dev/tcp/127.0.0.1/80 && printf \'{_REQUEST}\' "$2" "$1" >&3 && cat <&3'
        )
        return StringCommand(
            f"timeout {_PATIENCE} bash -c", QuoteString(script), "bash", QuoteString(domain), QuoteString(path),
            "2>/dev/null | head -n 1",
        )  # fmt: skip

    @override
    def process(self, output: list[str]) -> str | None:
        return output[0].strip()


class _DatabaseSize(FactBase[str | None]):
    """Size of a database, as PostgreSQL says it to people; None when it cannot be connected to."""

    @staticmethod
    @override
    def default() -> str | None:
        return None

    @override
    def requires_command(self, database: str) -> str:
        return "psql"

    @override
    def command(self, database: str) -> StringCommand:
        query = "SELECT pg_catalog.pg_size_pretty(pg_catalog.pg_database_size(pg_catalog.current_database()))"
        return StringCommand(
            PSQL, QuoteString(database), "--command", QuoteString(query), "2>/dev/null || [ $? -eq 2 ]"
        )

    @override
    def process(self, output: list[str]) -> str | None:
        return output[0]


class _Node(FactBase[list[str]]):
    """What Elixir prints in the running node, line by line; empty when the node does not answer."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self, variables: str, directory: str, program: str, rpc: str, expression: str) -> StringCommand:
        script = f'set -a; . "$1" && cd "$2" && shift 2 && timeout {_PATIENCE} "$@"'
        arguments = [QuoteString(argument) for argument in (variables, directory, program, rpc, expression)]
        return StringCommand("sh -c", QuoteString(script), "sh", *arguments, "2>/dev/null || true")

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


class _DiskUse(FactBase[int | None]):
    """How full the file system of a directory is, in percent; None without the directory."""

    @staticmethod
    @override
    def default() -> int | None:
        return None

    @override
    def command(self, directory: str) -> StringCommand:
        return StringCommand("df --output=pcent", QuoteString(directory), "2>/dev/null || true")

    @override
    def process(self, output: list[str]) -> int | None:
        return int(output[1].strip(" %"))


def read(host: Host, environment: Environment) -> Health:
    """All readings of one environment.

    Raises PyinfraError when a question to the host fails.
    """
    unit = fact(host, _Unit, unit=environment.unit, release=environment.app_path)
    database = None
    if environment.database_managed:
        database = fact(host, _DatabaseSize, user="postgres", database=environment.database)
    releases = fact(host, ReleasesOnHost, **paths(environment))
    said = _said_by_node(host, environment) if unit.get("ActiveState") == "active" else []
    return Health(
        unit=_unit(unit),
        site=_site(_answer(host, environment, "/")),
        database=_database(database, managed=environment.database_managed),
        disk=_disk(fact(host, _DiskUse, directory=environment.root)),
        release=_release(releases, said),
        node=Reading("answers" if said else "no answer", ok=bool(said)),
        health=_health(_answer(host, environment, environment.health_path)),
        migrations=_migrations(said, asked=environment.migrate != "never"),
        last=_last(releases),
    )


def _answer(host: Host, environment: Environment, path: str) -> str | None:
    return fact(host, _StatusLine, domain=environment.domain, tls=environment.tls != "none", path=path)


def _said_by_node(host: Host, environment: Environment) -> list[str]:
    """The version that runs, a line for each migration, and, if they could be told, END."""
    asked = [RUNNING_VERSION]
    if environment.migrate != "never":
        asked += [migrations(environment), f'IO.puts("{_END}")']
    return fact(
        host,
        _Node,
        user=environment.user,
        variables=environment.variables_path,
        directory=environment.app_path,
        program=f"bin/{environment.app}",
        rpc=environment.tool.rpc,
        expression="; ".join(asked),
    )


def _unit(properties: dict[str, str]) -> Reading:
    state = properties.get("ActiveState", "unknown")
    if state == "active":
        since = datetime.fromtimestamp(int(properties["ActiveEnterTimestamp"].removeprefix("@")), UTC)
        return Reading(f"active since {since:%Y-%m-%d %H:%M}", ok=True)
    if state == "inactive":
        return Reading("stopped" if "Release" in properties else "no release yet", ok=False)
    return Reading(state, ok=False)


def _site(status_line: str | None) -> Reading:
    match = re.fullmatch(r"HTTP/[0-9.]+ ([1-5][0-9]{2}) ?([ -~]*)", status_line or "")
    if not match:
        return Reading("no answer", ok=False)
    # Whatever the application itself answers, even that somebody must log in, shows that it is there.
    return Reading(f"{match[1]} {match[2]}".strip(), ok=int(match[1]) < 500)


def _database(size: str | None, *, managed: bool) -> Reading:
    if not managed:
        return Reading("not managed", ok=True)
    return Reading(size or "no answer", ok=size is not None)


def _disk(percent: int | None) -> Reading:
    return Reading("unknown" if percent is None else f"{percent} %", ok=percent is not None and percent < DISK_FULL)


def _release(releases: Releases, said: Sequence[str]) -> Reading:
    current = releases.current
    if current is None:
        return Reading("none", ok=False)
    if said and said[0] != current:
        return Reading(f"{said[0]} runs, {current} linked", ok=False)
    return Reading(current, ok=releases.outcome(current) in (GOOD, NEW))


def _health(status_line: str | None) -> Reading:
    reading = _site(status_line)
    return Reading(reading.text, ok=reading.text.startswith("2"))


def _migrations(said: Sequence[str], *, asked: bool) -> Reading:
    if not asked:
        return Reading("not ours", ok=True)
    if _END not in said:
        return Reading("unknown", ok=False)
    states = [words[0] for line in said[1:] if (words := line.split()) and words[0] in ("up", "down")]
    pending = states.count("down")
    return Reading(f"{pending} pending" if pending else f"{len(states)} applied", ok=not pending)


def _last(releases: Releases) -> Reading:
    if not releases.revisions:
        return Reading("none", ok=True)
    last = releases.revisions[-1]
    # A rollback is two lines: the second one says what it came from.
    outcome = GOOD if last.outcome == LEFT else last.outcome
    return Reading(f"{last.action} {outcome} {last.time[:16].replace('T', ' ')}", ok=outcome == GOOD)
