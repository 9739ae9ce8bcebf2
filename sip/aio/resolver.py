"""Where a SIP host is (RFC 3263): NAPTR, then SRV, then addresses, each remembered for as long as DNS says."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sip.dns_records import NAPTR, SRV, Answer, DnsError, Naptr, Srv, parse_answer, query
from sip.flow import Flow, default_port

Lookup = Callable[[str, int], Awaitable[Answer]]
"""(name, SRV or NAPTR) → records. Raises DnsError, OSError."""
Addresses = Callable[[str], Awaitable[Sequence[str]]]
"""A host's IPv4 and IPv6 addresses, the preferred first. Raises OSError."""

SERVICES: Final = {"SIP+D2U": "UDP", "SIP+D2T": "TCP", "SIPS+D2T": "TLS"}
"""RFC 3263 4.1."""
PREFIXES: Final = {"UDP": "_sip._udp.", "TCP": "_sip._tcp.", "TLS": "_sips._tcp."}
"""RFC 3263 4.2; in the order in which they are asked for where nothing is said of a transport."""

CACHE_MAX: Final = 10_000
"""Names remembered; past it the one asked for longest ago is forgotten."""
TTL_MAX_S: Final = 3_600
NOTHING_S: Final = 30
"""How long it is remembered that a name has no such records."""
ADDRESS_S: Final = 60
"""How long addresses are remembered: the system's resolver does not tell their lifetime."""
TARGETS_MAX: Final = 32
"""Of one host."""
QUERY_S: Final = 2.0
"""A name server that does not answer for so long is asked again, or the next one is."""
TRIES: Final = 2
SERVERS_MAX: Final = 3
"""As resolv.conf(5) has it."""
TCP_OCTETS_MAX: Final = 65_535


@dataclass(frozen=True, slots=True)
class Target:
    """One place to try. Lower `priority` first; `weight` is its share among equals (RFC 2782)."""

    flow: Flow
    priority: int = 0
    weight: int = 0


