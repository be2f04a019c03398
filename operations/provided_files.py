"""Files that somebody else puts on the host: certificates with their keys, and the CA of a database."""

from collections.abc import Sequence

from pyinfra import host, logger
from pyinfra.api import FactBase, QuoteString, StringCommand
from pyinfra.api.exceptions import DeployError
from typing_extensions import override

from group_data.schema.environment import Environment
from operations import certificate


class MissingFiles(FactBase[list[str]]):
    """The paths without a file. A link to a file counts as a file."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self, paths: Sequence[str]) -> StringCommand:
        return StringCommand(
            "for path in", *[QuoteString(path) for path in paths], '; do test -f "$path" || echo "$path"; done'
        )

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


def require(environment: Environment) -> None:
    """Refuse a host without a file that the group data names, or with a certificate that browsers would refuse.

    Raises DeployError with the missing files or the faults; the run ends before anything has changed.

    + environment: whose group data
    """
    files = environment.provided_files
    missing = host.get_fact(MissingFiles, paths=list(files.values())) if files else []
    if missing:
        named = ", ".join(f"{path} ({setting})" for setting, path in files.items() if path in missing)
        raise DeployError(
            f"{named}: no such file on the host of {environment.environment}. Put it there, or correct the path in "
            f"group_data/{environment.environment}.py. Nothing was changed."
        )
    if environment.tls == "provided":
        _require_certificate(environment, str(environment.tls_certificate), str(environment.tls_key))


def _require_certificate(environment: Environment, path: str, key: str) -> None:
    """Refuse a certificate for other names, of another key, or without its chain. An end is no reason to refuse."""
    name = environment.environment
    pair = host.get_fact(certificate.CertificateOnHost, path=path, key=key)
    found = certificate.faults(pair, environment.server_names, certificate.now())
    for fault in found:
        if fault.late:
            host.log(f"The certificate {path} {fault.what}", logger.warning)
    if wrong := [fault.what for fault in found if not fault.late]:
        raise DeployError(
            f"The certificate {path} of {name} {'; it '.join(wrong)}. Browsers would refuse the site: put another there "
            "(docs/sites.md), or correct domain, additional_domains, tls_certificate or tls_key in "
            f"group_data/{name}.py. Nothing was changed."
        )
