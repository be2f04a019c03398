"""What the symptoms of a running environment mean: what is wrong, why it matters, and the command that mends it."""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from inspection.health import DISK_FULL
from inspection.symptoms import Symptoms

# Days. A self-signed certificate is reissued by an apply in its last 30, and Let's Encrypt's are renewed then too: what is
# left with less than that for nine days was forgotten.
CERTIFICATE_DAYS = 21

# Seconds. Sessions and tokens tell times apart by seconds; a clock that is kept has milliseconds.
SKEW = 5


class Finding(NamedTuple):
    """Something that is wrong.

    + what: is wrong
    + why: it matters
    + mend: the command, or what to do before it
    """

    what: str
    why: str
    mend: str


def findings(environment: Environment, secrets: Secrets, seen: Symptoms, now: datetime) -> list[Finding]:
    """All that is wrong with an environment.

    + environment: as it should be
    + secrets: of its vault
    + seen: what it is like
    + now: the time, which a certificate's end is compared with
    """
    found = [
        *_machine(seen),
        *_certificate(environment, seen, now),
        *_hsts(environment, seen),
        *_login(environment, seen),
    ]
    if seen.state != "active":
        found.append(_not_running(environment, seen))
    else:
        found += [*_ports(environment, seen), *_node(environment, secrets, seen), *_secret_file(environment, seen)]
        found += _appsignal(environment, seen)
    return found


def _in_the_application(environment: Environment) -> str:
    name = environment.environment
    return f"make app-apply APP=<checkout> ENV={name}, commit, make update ENV={name}"


def _not_running(environment: Environment, seen: Symptoms) -> Finding:
    name = environment.environment
    return Finding(
        f"{environment.unit} is {seen.state}",
        "nobody gets an answer; what the application itself would tell could not be asked",
        f"make logs ENV={name} says why it ended; make apply ENV={name} brings back what is missing on the machine; "
        f"make restart ENV={name}",
    )


def _ports(environment: Environment, seen: Symptoms) -> Iterator[Finding]:
    # A node's own port, for other nodes, is registered with epmd; and everything else is the web server's.
    nodes = {str(port) for port in seen.registered.values()}
    listens = [address for address in seen.listens if address.rpartition(":")[2] not in nodes]
    wanted = f"127.0.0.1:{environment.port}"
    name = environment.environment
    if wanted in listens:
        for address in listens:
            if address != wanted and address.rpartition(":")[2] == str(environment.port):
                yield _open(environment, address)
    elif any(address.rpartition(":")[2] == str(environment.port) for address in listens):
        yield from (_open(environment, a) for a in listens if a.rpartition(":")[2] == str(environment.port))
    elif listens:
        yield Finding(
            f"the application listens on {', '.join(listens)}, not on {wanted}",
            f"nginx passes what comes for {environment.domain} to {wanted}",
            f"{_in_the_application(environment)}; or set port in group_data/{name}.py, make apply ENV={name}",
        )
    elif seen.node.get("server", "true") != "true":
        yield Finding(
            f"server: true is missing for {environment.endpoint}: it is {seen.node['server']}",
            "a release starts no web server unless its configuration says so",
            _in_the_application(environment),
        )
    else:
        yield Finding(
            f"the application runs and listens on no port, where nginx expects {wanted}",
            "its web server has not started",
            f"make logs ENV={name} says why; make restart ENV={name}",
        )


def _open(environment: Environment, address: str) -> Finding:
    return Finding(
        f"the application listens on {address}, not on 127.0.0.1 alone",
        "who reaches that port passes by nginx, its TLS and its access rules",
        _in_the_application(environment),
    )


def _node(environment: Environment, secrets: Secrets, seen: Symptoms) -> Iterator[Finding]:
    name = environment.environment
    short = environment.node.partition("@")[0]
    if short not in seen.registered:
        there = ", ".join(seen.registered) or "none"
        yield Finding(
            f"epmd knows no node {short}; it knows: {there}",
            "console, rpc, ping and the health check of a release cannot find the node",
            f"make restart ENV={name}; if it has another name, {_in_the_application(environment)}",
        )
    elif not seen.node:
        yield Finding(
            f"the node {environment.node} does not answer on the host itself",
            "console, rpc, ping and the health check of a release need it: mostly it runs with another cookie than its "
            f"file, or {environment.variables_path} is gone",
            f"make apply ENV={name}; make restart ENV={name}",
        )
    if seen.node and seen.node.get("node") != environment.node:
        yield Finding(
            f"the node calls itself {seen.node.get('node')}, not {environment.node}",
            "two environments with one name keep each other from starting",
            _in_the_application(environment),
        )
    expected = hashlib.md5(secrets.cookie.get_secret_value().encode(), usedforsecurity=False).hexdigest().upper()
    if seen.node and seen.node.get("cookie") != expected:
        yield Finding(
            "the cookie in use is not the vault's",
            "who knows an old one still gets a shell in the node",
            f"make apply ENV={name}",
        )


