"""RFC 3263: which transport, address and port a SIP host is reached at."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from sip.aio import resolver
from sip.aio.resolver import (
    ADDRESS_S,
    NOTHING_S,
    NameServers,
    Resolver,
    Target,
    name_servers,
    system_addresses,
)
from sip.dns_records import NAPTR, SRV, Answer, DnsError, Naptr, Srv
from sip.flow import Flow
from tests.sip.test_dns_records import SERVICE, record, response, srv

HOST = "core.example"


class Dns:
    """What the tests' DNS holds, and what it was asked."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, int], list[Srv | Naptr]] = {}
        self.hosts: dict[str, list[str]] = {}
        self.asked: list[tuple[str, int]] = []
        self.ttl = 60
        self.down = False
        self.time = 0.0

    async def lookup(self, name: str, kind: int) -> Answer:
        self.asked.append((name, kind))
        if self.down:
            raise DnsError("down")
        found = self.records.get((name, kind), [])
        return Answer(tuple(found), self.ttl if found else None, False)

    async def addresses(self, host: str) -> list[str]:
        self.asked.append((host, 1))
        if self.down or host not in self.hosts:
            raise OSError(f"{host} is not known")
        return self.hosts[host]

    def resolver(self) -> Resolver:
        return Resolver(self.lookup, self.addresses, lambda: self.time)


@pytest.fixture
def dns() -> Dns:
    dns = Dns()
    dns.hosts = {HOST: ["192.0.2.9"], "a.example": ["192.0.2.1"], "b.example": ["192.0.2.2", "2001:db8::2"]}
    return dns


@pytest.mark.parametrize(
    ("host", "port", "transport", "secure", "flow"),
    [
        ("192.0.2.7", None, None, False, Flow("UDP", "192.0.2.7", 5060)),
        ("192.0.2.7", 5080, "TCP", False, Flow("TCP", "192.0.2.7", 5080)),
        ("192.0.2.7", None, None, True, Flow("TLS", "192.0.2.7", 5061)),
        ("2001:db8::7", None, "TLS", False, Flow("TLS", "2001:db8::7", 5061)),
        (HOST, 5080, None, False, Flow("UDP", "192.0.2.9", 5080)),
        (HOST, 5081, None, True, Flow("TLS", "192.0.2.9", 5081)),
    ],
)
async def test_an_address_or_a_port_is_asked_nobody_about(
    dns: Dns, host: str, port: int | None, transport: str | None, secure: bool, flow: Flow
) -> None:
    assert await dns.resolver().targets(host, port, transport, secure=secure) == [Target(flow)]
    assert not [kind for _, kind in dns.asked if kind in (SRV, NAPTR)]


async def test_a_domain_says_which_transport_it_would_rather_have(dns: Dns) -> None:
    dns.records = {
        (HOST, NAPTR): [
            Naptr(50, 10, "s", "SIP+D2U", "", "_sip._udp.core.example"),
            Naptr(20, 20, "s", "SIP+D2T", "", "_sip._tcp.core.example"),
            Naptr(10, 10, "s", "SIP+D2S", "", "_sip._sctp.core.example"),
            Naptr(10, 10, "u", "SIP+D2U", "!x!y!", ""),
        ],
        ("_sip._tcp.core.example", SRV): [Srv(2, 1, 5060, "a.example"), Srv(1, 9, 5070, "b.example")],
    }
    assert await dns.resolver().targets(HOST) == [
        Target(Flow("TCP", "192.0.2.2", 5070), 1, 9),
        Target(Flow("TCP", "2001:db8::2", 5070), 1, 9),
        Target(Flow("TCP", "192.0.2.1", 5060), 2, 1),
    ]


async def test_without_naptr_each_transport_is_asked_for(dns: Dns) -> None:
    dns.records = {("_sip._tcp.core.example", SRV): [Srv(1, 1, 5060, "a.example")]}
    assert await dns.resolver().targets(HOST) == [Target(Flow("TCP", "192.0.2.1", 5060), 1, 1)]
    assert [name for name, kind in dns.asked if kind == SRV] == [
        "_sip._udp.core.example",
        "_sip._tcp.core.example",
    ]


async def test_a_named_transport_needs_no_naptr(dns: Dns) -> None:
    dns.records = {("_sips._tcp.core.example", SRV): [Srv(1, 1, 5061, "a.example")]}
    assert await dns.resolver().targets(HOST, secure=True) == [Target(Flow("TLS", "192.0.2.1", 5061), 1, 1)]
    assert (HOST, NAPTR) not in dns.asked


async def test_without_records_it_is_the_host_itself(dns: Dns) -> None:
    assert await dns.resolver().targets(HOST) == [Target(Flow("UDP", "192.0.2.9", 5060))]
    assert await dns.resolver().targets(HOST, transport="TLS") == [Target(Flow("TLS", "192.0.2.9", 5061))]


async def test_a_server_whose_name_has_no_address_does_not_hide_the_others(dns: Dns) -> None:
    dns.records = {
        ("_sip._udp.core.example", SRV): [Srv(1, 1, 5060, "gone.example"), Srv(2, 1, 5060, "a.example")]
    }
    assert await dns.resolver().targets(HOST) == [Target(Flow("UDP", "192.0.2.1", 5060), 2, 1)]


