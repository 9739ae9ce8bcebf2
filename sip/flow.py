"""Where a message came from and where it goes: transport, address and port."""

from __future__ import annotations

from typing import NamedTuple

TRANSPORTS = ("UDP", "TCP", "TLS")
"""As they stand in Via (RFC 3261 25.1)."""


def default_port(transport: str) -> int:
    """RFC 3261 19.1.2."""
    return 5061 if transport == "TLS" else 5060


class Flow(NamedTuple):
    """One hop as the transport sees it. ``host`` is a bare address (no brackets)."""

    transport: str
    host: str
    port: int

    @property
    def reliable(self) -> bool:
        """RFC 3261 17: reliable transports need no retransmission."""
        return self.transport != "UDP"

    @property
    def is_ipv6(self) -> bool:
        """Whether ``host`` is an IPv6 address."""
        return ":" in self.host


def local_address(addresses: tuple[Flow, ...], flow: Flow) -> Flow:
    """Of our own addresses, the one that a peer at ``flow`` reaches us by: of the same transport and family, else
    of the same transport, else the first."""
    same = [each for each in addresses if each.transport == flow.transport] or addresses
    return next((each for each in same if each.is_ipv6 == flow.is_ipv6), same[0])
