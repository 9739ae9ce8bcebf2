"""A voice service between a core and an enterprise that the test plays, over loopback, with a real store."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from foundation.seal import Sealer, add_missing_keys
from foundation.store import Store
from gateway.access_number import AccessNumberRow
from gateway.accounts.directory import Directory, Snapshot
from gateway.app import MIGRATIONS
from gateway.settings import CoreSettings, MediaSettings, SipSideSettings, VoiceSettings
from gateway.store import edis
from gateway.store.accounts import TrunkRow
from gateway.store.domain import Domain
from gateway.store.subscribers import HoldingLine, import_lines
from gateway.store.vault import Vault
from gateway.voice import service as voice_service
from gateway.voice.service import VoiceService
from gm.keystore import ITERATIONS_MIN, KeyStore
from interparty.hot_messages import QuestionLike
from interparty.messages import RefusalBody, RestoreAnswer, RestoreItem
from sip.agent import AgentConfig
from sip.aio.endpoint import Listener, SipEndpoint
from sip.digest import Credentials, ha1
from sip.events import CallAnswered, Event, IncomingCall, ResponseReceived
from sip.flow import Flow
from sip.headers import NameAddr
from sip.media.control import LocalMedia, MediaError, MediaPorts, MediaStats, RemoteMedia, Side, SideStats
from sip.media.relay_client import RelayClient
from sip.sdp import make_answer, make_offer, parse_sdp
from sip.timers import TimerValues
from sip.uri import SipUri, Uri
from trust_client.verifier import Grant, Refused, Unavailable

MSISDN = "8613800000001"
AID = "888132341582397708"
AID_REFUSED = "888100000000000001"
AID_BLOCKED = "888100000000000002"
AID_UNRESOLVED = "888100000000000003"
EDI_ID = bytes.fromhex("00112233445566778899aabbccddeeff")
EDI_BLOCKED = bytes.fromhex("11112233445566778899aabbccddeeff")
NUMBER = "1069000100"
OTHERS_NUMBER = "1069000200"
DOMAIN = "aid.invalid"
REALM = "ascs"
PASSWORD = "open sesame"
NOW_MS = 1_793_500_000_000  # 2026-11-01 10:26 in Asia/Shanghai
AS_OF = 20261101
FAST = TimerValues(t1=0.05, t2=0.2, t4=0.2, d=0.5)
PATIENCE_S = 5.0
UDP = (Listener("UDP", "127.0.0.1", 0),)


class FakeVerifier:
    """Answers by AID; holds answers back while `gate` is there."""

    def __init__(self) -> None:
        self.asked: list[QuestionLike] = []
        self.answers: dict[str, Grant | Refused | Unavailable] = {
            AID: grant(EDI_ID),
            AID_REFUSED: Refused("REVOKED"),
            AID_BLOCKED: grant(EDI_BLOCKED),
            AID_UNRESOLVED: grant(b"nobody's edi id."),
        }
        self.held: list[Callable[[], None]] | None = None

    def submit_all(
        self, items: list[tuple[QuestionLike, Any]], done: Callable[[Any], None], *, fresh: bool = False
    ) -> None:
        for item, asker in items:
            self.asked.append(item)
            answer = self.answers.get(item.aid, Refused("UNKNOWN"))
            tell = functools.partial(done, [(asker, answer)])
            if self.held is not None:
                self.held.append(tell)
            else:
                asyncio.get_running_loop().call_soon(tell)


class FakeTrust:
    """Restores one EDI; `error` or `refusal` where the test sets one."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.refusal: str | None = None

    async def restore(self, items: list[RestoreItem]) -> list[RestoreAnswer]:
        if self.error is not None:
            raise self.error
        if self.refusal is not None:
            return [RestoreAnswer(refusal=RefusalBody(reason=self.refusal)) for _ in items]
        return [RestoreAnswer(aid=AID) for _ in items]


