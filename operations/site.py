"""The nginx site of one environment, its certificate, its password file, and the page shown while no release answers."""

from collections.abc import Generator

from pyinfra import host, state
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.api.exceptions import DeployError
from pyinfra.facts.files import FindInFile
from pyinfra.operations import files
from typing_extensions import override

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from operations import acme, acme_dns, basic_auth, certificate, nginx, nginx_layout
from operations.host import file, program
from operations.host.network import Ipv6
from operations.host.rendering import render

# A certificate is valid for a year, and replaced by the first apply of its last third.
VALID_DAYS = 365
RENEW_SECONDS = int(VALID_DAYS * 24 * 3600 * certificate.RENEWED_AT)

# Marks our own certificates.
SUBJECT = "/O=self-signed"


class SelfSignedNames(FactBase[list[str] | None]):
    """Names in the certificate at `path`; an empty list if it is missing, broken or expires within `seconds`.

    None if the file exists but openssl is not installed to read it.
    """

    @staticmethod
    @override
    def default() -> list[str] | None:
        return []

    @override
    def command(self, path: str, seconds: int) -> StringCommand:
        return program.command("certificate_names.sh", path, str(seconds))

    @override
    def process(self, output: list[str]) -> list[str] | None:
        if output == ["untold"]:
            return None
        names = " ".join(output).replace(",", " ").split()
        return sorted(name.removeprefix("DNS:") for name in names)


@operation()
def self_signed_certificate(path: str, names: tuple[str, ...]) -> Generator[StringCommand]:
    """Issue a self-signed certificate for these names; issue it again if they change or a third of its time remains.

    + path: PEM file with key and certificate, readable only by root
    + names: server names, all of them as subjectAltName
    """
    present = host.get_fact(SelfSignedNames, path=path, seconds=RENEW_SECONDS)
    # A plan that installs openssl cannot look, and lists no change; the step itself looks again.
    if present is None and not state.is_executing:
        return
    if present != sorted(names):
        alternatives = ",".join(f"DNS:{name}" for name in names)
        yield program.command("issue_certificate.sh", path, alternatives, str(VALID_DAYS), SUBJECT)


class UnusedSelfSigned(FactBase[bool]):
    """Whether `path` is our certificate and only `site` uses it."""

    @staticmethod
    @override
    def default() -> bool:
        return False

    @override
    def command(self, path: str, site: str) -> StringCommand:
        return program.command("unused_certificate.sh", path, site, SUBJECT.removeprefix("/"))

    @override
    def process(self, output: list[str]) -> bool:
        return output == ["unused"]


@operation()
def no_self_signed_certificate(path: str, site: str) -> Generator[StringCommand]:
    """Remove our self-signed certificate and its key when nothing uses it; keep somebody else's.

    + path: PEM file with key and certificate
    + site: the site that used it until now
    """
    if host.get_fact(UnusedSelfSigned, path=path, site=site):
        yield StringCommand("rm -f", QuoteString(path))


class PromisedHsts(FactBase[int]):
    """Seconds for which the site on the host tells browsers to insist on TLS; 0 without such a site or header."""

    @staticmethod
    @override
    def default() -> int:
        return 0

    @override
    def command(self, path: str) -> StringCommand:
        return StringCommand(
            "sed -nE 's/^ *add_header Strict-Transport-Security .max-age=([0-9]+).*/\\1/p'",
            QuoteString(path),
            "2>/dev/null || true",
        )

    @override
    def process(self, output: list[str]) -> int:
        return int(output[0]) if output else 0


def require_hsts_taken_back(environment: Environment) -> None:
    """Refuse to drop HSTS or the certificate while browsers still insist on it.

    RFC 6797, 6.1.1: a browser forgets the rule at once if the site sends `max-age=0`, and otherwise when the sent time is
    over.

    Raises DeployError while preparing.

    + environment: of the site
    """
    promised = host.get_fact(PromisedHsts, path=nginx_layout.of_host().path(environment.full_name))
    if promised and not environment.hsts:
        raise DeployError(
            f"hsts = False in {environment.environment}: its site on the host tells browsers to insist on a valid "
            f"certificate for {promised} seconds, and they would go on doing so. First apply hsts = True with "
            "hsts_max_age = 0, by which a browser forgets at its next visit, and leave it until those who matter came by. "
            "Nothing was changed."
        )


