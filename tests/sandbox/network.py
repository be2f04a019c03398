"""A machine's network: a namespace, a virtual cable to the host, and address translation to the outside (IPv4 only)."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.sandbox import slots
from tests.sandbox.slots import Slot

_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")

_NAT = """
table ip {table} {{
    chain out {{
        type nat hook postrouting priority srcnat;
        ip saddr {address} oifname != "{cable}" masquerade
    }}
}}
"""


def create(slot: Slot) -> None:
    """Create the namespace, its cable to the host, loopback with IPv4 and IPv6, and NAT to the outside."""
    cable, inside = slot.label, ("-n", slot.label)
    _ip("netns", "add", slot.label)
    _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", slot.label)
    _ip("address", "add", f"{slot.gateway}/30", "dev", cable)
    _ip("link", "set", cable, "up")
    _ip(*inside, "link", "set", "lo", "up")
    _ip(*inside, "address", "add", f"{slot.address}/30", "dev", "eth0")
    _ip(*inside, "link", "set", "eth0", "up")
    _ip(*inside, "route", "add", "default", "via", slot.gateway)
    # paramiko leaves Nagle's algorithm on, so each command waits 40 ms for a delayed acknowledgement. These do not delay.
    _ip("route", "change", slot.subnet, "dev", cable, "src", slot.gateway, "quickack", "1")
    _ip(*inside, "route", "change", slot.subnet, "dev", "eth0", "src", slot.address, "quickack", "1")
    _nft(_NAT.format(table=slot.label, address=slot.address, cable=cable))
    _allow(slot)


def remove(slot: Slot) -> None:
    """Remove the whole network, also after half a `create`."""
    for rule in _rules(slot):
        _nft(f"delete rule {rule['family']} {rule['table']} {rule['chain']} handle {rule['handle']}")
    subprocess.run(["nft", "delete", "table", "ip", slot.label], capture_output=True, check=False)
    subprocess.run(["ip", "link", "delete", slot.label], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "delete", slot.label], capture_output=True, check=False)


def forward(on: bool) -> None:
    """Let the host route packets for machines; off restores the former setting. Within `slots.registry()`."""
    before = slots.STATE.with_name(f"{slots.STATE.name}.forwarding")
    if on and _FORWARDING.read_text().strip() == "0":
        before.touch()
        _FORWARDING.write_text("1")
    elif not on and before.exists():
        _FORWARDING.write_text("0")
        before.unlink()


def _allow(slot: Slot) -> None:
    """Let the machine's packets through the host's own firewall. A drop in any table wins over an accept in another one."""
    for chain in _list("chains", "chain"):
        if chain.get("hook") == "forward" and chain["family"] in {"ip", "inet"}:
            for direction in ("iifname", "oifname"):
                _nft(
                    f"insert rule {chain['family']} {chain['table']} {chain['name']} "
                    f'{direction} "{slot.label}" accept comment "{slot.label}"'
                )


def _rules(slot: Slot) -> list[dict[str, Any]]:
    return [rule for rule in _list("ruleset", "rule") if rule.get("comment") == slot.label]


def _list(what: str, kind: str) -> list[dict[str, Any]]:
    output = subprocess.run(["nft", "--json", "--handle", "list", what], capture_output=True, text=True, check=True)
    return [entry[kind] for entry in json.loads(output.stdout)["nftables"] if kind in entry]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def _nft(ruleset: str) -> None:
    subprocess.run(["nft", "--file", "-"], input=ruleset, check=True, capture_output=True, text=True)