class FakeRelay:
    """A MediaControl that remembers."""

    def __init__(self) -> None:
        self.running = True
        self.created: list[tuple[str, bool]] = []
        self.calls: set[str] = set()
        self.networks: list[tuple[Side, Side]] = []
        self.remotes: dict[Side, list[RemoteMedia]] = {"a": [], "b": []}
        self.gates: list[tuple[Side, bool]] = []
        self.silent_sides: list[Side] = []
        self.full = False
        self.on_exit: Callable[[int], None] | None = None

    async def create(
        self,
        call_id: str,
        *,
        gate_a: bool = True,
        gate_b: bool = True,
        networks: tuple[Side, Side] = ("a", "b"),
        told: tuple[Side, RemoteMedia] | None = None,
    ) -> MediaPorts:
        if self.full:
            raise MediaError("no port left")
        if told is not None:
            self.remotes[told[0]].append(told[1])
        self.created.append((call_id, gate_b))
        self.calls.add(call_id)
        self.networks.append(networks)
        return MediaPorts(LocalMedia("127.0.0.1", 20000, 20001), LocalMedia("127.0.0.1", 20002, 20003))

    async def update(
        self, call_id: str, side: Side, remote: RemoteMedia, *, opens: Side | None = None
    ) -> None:
        self.remotes[side].append(remote)
        if opens is not None:
            await self.gate(call_id, opens, True)

    async def gate(self, call_id: str, side: Side, open: bool) -> None:
        self.gates.append((side, open))

    async def silent(self, seconds: float) -> list[tuple[str, Side]]:
        return [(call_id, side) for call_id in self.calls for side in self.silent_sides]

    async def delete(self, call_id: str) -> MediaStats:
        self.calls.discard(call_id)
        side = SideStats(50, 8000, 0, 0.0, 0, 0, 50, 0.0, None)
        return MediaStats(side, side, 1.0)

    async def stop(self) -> None:
        self.running = False


class Party:
    """The test's own end of one side. Keeps every datagram that it received."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.endpoint: SipEndpoint
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    @classmethod
    async def open(cls, listeners=UDP, client_tls=None, **config: Any) -> "Party":
        party = cls()
        party.endpoint = await SipEndpoint.open(
            listeners,
            party._events.put_nowait,
            AgentConfig(values=FAST, **config),
            client_tls=client_tls,
            tap=party.received.extend,
        )
        return party

    @property
    def agent(self):
        return self.endpoint.agent

    @property
    def flow(self) -> Flow:
        return self.endpoint.bound[0]

    def now(self) -> float:
        return self.endpoint.now()

    async def next(self, kind):
        """The next event of a kind; others before it are passed over."""
        return await self.next_of(kind)

    async def next_of(self, *kinds):
        """The same of several kinds."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                event = await self._events.get()
                if isinstance(event, kinds):
                    return event

    def seen(self) -> list[Event]:
        """Events that nobody waited for."""
        return [self._events.get_nowait() for _ in range(self._events.qsize())]


