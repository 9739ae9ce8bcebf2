"""What a call costs in the gateway's own code: `python -m bench.call_cost`, a quarter of a minute.

The voice service of the gateway in one process with this program, whole calls through it, but no socket: datagrams
are handed over in memory, and trust party and relay are answered for here. Store, sealing and commits are real, on
the disk of the temporary folder. So what is measured is the gateway's Python and SQLite, without kernel and other
processes, and comes out alike from run to run: to tell two states of the code apart. What a call costs in life is
`bench.voice`'s to say.

CPU time of the process less what this program's own part took, for the round that took the least; with --calls
the function calls under cProfile; with --profile where the time goes, sampled.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import hashlib
import json
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from bench import profiles
from bench.profiled import Sampler
from foundation.loop import GC_THRESHOLDS, SWITCH_SECONDS
from foundation.seal import Sealer, add_missing_keys
from foundation.store import Store
from gateway.access_number import AccessNumberRow
from gateway.accounts.directory import Directory, Snapshot
from gateway.app import MIGRATIONS
from gateway.settings import AidSettings, CoreSettings, MediaSettings, SipSideSettings, VoiceSettings
from gateway.store import edis
from gateway.store.accounts import TrunkRow
from gateway.store.domain import Domain
from gateway.store.subscribers import HoldingLine, import_lines
from gateway.store.vault import Vault
from gateway.voice import service as voice_service
from gateway.voice.service import VoiceService
from gm.keystore import ITERATIONS_MIN, KeyStore
from sip.aio import endpoint
from sip.digest import ha1, response_value
from sip.flow import Flow
from sip.media import relay_client
from sip.media.relay_client import RelayClient
from sip.media.relay_control import ControlFramer, frame
from trust_client.verifier import Grant, Verifier

DOMAIN, REALM, USER, PASSWORD = "aid.invalid", "ascs", "pbx", "open sesame"
NUMBER, ENTERPRISE = "1069000100", "ent"
PEOPLE = 100
PBX, CORE = ("127.0.0.1", 5071), ("127.0.0.1", 5072)
"""The two ends, as the gateway sees them."""
GATEWAY_PORTS = {"a": 5061, "b": 5062}

_SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)
_OFFER, _ANSWER = _SDP.format(port=29000), _SDP.format(port=29010)


class Own:
    """CPU seconds of this program's part, and when it began to take them."""

    seconds = 0.0


def _own(function: Callable[..., Any]) -> Callable[..., Any]:
    """Count what a function takes as this program's."""

    def counted(*args: Any) -> Any:
        began = time.thread_time()
        try:
            return function(*args)
        finally:
            Own.seconds += time.thread_time() - began

    return counted


@dataclass(slots=True)
class _Transport:
    """A UDP socket of the gateway's."""

    wire: Wire
    local: tuple[str, int]

    def sendto(self, data: bytes, to: tuple[str, int]) -> None:
        self.wire.sent(data, to)

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        pass


