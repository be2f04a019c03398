"""The nginx site of one environment, its certificate, and the page shown while no release answers."""

from collections.abc import Generator
from io import StringIO

from pyinfra import host
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.operations import files
from typing_extensions import override

from group_data.schema.environment import Environment
from operations import nginx
from operations.rendering import render

# A certificate is valid for a year and replaced in its last 30 days, so that monthly applies always come in time.
VALID_DAYS = 365
RENEW_SECONDS = 30 * 24 * 3600

# $1: file, $2: subjectAltName, $3: days. Key and certificate share one file: nginx reads both from it, and one rename
# replaces the pair. The key never leaves the host.
ISSUE = """\
set -eu
umask 077
new=$(mktemp "$1.XXXXXX")
trap 'rm -f "$new"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$new" -out "$new.crt" \
    -days "$3" -subj "/O=self-signed" -addext "subjectAltName=$2" -addext "basicConstraints=critical,CA:FALSE" 2>/dev/null
cat "$new.crt" >> "$new"
rm -f "$new.crt"
mv -f "$new" "$1"
"""


class SelfSignedNames(FactBase[list[str]]):
    """Names in the certificate at `path`; none if it is missing, broken or expires within `seconds`."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self, path: str, seconds: int) -> StringCommand:
        return StringCommand(
            "! { openssl pkey -noout -in", QuoteString(path), "&& openssl x509 -noout -checkend", str(seconds), "-in",
            QuoteString(path), "; } >/dev/null 2>&1 || openssl x509 -noout -ext subjectAltName -in", QuoteString(path),
        )  # fmt: skip

    @override
    def process(self, output: list[str]) -> list[str]:
        names = " ".join(output[1:]).replace(",", " ").split()
        return sorted(name.removeprefix("DNS:") for name in names)


@operation()
def self_signed_certificate(path: str, names: tuple[str, ...]) -> Generator[StringCommand]:
    """A self-signed certificate for exactly these names, reissued when they change or 30 days remain.

    + path: PEM file that holds key and certificate, readable by root alone
    + names: server names, all of them as subjectAltName
    """
    if host.get_fact(SelfSignedNames, path=path, seconds=RENEW_SECONDS) != sorted(names):
        alternatives = ",".join(f"DNS:{name}" for name in names)
        yield StringCommand(
            "sh -c", QuoteString(ISSUE), "sh", QuoteString(path), QuoteString(alternatives), str(VALID_DAYS)
        )


def nginx_site(environment: Environment, debian: int) -> None:
    """nginx answers the environment's names and passes them to the application on loopback.

    + environment: whose site
    + debian: the host's major release; nginx 1.26 of Debian 13 says HTTP/2 in another way than 1.22 of Debian 12
    """
    name = environment.full_name
    files.put(
        name="Site: page while no release answers",
        src=StringIO(render("502.html.j2", environment=environment)),
        dest=f"{environment.page_root}/502.html",
        mode="644",
    )
    if environment.tls == "self_signed" and environment.certificate_path:
        self_signed_certificate(
            name="Site: self-signed certificate", path=environment.certificate_path, names=environment.server_names
        )
    nginx.site(
        name="Site",
        site=name,
        content=render("site.j2", environment=environment, http2_directive=debian >= 13),
        certificates=[environment.certificate_path] if environment.certificate_path else [],
        # nginx -t reads the configuration as one whole: two environments must not change it at the same time.
        _serial=True,
    )
