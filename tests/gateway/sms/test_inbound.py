"""Messages from subscribers: recorded, opt-outs obeyed in the same commit, handed on under the AID."""

import json
from typing import Any

import pytest

from gateway.sms.final import Delivery
from gateway.sms.inbound import Inbound, is_opt_out, normalise_msisdn
from gateway.sms.outgoing import Outgoing
from gateway.sms_settings import SmsSettings
from gateway.store import edis
from gateway.store.domain import Domain
from gateway.store.outbox import TrustKind
from interparty.messages import RefusalBody, RestoreAnswer
from smpp.codec import decode, encode
from smpp.constants import CommandStatus, EsmClass, Tag
from smpp.pdu import DataSm, DataSmResp, DeliverSm, Pdu
from tests.gateway.carrier import (
    AID,
    CODE_NUMBER,
    EDI_ID,
    ENTERPRISE,
    MSISDN,
    NOW_MS,
    NUMBER,
    OTHER_MSISDN,
    Clock,
    FakeConnection,
    directory,
    rows,
    until,
)


class Trust:
    """Restores every EDI to one AID, or refuses."""

    def __init__(self) -> None:
        self.refusal: str | None = None

    async def restore(self, items: list[Any]) -> list[RestoreAnswer]:
        if self.refusal is not None:
            return [RestoreAnswer(refusal=RefusalBody(reason=self.refusal)) for _ in items]
        return [RestoreAnswer(aid=AID) for _ in items]


class Desk:
    """An inbound side whose first person was contacted from the access number."""

    def __init__(self, domain: Domain, clock: Clock) -> None:
        self.domain = domain
        self.clock = clock
        self.trust = Trust()
        self.connection = FakeConnection()
        self.deliveries: list[Delivery] = []
        self.notices: list[Outgoing] = []
        self.own: list[tuple[str, str]] = []
        self.revoked: list[bytes] = []
        self.inbound = Inbound(
            domain,
            directory(),
            self.trust,  # type: ignore[arg-type]
            SmsSettings(),
            country_code="86",
            confirmation_number=CODE_NUMBER,
            on_own_number=lambda conn, msisdn, text: self.own.append((msisdn, text)),
            on_deliveries=self.deliveries.extend,
            on_outgoing=self.notices.append,
            on_trust_rows=lambda: None,
            on_revoked=self.revoked.extend,
        )

    async def contact(self) -> None:
        index = await self.domain.store.write(lambda conn: self.domain.vault.msisdn_index(conn, MSISDN))
        await self.domain.store.write(
            lambda conn: edis.touch_contacts(conn, [(index, NUMBER, EDI_ID, NOW_MS)])
        )

    async def take(self, text: bytes, sender: str = MSISDN, to: str = NUMBER, **fields: Any) -> int:
        body = DeliverSm(
            source_addr=sender.encode(), destination_addr=to.encode(), short_message=text, **fields
        )
        pdu = Pdu(body, 5)
        self.inbound.take(self.connection, pdu, encode(pdu))  # type: ignore[arg-type]
        return (await self.connection.answer())[1]

    async def row(self) -> dict[str, Any]:
        (row,) = await rows(self.domain, "inbound")
        return row


@pytest.fixture
def desk(people: Domain, clock: Clock) -> Desk:
    return Desk(people, clock)


async def test_a_reply_goes_to_the_enterprise_under_the_aid(desk: Desk) -> None:
    await desk.contact()
    assert await desk.take(b"yes please") == 0
    desk.inbound.start()
    await until(lambda: bool(desk.deliveries))
    await desk.inbound.stop()
    body = decode(desk.deliveries[0].frame).body
    assert isinstance(body, DeliverSm)
    assert (body.source_addr, body.destination_addr) == (AID.encode(), NUMBER.encode())
    assert body.short_message == b"yes please"
    assert MSISDN.encode() not in desk.deliveries[0].frame


async def test_a_data_sm_is_a_reply_as_well(desk: Desk) -> None:
    """3.4, 4.7: its text is in message_payload, and it is answered as what it is."""
    await desk.contact()
    body = DataSm(
        source_addr=MSISDN.encode(),
        destination_addr=NUMBER.encode(),
        tlvs=[(Tag.MESSAGE_PAYLOAD, b"yes please")],
    )
    pdu = Pdu(body, 5)
    desk.inbound.take(desk.connection, pdu, encode(pdu))  # type: ignore[arg-type]
    assert await desk.connection.answer() == (5, 0, DataSmResp())
    desk.inbound.start()
    await until(lambda: bool(desk.deliveries))
    await desk.inbound.stop()
    reply = decode(desk.deliveries[0].frame).body
    assert isinstance(reply, DeliverSm)
    assert (reply.source_addr, reply.short_message, reply.tlvs) == (AID.encode(), b"yes please", [])


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"source_addr": b"8" * 40}, CommandStatus.ESME_RINVSRCADR),
        ({"source_addr": MSISDN.encode(), "destination_addr": b"8" * 40}, CommandStatus.ESME_RINVDSTADR),
    ],
)
async def test_a_data_sm_may_hold_longer_addresses_than_any_number(
    desk: Desk, fields: dict[str, bytes], status: int
) -> None:
    pdu = Pdu(DataSm(**fields), 5)  # type: ignore[arg-type]
    desk.inbound.take(desk.connection, pdu, encode(pdu))  # type: ignore[arg-type]
    assert await desk.connection.answer() == (5, status, None)


