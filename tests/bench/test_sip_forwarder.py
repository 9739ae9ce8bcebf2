"""The SIP forwarder: itself into Via and Contact on the way there, out of Via on the way back, nothing else."""

from __future__ import annotations

import asyncio

from bench.sip_forwarder import HOST, Forwarder
from sip.message import Request, Response, make_response
from sip.parser import parse

INVITE = (
    b"INVITE sip:1@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bKa\r\n"
    b"From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:1@127.0.0.1>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n"
    b"Contact: <sip:a@127.0.0.1:6001>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


class Sent(asyncio.DatagramTransport):
    def __init__(self) -> None:
        super().__init__()
        self.datagrams: list[tuple[bytes, object]] = []

    def sendto(self, data: bytes, addr: object = None) -> None:  # type: ignore[override]
        self.datagrams.append((data, addr))


def test_there_and_back() -> None:
    forwarder, sent = Forwarder(5060, 6002), Sent()
    forwarder.connection_made(sent)
    forwarder.datagram_received(INVITE, (HOST, 6001))
    [(data, target)] = sent.datagrams
    there = parse(data)
    assert isinstance(there, Request)
    assert target == (HOST, 6002)
    assert [via.port for via in there.vias] == [5060, 6001]
    assert there.get("Contact") == "<sip:127.0.0.1:5060>"
    assert there.max_forwards == 69
    forwarder.datagram_received(make_response(there, 180).to_bytes(), (HOST, 6002))
    data, target = sent.datagrams[1]
    back = parse(data)
    assert isinstance(back, Response)
    assert target == (HOST, 6001)
    assert [via.port for via in back.vias] == [6001]
