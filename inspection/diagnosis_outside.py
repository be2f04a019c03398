"""The diagnosis of the way from visitors to a site: other sites at its addresses, and firewalls before it."""

from collections.abc import Iterator, Mapping, Sequence

from pyinfra.api import Host

from group_data.schema.environment import Environment
from inspection.finding import Finding
from inspection.outside import PATIENCE, Place, answers_from_here, answers_on_host


def outside_findings(host: Host, environment: Environment) -> Iterator[Finding]:
    """Everything between visitors and the site.

    + environment: of the site

    Raises PyinfraError when the question to the host fails.
    """
    on_host = answers_on_host(host, environment)
    # Where not even the host itself gets an answer, other findings say why.
    from_here = answers_from_here(host, environment) if on_host.get("127.0.0.1") == "own" else []
    yield from findings(environment, on_host, from_here)


def findings(environment: Environment, on_host: Mapping[str, str], from_here: Sequence[Place]) -> Iterator[Finding]:
    """What the answers mean.

    + environment: of the site
    + on_host: answers at the host's own addresses, by address
    + from_here: answers that this computer got
    """
    if strangers := [address for address, state in on_host.items() if state == "other"]:
        yield Finding(
            f"on the host, another site answers for {environment.domain} at {', '.join(strangers)}",
            "visitors who come to that address do not get the application, and a release cannot be checked",
            f"make apply ENV={environment.environment}; if that changes nothing: nginx -T on the host shows which file "
            "listens there, and ss -ltnp which program",
        )
    if closed := [place for place in from_here if place.state in ("silent", "refused")]:
        yield _closed(environment, closed)
    if others := [place for place in from_here if place.state == "other"]:
        shown = ", ".join(map(str, others))
        yield Finding(
            f"from this computer, something else than this host's nginx answers for {environment.domain} at {shown}; on the "
            "host itself its site answers",
            "visitors get what answers there",
            f"let the name lead to this host (getent ahosts {environment.domain} says where it leads), or have the proxy "
            "that answers there pass requests on with their Host header",
        )


def _closed(environment: Environment, closed: Sequence[Place]) -> Finding:
    ways = {
        "silent": f"nothing answers within {PATIENCE} seconds",
        "refused": "connections are refused",
    }
    seen = "; ".join(
        f"{words} at {', '.join(str(place) for place in closed if place.state == state)}"
        for state, words in ways.items()
        if any(place.state == state for place in closed)
    )
    ports = " and ".join(str(port) for port in sorted({place.port for place in closed}))
    return Finding(
        f"from this computer, {seen}; on the host itself {environment.domain} answers",
        "visitors get no answer where a firewall drops or refuses their connections",
        f"let TCP port {ports} in: on the host nft list ruleset (or ufw status) shows its own rules, and the provider of "
        "the machine may have a firewall before it",
    )
