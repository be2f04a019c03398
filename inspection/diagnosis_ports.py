"""The diagnosis of an application's listeners: where they are, and what the network reaches of them."""

from collections.abc import Iterator, Sequence

from group_data.schema.environment import Environment
from inspection.finding import Finding, mend_in_application
from inspection.symptoms import Symptoms


def port_findings(environment: Environment, seen: Symptoms) -> Iterator[Finding]:
    """All that is wrong with the ports of an application that runs.

    + environment: as it should be
    + seen: its symptoms
    """
    # epmd knows the port of a node for other nodes. Every other port is the application's.
    nodes = set(seen.registered.values())
    listens = [address for address in seen.listens if _port(address) not in nodes]
    web = {f"{host}:{environment.port}" for host in ("127.0.0.1", "0.0.0.0", "*")}  # noqa: S104  seen, not bound to
    # Without ss nobody has looked.
    unseen = any((obstacle.kind, obstacle.place) == ("program", "ss") for obstacle in seen.obstacles)
    if not web.intersection(listens) and not unseen:
        yield _elsewhere(environment, seen, listens)
    for address in seen.listens:
        port = _port(address)
        if _is_loopback(address) or port in environment.open_ports:
            continue
        if port in nodes:
            yield _open_node(environment, address)
        elif port != environment.port:
            yield _open_further(environment, address)
        elif port not in seen.closed:
            yield _open(environment, address)


def guard_findings(environment: Environment, seen: Symptoms) -> Iterator[Finding]:
    """All that is wrong with what guards an environment's ports, whether the application runs or not.

    + environment: as it should be
    + seen: its symptoms
    """
    name = environment.environment
    if missing := [port for port in environment.closed_ports if port not in seen.closed]:
        yield Finding(
            f"the machine does not close {' and '.join(map(str, missing))} to the network: nftables has no table "
            "inet deploy_ports, or another one",
            "an application that listens on all interfaces answers there past nginx, its TLS and its access rules",
            f"make apply ENV={name}",
        )
    if seen.owned is False and seen.released:
        yield Finding(
            f"the firewall does not leave port {environment.port} to {environment.user}: nftables has no table "
            f"inet {environment.owner_table}, or another one",
            "another application of the machine could answer at the port while this one is down",
            f"make apply ENV={name}",
        )


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _is_loopback(address: str) -> bool:
    # As ss writes them. An IPv4 address of an IPv6 socket has the prefix ::ffff:.
    return address.removeprefix("[::ffff:").startswith(("127.", "[::1]:"))


def _elsewhere(environment: Environment, seen: Symptoms, listens: Sequence[str]) -> Finding:
    name, wanted = environment.environment, f"127.0.0.1:{environment.port}"
    if listens:
        return Finding(
            f"the application listens on {', '.join(listens)}, not on {wanted}",
            f"nginx passes requests for {environment.domain} to {wanted}",
            f"{mend_in_application(environment)}; or set port in group_data/{name}.py, make apply ENV={name}",
        )
    if seen.node.get("server", "true") != "true":
        return Finding(
            f"server: true is missing for {environment.endpoint}: it is {seen.node['server']}",
            "a release starts no web server unless its configuration says so",
            mend_in_application(environment),
        )
    return Finding(
        f"the application runs and listens on no port, where nginx expects {wanted}",
        "its web server has not started",
        f"make logs ENV={name} says why; make restart ENV={name}",
    )


def _open(environment: Environment, address: str) -> Finding:
    return Finding(
        f"the application listens on {address}, and the network reaches that port",
        "anybody who reaches that port bypasses nginx, its TLS and its access rules",
        f"make apply ENV={environment.environment} closes it",
    )


def _open_further(environment: Environment, address: str) -> Finding:
    name = environment.environment
    return Finding(
        f"the application listens on {address}, and the network reaches that port",
        "nothing stands before it: neither nginx nor its TLS and access rules",
        f"have it listen on 127.0.0.1 in the application's configuration; or, if the network may reach it, set "
        f"open_ports = [{_port(address)}] in group_data/{name}.py",
    )


def _open_node(environment: Environment, address: str) -> Finding:
    return Finding(
        f"the node listens for other nodes on {address}, not on 127.0.0.1 alone",
        "whoever reaches that port and has the cookie runs any code in the application",
        f"take inet_dist_use_interface out of rel/vm.args.eex, {mend_in_application(environment)}; or, for a cluster, give "
        "the node a fixed port there (inet_dist_listen_min and _max) and name it in open_ports",
    )