def _secret_file(environment: Environment, seen: Symptoms) -> Iterator[Finding]:
    name, path = environment.environment, environment.secret_path
    if environment.secrets_read_at_start and seen.secret_newer_than_start:
        yield Finding(
            f"{path} is newer than the running release, which read it when it started",
            "the application goes on with the secrets of before",
            f"make restart ENV={name}",
        )
    if not environment.secrets_read_at_start and seen.secret_newer_than_build:
        yield Finding(
            f"{path} is newer than the running release, which has it built in",
            "the application goes on with the secrets of before, and a restart does not change that",
            f"make update ENV={name} builds a new one",
        )


def _appsignal(environment: Environment, seen: Symptoms) -> Iterator[Finding]:
    if not environment.appsignal:
        return
    name = environment.environment
    # AppSignal takes the variable before the configuration.
    used = seen.told_appsignal or seen.node.get("appsignal") or "/tmp/appsignal"  # noqa: S108  AppSignal's default
    if used.rstrip("/") not in (environment.root, environment.appsignal_path):
        yield Finding(
            f"AppSignal works in {used}, not in {environment.appsignal_path}",
            "environments that share a directory mix up their data, and in /tmp everybody reads them",
            f"take it out of rel/env.sh.eex and config/ of the application, {_in_the_application(environment)}",
        )
    elif not seen.appsignal_writable:
        yield Finding(
            f"AppSignal's directory {environment.appsignal_path} is missing, or not the application's to write in",
            "its agent does not start, and nobody is told of errors",
            f"make apply ENV={name}, make restart ENV={name}",
        )


def _login(environment: Environment, seen: Symptoms) -> Iterator[Finding]:
    if seen.login:
        name = environment.environment
        where = f"{environment.database_host}:{environment.database_port}"
        yield Finding(
            f"the database does not let {environment.database_role} in with the vault's password: {seen.login}",
            "the application cannot connect anew: with its next restart at the latest it stands without a database",
            f"make apply ENV={name}"
            if environment.database_managed
            else f"ask whoever manages {where}, make vault-edit ENV={name}",
        )


def _certificate(environment: Environment, seen: Symptoms, now: datetime) -> Iterator[Finding]:
    path = environment.certificate_path
    if path is None:
        return
    days = -1 if seen.certificate_ends is None else (datetime.fromtimestamp(seen.certificate_ends, UTC) - now).days
    if seen.certificate_ends is not None and days >= CERTIFICATE_DAYS:
        return
    what = (
        "cannot be read" if seen.certificate_ends is None else "has expired" if days < 0 else f"expires in {days} days"
    )
    own = f"make apply ENV={environment.environment}"
    yield Finding(
        f"the certificate {path} {what}",
        f"browsers then refuse {environment.url}",
        own if environment.tls == "self_signed" else f"renew it there, {own}",
    )


def _hsts(environment: Environment, seen: Symptoms) -> Iterator[Finding]:
    if environment.tls == "provided":
        return
    for name, header in seen.hsts.items():
        subdomains = re.search(r"includesubdomains", header, re.IGNORECASE)
        expired = re.search(r"max-age=\"?0+\"?(;|$|\s)", header)
        if not expired and (name == environment.domain or subdomains):
            yield Finding(
                f"{name} sends Strict-Transport-Security: {header}",
                f'a browser that was there refuses {environment.url}: "Your connection is not private"',
                f"give {environment.environment} a certificate browsers accept (tls = 'provided'), make apply "
                f"ENV={environment.environment}; for one browser, delete the domain's policy on chrome://net-internals/#hsts",
            )


def _machine(seen: Symptoms) -> Iterator[Finding]:
    if abs(seen.skew) > SKEW:
        yield Finding(
            f"the host's clock is {abs(seen.skew):.0f} seconds {'ahead of' if seen.skew > 0 else 'behind'} this computer's",
            "sessions, tokens, certificates and logs are judged by it",
            "on the host: timedatectl set-ntp true (package systemd-timesyncd)",
        )
    for target, (used, inodes) in seen.disks.items():
        if max(used, inodes) >= DISK_FULL:
            yield Finding(
                f"the file system {target} is full to {used} %, and {inodes} % of its inodes are used",
                "PostgreSQL and the application fail when nothing can be written",
                f"on the host: du -xh {target} | sort -h | tail, remove what nobody needs; keep_releases bounds releases",
            )
    if seen.reboot is not None:
        yield Finding(
            f"the machine waits for a reboot{f', for {seen.reboot}' if seen.reboot else ''}",
            "what was updated for security runs on in its old version",
            "on the host: systemctl reboot; every environment on it is away for the while",
        )
