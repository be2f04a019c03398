"""What is on a machine and in nobody's data any more, and the command that removes it.

Apply never drops a database, role or extension, nor anything of an environment that is no longer in the inventory, nor
files it did not write. `commands.drift` names them instead.

Everything is found by the names an `Environment` derives. For one that is gone they are derived again, from a copy of an
environment of the same application that is called as the one found.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from pyinfra.api import FactBase, Host, QuoteString, StringCommand
from typing_extensions import override

from group_data.schema.environment import Environment
from inspection.ask import fact
from operations.aliases import marker
from operations.database import PSQL

# What an environment may be called (group_data/schema/types.py, Name): whatever else a host says is no name of ours, so
# that nothing found there needs quoting in a shell or could lead the command it appears in elsewhere.
_NAME = "[a-z][a-z0-9_]{0,30}"


class Leftover(NamedTuple):
    """One thing nobody's data wants.

    + thing: kind and name, e.g. "database billing_qa"
    + command: what removes it, for a root shell on the machine
    + environment: short name, where it lies within one that exists
    """

    thing: str
    command: str
    environment: str | None = None


class _Trace(NamedTuple):
    """How one thing of an environment is recognised.

    + thing: what it is
    + name: its path or name
    + listing: shell command that prints the names of all there are, given the pattern of their names
    + removal: shell command
    """

    thing: str
    name: Callable[[Environment], str]
    listing: Callable[[Environment, str], str]
    removal: Callable[[Environment], str]


def _files(condition: str) -> Callable[[Environment, str], str]:
    """Lists the files of a pattern that a condition on "$file" holds for."""
    return lambda _, pattern: f'for file in {pattern}; do {condition} && echo "$file"; done'


_OURS = _files('head -n 2 "$file" | grep -q "Managed by the deploy repository"')


def _secret_files(environment: Environment, pattern: str) -> str:
    """Those of this application: their names say the environment alone."""
    return f"grep -lx 'config :{environment.app}, .*' $({_OURS(environment, pattern)}) /dev/null"


def _begin(environment: Environment) -> str:
    return marker(environment).format(mark="BEGIN")


def _end(environment: Environment) -> str:
    return marker(environment).format(mark="END")


_TRACES = (
    _Trace(
        "unit",
        lambda e: e.unit_path,
        _OURS,
        lambda e: f"systemctl disable --now {e.unit}; rm {e.unit_path}; systemctl daemon-reload",
    ),
    _Trace("release program", lambda e: e.switch_path, _OURS, lambda e: f"rm {e.switch_path}"),
    _Trace(
        "tarballs and backups",
        lambda e: e.state_path,
        _files('[ -d "$file/artifacts" ]'),
        lambda e: f"rm -r {e.state_path}",
    ),
    _Trace("polkit rule", lambda e: e.polkit_rule_path, _OURS, lambda e: f"rm {e.polkit_rule_path}"),
    _Trace(
        "site",
        lambda e: f"/etc/nginx/sites-available/{e.full_name}",
        _OURS,
        lambda e: f"rm -f /etc/nginx/sites-*/{e.full_name}; systemctl reload nginx",
    ),
    _Trace(
        "password file",
        lambda e: e.htpasswd_path,
        _files('[ -f "$file" ]'),
        lambda e: f"rm {e.htpasswd_path}",
    ),
    _Trace("page", lambda e: f"{e.page_root}/502.html", _files('[ -f "$file" ]'), lambda e: f"rm -r {e.page_root}"),
    _Trace(
        "self-signed certificate",
        lambda e: str(e.certificate_path),
        _files('openssl x509 -noout -subject -in "$file" | grep -q self-signed'),
        lambda e: f"rm {e.certificate_path}",
    ),
    _Trace(
        "aliases",
        _begin,
        lambda e, pattern: f"grep -x '{pattern.replace('*', '.*')}' {e.home}/.bash_aliases",
        lambda e: f"sudo -u {e.user} sed -i '/^{_begin(e)}$/,/^{_end(e)}$/d' {e.home}/.bash_aliases",
    ),
    _Trace("secret file", lambda e: e.secret_path, _secret_files, lambda e: f"rm {e.secret_path}"),
    _Trace("variables", lambda e: e.variables_path, _OURS, lambda e: f"rm {e.variables_path}"),
    _Trace("root directory", lambda e: e.cookie_path, _files('[ -f "$file" ]'), lambda e: f"rm -r {e.root}"),
    _Trace(
        # As apply makes it: of the system, and nobody is in it.
        "group",
        lambda e: e.group,
        lambda e, pattern: "getent group | awk -F: '$3 < 1000 && $4 == \"\" { print $1 }'",
        lambda e: f"groupdel {e.group}",
    ),
)


class _Output(FactBase[list[str]]):
    """The lines a shell command prints, whatever it ends with: that there is nothing to find is no failure."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self, script: str) -> StringCommand:
        return StringCommand("sh -c", QuoteString(f"{{ {script}; }} 2>/dev/null; true"))

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


