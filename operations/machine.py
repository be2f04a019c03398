"""The shared parts of a machine: packages, application users, services, the default server, the journal."""

from collections.abc import Collection, Generator, Sequence

from pyinfra import host, state
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.facts.deb import DebPackages
from pyinfra.operations import files, server, systemd
from typing_extensions import override

from group_data.schema.environment import Environment
from operations import acme, aliases, disk_log, epmd, nginx, nginx_without_ipv6, ports
from operations.database import MARK, short_logins
from operations.host import file, packages, restart, unit_state
from operations.host.network import Ipv6
from operations.host.psql import as_postgres
from operations.host.rendering import render
from operations.host.report import announce

# nginx and postgresql are the services; erlang-base brings the epmd that all nodes share; polkitd lets the login user
# restart its own units, and sudo open a console; openssl makes self-signed certificates; iproute2 brings ss, which lists
# listeners; curl asks sites; nftables closes the applications' ports. Debian 12 and 13 have all of them.
PACKAGES: tuple[str, ...] = (
    "nginx",
    "postgresql",
    "erlang-base",
    "polkitd",
    "sudo",
    "openssl",
    "iproute2",
    "curl",
    "nftables",
)

# The shell of users that nobody logs in as.
NO_LOGIN = "/usr/sbin/nologin"

# The shell of the users that people log in as.
LOGIN_SHELL = "/bin/bash"

JOURNAL_CONF = "/etc/systemd/journald.conf.d/50-limit.conf"


def prepare(environments: Sequence[Environment], former: Collection[int] = ()) -> None:
    """Prepare the machine for its environments.

    + environments: every environment on the machine, in or out of `--limit`, so that every run has the same result
    + former: ports of before a change, at which their applications serve until they restart
    """
    # Before the packages: Debian's epmd.socket listens on every interface from the moment it is installed.
    epmd.socket_address()
    waits = nginx_without_ipv6.before_packages(name="Machine: nginx waits for its sites")
    packages.install(required(environments))
    nginx_without_ipv6.after_packages(name="Machine: nginx without IPv6", after=[waits])
    # Before any application can start.
    ports.closed(environments, former)
    users(environments)
    journal(limit=environments[0].journal_limit)
    epmd.loopback_socket(name="Machine: epmd runs on loopback")
    # One of each cluster.
    if managed := {each.database_port: each.database for each in environments if each.database_managed}:
        service(name="Machine: PostgreSQL runs", service="postgresql.service", package="postgresql")
        for port, database in managed.items():
            where = f" (port {port})" if len(managed) > 1 else ""
            short_logins(
                name=f"Machine: PostgreSQL waits for no half login{where}", database=database, **as_postgres(port)
            )
    service(name="Machine: nginx runs", service="nginx.service", package="nginx")
    nginx.long_server_names(name="Machine: server names of any length")
    nginx.connections(name="Machine: connections of nginx", number=environments[0].nginx_connections)
    nginx.challenge_directory(name="Machine: directory for the questions of certificate authorities")
    nginx.default_server(
        name="Machine: default server",
        content=render(
            "default-server.j2",
            header_timeout=nginx.HEADER_TIMEOUT,
            challenges=nginx.CHALLENGES,
            ipv6=host.get_fact(Ipv6),
        ),
    )
    programs()
    if any(environment.tls == "acme" for environment in environments):
        acme.renewals()
        service(name="Machine: certbot renews", service="certbot.timer", package="certbot")
    disk_log.disk_log()


def programs() -> None:
    """Create the directory for the programs of all environments. A bare Debian does not have it."""
    files.directory(
        name="Machine: directory of programs", path="/usr/local/libexec", user="root", group="root", mode="755"
    )


def entry(environment: Environment) -> None:
    """Enter the environment into the machine's list of those that were prepared on it.

    + environment: on the machine
    """
    file.put(name="Entry in the list of the machine", content=entry_text(environment), dest=environment.entry_path)


def entry_text(environment: Environment) -> str:
    """The content of that entry.

    + environment: on the machine
    """
    words = "# Managed by the deploy repository: changes here are overwritten.\n"
    return f"{words}{environment.app} {environment.environment}\n"


def required(environments: Sequence[Environment]) -> list[str]:
    """PACKAGES, without PostgreSQL if every database is managed elsewhere, and with what certificates need.

    PostgreSQL stays installed when it is no longer required: it may hold the only copy of the data.

    + environments: every environment on the machine
    """
    managed = any(environment.database_managed for environment in environments)
    system_ca = any(
        environment.database_tls == "verified" and not environment.database_tls_ca for environment in environments
    )
    authority = any(environment.tls == "acme" for environment in environments)
    further = ["ca-certificates"] * (system_ca or authority) + ["certbot"] * authority
    # dnsutils tries a record before certbot orders.
    if any(environment.acme_dns for environment in environments):
        further += ["python3-certbot-dns-rfc2136", "bind9-dnsutils"]
    return [name for name in PACKAGES if managed or name != "postgresql"] + further


