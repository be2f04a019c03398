"""The diagnosis of the application: its unit, its ports, its node, and the secrets it was started with."""

import hashlib
from collections.abc import Iterator

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from inspection.diagnosis_ports import guard_findings, port_findings
from inspection.finding import Finding, mend_in_application
from inspection.symptoms import Symptoms


def application_findings(environment: Environment, secrets: Secrets, seen: Symptoms) -> Iterator[Finding]:
    """All that is wrong with the application itself.

    + environment: as it should be
    + secrets: of its vault
    + seen: its symptoms
    """
    yield from guard_findings(environment, seen)
    yield from _power_cut(environment, seen)
    if seen.state != "active":
        yield _not_running(environment, seen) if seen.released else _not_released(environment, seen)
        return
    yield from _restarts(environment, seen)
    yield from port_findings(environment, seen)
    yield from _node(environment, secrets, seen)
    yield from _secret_file(environment, seen)
    yield from _appsignal(environment, seen)


def _not_released(environment: Environment, seen: Symptoms) -> Finding:
    name = environment.environment
    build = f"make update ENV={name}" if environment.repository else f"make release ENV={name} TARBALL=..."
    return Finding(
        f"there is no release yet, and {environment.unit} is {seen.state}",
        "nobody gets an answer",
        f"{build} brings the first release",
    )


def _not_running(environment: Environment, seen: Symptoms) -> Finding:
    name = environment.environment
    reason = f": {seen.end.sentence}" if seen.end else ""
    return Finding(
        f"{environment.unit} is {seen.state}{reason}",
        "nobody gets an answer, and the application itself could not be asked",
        f"make logs ENV={name} says why it ended; make apply ENV={name} brings back what is missing on the machine; "
        f"make restart ENV={name}",
    )


def _power_cut(environment: Environment, seen: Symptoms) -> Iterator[Finding]:
    name = environment.environment
    if seen.cut_off:
        yield Finding(
            f"the machine went down in the middle of an action ({seen.cut_off}), and nobody has ended that",
            "the release that runs may not be the one that was checked, and the next command ends that first",
            f"make restart ENV={name}",
        )
    if seen.damaged:
        yield Finding(
            f"the files of {seen.damaged}, which runs, are not those of its tarball",
            "a power cut took their content, or somebody changed them; the next start may fail",
            f"make release ENV={name} VERSION={seen.damaged}",
        )


def _restarts(environment: Environment, seen: Symptoms) -> Iterator[Finding]:
    if seen.end is None:
        return
    name, times = environment.environment, seen.end.restarts
    mend = f"make logs ENV={name} says what came before; the next release or make restart ENV={name} ends this message"
    if seen.end.may_be_memory:
        mend = (
            f"memory_limit = {environment.memory_limit} MiB is all that it may use: raise it in group_data/{name}.py, make "
            f"apply ENV={name}, or find what needs more; {mend}"
        )
    yield Finding(
        f"systemd has restarted {environment.unit} {'once' if times == 1 else f'{times} times'} unasked; the last time, "
        f"{seen.end.sentence}",
        "visitors got an error until it answered again, and what it had in memory is gone",
        mend,
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
    elif seen.hangs:
        yield Finding(
            f"the application takes connections on port {environment.port} and does not answer them",
            "visitors wait until nginx gives up (504). It may be overloaded, wait for something else, or hang",
            f"make logs ENV={name} may say what it waits for; make restart ENV={name}",
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
