"""The network of a host."""

from pyinfra.api import FactBase
from typing_extensions import override


class Ipv6(FactBase[bool]):
    """Whether the host has IPv6. Where it is switched off, no interface has an address of it, not even the loopback."""

    @staticmethod
    @override
    def default() -> bool:
        return True

    @override
    def command(self) -> str:
        return "grep -qs . /proc/net/if_inet6 && echo on || echo off"

    @override
    def process(self, output: list[str]) -> bool:
        return output != ["off"]