class Wire:
    """Carries datagrams between the gateway and the two ends, each in a turn of the loop as a socket does."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ends: dict[tuple[str, int], Callable[[bytes], None]] = {}
        self.sockets: dict[int, endpoint._Datagrams] = {}

    def attach(self, address: tuple[str, int], take: Callable[[bytes], None]) -> None:
        self._ends[address] = take

    def sent(self, data: bytes, to: tuple[str, int]) -> None:
        self._loop.call_soon(_own(self._ends[to]), data)

    def give(self, data: str, source: tuple[str, int], port: int) -> None:
        self._loop.call_soon(self.sockets[port].datagram_received, data.encode(), source)

    async def listen(self, shell: endpoint.SipEndpoint, listener: endpoint.Listener) -> Flow:
        self.sockets[listener.port] = endpoint._Datagrams(shell)
        shell._datagrams[False] = _Transport(self, (listener.host, listener.port))  # type: ignore[assignment]
        return Flow("UDP", listener.host, listener.port)


def _value(text: str, name: str) -> str:
    begin = text.index(f"\r\n{name}: ") + len(name) + 4
    return text[begin : text.index("\r\n", begin)]


class Pbx:
    """Calls one AID after the other, so many at a time; each call is challenged, answered and ended at once."""

    def __init__(self, wire: Wire, aids: list[str]) -> None:
        self._wire = wire
        self._aids = aids
        self._loop = asyncio.get_running_loop()
        self._left = 0
        self._up = 0
        self._number = 0
        self._over = self._loop.create_future()
        self._ha1 = ha1(USER, REALM, PASSWORD, "MD5")
        wire.attach(PBX, self._take)

    async def place(self, calls: int, at_a_time: int) -> None:
        self._left, self._over = calls, self._loop.create_future()
        for _ in range(min(calls, at_a_time)):
            self._next()
        await self._over

    def _next(self) -> None:
        if not self._left:
            if not self._up:
                self._over.set_result(None)
            return
        self._left -= 1
        self._up += 1
        self._number += 1
        self._invite(self._number, 1, "")

    def _head(self, method: str, uri: str, number: int, cseq: int, to_tag: str, more: str, body: str) -> str:
        aid = self._aid(number)
        return (
            f"{method} {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:5071;branch=z9hG4bK-9-{number}-{cseq}-{method}\r\n"
            f"From: <sip:{NUMBER}@127.0.0.1:5071>;tag=9t{number}\r\n"
            f"To: <sip:{aid}@127.0.0.1:5061>{to_tag}\r\n"
            f"Call-ID: {number}-9@127.0.0.1\r\n"
            f"CSeq: {cseq} {method}\r\n{more}"
            f"Max-Forwards: 70\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )

    def _aid(self, number: int) -> str:
        return self._aids[number % len(self._aids)]

    def _send(self, *parts: Any) -> None:
        self._wire.give(self._head(*parts), PBX, GATEWAY_PORTS["a"])

    def _invite(self, number: int, cseq: int, authorization: str) -> None:
        more = f"Contact: <sip:{NUMBER}@127.0.0.1:5071>\r\n{authorization}Content-Type: application/sdp\r\n"
        self._send("INVITE", self._uri(number), number, cseq, "", more, _OFFER)

    def _uri(self, number: int) -> str:
        return f"sip:{self._aid(number)}@127.0.0.1:5061"

    def _take(self, data: bytes) -> None:
        text = data.decode()
        status = text[8:11]
        method = _value(text, "CSeq").partition(" ")[2]
        number = int(_value(text, "Call-ID").partition("-")[0])
        if status == "401":
            self._send("ACK", self._uri(number), number, 1, "", "", "")
            nonce = text.partition('nonce="')[2].partition('"')[0]
            uri = self._uri(number)
            value = response_value(
                self._ha1, "INVITE", uri, nonce=nonce, algorithm="MD5", cnonce="c0ffee", nc="00000001"
            )
            self._invite(
                number,
                2,
                f'Authorization: Digest username="{USER}",realm="{REALM}",cnonce="c0ffee",nc=00000001,qop=auth,'
                f'uri="{uri}",nonce="{nonce}",response="{value}",algorithm=MD5\r\n',
            )
        elif status == "200" and method == "INVITE":
            contact = _value(text, "Contact").strip("<>")
            tag = ";tag=" + _value(text, "To").partition(";tag=")[2]
            self._send("ACK", contact, number, 2, tag, "", "")
            self._send("BYE", contact, number, 3, tag, "", "")
        elif status == "200":
            self._up -= 1
            self._next()
        elif status not in ("100", "180", "183"):
            sys.exit(f"a call failed:\n{text}")


class Core:
    """Rings and answers each call at once."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        wire.attach(CORE, self._take)

    def _take(self, data: bytes) -> None:
        text = data.decode()
        if text.startswith("ACK"):
            return
        head = "".join(f"{name}: {_value(text, name)}\r\n" for name in ("Via", "From", "Call-ID", "CSeq"))
        to, answers = _value(text, "To"), []
        if text.startswith("INVITE"):
            tag = ";tag=8a" + _value(text, "Call-ID")[:12]
            contact = "Contact: <sip:answerer@127.0.0.1:5072>\r\n"
            answers = [
                f"SIP/2.0 180 Ringing\r\n{head}To: {to}{tag}\r\n{contact}Content-Length: 0\r\n\r\n",
                f"SIP/2.0 200 OK\r\n{head}To: {to}{tag}\r\n{contact}Content-Type: application/sdp\r\n"
                f"Content-Length: {len(_ANSWER)}\r\n\r\n{_ANSWER}",
            ]
        else:
            answers = [f"SIP/2.0 200 OK\r\n{head}To: {to}\r\nContent-Length: 0\r\n\r\n"]
        for answer in answers:
            self._wire.give(answer, CORE, GATEWAY_PORTS["b"])


