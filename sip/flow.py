"""Where a message came from and where it goes: transport, address and port."""

from __future__ import annotations

from typing import NamedTuple


class Flow(NamedTuple):
    """One hop as the transport sees it. ``host`` is a bare address (no brackets)."""

    transport: str
    host: str
    port: int

    @property
    def reliable(self) -> bool:
        """RFC 3261 17: reliable transports need no retransmission."""
        return self.transport != "UDP"
