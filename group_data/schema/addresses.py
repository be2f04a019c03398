"""Types for names and addresses of hosts and networks, each with the source of its rule."""

import ipaddress
import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


def _host_name(value: str) -> str:
    """A host name of labels with up to 63 characters, 253 in all (RFC 1035, 2.3.4), without wildcards and patterns."""
    if not _is_host_name(value):
        rule = "must be a host name in lower case such as stage.example.com (Punycode for other alphabets)"
        written = _in_dns(value)
        raise ValueError(f"{rule}: DNS has {written}" if _is_host_name(written) else rule)
    return value


def _is_host_name(value: str) -> bool:
    return len(value) <= 253 and bool(re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", value))


def _in_dns(value: str) -> str:
    """A name as DNS has it: in lower case, and in Punycode where a label has letters of other alphabets (RFC 5891, 4.4)."""
    labels = unicodedata.normalize("NFC", value.lower()).split(".")
    return ".".join(label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels)


def _server_name(value: str) -> str:
    """A host name that no browser reads as an IP address. For an address, browsers send no name in the TLS handshake.

    https://url.spec.whatwg.org/#ends-in-a-number-checker
    """
    if re.fullmatch(r"\d+|0x[0-9a-f]*", value.rpartition(".")[2]):
        raise ValueError(
            "must be a name: browsers read a name that ends in a number as an IP address, and send no name in TLS"
        )
    return _host_name(value)


ServerName = Annotated[str, AfterValidator(_server_name)]


def _site_name(value: str) -> str:
    """A server name, or a star for one label below one (RFC 6125, 6.4.3). No authority gives a star below a single label."""
    if not value.startswith("*"):
        return _server_name(value)
    if not value.startswith("*.") or "." not in value[2:]:
        raise ValueError("must have the star as its first label, before two others, such as *.example.com")
    return f"*.{_server_name(value[2:])}"


SiteName = Annotated[str, AfterValidator(_site_name)]


def covers(pattern: str, name: str) -> bool:
    """Whether a name in a certificate stands for this name. A star stands for one label (RFC 6125, 6.4.3).

    + pattern: name in the certificate
    + name: that is asked for
    """
    return pattern == name or (pattern.startswith("*.") and name.partition(".")[2] == pattern[2:])


def _node_name(value: str) -> str:
    """`name@host` for Erlang's -name. A name with a leading dash would be an option.

    A node starts with a host without a dot, but then refuses every connection as "illegal hostname", also the connection
    of the release's own remote console (seen with OTP 25 and 27).
    """
    # An atom has at most 255 characters (Erlang Efficiency Guide, "System Limits").
    if len(value) > 255 or not re.fullmatch(rf"[a-z0-9_][a-z0-9_-]*@{_LABEL}(\.{_LABEL})+", value):
        raise ValueError(
            "must be name@host in lower case, the host with a dot such as 127.0.0.1: no console reaches another node"
        )
    return value


NodeName = Annotated[str, AfterValidator(_node_name)]


def _address(value: str) -> str:
    """An IP address in its canonical form, without a zone."""
    try:
        address = ipaddress.ip_address(value.replace("%", " "))
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 address: certbot asks no name server for a name server") from None
    if value != str(address):
        raise ValueError(f"must be written as {address}")
    return value


Address = Annotated[str, AfterValidator(_address)]


def is_address(value: str) -> bool:
    """Whether the text for a host is an IP address and no name."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _database_host(value: str) -> str:
    """A host name or an IP address. Postgrex connects to a name over IPv4 unless told otherwise."""
    if value.rpartition(".")[2].isdigit() and ":" not in value and not is_address(value):
        raise ValueError("is no IPv4 address: four numbers up to 255, without leading zeros")
    if ":" in value:
        return _ipv6_address(value)
    return _host_name(value)


def _ipv6_address(value: str) -> str:
    """An IPv6 address in its canonical form, without a zone, which a URL could not hold."""
    try:
        address = ipaddress.IPv6Address(value.replace("%", " "))
    except ValueError:
        raise ValueError("must be a host name, or an IPv4 or IPv6 address without brackets, port and zone") from None
    if address.ipv4_mapped:
        raise ValueError(f"must be written as {address.ipv4_mapped}")
    if value != str(address):
        raise ValueError(f"must be written as {address}")
    return value


DatabaseHost = Annotated[str, AfterValidator(_database_host)]


def _network(value: str) -> str:
    """An address or network for nginx's `allow`, in its canonical form."""
    try:
        # nginx takes no zone (%eth0), which belongs to an interface.
        network = ipaddress.ip_network(value.replace("%", " "), strict=False)
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 address or a network such as 192.0.2.0/24 or 2001:db8::/32") from None
    if isinstance(network, ipaddress.IPv6Network) and (mapped := network.network_address.ipv4_mapped):
        raise ValueError(f"never matches, as nginx sees such a client under its IPv4 address: write {mapped}")
    # nginx's ngx_inet_addr uses this value for "no address".
    if str(network) == "255.255.255.255/32":
        raise ValueError("is the broadcast address: no client has it, and nginx refuses it; leave it out")
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
