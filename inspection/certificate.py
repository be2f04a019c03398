"""The certificate that a host has for a site."""

from pyinfra.api import Host

from group_data.schema.environment import Environment
from inspection.ask import fact
from operations.certificate import CertificateOnHost, Pair


def certificate_of(host: Host, environment: Environment) -> Pair | None:
    """The certificate and key of the site; None for a site without TLS.

    Raises PyinfraError when the question to the host fails.
    """
    path, key = environment.certificate_path, environment.certificate_key_path
    return fact(host, CertificateOnHost, path=path, key=key) if path and key else None