class _Rows(FactBase[list[str]]):
    """What a query prints, a row a line; nothing where PostgreSQL or the database is missing or does not answer."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def requires_command(self, database: str, query: str) -> str:
        return "psql"

    @override
    def command(self, database: str, query: str) -> StringCommand:
        # 2: no connection.
        return StringCommand(PSQL, QuoteString(database), "--command", QuoteString(query), "|| [ $? -eq 2 ]")

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


def find(host: Host, neighbours: Sequence[Environment], selected: Iterable[Environment]) -> list[Leftover]:
    """Everything on a machine that is left over, in the order in which it is best removed.

    + host: one of the machine's
    + neighbours: all environments of the machine
    + selected: those in whose database to look

    Raises PyinfraError when a question to the host fails.
    """
    found = [leftover for environment in selected for leftover in _within(host, environment)]
    for example in {environment.app: environment for environment in neighbours}.values():
        known = {environment.full_name for environment in neighbours}
        # One whose database is elsewhere by now left its former one behind.
        here = {environment.full_name for environment in neighbours if environment.database_is_local}
        found += _files_of_former(host, example, known)
        found += _databases_of_former(host, example, here)
    return list(dict.fromkeys(found))


def _within(host: Host, environment: Environment) -> Iterable[Leftover]:
    if environment.database_managed:
        yield from _extensions(host, environment)


def _extensions(host: Host, environment: Environment) -> Iterable[Leftover]:
    """Those a superuser made and the data does not name; what the application's migrations made is the role's own."""
    query = (
        "SELECT extname FROM pg_catalog.pg_extension JOIN pg_catalog.pg_roles ON pg_roles.oid = extowner"
        " WHERE rolsuper AND extname <> 'plpgsql' ORDER BY extname"
    )
    for name in fact(host, _Rows, user="postgres", database=environment.database, query=query):
        if name not in environment.database_extensions:
            yield Leftover(
                f"extension {name} of database {environment.database}",
                _as_postgres(f"psql -d {environment.database} -c {shlex.quote(f'DROP EXTENSION {_identifier(name)}')}"),
                environment=environment.environment,
            )


def _files_of_former(host: Host, example: Environment, known: set[str]) -> Iterable[Leftover]:
    pattern = _called(example, "*")
    script = "; ".join(f"echo {index}; {trace.listing(pattern, trace.name(pattern))}"
                       for index, trace in enumerate(_TRACES))  # fmt: skip
    trace = _TRACES[0]
    for line in fact(host, _Output, script=script):
        if line.isdigit():
            trace = _TRACES[int(line)]
        elif match := re.fullmatch(re.escape(trace.name(pattern)).replace(r"\*", f"({_NAME})"), line):
            former = _called(example, match[1])
            if former.full_name not in known:
                yield Leftover(f"{trace.thing} {_shown(trace, former)}", trace.removal(former))


def _databases_of_former(host: Host, example: Environment, here: set[str]) -> Iterable[Leftover]:
    """A database that belongs to the role of its name, and a role that does, or that is limited as apply limits one."""
    name = f"~ '^{example.app}_{_NAME}$'"
    query = (
        f"SELECT 'database ' || datname FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba"
        f" WHERE datname = rolname AND datname {name} UNION ALL"
        f" SELECT 'role ' || rolname FROM pg_roles WHERE rolname {name} AND (rolcanlogin AND rolconnlimit >= 0 OR"
        " EXISTS (SELECT FROM pg_database WHERE datname = rolname AND datdba = pg_roles.oid)) ORDER BY 1"
    )
    for thing in fact(host, _Rows, user="postgres", database="postgres", query=query):
        kind, name = thing.split(" ")
        if name not in here:
            yield Leftover(thing, _as_postgres(f"{'dropdb' if kind == 'database' else 'dropuser'} {name}"))


def _called(example: Environment, name: str) -> Environment:
    """What an environment of this application would be if it had this name; with "*", patterns of its names."""
    # For its path: what a certificate is looked for by is that it is self-signed.
    return example.model_copy(update={"environment": name, "tls": "self_signed"})


def _shown(trace: _Trace, environment: Environment) -> str:
    shown = {"aliases": f"of {environment.full_name}", "root directory": environment.root}
    return shown.get(trace.thing, trace.name(environment))


def _as_postgres(command: str) -> str:
    return f"cd / && sudo -u postgres {command}"


def _identifier(name: str) -> str:
    """A name as SQL quotes it (PostgreSQL documentation, 4.1.1)."""
    return '"' + name.replace('"', '""') + '"'
