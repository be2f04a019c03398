"""How an environment is doing on its host: unit, site, database, disk. Facts, and what they mean."""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from pyinfra.api import FactBase, Host, QuoteString, StringCommand
from typing_extensions import override

from group_data.schema.environment import Environment
from operations.database import PSQL
from tools.machines import fact

# In percent. Where Debian's monitoring plugins call it critical (check_all_disks: less than 10 % free).
DISK_FULL = 90

# Seconds a site may take to answer.
_PATIENCE = 10

# A status line is all that is asked for; a site that answers anything but an HTTP response has none.
_REQUEST = r"GET / HTTP/1.1\r\nHost: %s\r\nUser-Agent: status\r\nConnection: close\r\n\r\n"


class Reading(NamedTuple):
    """One cell of the table.

    + text: what there is to see
    + ok: whether it is in order
    """

    text: str
    ok: bool


class Health(NamedTuple):
    """One environment's readings."""

    unit: Reading
    site: Reading
    database: Reading
    disk: Reading


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
    """The status line nginx answers under a name, asked on the host itself: no DNS and no route to it are needed."""

    @staticmethod
    @override
    def default() -> str | None:
        return None

    @override
    def command(self, domain: str, tls: bool) -> StringCommand:
        # The certificate is not verified: that is the business of whoever is outside.
        script = (
            f'printf \'{_REQUEST}\' "$1" | openssl s_client -quiet -connect 127.0.0.1:443 -servername "$1" 2>/dev/null'
            if tls
            else f"exec 3<>/dev/tcp/127.0.0.1/80 && printf '{_REQUEST}' \"$1\" >&3 && cat <&3"
        )
        return StringCommand(
            f"timeout {_PATIENCE} bash -c", QuoteString(script), "bash", QuoteString(domain), "2>/dev/null | head -n 1"
        )

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
    """All four readings of one environment.

    Raises PyinfraError when a question to the host fails.
    """
    unit = fact(host, _Unit, unit=environment.unit, release=environment.app_path)
    status_line = fact(host, _StatusLine, domain=environment.domain, tls=environment.tls != "none")
    database = None
    if environment.database_managed:
        database = fact(host, _DatabaseSize, user="postgres", database=environment.database)
    return Health(
        unit=_unit(unit),
        site=_site(status_line),
        database=_database(database, managed=environment.database_managed),
        disk=_disk(fact(host, _DiskUse, directory=environment.root)),
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
