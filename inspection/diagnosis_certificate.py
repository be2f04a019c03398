"""The findings about a certificate of an authority: its orders and its renewals."""

from pyinfra.api import Host

from group_data.schema.environment import Environment
from inspection.ask import fact
from inspection.finding import Finding
from operations.acme import Order, OrderOnHost, ServedCertificate, order_of


def renewal_findings(host: Host, environment: Environment) -> list[Finding]:
    """All that went wrong with orders and renewals of a site's certificate.

    Raises PyinfraError when the question to the host fails.

    + host: of the environment
    + environment: as it should be
    """
    if environment.tls != "acme":
        return []
    served = fact(host, ServedCertificate, path=str(environment.certificate_path), server_name=environment.domain)
    return of(environment, order_on(host, environment), served)


def order_on(host: Host, environment: Environment) -> Order:
    """What the host knows of orders of the site's certificate; nothing without tls = "acme".

    Raises PyinfraError when the question to the host fails.
    """
    return fact(host, OrderOnHost, **order_of(environment)) if environment.tls == "acme" else Order()


def of(environment: Environment, order: Order, served: str = "") -> list[Finding]:
    """The findings without a host.

    + environment: as it should be
    + order: what its host knows
    + served: `ServedCertificate` of the site
    """
    found = []
    name, site = environment.environment, environment.full_name
    if order.failed:
        found.append(
            Finding(
                f"the last order of a certificate failed, at {order.failed}",
                "the site has the certificate that it had",
                f"mend that, make apply ENV={name} (FORCE=1 within an hour)",
            )
        )
    if order.renewal:
        found.append(
            Finding(
                f"certbot could not renew the certificate {site}: {order.renewal}",
                f"it tries twice a day; after the end of the certificate browsers refuse {environment.url}",
                f"mend that; make apply ENV={name} FORCE=1 orders one now",
            )
        )
    if served == "other":
        found.append(
            Finding(
                f"nginx serves another certificate for {environment.domain} than {environment.certificate_path}",
                "a renewed one is on the host, and browsers will meet the end of the one before",
                f"nginx -t on the host may say why it was not read; mend that, make apply ENV={name}",
            )
        )
    if environment.acme_directory == "staging" and environment.indexed:
        found.append(
            Finding(
                "acme_directory = 'staging' for a site that search engines index (indexed = True)",
                f"browsers trust no certificate of it, and refuse {environment.url}",
                f"take acme_directory out of group_data/{name}.py, make apply ENV={name}",
            )
        )
    return found
