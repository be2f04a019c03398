"""The key by which certbot writes records into DNS."""

from pyinfra.api.exceptions import DeployError
from pyinfra.operations import files

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from operations.host.rendering import render
from operations.secret_file import secret_file


def require(environment: Environment, secrets: Secrets) -> None:
    """Refuse acme_dns without its key.

    Raises DeployError, while preparing, when the vault has no acme_dns_secret.

    + environment: whose group data
    + secrets: its vault
    """
    if environment.acme_dns and secrets.acme_dns_secret is None:
        name = environment.environment
        raise DeployError(
            f"acme_dns = {environment.acme_dns!r} needs acme_dns_secret in the vault of {name}, the secret of the TSIG key "
            f"in base64: `make vault-set ENV={name} KEY=acme_dns_secret` stores it. Nothing was changed."
        )


def key_file(environment: Environment, secrets: Secrets) -> None:
    """Write certbot's file with name server and key, which root alone reads. Orders and renewals use it.

    + environment: one with acme_dns
    + secrets: its vault
    """
    secret_file(
        name="Certificate: key for DNS",
        path=environment.acme_dns_path,
        content=render("acme-dns.ini.j2", environment=environment, secrets=secrets),
        key="acme_dns_secret",
        user="root",
        group="root",
        mode="600",
    )


def no_key_file(environment: Environment) -> None:
    """Remove the file when no renewal uses it any more.

    + environment: one without acme_dns
    """
    files.file(name="Certificate: no key for DNS", path=environment.acme_dns_path, present=False)
