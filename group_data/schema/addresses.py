"""Types for names and addresses of hosts and networks, each with the rule it comes from."""

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


def _host_name(value: str) -> str:
    """RFC 1035 2.3.4: labels of up to 63 characters, 253 in all. Wildcards and regular expressions are refused."""
    if len(value) > 253 or not re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", value):
        raise ValueError("must be a host name in lower case such as stage.example.com (Punycode for other alphabets)")
    return value


def _server_name(value: str) -> str:
    """A host name that browsers do not take for an IP address, for which they send no name in a TLS handshake.

    https://url.spec.whatwg.org/#ends-in-a-number-checker
    """
    if re.fullmatch(r"\d+|0x[0-9a-f]*", value.rpartition(".")[2]):
        raise ValueError(
            "must be a name: browsers take what ends in a number for an IP address, and name no site in TLS"
        )
    return _host_name(value)


ServerName = Annotated[str, AfterValidator(_server_name)]


def _node_name(value: str) -> str:
    """`name@host`, as Erlang's -name wants it. A name that begins with a dash is taken for an option.

    A node whose host has no dot starts, but every connection to it is refused as "illegal hostname", and the release's
    own remote console is such a connection (seen with OTP 25 and 27).
    """
    # An atom has at most 255 characters (Erlang Efficiency Guide, "System Limits").
    if len(value) > 255 or not re.fullmatch(rf"[a-z0-9_][a-z0-9_-]*@{_LABEL}(\.{_LABEL})+", value):
        raise ValueError(
            "must be name@host in lower case, the host with a dot such as 127.0.0.1: no console reaches another node"
        )
    return value


NodeName = Annotated[str, AfterValidator(_node_name)]


def is_address(value: str) -> bool:
    """Whether a host is given by its IP address, not by a name."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _database_host(value: str) -> str:
    """A server name or IPv4 address. Postgrex connects over IPv4 unless told otherwise, which a name needs no less."""
    if value.rpartition(".")[2].isdigit() and not is_address(value):
        raise ValueError("is no IPv4 address: four numbers up to 255, without leading zeros")
    if ":" in value:
        raise ValueError("must be a host name or an IPv4 address: Postgrex connects over IPv4 unless told otherwise")
    return _host_name(value)


DatabaseHost = Annotated[str, AfterValidator(_database_host)]


def _network(value: str) -> str:
    """An address or network as nginx's `allow` compares it, written in its one canonical form."""
    try:
        # A zone (%eth0) belongs to an interface; nginx takes none.
        network = ipaddress.ip_network(value.replace("%", " "), strict=False)
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 address or a network such as 192.0.2.0/24 or 2001:db8::/32") from None
    if isinstance(network, ipaddress.IPv6Network) and (mapped := network.network_address.ipv4_mapped):
        raise ValueError(f"never matches, as nginx sees such a client under its IPv4 address: write {mapped}")
    # nginx's ngx_inet_addr has no other value for "no address".
    if str(network) == "255.255.255.255/32":
        raise ValueError("is the broadcast address, which no client has and nginx refuses: leave it out")
    address, _, prefix = value.partition("/")
    if prefix and ipaddress.ip_address(address) != network.network_address:
        raise ValueError(
            f"has bits set beyond the network's /{network.prefixlen}: write {network} for the network, or {address} for "
            "the one address"
        )
    canonical = str(network if network.prefixlen < network.max_prefixlen else network.network_address)
    if value != canonical:
        raise ValueError(f"must be written as {canonical}")
    return value


Network = Annotated[str, AfterValidator(_network)]
