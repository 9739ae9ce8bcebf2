"""An enterprise's systems as a script drives them, with a trust party, an SMSC and a registrar behind."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from foundation.capture import read
from gm.sm2 import PublicKey
from interparty import statements
from interparty.bodies import answer
from interparty.deposit_messages import (
    AidStatus,
    CancellationRequest,
    CancellationResponse,
    CancellationResult,
    DepositRequest,
    DepositResponse,
    DepositResult,
    StatusRequest,
    StatusResponse,
)
from interparty.edi import edi_id, to_text
from simulators.enterprise.process import Enterprise
from simulators.enterprise.settings import (
    ConsentSettings,
    EnterpriseSettings,
    SipSettings,
    SmppSettings,
)
from simulators.http_client import ApiError, JsonClient
from simulators.journal import Journal
from simulators.lines import Line
from simulators.scripts import Behaviour
from simulators.smsc.app import Smsc
from simulators.telephone import Telephone
from sip.digest import Authenticator, ha1
from sip.events import Event, RequestReceived
from sip.flow import Flow
from sip.headers import NameAddr
from sip.uri import SipUri
from smpp.aio.client import Client
from smpp.aio.connection import Connection
from smpp.events import Event as SmppEvent
from smpp.events import RequestReceived as SmppRequest
from smpp.pdu import BindTransceiver, DeliverSm, DeliverSmResp, SubmitSm
from tests.simulators import parties
from tests.simulators.smsc.test_app import settings_in

AID = "888100000000000017"
EDI = b"EDI1\x02CMCC0001\x01\x35\x27\x0e" + bytes(192)


@dataclass
class Carrier:
    """A SIP side that registers by digest, calls and is called."""

    telephone: Telephone
    line: Line
    contacts: list[str]

    @classmethod
    async def open(cls) -> "Carrier":
        line = Line("10690001", Journal(10), Behaviour(0.0))
        stored = {"SHA-256": ha1("desk", "aid.example", "secret", "SHA-256")}
        checker = Authenticator(
            "aid.example",
            bytes(32),
            lambda user, algorithm: stored.get(algorithm) if user == "desk" else None,
        )
        contacts: list[str] = []

        def on_other(event: Event) -> bool:
            if not isinstance(event, RequestReceived) or event.request.method != "REGISTER":
                return False
            agent, now = carrier.telephone.endpoint.agent, carrier.telephone.endpoint.now()
            request = event.request
            result = checker.verify(request.get_all("Authorization"), "REGISTER", str(request.uri), now)
            if result.outcome != "ok":
                challenges = [("WWW-Authenticate", value) for value in checker.challenges(now)]
                agent.respond(event.transaction, 401, now=now, headers=challenges)
                return True
            contacts[:] = [str(contact.uri) for contact in request.contacts]
            headers = [("Contact", f"{contact};expires=600") for contact in request.contacts]
            agent.respond(event.transaction, 200, now=now, headers=headers)
            return True

        telephone = await Telephone.open("127.0.0.1", 0, lambda _user: line, on_other=on_other)
        carrier = cls(telephone, line, contacts)
        return carrier


@dataclass
class World:
    enterprise: Enterprise
    api: JsonClient
    carrier: Carrier
    capture: Path
    aids: Path
    radio: Client
    key: PublicKey
    texts: list[DeliverSm] = field(default_factory=list)
    deposits: list[DepositRequest] = field(default_factory=list)
    cancelled: list[CancellationRequest] = field(default_factory=list)

    async def until(self, path: str, key: str, state: str) -> dict[str, object]:
        after = 0
        for _ in range(10):
            found = await self.api.get(f"/{path}?after={after}&wait=5", 5)
            for one in found[key]:
                if one["state"] == state:
                    return dict(one)
            after = found["last"]
        raise AssertionError(f"nothing became {state}")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    deposits: list[DepositRequest] = []
    cancelled: list[CancellationRequest] = []

    async def deposit(request: Request) -> Response:
        message = DepositRequest.model_validate_json(await request.body())
        deposits.append(message)
        result = DepositResult(aid=AID, evidence_id="0", status="PENDING")
        return answer(DepositResponse(results=[result] * len(message.deposits)))

    async def statuses(request: Request) -> Response:
        message = StatusRequest.model_validate_json(await request.body())
        over = {one.statement.aid for request in cancelled for one in request.cancellations}
        found = [
            AidStatus(aid=aid, status="REVOKED" if aid in over else "ACTIVE" if aid == AID else "UNKNOWN")
            for aid in message.aids
        ]
        return answer(StatusResponse(statuses=found))

    async def cancel(request: Request) -> Response:
        cancelled.append(CancellationRequest.model_validate_json(await request.body()))
        return answer(CancellationResponse(results=[CancellationResult(status="REVOKED")]))

    routes = {"/v1/deposits": deposit, "/v1/aids/status": statuses, "/v1/cancellations": cancel}
    trust = await parties.start(tmp_path, "ttp", "ent-a", routes)
    smsc = await Smsc.start(settings_in(tmp_path / "smsc"))
    carrier = await Carrier.open()
    texts: list[DeliverSm] = []

    def on_events(connection: Connection, events: list[SmppEvent]) -> None:
        for event in events:
            if isinstance(event, SmppRequest) and isinstance(event.pdu.body, DeliverSm):
                texts.append(event.pdu.body)
                connection.respond(event.pdu.sequence_number, DeliverSmResp())

    radio = Client(BindTransceiver(system_id=b"radio", password=b"secret"), on_events)
    await radio.connect("127.0.0.1", smsc.port)
    host, port = carrier.telephone.endpoint.local
    enterprise = await Enterprise.start(
        EnterpriseSettings(
            id="ent-a",
            name="快递公司",
            access_numbers=["10690001"],
            aids_file=tmp_path / "ent" / "aids.csv",
            capture_file=tmp_path / "ent" / "received.capture",
            api_port=0,
            smpp=SmppSettings(port=smsc.port, system_id="esme", password="secret"),
            sip=SipSettings(host=host, port=port, domain="aid.example", username="desk", password="secret"),
            trust=trust.link,
            consent=ConsentSettings(service="送件通知"),
            log_dir=tmp_path,
        )
    )
    await enterprise.esme.bind()
    api = JsonClient(f"http://127.0.0.1:{enterprise.api.port}")
    yield World(
        enterprise,
        api,
        carrier,
        tmp_path / "ent" / "received.capture",
        tmp_path / "ent" / "aids.csv",
        radio,
        trust.client_key.public_key,
        texts,
        deposits,
        cancelled,
    )
    await api.close()
    await radio.close()
    await enterprise.stop()
    await carrier.telephone.close()
    await smsc.stop()
    await trust.running.stop()


async def test_a_consent_is_signed_and_deposited_and_its_aid_kept(world: World) -> None:
    [nonce] = (await world.api.post("/nonces", {"count": 1}))["nonces"]
    body = {"items": [{"nonce": nonce, "edis": [to_text(EDI)]}]}
    [result] = (await world.api.post("/deposit", body))["results"]
    assert (result["aid"], result["status"]) == (AID, "PENDING")
    assert result["edi_ids"] == [edi_id(EDI).hex()]
    [request] = world.deposits
    consent = request.deposits[0].consent
    assert (consent.enterprise, consent.service, consent.nonce) == ("ent-a", "送件通知", nonce)
    assert consent.access_numbers == ["10690001"]
    assert statements.verify(
        world.key, statements.CONSENT, statements.consent_list([consent]), request.signature
    )
    assert world.aids.read_text().split() == ["aid", AID]
    assert (await world.api.get("/aids"))["aids"] == [AID]
    with pytest.raises(ApiError, match="nonce"):
        await world.api.post("/deposit", body)


async def test_statuses_and_cancellation_go_to_the_trust_party(world: World) -> None:
    found = await world.api.post("/aids/status", {"aids": [AID, "888100000000000025"]})
    assert [one["status"] for one in found["statuses"]] == ["ACTIVE", "UNKNOWN"]
    assert (await world.api.post("/cancel", {"aid": AID}))["status"] == "REVOKED"
    assert world.cancelled[0].cancellations[0].statement.cause == "USER"


async def test_an_aid_that_is_over_is_kept_no_longer(world: World) -> None:
    [nonce] = (await world.api.post("/nonces", {"count": 1}))["nonces"]
    await world.api.post("/deposit", {"items": [{"nonce": nonce, "edis": [to_text(EDI)]}]})
    await world.api.post("/aids/status", {"aids": [AID]})
    assert world.aids.read_text().split() == ["aid", AID]
    await world.api.post("/cancel", {"aid": AID})
    [told] = (await world.api.post("/aids/status", {"aids": [AID]}))["statuses"]
    assert told["status"] == "REVOKED"
    assert world.aids.read_text().split() == ["aid"]


async def test_a_text_goes_out_and_its_receipt_and_reply_are_shown(world: World) -> None:
    sent = await world.api.post("/sms", {"aid": AID, "text": "您的快递已到"})
    assert (sent["status"], sent["status_name"], len(sent["message_ids"])) == (0, "ESME_ROK", 1)
    [receipt] = (await world.api.get("/receipts?wait=5", 5))["receipts"]
    assert (receipt["message_id"], receipt["state"]) == (sent["message_ids"][0], "DELIVERED")
    assert receipt["source_addr"] == AID
    [text] = world.texts
    assert text.short_message.decode("utf-16-be") == "您的快递已到"
    await world.radio.call(
        SubmitSm(source_addr=AID.encode(), destination_addr=b"10690001", short_message=b"thanks")
    )
    [reply] = (await world.api.get("/replies?wait=5", 5))["replies"]
    assert (reply["source_addr"], reply["destination_addr"], reply["text"]) == (AID, "10690001", "thanks")


async def test_without_a_bind_nothing_is_sent(world: World) -> None:
    await world.api.post("/unbind", {})
    with pytest.raises(ApiError, match="not bound"):
        await world.api.post("/sms", {"aid": AID, "text": "x"})
    assert (await world.api.post("/bind", {}))["bound"] is True
    assert (await world.api.post("/sms", {"aid": AID, "text": "x"}))["status"] == 0


async def test_the_phone_registers_by_digest_calls_and_is_called_back(world: World) -> None:
    deadline = time.monotonic() + 5
    while not (await world.api.get("/health"))["ready"]:
        assert time.monotonic() < deadline
    assert world.carrier.contacts[0].startswith("sip:desk@127.0.0.1:")

    placed = await world.api.post("/call", {"aid": AID, "from": "10690001"})
    assert placed["peer"] == AID
    await world.until("calls", "calls", "answered")
    [incoming] = world.carrier.line.calls.since()
    assert (incoming.from_uri, incoming.to_uri) == ("sip:10690001@aid.example", f"sip:{AID}@aid.example")
    await world.api.post("/digits", {"digits": "42"})
    after = 0
    while incoming.digits != "42":
        await world.carrier.line.calls.wait(after, 5)
        after = world.carrier.line.calls.last
    await world.api.post("/hangup", {})
    ended = await world.until("calls", "calls", "ended")
    assert isinstance(ended["rtp_sent"], int)
    assert ended["rtp_sent"] > 0

    host, port = world.enterprise.phone.telephone.endpoint.local
    desk = SipUri("desk", host, port)
    await world.carrier.telephone.dial(
        world.carrier.line,
        desk,
        to=NameAddr(SipUri("10690001", "aid.example")),
        from_=NameAddr(SipUri(AID, "aid.example")),
        flow=Flow("UDP", host, port),
    )
    shown = await world.until("calls", "calls", "answered")
    assert (shown["direction"], shown["peer"]) == ("in", AID)
    assert shown["from_uri"] == f"sip:{AID}@aid.example"
    await world.api.post("/hangup", {})


async def test_every_byte_received_is_captured_by_channel(world: World) -> None:
    await world.api.post("/aids/status", {"aids": [AID]})
    await world.api.post("/sms", {"aid": AID, "text": "x"})
    await world.api.get("/receipts?wait=5", 5)
    await world.api.post("/call", {"aid": AID})
    await world.until("calls", "calls", "answered")
    [heard] = world.enterprise.phone.line.live
    assert heard.media is not None
    deadline = time.monotonic() + 5
    while not heard.media.stats.rtcp_received and time.monotonic() < deadline:
        await world.api.get("/calls?after=1000&wait=0.1")
    await world.api.post("/hangup", {})
    await world.until("calls", "calls", "ended")
    received: dict[str, bytes] = {}
    for channel, data in read(world.capture):
        received[channel] = received.get(channel, b"") + data
    assert b"statuses" in received["http"]
    assert b"id:1 sub:001" in received["smpp"]
    assert b"SIP/2.0 200" in received["sip"]
    assert b"POST /sms" in received["app"]
    assert {"rtp", "rtcp"} <= received.keys()