class World:
    """Everything around one service, and the moves that tests make."""

    def __init__(self, domain: Domain, directory: Directory, settings: VoiceSettings, logs: Path) -> None:
        self.domain = domain
        self.directory = directory
        self.settings = settings
        self.logs = logs
        self.verifier = FakeVerifier()
        self.trust = FakeTrust()
        self.relay = FakeRelay()
        self.trust_rows = 0
        self.core: Party
        self.phone: Party
        self.service: VoiceService

    def make_service(self) -> VoiceService:
        return VoiceService(
            self.domain,
            self.directory,
            self.verifier,
            self.trust,
            self.settings,
            aid_domain=DOMAIN,
            country_code="86",
            logs_folder=self.logs,
            on_trust_rows=self._count,
        )

    def set_trunk(self, username: str = "pbx-a", **fields: Any) -> None:
        """Other settings of a trunk."""
        current = self.directory.current
        row = replace(current.trunks[username], **fields)
        self.directory.current = replace(current, trunks=current.trunks | {username: row})

    def set_number(self, number: str = NUMBER, **fields: Any) -> None:
        """Other settings of an access number."""
        current = self.directory.current
        row = replace(current.access_numbers[number], **fields)
        self.directory.current = replace(current, access_numbers=current.access_numbers | {number: row})

    async def equip(self, side: str, **config: Any) -> None:
        """Another telephone, or another core, with extensions of its own."""
        getattr(self, side).endpoint.close()
        party = await Party.open(**config)
        setattr(self, side, party)
        if side == "core":
            await self.restart(core=(self.settings.core[0].model_copy(update={"port": party.flow.port}),))

    async def restart(self, **settings: Any) -> None:
        """The same world with other settings."""
        await self.service.stop()
        fields = {name: getattr(self.settings, name) for name in VoiceSettings.model_fields}
        self.settings = VoiceSettings(**{**fields, **settings})
        self.service = self.make_service()
        await self.service.start()

    async def crash(self) -> None:
        """The service ends without a word, and another is started in its place."""
        crashed = self.service
        for endpoint in crashed._bridges.endpoints.values():
            endpoint._open = False
            endpoint._release()
        assert crashed._sweeper is not None
        crashed._sweeper.cancel()
        self.service = self.make_service()
        await self.service.start()

    async def results(self, count: int = 1) -> list[str]:
        """How the calls ended, once so many are over."""
        return [row["result"] for row in await self.closed(count)]

    def _count(self) -> None:
        self.trust_rows += 1

    @property
    def gateway(self) -> Flow:
        return Flow("UDP", *self.service.enterprise_address)

    def call(self, aid: str = AID, *, uri: Uri | None = None, from_user: str = NUMBER, **options: Any):
        """The enterprise's phone calls an AID."""
        options.setdefault("credentials", Credentials("pbx-a", PASSWORD))
        options.setdefault("body", offer())
        target = SipUri(aid, DOMAIN)
        return self.phone.agent.invite(
            uri or target,
            to=NameAddr(target),
            from_=NameAddr(SipUri(from_user, DOMAIN)),
            flow=self.gateway,
            now=self.phone.now(),
            **options,
        )

    def call_back(
        self, msisdn: str | None = MSISDN, number: str = NUMBER, *, party=None, headers=(), **options
    ):
        """The core brings a subscriber's call to an access number."""
        party = party or self.core
        uri = SipUri(number, *self.service.core_address)
        asserted = [] if msisdn is None else [("P-Asserted-Identity", f"<sip:+{msisdn}@core.invalid>")]
        options.setdefault("body", offer())
        return party.agent.invite(
            uri,
            to=NameAddr(uri),
            from_=NameAddr(SipUri("+" + (msisdn or "anonymous"), "core.invalid"), "Zhang San"),
            flow=Flow("UDP", *self.service.core_address),
            now=party.now(),
            headers=[*asserted, *headers],
            **options,
        )

    async def register(self, username: str = "pbx-a", password: str = PASSWORD, **headers: str) -> int:
        """The phone's REGISTER; the final status."""
        aor = NameAddr(SipUri(username, DOMAIN))
        contact = NameAddr(SipUri("line1", *self.phone.endpoint.local))
        self.phone.agent.send_request(
            "REGISTER",
            SipUri(None, DOMAIN),
            to=aor,
            from_=aor,
            flow=self.gateway,
            now=self.phone.now(),
            headers=[("Contact", contact)],
            credentials=Credentials(username, password),
        )
        return (await self.phone.next(ResponseReceived)).response.status

    async def talk(self, **options: Any):
        """A call that both sides are in: (the phone's call, the core's call)."""
        out = self.call(**options)
        arrived = await self.core.next(IncomingCall)
        arrived.call.answer(answer(arrived.request.body), self.core.now())
        await self.phone.next(CallAnswered)
        return out, arrived.call

    async def rows(self, table: str) -> list[dict[str, Any]]:
        found = await self.domain.store.read(f"SELECT * FROM {table} ORDER BY id")
        return [dict(row) for row in found]

    async def closed(self, count: int = 1) -> list[dict[str, Any]]:
        """The CDRs, once there are so many and no call is up."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                rows = await self.rows("cdr")
                if len(rows) >= count and not self.service.calls_up and not await self.rows("call"):
                    return rows
                await asyncio.sleep(0.005)

    async def refusals(self, count: int = 1) -> list[str]:
        """The causes on record, once there are so many."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                rows = await self.rows("refusal")
                if len(rows) >= count:
                    return [row["cause"] for row in rows]
                await asyncio.sleep(0.005)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another task brings about."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)