class _RelayChannel:
    """The relay's end of its control channel: answers what is asked."""

    def __init__(self, client: RelayClient) -> None:
        self._loop = asyncio.get_running_loop()
        self._protocol = relay_client._Channel(client)
        self._protocol.connection_made(self)  # type: ignore[arg-type]
        self._framer = ControlFramer()
        side = {"packets": 0, "octets": 0, "lost": 0, "jitter_ms": 0.0, "ssrc_changes": 0, "refused": 0}
        side |= {"forwarded": 0, "silent_s": 0.01, "latched": None}
        local = {"host": "127.0.0.1", "rtp_port": 40000, "rtcp_port": 40001}
        self._results: dict[str, Any] = {
            "create": {"a": local, "b": local},
            "delete": {"a": side, "b": side, "age_s": 0.01},
            "silent": [],
        }

    def write(self, data: bytes) -> None:
        self._answer(data)

    @_own
    def _answer(self, data: bytes) -> None:
        for asked in self._framer.feed(data):
            answer = frame({"id": asked["id"], "result": self._results.get(asked["op"])})
            self._loop.call_soon(self._protocol.data_received, answer)

    def close(self) -> None:
        pass


class _Relay(RelayClient):
    """The gateway's client, with this program at the other end."""

    def __init__(self) -> None:
        super().__init__()
        self._channel = _RelayChannel(self)  # type: ignore[assignment]

    async def stop(self) -> None:
        pass


class _Stream:
    """Grants everything in the next turn of the loop."""

    def __init__(self, grants: dict[str, Grant]) -> None:
        self._grants = grants
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        pass

    def ask(self, texts: list[str], seconds: float, answered: Callable[[Any], None]) -> bool:
        grants = [self._grants[json.loads(text)["aid"]] for text in texts]
        self._loop.call_soon(answered, grants)
        return True

    async def close(self) -> None:
        pass


def _directory() -> Directory:
    secrets = (ha1(USER, REALM, PASSWORD, "MD5"), ha1(USER, REALM, PASSWORD, "SHA-256"))
    trunk = TrunkRow(USER, ENTERPRISE, REALM, *secrets, NUMBER, None, 100_000)
    number = AccessNumberRow(NUMBER, ENTERPRISE, None, USER)
    return Directory(
        Snapshot(
            version=1, enterprises={ENTERPRISE: "E"}, access_numbers={NUMBER: number}, trunks={USER: trunk}
        )
    )


def _people() -> dict[str, tuple[bytes, str]]:
    """AID to EDI and MSISDN."""
    return {f"888{n:015d}": (hashlib.sha256(b"%d" % n).digest()[:16], f"86138{n:08d}") for n in range(PEOPLE)}


def _seed(conn: Any, domain: Domain, people: dict[str, tuple[bytes, str]], now_ms: int) -> None:
    vault = domain.vault
    for n, (edi_id, msisdn) in enumerate(people.values()):
        line = HoldingLine(msisdn, 2, f"46000{n:010d}", now_ms - 10**10, None)
        import_lines(conn, vault, [line], now_ms - 10**9)
        indexes = vault.msisdn_index(conn, msisdn), vault.identifier_index(conn, 2, line.identifier)
        sealed, as_of = vault.seal_msisdn(msisdn), int(time.strftime("%Y%m%d", time.gmtime()))
        row = edis.EdiRow(
            edi_id, ENTERPRISE, indexes[0], sealed, 2, indexes[1], as_of, b"\0" * 32, now_ms - 1000
        )
        edis.insert(conn, row)


