"""A certificate of an authority (ACME): certbot orders it through nginx, and renews it by its own timer."""

from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from pyinfra import host
from pyinfra.api import FactBase, StringCommand, operation
from pyinfra.api.exceptions import DeployError
from pyinfra.api.operation import OperationMeta
from typing_extensions import override

from connectors.terminal import shown
from group_data.schema.environment import Environment
from operations import nginx
from operations.certificate import CertificateOnHost, Pair, faults, has_ec_key, is_ending, is_loadable, names_in, now
from operations.host import file, program
from operations.host.rendering import render
from operations.host.report import announce
from operations.host.restart import is_planned
from operations.host.unit_state import properties

# Run by certbot after each renewal: tests, reloads nginx, and waits until it serves the new certificate.
HOOK = "/usr/local/libexec/deploy-after-renewal"

# Run by certbot's service before certbot itself: renews without settings that somebody gave certbot for all certificates.
RENEWALS = "/usr/local/libexec/deploy-renewals"
_DROP_IN = "/etc/systemd/system/certbot.service.d/deploy.conf"


class Order(NamedTuple):
    """What a host knows of orders of a certificate.

    + server: directory of the authority that renewals ask; empty without a certificate
    + profile: that renewals ask for
    + hook: command after renewals
    + way: certbot's name for the proof of the names
    + place: directory or file that it uses
    + wait: seconds for a record in DNS
    + autorenew: "False" if somebody switched renewals off
    + key: kind of key that renewals make
    + others: settings of its renewals that no order here gives
    + account: "gone" if the key of the account that renewals use is not on the host
    + clock: seconds since 1970 by the host's clock
    + failed: time and reason of the last order, if it failed
    + renewal: reason of the last renewal, if it failed
    """

    server: str = ""
    profile: str = ""
    hook: str = ""
    way: str = ""
    place: str = ""
    wait: str = ""
    autorenew: str = ""
    key: str = ""
    others: str = ""
    account: str = ""
    clock: str = ""
    failed: str = ""
    renewal: str = ""


class OrderOnHost(FactBase[Order]):
    """What a host knows of orders of a certificate."""

    @staticmethod
    @override
    def default() -> Order:
        return Order()

    @override
    def command(self, renewal: str, failed: str, certificate: str) -> StringCommand:
        return program.command("order_state.sh", renewal, failed, certificate)

    @override
    def process(self, output: list[str]) -> Order:
        said = dict(line.partition(" ")[::2] for line in output)
        return Order(**{field: shown(said.get(field, ""), 1000) for field in Order._fields})


def order_of(environment: Environment) -> dict[str, str]:
    """The arguments of `OrderOnHost`.

    + environment: with tls = "acme"
    """
    return {
        "renewal": environment.renewal_path,
        "failed": environment.failed_order_path,
        "certificate": environment.full_name,
    }


def require(environment: Environment, debian: int) -> None:
    """Refuse a setting that the host's certbot does not know.

    Raises DeployError while preparing.

    + environment: whose group data
    + debian: major release of the host
    """
    if environment.tls == "acme" and environment.acme_profile and debian < 13:
        raise DeployError(
            f"acme_profile = {environment.acme_profile!r} in {environment.environment}: certbot of Debian 12 knows no "
            "profiles. Take it out, or use a machine with Debian 13. Nothing was changed."
        )


def renewals() -> None:
    """Install the programs that certbot's service runs: before certbot itself, and after each renewal."""
    for name, source, dest in (
        ("program after a renewal", "after_renewal.sh", HOOK),
        ("program of renewals", "renew_certificates.sh", RENEWALS),
    ):
        file.put(name=f"Machine: {name}", content=program.text(source), dest=dest, mode="755")
    written = file.put(
        name="Machine: certbot's service runs it", content=render("certbot.conf.j2", program=RENEWALS), dest=_DROP_IN
    )
    service_runs_it(name="Machine: systemd reads certbot's service", after=[written])