@operation()
def service(service: str, package: str) -> Generator[StringCommand]:
    """Start the service and its instances, and enable the service.

    pyinfra's `systemd.service` does the work if a change is needed. It cannot decide that here. In a plan that installs the
    package it would list a change, although the package starts its service. PostgreSQL is a service without a process: it
    counts as running while its clusters are down.

    + service: the unit's name with its suffix
    + package: the service's package
    """
    if not state.is_executing and package not in host.get_fact(DebPackages):
        return
    down = unit_state.down(service)
    if service in down or not unit_state.is_enabled(unit_state.properties(service)):
        yield from systemd.service._inner(service=service, running=True, enabled=True)
    if instances := [name for name in down if name != service]:
        yield StringCommand("systemctl start", *[QuoteString(name) for name in instances])


def users(environments: Sequence[Environment]) -> None:
    """Create the login user of each application, with a private home, a .bash_aliases that bash reads, and a look at logs.

    The applications run as other users, and journald shows lines of other users to its group alone.
    """
    for environment in {environment.login: environment for environment in environments}.values():
        user, home = environment.login, environment.home
        account(name=f"Machine: user {user}", user=user, home=home, shell=LOGIN_SHELL)
        files.directory(name=f"Machine: home of {user}", path=home, user=user, group=user, mode="750")
        member(name=f"Machine: {user} reads logs", user=user, group="systemd-journal")
        aliases.aliases_file(user, environment.aliases_path)


class Account(FactBase[tuple[str, str] | None]):
    """Home and shell of a user; None if there is no such user."""

    @override
    def command(self, user: str) -> StringCommand:
        return StringCommand("getent passwd", QuoteString(user), "|| true")

    @override
    def process(self, output: list[str]) -> tuple[str, str] | None:
        # The fields of passwd(5).
        *_, home, shell = output[0].split(":")
        return home, shell


@operation()
def account(user: str, home: str, shell: str, group: str | None = None) -> Generator[StringCommand]:
    """Create the user with this home and this shell.

    pyinfra's `server.user` does the work if a change is needed. To decide that, it would look up the last login of every
    user of the machine, which takes longer than all other facts together.

    + user: name of the user and of the group
    + home: path; a new user that logs in gets the directory, too
    + shell: path
    + group: existing group of a user that nobody logs in as; None for one that logs in, with a group of its name
    """
    present = host.get_fact(Account, user=user)
    if present != (home, shell):
        announce(_account_change(user, present, home, shell))
        # A new user is marked from the first moment on, so that an interrupted apply knows its own.
        comment = None if present else MARK
        yield from server.user._inner(
            user=user, home=home, shell=shell, comment=comment, group=group, system=group is not None,
            create_home=group is None, ensure_home=False,
        )  # fmt: skip
        # Nobody would write the files of a new home again.
        yield StringCommand("sync")


def _account_change(user: str, present: tuple[str, str] | None, home: str, shell: str) -> str:
    if not present:
        return f"Will create user {user} with the home {home} and the shell {shell}"
    pairs = zip(("home", "shell"), present, (home, shell), strict=True)
    changes = [f"{what} {before or 'none'} becomes {after}" for what, before, after in pairs if before != after]
    return f"Will change user {user}: {', '.join(changes)}"


class Groups(FactBase[list[str]]):
    """Names of a user's groups."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self, user: str) -> StringCommand:
        return StringCommand("id -nG", QuoteString(user), "2>/dev/null || true")

    @override
    def process(self, output: list[str]) -> list[str]:
        return " ".join(output).split()


class GroupExists(FactBase[bool]):
    """Whether the machine knows a group, of its own or of a directory service such as LDAP."""

    @staticmethod
    @override
    def default() -> bool:
        return False

    @override
    def command(self, group: str) -> StringCommand:
        return StringCommand("getent group", QuoteString(group), "|| true")

    @override
    def process(self, output: list[str]) -> bool:
        return bool(output)


@operation()
def group(group: str) -> Generator[StringCommand]:
    """Make a system group. pyinfra's own operation looks into /etc/group alone.

    + group: name
    """
    if not host.get_fact(GroupExists, group=group):
        yield from server.group._inner(group=group, system=True)


@operation()
def no_member(user: str, group: str) -> Generator[StringCommand]:
    """Take the user out of a group. Sessions that have begun keep it.

    + user: name
    + group: name
    """
    if group not in host.get_fact(Groups, user=user):
        host.noop(f"{user} is not in {group}")
        return
    yield StringCommand("gpasswd --delete", QuoteString(user), QuoteString(group))


@operation()
def member(user: str, group: str) -> Generator[StringCommand]:
    """Add the user to a group, beside those that it has.

    + user: name
    + group: name
    """
    if group in host.get_fact(Groups, user=user):
        host.noop(f"{user} is in {group}")
        return
    yield StringCommand("usermod --append --groups", QuoteString(group), QuoteString(user))


def journal(limit: int) -> None:
    """Keep logs over a reboot, in a bounded part of the disk.

    + limit: size of the whole journal in MiB
    """
    conf = file.put(name="Machine: journal limit", content=render("journald.conf.j2", limit=limit), dest=JOURNAL_CONF)
    restart.service(
        name="Machine: journal restarts",
        service="systemd-journald.service",
        files=[JOURNAL_CONF],
        after=[conf],
    )
