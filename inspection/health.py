"""The health of an environment on its host, from the unit to the last release: readings, and whether each is in order."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import NamedTuple

from pyinfra.api import Host

from group_data.schema.environment import Environment
from inspection.ask import fact
from inspection.certificate import certificate_of
from inspection.diagnosis_certificate import order_on
from inspection.disk_forecast import DiskForecast
from inspection.end import End, UnaskedEnd
from inspection.facts import DatabaseSize, DiskUse, UnitState
from inspection.obstacles import obstacles_of
from inspection.probe import CURL_MISSING, Answer, health_answer, node_output, status_line
from operations.acme import Order
from operations.certificate import Pair, faults
from operations.host.psql import at
from operations.host.unit_state import DISK_LOG
from operations.release.expressions import RUNNING_VERSION, migrations
from operations.release.history import GOOD, LEFT, NEW, SWITCHES, Releases, ReleasesOnHost, paths

# In percent. Where Debian's monitoring plugins call it critical (check_all_disks: less than 10 % free).
DISK_FULL = 90

_PHRASES = {str(status.value): status.phrase for status in HTTPStatus}

# The running node prints this after its migrations, so that a list that was cut off is no short list.
_END = "end of migrations"


class Reading(NamedTuple):
    """One cell of the table.

    + text: for people
    + ok: whether it is in order
    """

    text: str
    ok: bool


class Health(NamedTuple):
    """The readings of one environment: first everything that carries the application, then the application."""

    unit: Reading
    site: Reading
    database: Reading
    disk: Reading
    release: Reading
    node: Reading
    health: Reading
    migrations: Reading
    last: Reading


def read(host: Host, environment: Environment) -> Health:
    """All readings of one environment.

    Raises PyinfraError when a question to the host fails.
    """
    unit = fact(host, UnitState, unit=environment.unit, release=environment.app_path)
    database = None
    if environment.database_managed:
        database = fact(
            host, DatabaseSize, user="postgres", database=environment.database, _env=at(environment.database_port)
        )
    obstacles = {obstacle.kind for obstacle in obstacles_of(host, environment)}
    releases = fact(host, ReleasesOnHost, **paths(environment))
    said = _said_by_node(host, environment) if unit.get("ActiveState") == "active" else []
    release, answer = _release(releases, said), _health(health_answer(host, environment))
    return Health(
        unit=_unit(unit, fact(host, UnaskedEnd, unit=environment.unit)),
        site=_with_certificate(
            _site(status_line(host, environment, "/"), obstacles),
            environment,
            certificate_of(host, environment),
            order_on(host, environment),
        ),
        database=_database(database, obstacles, managed=environment.database_managed),
        disk=_disk(fact(host, DiskUse, directory=environment.root), obstacles, fact(host, DiskForecast, log=DISK_LOG)),
        release=release,
        node=Reading("answers" if said else "no answer", ok=bool(said)),
        health=answer,
        migrations=_migrations(said, asked=environment.migrate != "never"),
        last=_last(releases, well=bool(said) and release.ok and answer.ok),
    )


def _said_by_node(host: Host, environment: Environment) -> list[str]:
    """The version that runs, a line for each migration, and _END if the list is complete."""
    asked = [RUNNING_VERSION]
    if environment.migrate != "never":
        asked += [migrations(environment), f'IO.puts("{_END}")']
    return node_output(host, environment, "; ".join(asked))


def _unit(properties: dict[str, str], end: End | None) -> Reading:
    state = properties.get("ActiveState", "unknown")
    if state == "active":
        since = datetime.fromtimestamp(int(properties["ActiveEnterTimestamp"].removeprefix("@")), UTC)
        if end is None:
            return Reading(f"active since {since:%Y-%m-%d %H:%M}", ok=True)
        # For a day it wants to be looked at. Doctor names it until somebody restarts the application.
        recent = since > datetime.now(UTC) - timedelta(days=1)
        return Reading(f"restarted {since:%Y-%m-%d %H:%M} ({end.reason})", ok=not recent)
    if state == "inactive":
        return Reading("stopped" if "Release" in properties else "no release yet", ok=False)
    return Reading(f"{state} ({end.reason})" if end else state, ok=False)


def _site(line: str | None, obstacles: Collection[str] = ()) -> Reading:
    if "nginx" in obstacles:
        return Reading("nginx does not run", ok=False)
    if "configuration" in obstacles:
        return Reading("nginx refuses its configuration", ok=False)
    if "taken" in obstacles:
        return Reading("another site's", ok=False)
    if "held" in obstacles:
        return Reading("another program's", ok=False)
    if line == CURL_MISSING:
        return Reading(CURL_MISSING, ok=False)
    match = re.fullmatch(r"HTTP/[0-9.]+ ([1-5][0-9]{2}) ?([ -~]*)", line or "")
    if not match:
        return Reading("no answer", ok=False)
    # Any answer of the application itself shows that it is there, even a refusal without a login.
    return Reading(f"{match[1]} {match[2]}".strip(), ok=int(match[1]) < 500)


def _with_certificate(site: Reading, environment: Environment, pair: Pair | None, order: Order) -> Reading:
    """The reading of a site, with the first fault of its certificate: nginx answers on the host itself all the same."""
    # Without an answer of nginx, that is the first thing to mend.
    if not pair or not site.text[:1].isdigit():
        return site
    if environment.tls == "acme" and not pair.chain:
        return Reading(f"{site.text}, self-signed: {'order failed' if order.failed else 'not ordered'}", ok=False)
    words = [fault.word for fault in faults(pair, environment.server_names, datetime.now(UTC))]
    words += ["order failed"] * bool(order.failed) + ["renewal failed"] * bool(order.renewal)
    return Reading(f"{site.text}, certificate {words[0]}", ok=False) if words else site


def _database(size: str | None, obstacles: Collection[str] = (), *, managed: bool) -> Reading:
    if not managed:
        return Reading("not managed", ok=True)
    if "connections" in obstacles:
        return Reading("no connections left", ok=False)
    return Reading(size or "no answer", ok=size is not None)


def _disk(percent: int | None, obstacles: Collection[str] = (), full_in: Mapping[str, int] | None = None) -> Reading:
    if "read-only" in obstacles:
        return Reading("read-only", ok=False)
    if "full" in obstacles:
        return Reading("full", ok=False)
    if percent is not None and full_in:
        place, days = min(full_in.items(), key=lambda item: item[1])
        return Reading(f"{percent} %, {place} full in {days} days", ok=False)
    return Reading("unknown" if percent is None else f"{percent} %", ok=percent is not None and percent < DISK_FULL)


def _release(releases: Releases, said: Sequence[str]) -> Reading:
    current = releases.current
    if current is None:
        return Reading("none", ok=False)
    if said and said[0] != current:
        return Reading(f"{said[0]} runs, {current} linked", ok=False)
    if releases.cut_off:
        return Reading(f"{current}, {releases.cut_off} cut off", ok=False)
    if current in releases.damaged:
        return Reading(f"{current}, damaged", ok=False)
    return Reading(current, ok=releases.outcome(current) in (GOOD, NEW))


def _health(answer: Answer | None) -> Reading:
    if answer is None:
        return Reading(CURL_MISSING, ok=False)
    words = [answer.status, _PHRASES.get(answer.status, "")] if answer.status else ["no answer"]
    return Reading(" ".join(filter(None, words)), ok=answer.well)


def _migrations(said: Sequence[str], *, asked: bool) -> Reading:
    if not asked:
        return Reading("not ours", ok=True)
    if _END not in said:
        return Reading("unknown", ok=False)
    states = [words[0] for line in said[1:] if (words := line.split()) and words[0] in ("up", "down")]
    pending = states.count("down")
    return Reading(f"{pending} pending" if pending else f"{len(states)} applied", ok=not pending)


def _last(releases: Releases, *, well: bool) -> Reading:
    """The last action. One that changes no release, such as a restart, is over once the application is well again."""
    if not releases.revisions:
        return Reading("none", ok=True)
    last = releases.revisions[-1]
    # A rollback writes two lines. The second one is about the release it left.
    outcome = GOOD if last.outcome == LEFT else last.outcome
    text = f"{last.action} {outcome} {last.time[:16].replace('T', ' ')}"
    return Reading(text, ok=outcome == GOOD or (well and last.action not in SWITCHES))