async def test_a_service_that_is_decidedly_not_there_is_passed_over(dns: Dns) -> None:
    dns.records = {
        ("_sip._udp.core.example", SRV): [Srv(0, 0, 0, "")],
        ("_sip._tcp.core.example", SRV): [Srv(1, 1, 5060, "a.example")],
    }
    assert [each.flow.transport for each in await dns.resolver().targets(HOST)] == ["TCP"]


async def test_what_dns_said_holds_for_its_lifetime_and_longer_when_dns_is_down(dns: Dns) -> None:
    dns.records = {("_sip._udp.core.example", SRV): [Srv(1, 1, 5060, "a.example")]}
    resolver = dns.resolver()
    before = await resolver.targets(HOST, transport="UDP")
    dns.time = dns.ttl - 1
    dns.asked.clear()
    assert await resolver.targets(HOST, transport="UDP") == before
    assert dns.asked == []
    dns.time, dns.down = dns.ttl + ADDRESS_S, True
    assert await resolver.targets(HOST, transport="UDP") == before
    dns.down, dns.records = False, {("_sip._udp.core.example", SRV): [Srv(1, 1, 5060, "b.example")]}
    assert (await resolver.targets(HOST, transport="UDP"))[0].flow.host == "192.0.2.2"


async def test_that_there_is_nothing_is_remembered_for_a_while(dns: Dns) -> None:
    resolver = dns.resolver()
    await resolver.targets(HOST)
    dns.asked.clear()
    await resolver.targets(HOST)
    assert dns.asked == []
    dns.time = NOTHING_S
    await resolver.targets(HOST)
    assert (HOST, NAPTR) in dns.asked


async def test_the_memory_is_bounded(dns: Dns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "CACHE_MAX", 4)
    found = dns.resolver()
    for number in range(10):
        dns.hosts[f"{number}.example"] = ["192.0.2.1"]
        await found.targets(f"{number}.example")
    assert len(found._records) == 4
    assert len(found._hosts) == 4


async def test_nothing_found_is_an_error(dns: Dns) -> None:
    with pytest.raises(OSError):
        await dns.resolver().targets("nobody.example")
    dns.down = True
    with pytest.raises(OSError, match="no name server"):
        await dns.resolver().targets(HOST)


class Server(asyncio.DatagramProtocol):
    """A name server on loopback: `replies` in order, one for each query; b"" is silence."""

    def __init__(self, *replies: bytes) -> None:
        self._replies = list(replies)
        self._transport: asyncio.DatagramTransport
        self.address: tuple[str, int]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.address = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        # A guess at the identifier is passed over by whoever waits.
        wrong = bytes((data[0] ^ 0xFF, data[1])) + response()[2:]
        self._transport.sendto(wrong, addr)
        if self._replies and (reply := self._replies.pop(0)):
            self._transport.sendto(data[:2] + reply[2:], addr)

    async def over_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        reply = asked[:2] + self._replies.pop(0)[2:]
        writer.write(len(reply).to_bytes(2, "big") + reply)
        await writer.drain()
        writer.close()


FOUND = response(record(SRV, srv(1, 2, 5060, b"\x01a\0")))


async def _serve(server: Server) -> asyncio.DatagramTransport:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", 0)
    )
    return transport


@pytest.mark.parametrize("replies", [[FOUND], [b"", FOUND], [response(flags=0x8182), FOUND]])
async def test_a_lost_packet_or_a_failing_server_is_asked_again(replies: list[bytes]) -> None:
    server = Server(*replies)
    transport = await _serve(server)
    try:
        answer = await NameServers([server.address], query_s=0.2)(SERVICE, SRV)
    finally:
        transport.close()
    assert answer.records == (Srv(1, 2, 5060, "a"),)


async def test_what_udp_cuts_short_comes_over_tcp() -> None:
    server = Server(response(flags=0x8380), FOUND)
    transport = await _serve(server)
    streams = await asyncio.start_server(server.over_tcp, *server.address)
    try:
        answer = await NameServers([server.address])(SERVICE, SRV)
    finally:
        transport.close()
        streams.close()
    assert answer.records == (Srv(1, 2, 5060, "a"),)


async def test_no_answer_is_an_error() -> None:
    server = Server()
    transport = await _serve(server)
    try:
        with pytest.raises(OSError):
            await NameServers([server.address], query_s=0.05)(SERVICE, SRV)
        with pytest.raises(OSError):
            await NameServers([])(SERVICE, SRV)
    finally:
        transport.close()


async def test_the_systems_names_and_servers_are_used(tmp_path: Path) -> None:
    assert await system_addresses("127.0.0.1") == ["127.0.0.1"]
    file = tmp_path / "resolv.conf"
    file.write_text("search example\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n")
    assert name_servers(file) == [("192.0.2.53", 53), ("2001:db8::53", 53)]
    assert name_servers(tmp_path / "none") == [("127.0.0.1", 53)]
