"""Rules for the settings of one environment. Each rule yields the key to change, and the sentence about it."""

from collections.abc import Iterator

from group_data.schema.addresses import is_address
from group_data.schema.build_rules import BUILD_RULES
from group_data.schema.environment import Environment
from group_data.schema.problem import Problem, Subject
from group_data.schema.reserved import MACHINE_PORTS, RESERVED_VARIABLES, SYSTEM_USERS, source_of


def problems_of_environment(subject: Subject) -> Iterator[Problem]:
    """Every disagreement between the settings of one environment.

    + subject: the environment
    """
    for rule in _RULES:
        for key, text in subject.read(rule):
            yield subject.problem(key, text)
    yield from _login(subject)
    yield from _ssh_port(subject)


def _names(e: Environment) -> Iterator[tuple[str, str]]:
    if e.login in SYSTEM_USERS:
        yield "app", f"app = {e.app!r} is also a user or group of Debian: rename the application"
    if f"{e.root}/{e.app}" in (e.private_path, e.appsignal_path, e.releases_path):
        yield (
            "app",
            f"app = {e.app!r} is also the name of a directory beside the running release: rename the application",
        )
    for name in e.writable_directories:
        if name in (e.app, "private", "appsignal", "releases"):
            yield (
                "writable_directories",
                f"writable_directories has {name!r}, which the deploy itself puts there: rename it",
            )
    if e.full_name.startswith("pg_"):
        yield (
            "app",
            f"app = {e.app!r} makes the role {e.full_name}, but PostgreSQL reserves pg_: rename the application",
        )
    # The limit of systemd's strict names (https://systemd.io/USER_NAMES). groupadd(8) allows 32 characters, PostgreSQL 63
    # for role and database (NAMEDATALEN), and a unit may have more.
    if len(e.group) > 31:
        yield (
            "app",
            f"app and environment make the group {e.group} of {len(e.group)} characters, and systemd takes 31: "
            "shorten one of them",
        )


def _port(e: Environment) -> Iterator[tuple[str, str]]:
    if e.port in MACHINE_PORTS:
        yield "port", f"port = {e.port} is {MACHINE_PORTS[e.port]}'s on every machine: take another, such as 4000"
    elif e.database_is_local and e.port == e.database_port:
        yield "port", f"port = {e.port} is PostgreSQL's (database_port): take another, such as 4000"


def _node_ports(e: Environment) -> Iterator[tuple[str, str]]:
    taken = {**MACHINE_PORTS, e.port: "port", **dict.fromkeys(e.open_ports, "open_ports")}
    if e.database_is_local:
        taken.setdefault(e.database_port, "PostgreSQL")
    for port, owner in taken.items():
        if port in e.node_ports:
            yield (
                "node_port",
                f"node_port = {e.node_ports[0]} and the 31 ports after it include {port} of {owner}: set another, such as "
                "21000",
            )


def _tls(e: Environment) -> Iterator[tuple[str, str]]:
    for key, path in {"tls_certificate": e.tls_certificate, "tls_key": e.tls_key}.items():
        if e.tls == "provided" and not path:
            yield (
                "tls",
                f"tls = 'provided' needs {key}, the path of a PEM file on the host: nginx does not start without it",
            )
        if e.tls != "provided" and path:
            yield key, f"{key} = {path!r} is not used with tls = {e.tls!r}: remove it, or set tls = 'provided'"
    # Of Let's Encrypt, and of most others.
    if e.tls == "acme" and len(e.server_names) > 100:
        yield (
            "additional_domains",
            f"domain and additional_domains are {len(e.server_names)} names, and one certificate takes 100: take some out",
        )


def _wildcards(e: Environment) -> Iterator[tuple[str, str]]:
    wildcards = [name for name in e.additional_domains if name.startswith("*")]
    if wildcards and not (e.tls == "provided" or (e.tls == "acme" and e.acme_dns)):
        yield (
            "additional_domains",
            f"additional_domains has {', '.join(wildcards)} with tls = {e.tls!r}: a wildcard needs a certificate by "
            "way of DNS, tls = 'acme' with acme_dns = 'rfc2136', or one of your own, tls = 'provided'; or name each name",
        )


def _acme_dns(e: Environment) -> Iterator[tuple[str, str]]:
    if e.acme_dns and e.tls != "acme":
        yield (
            "acme_dns",
            f"acme_dns = {e.acme_dns!r} is not used with tls = {e.tls!r}: take it out, or set tls = 'acme'",
        )
    elif e.acme_dns:
        missing = [key for key in ("acme_dns_server", "acme_dns_key") if not getattr(e, key)]
        if missing:
            yield (
                "acme_dns",
                f"acme_dns = {e.acme_dns!r} needs {' and '.join(missing)}: where certbot writes records, and the "
                "key that it signs with",
            )
    if e.acme_dns:
        return
    fields = [key for key in Environment.model_fields if key.startswith("acme_dns_")]
    if unused := [key for key in fields if getattr(e, key) != Environment.model_fields[key].default]:
        yield unused[0], f"{', '.join(unused)}: not used without acme_dns: set acme_dns = 'rfc2136', or take them out"


def _redirect(e: Environment) -> Iterator[tuple[str, str]]:
    if e.redirect_to and e.redirect_to != e.domain:
        yield (
            "redirect_to",
            f"redirect_to = {e.redirect_to!r} is not the domain, and releases are judged by that: make it the domain, and "
            "name the other one in additional_domains",
        )
    if e.redirect_to and not e.additional_domains:
        yield "redirect_to", "redirect_to has no effect without additional_domains: name them, or take it out"