async def _measure(folder: Path, given: argparse.Namespace) -> None:
    keys = KeyStore.create(folder / "keys.store", "passphrase", iterations=ITERATIONS_MIN)
    add_missing_keys(keys)
    store = Store.open(folder / "carrier.db", MIGRATIONS)
    domain = Domain(store, Vault(Sealer(keys)))
    people = _people()
    await store.write(lambda conn: _seed(conn, domain, people, domain.now_ms()))
    wire = Wire()
    endpoint.SipEndpoint._listen = lambda shell, listener: wire.listen(shell, listener)  # type: ignore[method-assign]

    async def start_media(*_: Any) -> RelayClient:
        return _Relay()

    voice_service.start_media = start_media
    term_end = domain.now_ms() + 10**9
    grants = {
        aid: Grant("A" * 279, edi_id, "00:00-24:00", "100000/day", (NUMBER,), term_end)
        for aid, (edi_id, _) in people.items()
    }
    verifier = Verifier(None, stream=_Stream(grants))  # type: ignore[arg-type]
    settings = VoiceSettings(
        enterprise=SipSideSettings(port=GATEWAY_PORTS["a"]),
        core_side=SipSideSettings(port=GATEWAY_PORTS["b"]),
        core=(CoreSettings(port=CORE[1]),),
        core_probe_s=0,
        contact_probe_s=0,
        realm=REALM,
        calls_max=10_000,
        aid=AidSettings(calls_max=10_000),
        media=MediaSettings(port_min=30_000, port_max=40_999),
    )
    service = VoiceService(
        domain,
        _directory(),
        verifier,
        None,  # type: ignore[arg-type]
        settings,
        aid_domain=DOMAIN,
        country_code="86",
        logs_folder=folder,
        on_trust_rows=lambda: None,
    )
    await service.start()
    pbx, _core = Pbx(wire, list(people)), Core(wire)
    await pbx.place(200, given.at_a_time)
    gc.collect()
    gc.disable()
    if given.calls:
        profile = cProfile.Profile()
        profile.enable()
        await pbx.place(given.a_round, given.at_a_time)
        profile.disable()
        stats = pstats.Stats(profile)
        print(f"{stats.total_calls / given.a_round:.0f} function calls a call")  # type: ignore[attr-defined]
        stats.sort_stats(given.calls).print_stats(given.shown)
    elif given.profile:
        with Sampler() as sampler:
            for _ in range(given.rounds):
                await pbx.place(given.a_round, given.at_a_time)
        sampler.save(folder / "main.samples")
        profiles.report(folder, given.rounds * given.a_round)
    else:
        costs = []
        for _ in range(given.rounds):
            own, began = Own.seconds, time.process_time()
            await pbx.place(given.a_round, given.at_a_time)
            costs.append((time.process_time() - began - (Own.seconds - own)) / given.a_round * 1e6)
            gc.collect()
        costs.sort()
        print(f"{costs[0]:.0f} µs a call, least of {len(costs)} (median {costs[len(costs) // 2]:.0f})")
    await service.stop()
    await verifier.close()
    await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.call_cost", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--a-round", type=int, default=300, help="calls in each round (300)")
    parser.add_argument("--at-a-time", type=int, default=8, help="calls up at one time (8)")
    parser.add_argument("--calls", metavar="SORT", help="count function calls; sorted as pstats can")
    parser.add_argument("--profile", action="store_true", help="sample where the time goes")
    parser.add_argument("--shown", type=int, default=60, help="lines of --calls (60)")
    given = parser.parse_args()
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(*GC_THRESHOLDS)
    with (
        tempfile.TemporaryDirectory(prefix="ascs-bench-") as name,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_measure(Path(name), given))


if __name__ == "__main__":
    main()