@operation()
def service_runs_it(after: Sequence[OperationMeta] = ()) -> Generator[StringCommand]:
    """Let systemd read the addition to certbot's service.

    Debian 12's systemd does not say that it has to, as long as it has not seen the new directory.

    + after: the operation that writes it, for the plan
    """
    held = properties("certbot.service")
    read = _DROP_IN in held.get("DropInPaths", "").split() and held.get("NeedDaemonReload") != "yes"
    # systemd reads the files of a unit that it does not hold when it needs them.
    if held and (is_planned(after) or not read):
        yield StringCommand("systemctl daemon-reload")


def require_own(environment: Environment, *, force: bool) -> None:
    """Refuse to take a certificate of the same name from somebody who has other sites on it.

    Raises DeployError while preparing.

    + environment: with tls = "acme"
    + force: whether to take it all the same
    """
    known = host.get_fact(OrderOnHost, **order_of(environment))
    others = sorted(set(names_in(_pair(environment))) - set(environment.server_names))
    if known.server and known.hook != HOOK and others and not force:
        raise DeployError(
            f"certbot on this host has a certificate {environment.full_name} that was not ordered here, also for "
            f"{shown(', '.join(others), 300)}: sites of somebody else would lose it. Have them use one of another name; "
            f"then `certbot delete --cert-name {environment.full_name}`, or FORCE=1, which takes it. Nothing was changed."
        )


def as_served(environment: Environment) -> Environment:
    """The environment as its site can be until nginx can load the certificate: with a self-signed one, and no HSTS.

    + environment: of the site
    """
    if environment.tls != "acme" or is_loadable(_pair(environment)):
        return environment
    return environment.model_copy(update={"tls": "self_signed", "hsts": False})


def _pair(environment: Environment) -> Pair:
    return host.get_fact(CertificateOnHost, path=environment.certificate_path, key=environment.certificate_key_path)


@operation()
def order(environment: Environment, force: bool) -> Generator[StringCommand]:
    """Order a certificate for all names of the site, if there is none, or not the one that the data describes.

    + environment: with tls = "acme"
    + force: whether to order within an hour after a failure, and without a look at the names
    """
    known = host.get_fact(OrderOnHost, **order_of(environment))
    reason = due(environment, _pair(environment), known, now(), force=force)
    if not reason:
        host.noop(f"the certificate of {environment.full_name} is as it should be")
        return
    names = ", ".join(environment.certificate_names)
    announce(f"Will order a certificate for {names} from {environment.acme_url}, because {reason}")
    yield program.command(
        "order_certificate.sh",
        environment.failed_order_path,
        environment.full_name,
        environment.acme_url,
        environment.acme_contact or "",
        environment.acme_profile or "",
        nginx.CHALLENGES,
        HOOK,
        str(int(force)),
        environment.acme_dns_path if environment.acme_dns else "",
        str(environment.acme_dns_wait),
        *environment.certificate_names,
    )


# Seconds that certbot-dns-rfc2136 waits by default. certbot 2.1 keeps no default value in its file about renewals.
_WAIT = "60"


def due(environment: Environment, pair: Pair, known: Order, time: datetime, *, force: bool = False) -> str | None:
    """Why a certificate must be ordered; None if it need not be. Renewals are certbot's, as long as they come in time.

    + environment: with tls = "acme"
    + pair: certificate and key on the host
    + known: what the host knows of orders
    + time: now
    + force: whether a failed renewal is a reason
    """
    if not pair.chain:
        return "there is none yet"
    if force and known.renewal:
        return "the last renewal failed, and FORCE=1 asks for it"
    if sorted(names_in(pair)) != sorted(environment.certificate_names):
        return f"the one on the host is for {shown(', '.join(names_in(pair)), 300) or 'no name'}"
    if known.server != environment.acme_url:
        return f"the one on the host is from {known.server or 'an unknown authority'}"
    if known.profile != (environment.acme_profile or ""):
        return f"the one on the host has the profile {known.profile or 'that the authority chose'}"
    return _renewal_fault(environment, known) or _fault(environment, pair, known, time)


