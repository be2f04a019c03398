"""The diagnosis of the application: its unit, its ports, its node, and the secrets it was started with."""

import hashlib
from collections.abc import Iterator

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from inspection.finding import Finding, mend_in_application
from inspection.symptoms import Symptoms


def application_findings(environment: Environment, secrets: Secrets, seen: Symptoms) -> Iterator[Finding]:
    """All that is wrong with the application itself.

    + environment: as it should be
    + secrets: of its vault
    + seen: its symptoms
    """
    if seen.state != "active":
        yield _not_running(environment, seen)
        return
    yield from _ports(environment, seen)
    yield from _node(environment, secrets, seen)
    yield from _secret_file(environment, seen)
    yield from _appsignal(environment, seen)


def _not_running(environment: Environment, seen: Symptoms) -> Finding:
    name = environment.environment
    return Finding(
        f"{environment.unit} is {seen.state}",
        "nobody gets an answer, and the application itself could not be asked",
        f"make logs ENV={name} says why it ended; make apply ENV={name} brings back what is missing on the machine; "
        f"make restart ENV={name}",
    )


def _ports(environment: Environment, seen: Symptoms) -> Iterator[Finding]:
    # epmd knows the port of a node for other nodes. Every other port is the web server's.
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
            f"nginx passes requests for {environment.domain} to {wanted}",
            f"{mend_in_application(environment)}; or set port in group_data/{name}.py, make apply ENV={name}",
        )
    elif seen.node.get("server", "true") != "true":
        yield Finding(
            f"server: true is missing for {environment.endpoint}: it is {seen.node['server']}",
            "a release starts no web server unless its configuration says so",
            mend_in_application(environment),
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
        "anybody who reaches that port bypasses nginx, its TLS and its access rules",
        mend_in_application(environment),
    )


def _node(environment: Environment, secrets: Secrets, seen: Symptoms) -> Iterator[Finding]:
    name = environment.environment
    short = environment.node.partition("@")[0]
    if short not in seen.registered:
        there = ", ".join(seen.registered) or "none"
        yield Finding(
            f"epmd knows no node {short}; it knows: {there}",
            "console, rpc, ping and the health check of a release cannot find the node",
            f"make restart ENV={name}; if it has another name, {mend_in_application(environment)}",
        )
    elif not seen.node:
        yield Finding(
            f"the node {environment.node} does not answer on the host itself",
            "console, rpc, ping and the health check of a release need it. The usual cause is another cookie than in its "
            f"file, or a missing {environment.variables_path}",
            f"make apply ENV={name}; make restart ENV={name}",
        )
    if seen.node and seen.node.get("node") != environment.node:
        yield Finding(
            f"the node calls itself {seen.node.get('node')}, not {environment.node}",
            "two environments with one name keep each other from starting",
            mend_in_application(environment),
        )
    expected = hashlib.md5(secrets.cookie.get_secret_value().encode(), usedforsecurity=False).hexdigest().upper()
    if seen.node and seen.node.get("cookie") != expected:
        yield Finding(
            "the cookie in use is not the vault's",
            "anybody who knows an old one still gets a shell in the node",
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
            f"take it out of rel/env.sh.eex and config/ of the application, {mend_in_application(environment)}",
        )
    elif not seen.appsignal_writable:
        yield Finding(
            f"AppSignal's directory {environment.appsignal_path} is missing, or not the application's to write in",
            "its agent does not start, and nobody is told of errors",
            f"make apply ENV={name}, make restart ENV={name}",
        )