def _hsts(e: Environment) -> Iterator[tuple[str, str]]:
    if e.hsts and not e.is_trusted:
        of_staging = " and acme_directory = 'staging'" if e.tls == "acme" else ""
        yield (
            "hsts",
            f"hsts = True with tls = {e.tls!r}{of_staging} would lock browsers out: they refuse such a site for "
            "hsts_max_age seconds. Set tls = 'acme' (of production) or 'provided', or hsts = False",
        )
    if e.hsts_preload and not (e.hsts and e.hsts_include_subdomains and e.hsts_max_age >= 31_536_000):
        yield (
            "hsts_preload",
            "hsts_preload = True is ignored by browsers (hstspreload.org) without hsts = True, "
            "hsts_include_subdomains = True and hsts_max_age of at least 31536000: set them, or hsts_preload = False",
        )


# Settings that describe a PostgreSQL outside of this project.
_DATABASE_ELSEWHERE = (
    "database_host",
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
            f"{shown} describes another PostgreSQL, but database_managed = True means the machine's own: set "
            "database_managed = False and create role and database there, or remove the former",
        )
    both = 2 * (e.database_pool_size or 0)
    if e.database_managed and (e.database_pool_size or 0) > e.database_connection_limit:
        yield (
            "database_pool_size",
            f"database_pool_size = {e.database_pool_size} is more than database_connection_limit = "
            f"{e.database_connection_limit}, all the connections the role may hold: lower the one or raise the other",
        )
    elif e.database_managed and e.release_strategy == "stand_in" and both > e.database_connection_limit:
        yield (
            "database_pool_size",
            f"database_pool_size = {e.database_pool_size}, and database_connection_limit = {e.database_connection_limit} is "
            f"less than {both}, what the application and its stand-in need together: lower the one, raise the other, or set "
            'release_strategy = "restart"',
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
    for key in ("unit_environment", "stand_in_environment"):
        for name in sorted(RESERVED_VARIABLES & getattr(e, key).keys()):
            yield key, f"{key}: {name} belongs to the unit or to the release's own scripts: take it out"
    for name in sorted({*e.own_secret_variables, *e.database_variables} & e.unit_environment.keys()):
        yield "unit_environment", f"unit_environment: {name} is made from {source_of(name)}: take it out"


def _secret_variables(e: Environment) -> Iterator[tuple[str, str]]:
    key = "secret_variables"
    for name in dict.fromkeys(e.secret_variables):
        if e.makes_variable(name):
            yield key, f"secret_variables: {name} is made from {source_of(name)}: take it out"
        if e.secret_variables.count(name) > 1:
            yield key, f"secret_variables: {name} is there twice: take one out"
        if name in e.unit_environment:
            yield key, f"secret_variables: {name} is in unit_environment too, where everybody can read it: keep one"
        if name == name.lower():
            yield (
                key,
                f"secret_variables: {name} has no capital letter: such a key of a vault becomes a setting in the secret "
                "file, and no variable; take it out",
            )


def _migrations(e: Environment) -> Iterator[tuple[str, str]]:
    if e.migrate_down_command and "{version}" not in e.migrate_down_command:
        yield (
            "migrate_down_command",
            "migrate_down_command must contain {version}: without it, all migrations would be taken back, and their data "
            "lost",
        )


def _toolchain(e: Environment) -> Iterator[tuple[str, str]]:
    if bool(e.toolchain) != bool(e.toolchain_sha256):
        yield (
            "toolchain" if e.toolchain else "toolchain_sha256",
            "toolchain and toolchain_sha256 go together: the download is used only with this checksum. "
            "Set both or neither",
        )
    for name in ("elixir", "erlang"):
        if getattr(e, f"{name}_sha256") and not getattr(e, f"{name}_version"):
            yield (
                f"{name}_sha256",
                f"{name}_sha256 is the checksum of a version, and {name}_version names none. Set both or neither",
            )
    if e.toolchain and e.elixir_version:
        yield (
            "toolchain",
            "toolchain and elixir_version both say where Elixir comes from: keep the archive, or the version",
        )
    if e.erlang_version and not e.elixir_version:
        yield (
            "erlang_version",
            "erlang_version needs elixir_version: Debian's Elixir goes with Debian's Erlang alone",
        )


def _login(subject: Subject) -> Iterator[Problem]:
    for user in subject.read(lambda e: [e.login]):
        if user == subject.ssh_user:
            text = f"app = {user!r} is also the user SSH logs in as, who has sudo: rename one of them"
            yield subject.problem("app", text)


def _ssh_port(subject: Subject) -> Iterator[Problem]:
    # The host keeps the ports of its applications to itself, and would lock everybody out.
    _, ssh_port = subject.machine
    for port in subject.read(lambda e: [e.port]):
        if port == ssh_port:
            yield subject.problem("port", f"port = {port} is sshd's on this machine (ssh_port): take another")


_RULES = (
    _names,
    _port,
    _node_ports,
    _tls,
    _wildcards,
    _acme_dns,
    _redirect,
    _hsts,
    _database,
    _database_tls,
    _variables,
    _secret_variables,
    _migrations,
    _toolchain,
    *BUILD_RULES,
)