def content(environment: Environment, debian: int, former: int | None = None) -> str:
    """The text of the site.

    + environment: of the site
    + debian: major release of the host; nginx 1.26 of Debian 13 and 1.22 of Debian 12 have different syntax for HTTP/2
    + former: port of before a change, at which the application still serves
    """
    return render(
        "site.j2",
        environment=environment,
        http2_directive=debian >= 13,
        header_timeout=nginx.HEADER_TIMEOUT,
        ipv6=host.get_fact(Ipv6),
        challenges=nginx.CHALLENGES,
        former=former,
    )


def nginx_site(environment: Environment, secrets: Secrets, debian: int, former: int | None = None) -> None:
    """Set up the site: nginx answers the environment's names and passes requests to the application on loopback.

    Files that the site needs are written before it. Files that it no longer needs are removed after it.

    Raises DeployError, while preparing, when browsers would be locked out or the vault lacks the site's password.

    + environment: of the site
    + secrets: its vault
    + debian: major release of the host
    + former: port of before a change, at which the application still serves
    """
    require_hsts_taken_back(environment)
    site = environment.full_name
    # nginx enters it as its own user.
    file.directory(name="Site: directory of the page", path=environment.page_root)
    file.put(
        name="Site: page while no release answers",
        content=render("502.html.j2", environment=environment),
        dest=f"{environment.page_root}/502.html",
    )
    issued = []
    served = acme.as_served(environment)
    if served.tls == "self_signed":
        issued.append(
            self_signed_certificate(
                name="Site: self-signed certificate", path=environment.self_signed_path, names=environment.server_names
            )
        )
    if environment.basic_auth_user:
        basic_auth.password_file(environment, secrets)
    path = nginx_layout.of_host().path(site)
    if served != environment and host.get_fact(FindInFile, path=path, pattern=f"{environment.lineage_path}/"):
        # Sites are tested together: two that name certificates that are gone would keep each other from being mended.
        file.put(name="Site: without the certificate that is gone", content=content(served, debian, former), dest=path)
    nginx.site(
        name="Site",
        site=site,
        content=content(served, debian, former),
        logs=environment.site_logs,
        certificates=[served.certificate_path] if served.certificate_path else [],
        after=issued,
        # nginx -t reads the whole configuration, so two environments must not change it at the same time.
        _serial=True,
    )
    # The site falls back on it where a certificate of an authority is gone.
    if environment.tls not in ("self_signed", "acme"):
        no_self_signed_certificate(
            name="Site: no self-signed certificate", path=environment.self_signed_path, site=site
        )
    if not environment.basic_auth_user:
        files.file(name="Site: no password file", path=environment.htpasswd_path, present=False)


def without_former_port(environment: Environment, debian: int) -> None:
    """Let nginx pass requests to the port of the data alone: the application has restarted there.

    + environment: of the site
    + debian: major release of the host
    """
    served = acme.as_served(environment)
    nginx.site(
        name="Site: without the port of before",
        site=environment.full_name,
        content=content(served, debian),
        logs=environment.site_logs,
        certificates=[served.certificate_path] if served.certificate_path else [],
        _serial=True,
    )


def certificate_of_authority(environment: Environment, secrets: Secrets, debian: int, *, force: bool) -> None:
    """Order the site's certificate where it is due, and let nginx serve it. Without tls = "acme", remove one that is left.

    The last steps of an apply: when the authority refuses, everything else is done, and the site has the certificate it had.

    + environment: of the site
    + secrets: its vault
    + debian: major release of the host
    + force: whether to order within an hour after a failure
    """
    if environment.tls != "acme":
        acme.no_certificate(name="Certificate: none of an authority", environment=environment)
        acme_dns.no_key_file(environment)
        return
    acme.require_own(environment, force=force)
    if environment.acme_dns:
        acme_dns.key_file(environment, secrets)
    path = str(environment.certificate_path)
    # One certbot at a time.
    changes = [acme.order(name="Certificate: order", environment=environment, force=force, _serial=True)]
    if acme.as_served(environment) != environment:
        changes.append(
            nginx.site(
                name="Certificate: site",
                site=environment.full_name,
                content=content(environment, debian),
                logs=environment.site_logs,
                certificates=[path],
                _serial=True,
            )
        )
    acme.in_force(name="Certificate: in force", path=path, name_of_site=environment.domain, after=changes, _serial=True)
    if not environment.acme_dns:
        acme_dns.no_key_file(environment)
