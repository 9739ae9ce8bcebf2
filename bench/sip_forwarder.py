"""The least that can stand between two SIP user agents: it parses each message and builds it again.

`python -m bench.sip_forwarder PORT NEXT_PORT`: a stateless forwarder (RFC 3261, 16.11) with one socket, which
puts itself into Via and Contact. No dialogs, no timers, no authorization, no record, no media. What a gateway
costs more than this is what it does for its keep.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

from foundation import loop
from sip.headers import NameAddr, Via
from sip.message import Request
from sip.parser import parse
from sip.uri import SipUri

HOST = "127.0.0.1"


class Forwarder(asyncio.DatagramProtocol):
    """Requests go to the answering side, responses to the Via below ours."""

    def __init__(self, port: int, next_port: int) -> None:
        self._port = port
        self._contact = NameAddr(SipUri(None, HOST, port))
        self._next = HOST, next_port
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = parse(data)
        if isinstance(message, Request):
            branch = ("branch", f"{message.top_via.branch}f")
            message.prepend("Via", Via("UDP", HOST, self._port, (branch,)))
            message.set("Max-Forwards", (message.max_forwards or 1) - 1)
            target = self._next
        else:
            message.remove_top_via()
            below = message.top_via
            target = below.host, below.port or 5060
        if message.get("Contact") is not None:
            message.set("Contact", self._contact)
        assert self._transport is not None
        self._transport.sendto(message.to_bytes(), target)


async def main(stop: asyncio.Event) -> None:
    """Listen and forward until told to stop."""
    port, next_port = int(sys.argv[1]), int(sys.argv[2])
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Forwarder(port, next_port), (HOST, port)
    )
    await stop.wait()
    transport.close()


if __name__ == "__main__":
    loop.run(main)
