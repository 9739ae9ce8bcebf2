"""The whole trust party over loopback sockets with mutual TLS, a carrier and two enterprises as peers."""

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from foundation import capture, pki
from gm.keystore import KeyStore
from gm.sm2 import PrivateKey, PublicKey
from interparty import bodies, key_ledger, trust_routes
from interparty.carrier_messages import ConfirmationRequests
from interparty.client import Peer, PeerProblem
from interparty.deposit_messages import Deposit
from interparty.edi import IdType
from interparty.evidence_messages import WitnessedCheckpoint
from interparty.messages import (
    Accepted,
    Cancellation,
    Confirmation,
    ConsistencyBody,
    InclusionBody,
    Report,
    RestoreItem,
)
from interparty.operations import Nothing, Operation
from interparty.server import Running, serve
from interparty.signed_http import Signer, sign_request
from interparty.statements import consent_sm3
from interparty.trust_routes import VERIFY_STREAM
from interparty.verify_messages import VerifyItem
from tests.trust_party.world import (
    ACCESS_NUMBER,
    CARRIER,
    EDI_KEY,
    HMAC_KEY,
    REGULATOR,
    People,
    deposit_now,
    initialise,
    settings_in,
)
from trust_client.app import seal_identifier
from trust_client.cancellations import cancel
from trust_client.carrier import CarrierClient
from trust_client.enterprise import EnterpriseClient
from trust_party import orders
from trust_party.admission import transaction
from trust_party.app import TrustParty, init, run, started
from trust_party.clock import now_ms
from trust_party.settings import TrustSettings

IMSI = "460001234567890"


@dataclass
class Keys:
    """A KeyLookup over a dictionary."""

    by_id: dict[str, bytes | PublicKey]

    def lookup(self, keyid: str) -> bytes | PublicKey | None:
        return self.by_id.get(keyid)


