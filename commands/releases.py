"""List releases, the log of their switches, and dumps.

Exit code 0: shown. 1: some answers are missing, and standard error says why.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import click
from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError

from commands import options
from connectors.terminal import shown
from inspection.ask import ask, fact
from operations.release.choice import describe
from operations.release.dumps import Dumps, DumpsOnHost
from operations.release.dumps import paths as dump_paths
from operations.release.history import Releases, ReleasesOnHost, Revision, paths
from preflight import interruption
from preflight.selection import select_committed

# Number of lines from the log of revisions, the newest ones.
LOGGED = 10
COLUMNS = 80

NO_DUMPS = Dumps([], [])


@options.command(__doc__)
@options.environments
@options.as_json
def command(environments: Sequence[str], as_json: bool) -> int:
    """Ask and show."""
    inventory, known, hosts = select_committed(environments)

    def question(host: Host) -> tuple[Releases, Dumps]:
        environment = known[host.name]
        return fact(host, ReleasesOnHost, **paths(environment)), fact(host, DumpsOnHost, **dump_paths(environment))

    answers = ask(inventory, hosts, question)
    told, dumps = {}, {}
    for name, answer in answers.items():
        if not isinstance(answer, PyinfraError):
            told[known[name].environment], dumps[known[name].environment] = answer
    for name, answer in answers.items():
        if isinstance(answer, PyinfraError):
            click.echo(f"{name}: {answer}", err=True)
    interruption.end_process_on_closed_output()
    if as_json:
        options.print_json(
            {name: everything(releases, elsewhere(name, told), dumps[name]) for name, releases in told.items()}
        )
    else:
        for name, releases in told.items():
            _print(name, releases, elsewhere(name, told))
            _print_dumps(dumps[name])
    return 0 if len(told) == len(answers) else 1


def elsewhere(name: str, told: Mapping[str, Releases]) -> dict[str, dict[str, str]]:
    """The other environments that have the same tarball, by its checksum, and its state there; by version.

    + name: of an environment
    + told: the releases of each environment
    """
    return {
        version: {
            other: describe(releases, version)
            for other, releases in told.items()
            if other != name and releases.present.get(version) == digest != ""
        }
        for version, digest in told[name].present.items()
    }


def everything(
    releases: Releases, elsewhere: Mapping[str, Mapping[str, str]], dumps: Dumps = NO_DUMPS
) -> dict[str, Any]:
    """The releases, the log and the dumps as JSON, the newest first.

    + releases: releases of one environment
    + elsewhere: the state of each version in other environments
    + dumps: of its database
    """
    fallback = releases.fallback()
    return {
        "current": releases.current,
        "fallback": fallback,
        "releases": [
            {"version": name, "state": releases.outcome(name), "elsewhere": elsewhere[name]}
            for name in releases.newest_first()
        ],
        "log": [revision._asdict() for revision in reversed(releases.revisions)],
        "dumps": [dump._asdict() for dump in reversed(dumps.dumps)],
        "kept_databases": dumps.kept,
    }


def _print(environment: str, releases: Releases, elsewhere: Mapping[str, Mapping[str, str]]) -> None:
    click.secho(environment, bold=True)
    fallback = releases.fallback()
    for version in releases.newest_first():
        note = ", the one to go back to" if version == fallback else ""
        others = "".join(f"; {name}: {state}" for name, state in elsewhere[version].items())
        click.echo(f"  {version}  {describe(releases, version)}{note}{others}")
    if not releases.present:
        click.echo(f"  no release yet: make update ENV={environment} builds and releases the first one")
    for revision in list(reversed(releases.revisions))[:LOGGED]:
        revision = Revision(*map(shown, revision))
        what = f"    {revision.time}  {revision.action} {revision.version or '(no release)'}: {revision.outcome}"
        about = f"  ({revision.who}, {revision.revision[:7]}, {revision.seconds} s)"
        # A version with its stamp leaves no room for the rest on a terminal of 80 columns.
        click.echo(f"{what}{about}" if len(what + about) <= COLUMNS else f"{what}\n{' ' * 24}{about}")
        if revision.reason:
            click.echo(textwrap.fill(revision.reason, COLUMNS, initial_indent=" " * 26, subsequent_indent=" " * 26))
    if (older := len(releases.revisions) - LOGGED) > 0:
        click.echo(f"    and {older} older: --json shows all")


def _print_dumps(dumps: Dumps) -> None:
    for dump in reversed(dumps.dumps):
        click.echo(f"    dump {shown(dump.described())}")
    for name in dumps.kept:
        click.echo(f"    database {shown(name)}, from before a restore")


if __name__ == "__main__":
    command()