@pytest.mark.parametrize(("to", "cause"), [(NUMBER, "NO_CONTACT"), ("1069000999", "UNKNOWN_ACCESS_NUMBER")])
async def test_without_a_mapping_it_is_recorded_and_refused(desk: Desk, to: str, cause: str) -> None:
    await desk.contact()
    assert await desk.take(b"hello", OTHER_MSISDN, to) == 0
    row = await desk.row()
    assert (row["state"], row["cause"]) == (3, cause)
    assert desk.deliveries == []


@pytest.mark.parametrize("to", ["+" + NUMBER, "86" + NUMBER, "+86" + NUMBER])
async def test_an_smsc_may_write_the_country_code_before_an_access_number(desk: Desk, to: str) -> None:
    await desk.contact()
    assert await desk.take(b"yes", to=to) == 0
    assert (await desk.row())["access_number"] == NUMBER
    desk.inbound.start()
    await until(lambda: bool(desk.deliveries))
    await desk.inbound.stop()
    body = decode(desk.deliveries[0].frame).body
    assert isinstance(body, DeliverSm)
    assert body.destination_addr == NUMBER.encode()
    assert await desk.take(b"123456", to="86" + CODE_NUMBER) == 0
    assert desk.own == [(MSISDN, "123456")]


async def test_an_opt_out_blocks_at_once_and_cancels_after_the_reply_was_restored(desk: Desk) -> None:
    await desk.contact()
    assert await desk.take(b" td. ") == 0
    index = await desk.domain.store.write(lambda conn: desk.domain.vault.msisdn_index(conn, MSISDN))
    blocks = await desk.domain.store.write(lambda conn: edis.blocked_at(conn, [index]))
    assert blocks == {(ENTERPRISE, index): NOW_MS}
    assert len(desk.notices) == 1
    # What is on its way is to be stopped: told after the commit, and on record for a restart.
    assert desk.revoked == [EDI_ID]
    assert [row["edi_id"] for row in await rows(desk.domain, "revocation")] == [EDI_ID]
    assert await rows(desk.domain, "trust_outbox") == []
    desk.inbound.start()
    await until(lambda: bool(desk.deliveries))
    await desk.inbound.stop()
    kinds = {row["kind"]: json.loads(row["body"]) for row in await rows(desk.domain, "trust_outbox")}
    assert kinds[TrustKind.CANCELLATION]["edi_id"] == EDI_ID.hex()
    assert kinds[TrustKind.CANCELLATION]["cause"] == "OPT_OUT"


async def test_an_opt_out_is_confirmed_once(desk: Desk) -> None:
    """Said again, or sent again by the SMSC for want of an answer."""
    await desk.contact()
    for _ in range(3):
        assert await desk.take(b"TD") == 0
    assert len(desk.notices) == 1
    # A consent given afterwards can be ended again, and that is confirmed.
    desk.domain.subscribers.clear()
    await desk.domain.store.write(lambda conn: edis.confirm(conn, EDI_ID, NOW_MS + 1))
    desk.clock.now_ms += 2
    assert await desk.take(b"TD") == 0
    assert len(desk.notices) == 2


async def test_a_header_that_cannot_be_read_does_not_end_the_link(desk: Desk) -> None:
    """Its octets are the user's and go on as such; the SMSC gets its answer."""
    await desk.contact()
    assert await desk.take(b"\xff\x01", esm_class=EsmClass.UDHI) == 0
    assert (await desk.row())["cause"] is None


async def test_the_carriers_own_number_takes_its_own_messages(desk: Desk) -> None:
    assert await desk.take(b"123456", to=CODE_NUMBER) == 0
    assert desk.own == [(MSISDN, "123456")]
    assert await rows(desk.domain, "inbound") == []


async def test_a_sender_that_is_no_number(desk: Desk) -> None:
    assert await desk.take(b"hi", "CMCC") == CommandStatus.ESME_RINVSRCADR


@pytest.mark.parametrize("text", ["TD", "td", "ＴＤ", " 退订。", "T!", "0000"])
def test_opt_out_words(text: str) -> None:
    assert is_opt_out(text, SmsSettings().opt_out_words)


def test_a_word_within_a_sentence_is_no_opt_out() -> None:
    assert not is_opt_out("TD or not TD", SmsSettings().opt_out_words)


@pytest.mark.parametrize("address", [MSISDN, "+" + MSISDN, "00" + MSISDN, MSISDN[2:]])
def test_a_number_in_every_form(address: str) -> None:
    assert normalise_msisdn(address, "86") == MSISDN