class FakeCarrier:
    """A carrier that takes confirmation requests and keeps them."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[ConfirmationRequests] = asyncio.Queue()
        self.server: Running | None = None

    async def take(self, request: Request) -> Response:
        assert request.state.party == "ttp"
        message = await bodies.read(request, ConfirmationRequests)
        self.requests.put_nowait(message)
        return bodies.answer(Accepted(accepted=len(message.requests)), 202)


@dataclass
class World:
    settings: TrustSettings
    people: People
    party: TrustParty
    carrier: FakeCarrier
    contexts: dict[str, ssl.SSLContext]
    keys: Keys
    peers: list[Peer]

    def peer(self, name: str, signer: Signer) -> Peer:
        url = f"https://127.0.0.1:{self.party.port}"
        peer = Peer(url, self.contexts[name], signer, self.keys, party="ttp")
        self.peers.append(peer)
        return peer

    def enterprise(self, name: str) -> EnterpriseClient:
        key = self.people.enterprises[name]
        log_key = PublicKey.from_pem((self.settings.public_folder / "log-1.pem").read_bytes())
        return EnterpriseClient(self.peer(name, Signer(f"{name}/sign/1", key)), key, [log_key])

    def carrier_client(self) -> CarrierClient:
        return CarrierClient(self.carrier_peer(), self.people.carriers[CARRIER])

    def carrier_peer(self) -> Peer:
        return self.peer(CARRIER, Signer(f"{CARRIER}/http/1", HMAC_KEY))

    def deposit(self) -> Deposit:
        nonce = secrets.token_bytes(16)
        edi = seal_identifier(
            self.people.edi_key.public_key,
            carrier=CARRIER,
            carrier_key_id=EDI_KEY,
            id_type=IdType.IMSI,
            identifier=IMSI,
            enterprise="ent-a",
            consent_nonce=nonce,
        )
        return deposit_now(edi, nonce)


@pytest.fixture
async def world(tmp_path: Path, people: People) -> AsyncIterator[World]:
    settings = settings_in(tmp_path / "trust").model_copy(
        update={"capture_file": tmp_path / "trust" / "capture.bin"}
    )
    (tmp_path / "trust").mkdir()
    initialise(settings)
    pki.make_ca(tmp_path / "ca", "Test CA")
    pki.make_party(tmp_path / "trust" / "pki", tmp_path / "ca", "ttp")
    contexts: dict[str, ssl.SSLContext] = {}
    for name in ("ent-a", "ent-b", CARRIER, REGULATOR, "stranger"):
        folder = tmp_path / name
        pki.make_party(folder, tmp_path / "ca", name)
        contexts[name] = pki.client_context(folder / "ca.pem", folder / f"{name}.pem", folder / f"{name}.key")
    sign = PublicKey.from_pem((settings.public_folder / "sign-1.pem").read_bytes())
    carrier = FakeCarrier()
    folder = tmp_path / CARRIER
    carrier.server = await serve(
        Starlette(routes=[Route("/v1/confirmation-requests", carrier.take, methods=["POST"])]),
        "127.0.0.1",
        0,
        pki.server_context(folder / "ca.pem", folder / f"{CARRIER}.pem", folder / f"{CARRIER}.key"),
        keys=Keys({"ttp/sign/1": sign}),
        signer=Signer(f"{CARRIER}/sign/1", people.carriers[CARRIER]),
    )
    people.admit(settings, f"https://127.0.0.1:{carrier.server.port}")
    keys = Keys({"ttp/sign/1": sign, f"{CARRIER}/http/1": HMAC_KEY})
    async with started(settings) as party:
        world = World(settings, people, party, carrier, contexts, keys, [])
        yield world
        for peer in world.peers:
            await peer.close()
    await carrier.server.stop()


async def test_from_consent_to_cancellation(world: World) -> None:
    enterprise, carrier = world.enterprise("ent-a"), world.carrier_client()
    deposit = world.deposit()
    result = (await enterprise.deposit([deposit]))[0]
    assert result.status == "PENDING"
    aid = result.aid or ""
    asked = VerifyItem(aid=aid, enterprise="ent-a", channel="sms", access_number=ACCESS_NUMBER)
    refused = (await carrier.verify([asked])).answers[0].refusal
    assert refused is not None
    assert refused.reason == "PENDING"

    # The carrier is asked, finds its subscriber, and signs.
    async with asyncio.timeout(5):
        request = (await world.carrier.requests.get()).requests[0]
    assert request.consent == deposit.consent
    confirmation = Confirmation(
        carrier=CARRIER,
        enterprise="ent-a",
        consent_sm3=consent_sm3(request.consent).hex(),
        edi_id=request.consent.edi_ids[0],
        method="sms-code",
        confirmed_at=now_ms(),
    )
    assert [one.status for one in await carrier.confirm([confirmation])] == ["ACTIVE"]
    assert (await enterprise.status(aid)).status == "ACTIVE"

    grant = (await carrier.verify([asked])).answers[0].grant
    assert grant is not None
    assert [grant.edi] == deposit.edis
    assert await carrier.convert(aid, "ent-a")
    restore = RestoreItem(edi_id=grant.edi_id, enterprise="ent-a", access_number=ACCESS_NUMBER)
    assert [one.aid for one in await carrier.restore([restore])] == [aid]
    report = Report(
        report_id="1",
        edi_id=grant.edi_id,
        enterprise="ent-a",
        channel="sms",
        access_number=ACCESS_NUMBER,
        direction="mt",
        result="DELIVERED",
        started_at=now_ms(),
        ended_at=now_ms(),
    )
    assert await carrier.report([report]) == 1

    opt_out = Cancellation(enterprise="ent-a", edi_id=grant.edi_id, cause="OPT_OUT", at=now_ms())
    assert [one.status for one in await carrier.cancel([opt_out])] == ["REVOKED"]
    assert (await enterprise.statuses([aid]))[0].status == "REVOKED"
    refused = (await carrier.verify([asked])).answers[0].refusal
    assert refused is not None
    assert refused.reason == "REVOKED"
    assert (await carrier.restore([restore]))[0].refusal is not None


async def test_an_enterprise_learns_nothing_of_anothers_aid(world: World) -> None:
    aid = (await world.enterprise("ent-a").deposit([world.deposit()]))[0].aid or ""
    other = world.enterprise("ent-b")
    assert (await other.statuses([aid]))[0].status == "UNKNOWN"
    titles = set()
    for unknown in (aid, "888100000000000005", "1"):
        with pytest.raises(PeerProblem) as problem:
            await other.status(unknown)
        titles.add((problem.value.status, problem.value.detail))
    assert len(titles) == 1
    cancellation = Cancellation(enterprise="ent-b", aid=aid, cause="USER", at=now_ms())
    assert (await other.cancel([cancellation]))[0].status == "UNKNOWN"


async def test_routes_are_for_the_parties_they_are_for(world: World) -> None:
    enterprise = CarrierClient(world.peer("ent-a", Signer("ent-a/sign/1", world.people.enterprises["ent-a"])))
    carrier = EnterpriseClient(world.carrier_peer(), world.people.carriers[CARRIER])
    stranger = EnterpriseClient(
        world.peer("stranger", Signer("stranger/sign/1", world.people.edi_key)), world.people.edi_key
    )
    item = VerifyItem(aid="8" * 18, enterprise="ent-a", channel="sms", access_number=ACCESS_NUMBER)
    for call, status in (
        (enterprise.verify([item]), 403),
        (carrier.statuses(["8" * 18]), 403),
        (stranger.statuses(["8" * 18]), 401),
    ):
        with pytest.raises(PeerProblem) as problem:
            await call
        assert problem.value.status == status


async def test_a_list_of_consents_with_another_signature_is_refused(world: World) -> None:
    key = world.people.enterprises["ent-a"]
    forger = EnterpriseClient(world.peer("ent-a", Signer("ent-a/sign/1", key)), PrivateKey.generate())
    with pytest.raises(PeerProblem) as problem:
        await forger.deposit([world.deposit()])
    assert problem.value.status == 403


async def test_the_log_answers_every_admitted_party(world: World) -> None:
    enterprise, peer = world.enterprise("ent-a"), world.carrier_peer()
    await enterprise.deposit([world.deposit() for _ in range(3)])
    first = (await peer.request("GET", "/v1/log/checkpoint", None, WitnessedCheckpoint)).checkpoint
    await enterprise.deposit([world.deposit() for _ in range(4)])
    second = (await peer.request("GET", "/v1/log/checkpoint", None, WitnessedCheckpoint)).checkpoint
    assert (first.size, second.size) == (64, 96)
    proof = await peer.request("GET", "/v1/log/inclusion", None, InclusionBody, query="index=2&size=96")
    assert proof.root == second.root
    consistency = await peer.request(
        "GET", "/v1/log/consistency", None, ConsistencyBody, query="first=64&second=96"
    )
    assert consistency.proof
    for query, status in (
        ("index=96&size=96", 404),
        ("index=0&size=97", 404),
        ("index=x&size=64", 422),
        ("index=0&index=0&size=64", 422),
        ("index=%2B0&size=64", 422),
        ("index=0&size=64&more=1", 422),
        ("", 422),
    ):
        with pytest.raises(PeerProblem) as problem:
            await peer.request("GET", "/v1/log/inclusion", None, InclusionBody, query=query)
        assert problem.value.status == status


async def test_a_regulator_sees_the_log_and_asks_nothing_of_carriers_or_enterprises(world: World) -> None:
    key = world.people.regulators[REGULATOR]
    peer = world.peer(REGULATOR, Signer(f"{REGULATOR}/sign/1", key))
    assert (await peer.request("GET", "/v1/log/checkpoint", None, WitnessedCheckpoint)).checkpoint.log_id
    item = VerifyItem(aid="8" * 18, enterprise="ent-a", channel="sms", access_number=ACCESS_NUMBER)
    for call in (CarrierClient(peer).verify([item]), EnterpriseClient(peer, key).statuses(["8" * 18])):
        with pytest.raises(PeerProblem) as problem:
            await call
        assert problem.value.status == 403


async def test_a_regulator_orders_an_authorization_to_end(world: World) -> None:
    aid = (await world.enterprise("ent-a").deposit([world.deposit()]))[0].aid
    key = world.people.regulators[REGULATOR]
    peer = world.peer(REGULATOR, Signer(f"{REGULATOR}/sign/1", key))
    order = Cancellation(enterprise="ent-a", aid=aid, cause="REGULATOR", order="2026-17", at=now_ms())
    assert [one.status for one in await cancel(peer, key, [order])] == ["REVOKED"]
    assert (await world.enterprise("ent-a").status(aid or "")).status == "REVOKED"


async def test_the_operator_orders_an_authorization_to_end(world: World) -> None:
    aid = (await world.enterprise("ent-a").deposit([world.deposit()]))[0].aid or ""
    numbers = await asyncio.to_thread(orders.put, world.settings, "cancel", "ent-a", [aid], "2026-18")
    async with asyncio.timeout(5):
        while None in await asyncio.to_thread(orders.results, world.settings, numbers):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert (await world.enterprise("ent-a").status(aid)).status == "REVOKED"


async def test_an_enterprise_has_an_aid_replaced(world: World) -> None:
    enterprise = world.enterprise("ent-a")
    deposit = world.deposit()
    old = (await enterprise.deposit([deposit]))[0].aid or ""
    await world.carrier_client().confirm([world.people.confirmation(deposit.consent, confirmed_at=now_ms())])
    (result,) = await enterprise.rotate([old], enterprise="ent-a", at_ms=now_ms())
    assert result.status == "ACTIVE"
    statuses = await enterprise.statuses([old, result.aid or ""])
    assert [one.status for one in statuses] == ["ROTATED", "ACTIVE"]


async def test_health_needs_a_certificate_and_no_signature(world: World) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", world.party.port, ssl=world.contexts["stranger"]
    )
    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"status":"ok"' in answer


async def test_what_was_received_is_captured_in_the_clear_and_names_nobody(world: World) -> None:
    deposit = world.deposit()
    await world.enterprise("ent-a").deposit([deposit])
    assert world.settings.capture_file is not None
    received = b"".join(data for channel, data in capture.read(world.settings.capture_file))
    assert deposit.edis[0].encode() in received
    assert IMSI.encode() not in received


async def test_it_runs_until_it_is_told_to_stop(tmp_path: Path, people: People) -> None:
    settings = settings_in(tmp_path)
    initialise(settings)
    people.admit(settings)
    pki.make_ca(tmp_path / "ca", "Test CA")
    pki.make_party(tmp_path / "pki", tmp_path / "ca", "ttp")
    stop = asyncio.Event()
    ports: list[int] = []

    def ready(port: int) -> None:
        ports.append(port)
        stop.set()

    async with asyncio.timeout(10):
        await run(settings, stop, ready)
    assert ports[0] > 0


async def test_a_key_that_a_command_did_not_live_to_record_is_found_while_it_runs(world: World) -> None:
    def found() -> list[tuple[str, int | None]]:
        with transaction(world.settings) as conn:
            return [(event.event, event.version) for event, _ in key_ledger.events(conn) if event.found]

    before = await asyncio.to_thread(found)
    KeyStore.open(world.settings.keystore.path, "correct horse").add("agreement", "sm2")
    async with asyncio.timeout(10):
        while await asyncio.to_thread(found) == before:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert await asyncio.to_thread(found) == [*before, ("retired", 1), ("made", 2)]


def test_making_what_is_missing_twice_changes_no_key(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    initialise(settings)
    before = {file.name: file.read_bytes() for file in settings.public_folder.iterdir()}
    init(settings)
    assert {file.name: file.read_bytes() for file in settings.public_folder.iterdir()} == before
    keys = KeyStore.open(settings.keystore.path, "correct horse")
    assert keys.purposes() == ("agreement", "data", "envelope", "index", "log", "sign")
    assert settings.database.stat().st_mode & 0o077 == 0


async def ask_raw(
    world: World, certificate: str, operation: Operation[Any, Any], fields: dict[str, str]
) -> int:
    """The status of a request with these header fields and no body, over `certificate`'s connection."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", world.party.port, ssl=world.contexts[certificate]
    )
    path = operation.path.replace("{aid}", "8" * 18)
    lines = [f"{operation.method} {path} HTTP/1.1", "host: x", "connection: close"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    answer = await reader.read()
    writer.close()
    assert b"application/problem+json" in answer
    return int(answer.split(b" ", 2)[1])


async def test_every_route_asks_for_a_signature_of_the_certificates_party(world: World) -> None:
    enterprise = Signer("ent-a/sign/1", world.people.enterprises["ent-a"])
    stream = Operation(
        "stream", "GET", VERIFY_STREAM.path, ("carrier",), Nothing, Accepted, "Stream", "Stream.", "Again."
    )
    for operation in (*trust_routes.OPERATIONS, stream):
        if not operation.signed:
            continue
        assert await ask_raw(world, "ent-a", operation, {}) == 401, operation.id
        path = operation.path.replace("{aid}", "8" * 18)
        fields = sign_request(
            enterprise,
            method=operation.method,
            path=path,
            query="",
            body=b"",
            created=now_ms() // 1000,
            nonce=secrets.token_urlsafe(16),
        )
        assert await ask_raw(world, CARRIER, operation, fields) == 403, operation.id