def grant(edi_id: bytes) -> Grant:
    return Grant("A" * 279, edi_id, "00:00-24:00", "20/day", (NUMBER,), NOW_MS + 10**9)


def offer(port: int = 40000, direction: str = "sendrecv") -> bytes:
    return make_offer("127.0.0.1", port, direction=direction, session_id=7).to_bytes()


def answer(body: bytes, port: int = 41000) -> bytes:
    return make_answer(parse_sdp(body), "127.0.0.1", port, session_id=9).to_bytes()


def _trunk(username: str, enterprise: str, number: str, **fields: Any) -> TrunkRow:
    return TrunkRow(
        username,
        enterprise,
        REALM,
        ha1(username, REALM, PASSWORD, "MD5"),
        ha1(username, REALM, PASSWORD, "SHA-256"),
        number,
        fields.get("contact"),
        fields.get("max_calls", 10),
    )


def _directory() -> Directory:
    trunks = (_trunk("pbx-a", "ent-a", NUMBER), _trunk("pbx-b", "ent-b", OTHERS_NUMBER))
    numbers = (
        AccessNumberRow(NUMBER, "ent-a", None, "pbx-a"),
        AccessNumberRow(OTHERS_NUMBER, "ent-b", None, "pbx-b"),
        AccessNumberRow("1069000300", "ent-a", "sms-a", None),
    )
    return Directory(
        Snapshot(
            version=1,
            enterprises={"ent-a": "A", "ent-b": "B"},
            access_numbers={row.number: row for row in numbers},
            trunks={row.username: row for row in trunks},
        )
    )


def _seed(domain: Domain):
    vault = domain.vault
    lines = [
        HoldingLine(MSISDN, 2, "460001234567890", NOW_MS - 10**10, None),
        HoldingLine("8613800000002", 2, "460001234567891", NOW_MS - 10**10, None),
    ]

    def op(conn):
        import_lines(conn, vault, lines, NOW_MS - 10**9)
        for edi_id, line in zip((EDI_ID, EDI_BLOCKED), lines, strict=True):
            edis.insert(
                conn,
                edis.EdiRow(
                    edi_id,
                    "ent-a",
                    vault.msisdn_index(conn, line.msisdn),
                    vault.seal_msisdn(line.msisdn),
                    2,
                    vault.identifier_index(conn, 2, line.identifier),
                    AS_OF,
                    b"\0" * 32,
                    NOW_MS - 1000,
                ),
            )
        edis.block(conn, "ent-a", vault.msisdn_index(conn, "8613800000002"), NOW_MS)

    return op


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A started service; the relay is a fake that remembers."""
    keys = KeyStore.create(tmp_path / "keys.store", "passphrase", iterations=ITERATIONS_MIN)
    add_missing_keys(keys)
    store = Store.open(tmp_path / "carrier.db", MIGRATIONS)
    domain = Domain(store, Vault(Sealer(keys)), now_ms=lambda: NOW_MS)
    await store.write(_seed(domain))
    core = await Party.open()
    settings = VoiceSettings(
        enterprise=SipSideSettings(port=0),
        core_side=SipSideSettings(port=0),
        core=(CoreSettings(port=core.flow.port),),
        core_probe_s=0,
        realm=REALM,
        media=MediaSettings(port_min=30_000, port_max=30_999),
    )
    world = World(domain, _directory(), settings, tmp_path / "logs")
    world.core, world.phone = core, await Party.open()

    async def start(config: Any, *, command: Any, on_exit: Callable[[int], None]) -> FakeRelay:
        world.relay.on_exit = on_exit
        world.relay.running = True
        return world.relay

    monkeypatch.setattr(RelayClient, "start", start)
    monkeypatch.setattr(voice_service, "SWEEP_S", 0.02)
    monkeypatch.setattr(voice_service, "RELAY_RESTART_S", 0.02)
    monkeypatch.setattr(voice_service, "DRAIN_S", 0.1)
    world.service = world.make_service()
    await world.service.start()
    yield world
    await world.service.stop()
    core.endpoint.close()
    world.phone.endpoint.close()
    await store.close()