class Resolver:
    """Finds the places where a host takes SIP. `now` is monotonic seconds, for tests."""

    def __init__(
        self,
        lookup: Lookup | None = None,
        addresses: Addresses | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lookup = lookup or NameServers(name_servers())
        self._addresses = addresses or system_addresses
        self._now = now
        self._records: OrderedDict[tuple[str, int], tuple[float, tuple[Srv | Naptr, ...]]] = OrderedDict()
        self._hosts: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()

    async def targets(
        self, host: str, port: int | None = None, transport: str | None = None, *, secure: bool = False
    ) -> list[Target]:
        """Where to send what is meant for `host` (RFC 3263 4), lower priority first. `secure`: sips, TLS only.

        Raises OSError when nothing is found, or no name server answers.
        """
        if secure:
            transport = "TLS"
        host = host.rstrip(".").lower()
        if is_address(host):
            # 4.1, 4.2: a numeric host needs no DNS.
            chosen = transport or "UDP"
            return [Target(Flow(chosen, host, port or default_port(chosen)))]
        if port is not None:
            return await self._at(transport or "UDP", host, port)
        found = [] if transport else await self._by_naptr(host)
        if not found:
            found = await self._by_srv(host, [transport] if transport else list(PREFIXES))
        if not found:
            # 4.2: no SRV records, so the host itself, at the transport's own port.
            chosen = transport or "UDP"
            found = await self._at(chosen, host, default_port(chosen))
        return found[:TARGETS_MAX]

    async def _by_naptr(self, host: str) -> list[Target]:
        """4.1: the domain says which transports it takes, and which it would rather have."""
        records = [each for each in await self._ask(host, NAPTR) if isinstance(each, Naptr)]
        usable = [
            each
            for each in records
            if each.flags.lower() == "s" and each.services.upper() in SERVICES and not each.regexp
        ]
        for record in sorted(usable, key=lambda each: (each.order, each.preference)):
            transport = SERVICES[record.services.upper()]
            found = await self._servers(transport, record.replacement)
            if found:
                return found
        return []

    async def _by_srv(self, host: str, transports: Sequence[str]) -> list[Target]:
        for transport in transports:
            found = await self._servers(transport, PREFIXES[transport] + host)
            if found:
                return found
        return []

    async def _servers(self, transport: str, service: str) -> list[Target]:
        records = [each for each in await self._ask(service, SRV) if isinstance(each, Srv)]
        found: list[Target] = []
        missing: OSError | None = None
        for record in sorted(records, key=lambda each: each.priority)[:TARGETS_MAX]:
            if not record.target or not record.port:
                continue  # RFC 2782: the root as a target means that there is no such service
            try:
                hosts = await self._hosts_of(record.target)
            except OSError as error:
                missing = error  # the others may still have addresses
                continue
            found += [
                Target(Flow(transport, each, record.port), record.priority, record.weight) for each in hosts
            ]
        if missing is not None and not found:
            raise missing
        return found

    async def _at(self, transport: str, host: str, port: int) -> list[Target]:
        # The system's order of addresses is kept (RFC 6724): the first is preferred.
        hosts = await self._hosts_of(host)
        return [Target(Flow(transport, each, port), place) for place, each in enumerate(hosts)]

    async def _ask(self, name: str, kind: int) -> tuple[Srv | Naptr, ...]:
        key, now = (name.rstrip(".").lower(), kind), self._now()
        known = self._records.get(key)
        if known is not None and now < known[0]:
            return known[1]
        try:
            answer = await self._lookup(*key)
        except (DnsError, OSError):
            if known is None:
                raise OSError(f"no name server answers for {key[0]}") from None
            return known[1]  # RFC 8767: what is old is better than nothing
        seconds = NOTHING_S if answer.ttl_s is None else min(answer.ttl_s, TTL_MAX_S)
        self._records[key] = now + seconds, answer.records
        self._records.move_to_end(key)
        if len(self._records) > CACHE_MAX:
            self._records.popitem(last=False)
        return answer.records

    async def _hosts_of(self, host: str) -> tuple[str, ...]:
        if is_address(host):
            return (host,)
        now = self._now()
        known = self._hosts.get(host)
        if known is not None and now < known[0]:
            return known[1]
        try:
            found = tuple(await self._addresses(host))
        except OSError:
            if known is None:
                raise
            return known[1]
        self._hosts[host] = now + ADDRESS_S, found
        self._hosts.move_to_end(host)
        if len(self._hosts) > CACHE_MAX:
            self._hosts.popitem(last=False)
        return found


class NameServers:
    """Asks DNS servers: over UDP, each try from a port of its own, and over TCP what UDP cuts short."""

    def __init__(self, servers: Sequence[tuple[str, int]], *, query_s: float = QUERY_S) -> None:
        self._servers = tuple(servers)[:SERVERS_MAX]
        self._query_s = query_s

    async def __call__(self, name: str, kind: int) -> Answer:
        """Raises DnsError, OSError (no server answered)."""
        fault: Exception = OSError("no name server is configured")
        for _ in range(TRIES):
            for server in self._servers:
                try:
                    async with asyncio.timeout(self._query_s):
                        answer = await self._over_udp(server, name, kind)
                        return await self._over_tcp(server, name, kind) if answer.truncated else answer
                except (DnsError, OSError, asyncio.IncompleteReadError) as error:
                    fault = error
        if isinstance(fault, DnsError | OSError):
            raise fault
        raise OSError("the name server hung up")

    async def _over_udp(self, server: tuple[str, int], name: str, kind: int) -> Answer:
        identifier = secrets.randbelow(1 << 16)
        asked = query(identifier, name, kind)
        waiting = _Waiting(identifier, name, kind)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: waiting, remote_addr=server
        )
        try:
            transport.sendto(asked)
            return await waiting.answer
        finally:
            transport.close()

    async def _over_tcp(self, server: tuple[str, int], name: str, kind: int) -> Answer:
        identifier = secrets.randbelow(1 << 16)
        asked = query(identifier, name, kind)
        reader, writer = await asyncio.open_connection(*server, limit=TCP_OCTETS_MAX)
        try:
            writer.write(len(asked).to_bytes(2, "big") + asked)
            await writer.drain()
            octets = int.from_bytes(await reader.readexactly(2), "big")
            return parse_answer(await reader.readexactly(octets), identifier, name, kind)
        finally:
            writer.close()


class _Waiting(asyncio.DatagramProtocol):
    """Takes the first datagram that answers the query; others are somebody's guesses."""

    def __init__(self, identifier: int, name: str, kind: int) -> None:
        self._asked = identifier, name, kind
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self.answer.done():
            return
        try:
            answer = parse_answer(data, *self._asked)
        except DnsError as error:
            if data[:2] == self._asked[0].to_bytes(2, "big"):
                self.answer.set_exception(error)
            return
        self.answer.set_result(answer)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def system_addresses(host: str) -> Sequence[str]:
    """As the system resolves names. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def name_servers(file: Path = Path("/etc/resolv.conf")) -> list[tuple[str, int]]:
    """The system's name servers, at port 53; the own host's where it says none (resolv.conf(5))."""
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    words = [line.split() for line in lines]
    named = [each[1] for each in words if len(each) > 1 and each[0] == "nameserver"]
    return [(each, 53) for each in named[:SERVERS_MAX]] or [("127.0.0.1", 53)]


def is_address(host: str) -> bool:
    """Whether a host without brackets is an address and no name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