def _renewal_fault(environment: Environment, known: Order) -> str | None:
    """Why renewals would fail, or give another certificate."""
    if known.hook != HOOK:
        return "nginx would not read a renewed one"
    if known.autorenew == "False":
        return "its renewal is switched off"
    if known.key not in ("", "ecdsa"):
        return f"its renewals would make a key of the kind {known.key}, and not ecdsa"
    if known.others:
        return f"its renewals have settings of somebody else: {known.others}"
    if known.account == "gone":
        return "the account that its renewals use is not on the host any more"
    if (known.way, known.place) != _way(environment):
        return f"its renewals would prove the names by {known.way or 'no way'}, with {known.place or 'nothing'}"
    if environment.acme_dns and (known.wait or _WAIT) != str(environment.acme_dns_wait):
        return f"its renewals would wait {known.wait or _WAIT} seconds for DNS"
    return None


def _fault(environment: Environment, pair: Pair, known: Order, time: datetime) -> str | None:
    """Why the certificate itself does not do."""
    if not has_ec_key(pair):
        return "the one on the host has a key of another kind than ecdsa"
    # Whether its chain leads to an authority that this host knows is the authority's own matter.
    wrong = [fault for fault in faults(pair, environment.server_names, time) if fault.word != "without its chain"]
    # By a wrong clock a new one would be as late, and each apply would order. The doctor says so.
    if wrong and wrong[0].late and not all(is_ending(pair, clock) for clock in _clocks(known, time)):
        return None
    return f"the one on the host {wrong[0].what}" if wrong else None


def _clocks(known: Order, time: datetime) -> list[datetime]:
    """The time here, and on the host."""
    return [time, *([datetime.fromtimestamp(int(known.clock), UTC)] if known.clock.isdigit() else [])]


def _way(environment: Environment) -> tuple[str, str]:
    """certbot's name for the proof, and what it uses for it."""
    return ("dns-rfc2136", environment.acme_dns_path) if environment.acme_dns else ("webroot", nginx.CHALLENGES)


class ServedCertificate(FactBase[str]):
    """Whether nginx serves the certificate in a file under a name: "served", "other", or nothing without an answer."""

    @staticmethod
    @override
    def default() -> str:
        return ""

    @override
    def command(self, path: str, server_name: str) -> StringCommand:
        return program.command("served_certificate.sh", path, server_name)

    @override
    def process(self, output: list[str]) -> str:
        return output[0] if output else ""


@operation()
def in_force(path: str, name_of_site: str, after: Sequence[OperationMeta] = ()) -> Generator[StringCommand]:
    """Let nginx serve the certificate, and fail if it does not.

    + path: PEM file
    + name_of_site: that a browser asks for
    + after: operations that change certificate or site, for the plan
    """
    served = host.get_fact(ServedCertificate, path=path, server_name=name_of_site)
    if served == "served" and not is_planned(after):
        host.noop(f"nginx serves the certificate for {name_of_site}")
        return
    announce(f"Will reload nginx, and look whether it serves the certificate for {name_of_site}")
    yield nginx.reload()
    yield program.command("served_certificate.sh", path, name_of_site, "must")


class UnusedLineage(FactBase[bool]):
    """Whether certbot renews a certificate for us that only `site` uses."""

    @staticmethod
    @override
    def default() -> bool:
        return False

    @override
    def command(self, renewal: str, directory: str, site: str) -> StringCommand:
        return program.command("unused_lineage.sh", renewal, directory, site, HOOK)

    @override
    def process(self, output: list[str]) -> bool:
        return output == ["unused"]


@operation()
def no_certificate(environment: Environment) -> Generator[StringCommand]:
    """Remove the certificate and its renewal when nothing uses them any more.

    + environment: whose site no longer has tls = "acme"
    """
    if (environment.certificate_path or "").startswith(f"{environment.lineage_path}/"):
        host.noop("the site names the certificate as its own")
        return
    unused = host.get_fact(
        UnusedLineage,
        renewal=environment.renewal_path,
        directory=environment.lineage_path,
        site=environment.full_name,
    )
    if unused:
        announce(f"Will remove the certificate {environment.full_name} of certbot, and its renewal")
        yield program.command("remove_lineage.sh", environment.full_name)
