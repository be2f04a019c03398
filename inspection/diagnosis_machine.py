"""The diagnosis of everything that carries an application: machine, certificate, HSTS of parents, database login."""

import re
from collections.abc import Iterator
from datetime import datetime

from group_data.schema.environment import Environment
from inspection.finding import Finding, as_finding
from inspection.health import DISK_FULL
from inspection.symptoms import Symptoms
from operations.certificate import faults

# Seconds. Sessions and tokens count in seconds; a synchronised clock is right to milliseconds.
SKEW = 5


def machine_findings(environment: Environment, seen: Symptoms, now: datetime) -> Iterator[Finding]:
    """All that is wrong beneath the application.

    + environment: as it should be
    + seen: its symptoms
    + now: the time, which a certificate's end is compared with
    """
    yield from _obstacles(seen)
    yield from _machine(seen)
    yield from _certificate(environment, seen, now)
    yield from _hsts(environment, seen)
    yield from _site_hsts(environment, seen)
    yield from _login(environment, seen)


def _obstacles(seen: Symptoms) -> Iterator[Finding]:
    for obstacle in seen.obstacles:
        used = max(seen.disks.get(obstacle.place, (0, 0)))
        # A disk that fills up is named below, with how full it is.
        if obstacle.kind != "full" or used < DISK_FULL:
            yield as_finding(obstacle)


def _certificate(environment: Environment, seen: Symptoms, now: datetime) -> Iterator[Finding]:
    if seen.certificate is None:
        return
    own = f"make apply ENV={environment.environment}"
    if environment.tls == "acme" and not seen.certificate.chain:
        yield Finding(
            f"no certificate of {environment.acme_url} is on the host, and the site has a self-signed one",
            f"browsers warn of {environment.url}",
            own,
        )
        return
    for fault in faults(seen.certificate, environment.server_names, now):
        yield Finding(
            f"the certificate {environment.certificate_path} {fault.what}",
            f"browsers {'then ' if fault.late else ''}refuse {environment.url}",
            f"renew it there, {own}" if environment.tls == "provided" else own,
        )


def _hsts(environment: Environment, seen: Symptoms) -> Iterator[Finding]:
    if environment.is_trusted:
        return
    for name, header in seen.hsts.items():
        subdomains = re.search(r"includesubdomains", header, re.IGNORECASE)
        expired = re.search(r"max-age=\"?0+\"?(;|$|\s)", header)
        if not expired and (name == environment.domain or subdomains):
            yield Finding(
                f"{name} sends Strict-Transport-Security: {header}",
                f'a browser that saw it refuses {environment.url}: "Your connection is not private"',
                f"give {environment.environment} a certificate browsers accept (tls = 'acme' or 'provided'), make apply "
                f"ENV={environment.environment}; for one browser, delete the domain's policy on chrome://net-internals/#hsts",
            )


def _site_hsts(environment: Environment, seen: Symptoms) -> Iterator[Finding]:
    wanted = [environment.hsts_header] if environment.hsts_header else []
    if seen.site_hsts is not None and seen.site_hsts != wanted:
        sent, data = (" and ".join(headers) or "none" for headers in (seen.site_hsts, wanted))
        yield Finding(
            f"nginx sends another Strict-Transport-Security than the group data says: {sent}, not {data}",
            "browsers keep to the first such header for as long as it says, and taking it back needs the same way",
            f"make apply ENV={environment.environment}",
        )


def _login(environment: Environment, seen: Symptoms) -> Iterator[Finding]:
    # Nobody was let in, whatever the password.
    if {"postgresql", "cluster", "connections"}.intersection(obstacle.kind for obstacle in seen.obstacles):
        return
    # Nobody was asked for it, and the cluster's own finding says why.
    if environment.database_managed and "accepting TCP/IP connections" in (seen.login or ""):
        return
    if seen.login:
        name = environment.environment
        where = f"{environment.database_host}:{environment.database_port}"
        yield Finding(
            f"the database does not let {environment.database_role} in with the vault's password: {seen.login}",
            "the application cannot connect anew: at its next restart, at the latest, it has no database",
            _admission(environment, seen.login)
            if environment.database_managed
            else f"ask whoever manages {where}, make vault-edit ENV={name}",
        )


def _admission(environment: Environment, said: str) -> str:
    """The way out where PostgreSQL of the machine does not let an application in."""
    own = f"make apply ENV={environment.environment}"
    if "pg_hba.conf" not in said:
        return own
    # A line that rejects, or none: apply leaves that file to people.
    line = f"host {environment.database} {environment.database_role} 127.0.0.1/32 scram-sha-256"
    file = "sudo -u postgres psql -tc 'SHOW hba_file'"
    return (
        f"on the host: put the line `{line}` before all others into pg_hba.conf ({file} says where), reload postgresql"
    )


def _machine(seen: Symptoms) -> Iterator[Finding]:
    if abs(seen.skew) > SKEW:
        yield Finding(
            f"the host's clock is at least {int(abs(seen.skew))} seconds "
            f"{'ahead of' if seen.skew > 0 else 'behind'} this computer's",
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
    for target, days in seen.full_in.items():
        if max(seen.disks.get(target, (0, 0))) < DISK_FULL:
            yield Finding(
                f"the file system {target} will be full in {days} days, as it grew in the last week",
                "PostgreSQL and the application fail when nothing can be written",
                f"on the host: du -xh {target} | sort -h | tail shows what is large; make room, or enlarge it",
            )
    if seen.reboot is not None:
        yield Finding(
            f"the machine waits for a reboot{f', for {seen.reboot}' if seen.reboot else ''}",
            "programs that were updated for security still run in their old version",
            "on the host: systemctl reboot; every environment on it is down meanwhile",
        )
