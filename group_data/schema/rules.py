"""What settings must agree on: within one environment, on one machine, and over the whole inventory."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from group_data.schema.environment import Environment
from group_data.schema.types import is_address

T = TypeVar("T")

# Top-level domains that browsers ship in their HSTS preload list with includeSubDomains (Chromium's
# transport_security_state_static.json).
PRELOADED_TLDS = frozenset(
    "android app bank boo channel chrome dad day dev eat esq fly foo gle gmail google hangout ing insurance meet meme mov "
    "new nexus page phd play prof rsvp search youtube zip".split()
)

# Set by the unit, or by the release's own scripts: a second definition would silently win over or lose to it.
RESERVED_VARIABLES = frozenset(
    "HOME PATH LANG PORT PHX_HOST PHX_SERVER MIX_ENV DEPLOYMENT_CONFIG APPSIGNAL_WORKING_DIRECTORY_PATH "
    "ERL_AFLAGS ERL_FLAGS ERL_ZFLAGS ERL_EPMD_ADDRESS REPLACE_OS_VARS RELEASE_NAME RELEASE_NODE RELEASE_DISTRIBUTION "
    "RELEASE_COOKIE RELEASE_TMP RELEASE_MUTABLE_DIR RELEASE_ROOT RELEASE_VSN".split()
)

# Unix users and groups of Debian 12 and 13 that a `Name` could spell: base-passwd's passwd.master and group.master,
# sysusers.d of systemd, and those that our packages make (epmd, messagebus, polkitd, postgres).
SYSTEM_USERS = frozenset(
    "adm audio backup bin cdrom crontab daemon dialout dip disk epmd fax floppy games input irc kmem kvm list lp mail man "
    "messagebus news nobody nogroup operator plugdev polkitd postgres proxy render root sasl sgx shadow src sshd staff "
    "sudo sync sys tape tty users utmp uucp video voice".split()
)

# TCP ports that something else on every machine listens on.
MACHINE_PORTS: Mapping[int, str] = {4369: "epmd", 5432: "PostgreSQL"}


class Problem(NamedTuple):
    """One thing to mend: the inventory host or option, what is wrong and the way out, and where it stands."""

    host: str
    text: str
    where: str


@dataclass(frozen=True)
class Subject:
    """One environment as the rules see it.

    + host: its inventory host
    + machine: what identifies the machine it lives on
    + environment: the model without the keys that are wrong by themselves: reading one raises AttributeError
    + sources: the file each key that is set stands in
    + home: the file that a key which is not set belongs in
    + ssh_user: whom SSH logs in as, if the data says so
    """

    host: str
    machine: tuple[str, int]
    environment: Environment
    sources: Mapping[str, str]
    home: str
    ssh_user: str | None = None

    def problem(self, key: str, text: str) -> Problem:
        """A problem with what a key says.

        + key: the key to change
        + text: what is wrong, why it matters, and the way out
        """
        return Problem(self.host, text, self.sources.get(key, self.home))

    def read(self, reader: Callable[[Environment], Iterable[T]]) -> Iterator[T]:
        """What a reader finds, up to the first key that is wrong by itself; that one is reported already.

        + reader: takes the environment
        """
        try:
            yield from reader(self.environment)
        except AttributeError:
            # With all keys there, it is a mistake in the reader.
            if vars(self.environment).keys() >= Environment.model_fields.keys():
                raise


def problems_of(subjects: Sequence[Subject]) -> Iterator[Problem]:
    """Everything that keys do not agree on, by themselves and between environments.

    + subjects: every environment of the inventory
    """
    for subject in subjects:
        for rule in (_names, _port, _tls, _hsts, _database, _database_tls, _variables, _migrations, _toolchain):
            for key, text in subject.read(rule):
                yield subject.problem(key, text)
        yield from _login(subject)
    machines: dict[tuple[str, int], list[Subject]] = defaultdict(list)
    for subject in subjects:
        machines[subject.machine].append(subject)
    for neighbours in machines.values():
        yield from _collisions(neighbours)
    yield from _shared_databases(subjects)
    yield from _build_hosts(subjects)
    yield from _hsts_parents(subjects)


# --- One environment: the key to change, and the sentence -------------------------------------------------------------


def _names(e: Environment) -> Iterator[tuple[str, str]]:
    if e.user in SYSTEM_USERS:
        yield "app", f"app = {e.app!r} is a user or group of Debian's own, which the application must not be: rename it"
    if f"{e.root}/{e.app}" in (e.private_path, e.appsignal_path, e.releases_path):
        yield "app", f"app = {e.app!r} is what a directory beside the running release is called: rename it"
    if e.full_name.startswith("pg_"):
        yield "app", f"app = {e.app!r} makes the role {e.full_name}, and PostgreSQL keeps pg_ to itself: rename it"
    # systemd's strict names (https://systemd.io/USER_NAMES); groupadd(8) takes one more. The role and database may have 63
    # (PostgreSQL's NAMEDATALEN), the unit more.
    if len(e.group) > 31:
        yield (
            "app",
            f"app and environment make the group {e.group} of {len(e.group)} characters, and systemd takes 31: "
            "shorten one of them",
        )


def _port(e: Environment) -> Iterator[tuple[str, str]]:
    if e.port in MACHINE_PORTS:
        yield "port", f"port = {e.port} is {MACHINE_PORTS[e.port]}'s on every machine: take another, such as 4000"


def _tls(e: Environment) -> Iterator[tuple[str, str]]:
    for key, path in {"tls_certificate": e.tls_certificate, "tls_key": e.tls_key}.items():
        if e.tls == "provided" and not path:
            yield (
                "tls",
                f"tls = 'provided' needs {key}, without which nginx does not start: the path of a PEM file on the host",
            )
        if e.tls != "provided" and path:
            yield key, f"{key} = {path!r} is not used with tls = {e.tls!r}: remove it, or set tls = 'provided'"


def _hsts(e: Environment) -> Iterator[tuple[str, str]]:
    if e.hsts and e.tls != "provided":
        yield (
            "hsts",
            f"hsts = True with tls = {e.tls!r} would lock browsers out: they refuse such a site for hsts_max_age seconds. "
            "Set tls = 'provided' or hsts = False",
        )
    if e.hsts_preload and not (e.hsts and e.hsts_include_subdomains and e.hsts_max_age >= 31_536_000):
        yield (
            "hsts_preload",
            "hsts_preload = True is ignored by browsers (hstspreload.org) without hsts = True, "
            "hsts_include_subdomains = True and hsts_max_age of at least 31536000: set them, or hsts_preload = False",
        )


# What says where a PostgreSQL is that somebody else runs.
_DATABASE_ELSEWHERE = (
    "database_host",
    "database_port",
    "database_tls",
    "database_tls_ca",
    "database_name",
    "database_user",
)


def _database(e: Environment) -> Iterator[tuple[str, str]]:
    set_keys = [key for key in _DATABASE_ELSEWHERE if getattr(e, key) != Environment.model_fields[key].default]
    if e.database_managed and set_keys:
        shown = ", ".join(f"{key} = {getattr(e, key)!r}" for key in set_keys)
        yield (
            set_keys[0],
            f"{shown} describes a PostgreSQL that somebody else runs, and database_managed = True the machine's own: set "
            "database_managed = False and have role and database made there, or take it out",
        )
    if e.database_managed and (e.database_pool_size or 0) > e.database_connection_limit:
        yield (
            "database_pool_size",
            f"database_pool_size = {e.database_pool_size} is more than database_connection_limit = "
            f"{e.database_connection_limit}, all the connections the role may hold: lower the one or raise the other",
        )


def _database_tls(e: Environment) -> Iterator[tuple[str, str]]:
    if e.database_tls_ca and e.database_tls == "none":
        yield (
            "database_tls_ca",
            f"database_tls_ca = {e.database_tls_ca!r} is not used with database_tls = 'none': remove it, or set 'verified'",
        )
    if not e.database_managed and e.database_tls == "verified" and is_address(e.database_host):
        yield (
            "database_tls",
            f"database_tls = 'verified' checks that the certificate names database_host, and {e.database_host} is an "
            "address: Postgrex compares names only; set the name that is in the certificate",
        )


def _variables(e: Environment) -> Iterator[tuple[str, str]]:
    for name in sorted(RESERVED_VARIABLES & e.unit_environment.keys()):
        yield (
            "unit_environment",
            f"unit_environment: {name} belongs to the unit or to the release's own scripts: take it out",
        )


def _migrations(e: Environment) -> Iterator[tuple[str, str]]:
    if e.migrate_down_command and "{version}" not in e.migrate_down_command:
        yield (
            "migrate_down_command",
            "migrate_down_command must have {version} in it: without a version, taking migrations back takes back all of "
            "them, and the data with them",
        )


def _toolchain(e: Environment) -> Iterator[tuple[str, str]]:
    if bool(e.toolchain) != bool(e.toolchain_sha256):
        yield (
            "toolchain" if e.toolchain else "toolchain_sha256",
            "toolchain and toolchain_sha256 go together: what is downloaded is used only if it is what you once looked at. "
            "Set both or neither",
        )


def _login(subject: Subject) -> Iterator[Problem]:
    for user in subject.read(lambda e: [e.user]):
        if user == subject.ssh_user:
            text = f"app = {user!r} is whom SSH logs in as, a user with sudo, which the application must not be: rename one"
            yield subject.problem("app", text)


# --- One machine ------------------------------------------------------------------------------------------------------


class _Exclusive(NamedTuple):
    """Something two environments on one machine may not share: its name, the key to change, and the sentence."""

    what: str
    key: str
    read: Callable[[Environment], Iterable[str | int]]
    why: str


# Unit, site, group, role, certificate and directories are named by app and environment: `_twins` holds these.
_EXCLUSIVE: Sequence[_Exclusive] = (
    _Exclusive("port", "port", lambda e: [e.port], "the second to start finds it taken; give each its own port"),
    # epmd registers what stands before the @ alone.
    _Exclusive(
        "node name",
        "node_name",
        lambda e: [e.node.partition("@")[0]],
        "epmd lets one node register it, the second does not start; leave node_name out or change what is before the @",
    ),
    _Exclusive(
        "server name",
        "domain",
        lambda e: e.server_names,
        "nginx serves the first site only; each needs domain and additional_domains of its own",
    ),
    _Exclusive(
        "secret file",
        "environment",
        lambda e: [e.secret_path],
        "it is named by the environment alone; rename one environment",
    ),
)


def _collisions(neighbours: Sequence[Subject]) -> Iterator[Problem]:
    twins = list(_twins(neighbours))
    yield from (problem for _, problem in twins)
    # Two of the same name share everything: saying so once is enough.
    distinct = [subject for subject in neighbours if subject not in [twin for twin, _ in twins]]
    for exclusive in _EXCLUSIVE:
        owners: dict[str | int, str] = {}
        for subject in distinct:
            for value in subject.read(exclusive.read):
                owner = owners.get(value)
                owners.setdefault(value, subject.host)
                if owner:
                    key = _key_of(exclusive, value, subject.environment)
                    text = f"{exclusive.what} {value} is shared with {owner} on the same machine: {exclusive.why}"
                    if owner == subject.host:
                        text = f"{exclusive.what} {value} is there twice: take one out of {key}"
                    yield subject.problem(key, text)
    yield from _alias_collisions(distinct)
    yield from _journal_disagreement(distinct)


def _key_of(exclusive: _Exclusive, value: str | int, environment: Environment) -> str:
    further = exclusive.key == "domain" and value in vars(environment).get("additional_domains", ())
    return "additional_domains" if further else exclusive.key


def _twins(neighbours: Sequence[Subject]) -> Iterator[tuple[Subject, Problem]]:
    owners: dict[str, str] = {}
    for subject in neighbours:
        for name in subject.read(lambda e: [e.full_name]):
            owner = owners.setdefault(name, subject.host)
            if owner != subject.host:
                yield (
                    subject,
                    subject.problem(
                        "environment",
                        f"app and environment make {name}, as those of {owner} on the same machine do: unit, site, role, "
                        "database and directories would be the same; rename one environment, or take one out",
                    ),
                )


def _alias_collisions(neighbours: Sequence[Subject]) -> Iterator[Problem]:
    owners: dict[tuple[str, str], Subject] = {}
    for subject in neighbours:
        for user, alias in subject.read(lambda e: [(e.user, name) for name in (e.environment, *e.aliases)]):
            owner = owners.setdefault((user, alias), subject)
            if owner is not subject:
                # The alias named after an environment stands in no file: the other one can be renamed.
                changed = subject if alias in subject.environment.aliases else owner
                text = (
                    f"alias {alias} is defined by {owner.host} too, for the same unix user: the later wins; rename one"
                )
                yield changed.problem("aliases", text)._replace(host=subject.host)


def _journal_disagreement(neighbours: Sequence[Subject]) -> Iterator[Problem]:
    limits = [(limit, subject) for subject in neighbours for limit in subject.read(lambda e: [e.journal_limit])]
    if len({limit for limit, _ in limits}) > 1:
        shown = " and ".join(f"{limit} ({subject.host})" for limit, subject in limits)
        text = f"journal_limit is {shown} on one machine, which has one journal: set it once, in group_data/all.py"
        # Where it is set for one environment alone, if it is.
        subject = next((s for _, s in limits if s.sources.get("journal_limit") == s.home), limits[-1][1])
        yield subject.problem("journal_limit", text)


# --- The whole inventory ----------------------------------------------------------------------------------------------


def _shared_databases(subjects: Sequence[Subject]) -> Iterator[Problem]:
    """One environment on two machines, app and environment being the same, may have one database."""
    owners: dict[tuple[object, ...], tuple[str, str]] = {}
    for subject in subjects:
        for name, place in subject.read(lambda e, s=subject: [(e.full_name, (*_server(s, e), e.database))]):  # type: ignore[misc]
            owner, other = owners.setdefault(place, (subject.host, name))
            if other != name:
                yield subject.problem(
                    "database_name",
                    f"database {place[-1]} is {owner}'s too: migrations and jobs of one would run on the data of the "
                    "other; give each its own",
                )


def _server(subject: Subject, environment: Environment) -> tuple[object, ...]:
    """What makes two PostgreSQL servers one."""
    place = subject.machine if environment.database_is_local else (environment.database_host,)
    return (*place, environment.database_port)


def _build_hosts(subjects: Sequence[Subject]) -> Iterator[Problem]:
    hosts = [subject.host for subject in subjects]
    for subject in subjects:
        for name in subject.read(lambda e: [e.build_host]):
            if name and name not in hosts:
                text = f"build_host = {name!r} is no host of the inventory; there are: {', '.join(hosts)}. Name one of them"
                yield subject.problem("build_host", text)


def _hsts_parents(subjects: Sequence[Subject]) -> Iterator[Problem]:
    """A stage site on plain HTTP that no browser opens, because its parent sends HSTS: it has happened."""
    claimed = [claim for subject in subjects for claim in subject.read(_claimed)]
    for subject in subjects:
        for name, tls, parents in subject.read(lambda e: [(n, e.tls, e.hsts_parents) for n in e.server_names]):
            parent = _hsts_parent(name, parents, claimed)
            if parent and tls != "provided":
                yield subject.problem(
                    "tls",
                    f"{name} has tls = {tls!r}, but {parent} with includeSubDomains: a browser that has seen it turns "
                    "every address below into HTTPS and shows 'Your connection is not private' without a way past, though "
                    "nothing is wrong with the site itself. Deleting the parent's policy in chrome://net-internals/#hsts "
                    "helps one browser only. Either give this environment a certificate (tls = 'provided'), or move it to "
                    "a domain of another parent (or stop the parent from sending includeSubDomains and wait for its "
                    "max-age)",
                )


def _claimed(e: Environment) -> Iterator[tuple[str, str]]:
    if e.hsts and e.hsts_include_subdomains:
        for name in e.server_names:
            yield name, e.environment


def _hsts_parent(name: str, known: Sequence[str], claimed: Sequence[tuple[str, str]]) -> str | None:
    """Who claims `name` through HSTS, as a phrase, or None."""
    tld = name.rpartition(".")[2]
    if tld in PRELOADED_TLDS:
        return f"browsers are shipped with HSTS for .{tld}"
    for parent in known:
        if name == parent or name.endswith(f".{parent}"):
            return f"{parent} (hsts_parents) is known to send HSTS"
    for parent, environment in claimed:
        if name.endswith(f".{parent}"):
            return f"{parent} ({environment}) sends HSTS"
    return None
