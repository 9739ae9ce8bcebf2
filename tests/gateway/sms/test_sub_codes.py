"""A shared number whose sub-codes are two enterprises': who may send from it, and whose a reply is."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.access_number import AccessNumberRow
from gateway.accounts.directory import Directory, Snapshot
from gateway.sms.final import Delivery
from gateway.sms.inbound import Inbound
from gateway.sms.outgoing import Outgoing
from gateway.sms_settings import SmsSettings
from gateway.store.domain import Domain
from interparty.messages import RestoreAnswer, RestoreItem
from smpp.codec import decode, encode
from smpp.constants import CommandStatus
from smpp.pdu import CancelSm, CancelSmResp, DeliverSm, Pdu, QuerySm, QuerySmResp, SubmitSm
from tests.gateway.carrier import (
    AID,
    CODE_NUMBER,
    ENTERPRISE,
    MSISDN,
    NOW_MS,
    Clock,
    FakeConnection,
    directory,
    rows,
    until,
)
from tests.gateway.sms.desk import Desk, time_text

MINE = "10698801"
THEIRS = "10698802"


def shared() -> Directory:
    numbers = (
        AccessNumberRow(MINE, ENTERPRISE, "sms-a", None, extension_digits=4),
        AccessNumberRow(THEIRS, "ent-b", "sms-b", None),
    )
    return Directory(replace(directory().current, access_numbers={row.number: row for row in numbers}))


@pytest.fixture
def desk(people: Domain, clock: Clock) -> Desk:
    return Desk(people, clock, accounts=shared())


class Replies:
    """The inbound side over the same store and directory."""

    def __init__(self, desk: Desk) -> None:
        self.connection = FakeConnection()
        self.deliveries: list[Delivery] = []
        self.notices: list[Outgoing] = []
        self.restored: list[RestoreItem] = []
        self.settled = 0
        self.inbound = Inbound(
            desk.domain,
            desk.directory,
            self,  # type: ignore[arg-type]
            SmsSettings(),
            country_code="86",
            confirmation_number=CODE_NUMBER,
            on_own_number=lambda conn, msisdn, text: None,
            on_deliveries=self.deliveries.extend,
            on_outgoing=self.notices.append,
            on_trust_rows=self._count,
            on_revoked=lambda edi_ids: None,
        )

    def _count(self) -> None:
        self.settled += 1

    async def restore(self, items: list[RestoreItem]) -> list[RestoreAnswer]:
        self.restored += items
        return [RestoreAnswer(aid=AID) for _ in items]

    async def take(self, text: bytes, to: str) -> None:
        pdu = Pdu(DeliverSm(source_addr=MSISDN.encode(), destination_addr=to.encode(), short_message=text), 5)
        self.inbound.take(self.connection, pdu, encode(pdu))  # type: ignore[arg-type]
        assert (await self.connection.answer())[1] == 0


async def inbound_rows(desk: Desk) -> list[tuple[str, Any, Any]]:
    return [
        (row["access_number"], row["enterprise_id"], row["cause"])
        for row in await rows(desk.domain, "inbound")
    ]


@pytest.mark.parametrize("source", [MINE, MINE + "7", MINE + "0042"])
async def test_a_message_shows_what_the_enterprise_appended_and_is_asked_for_by_its_number(
    desk: Desk, source: str
) -> None:
    assert await desk.status(source=source, registered_delivery=1) == 0
    assert desk.smsc.bodies()[0].source_addr == source.encode()
    assert [item.access_number for item in desk.verifier.asked] == [MINE]
    await desk.taken()
    await desk.receipt()
    receipt = decode(desk.deliveries[0].frame).body
    assert isinstance(receipt, DeliverSm)
    assert receipt.destination_addr == source.encode()
    assert [row["access_number"] for row in await rows(desk.domain, "cdr", "seq")] == [source]


@pytest.mark.parametrize("source", [THEIRS, THEIRS + "1", MINE + "00421", "106988", MINE + "x", MINE[:-1]])
async def test_what_is_not_its_own_sub_code_is_refused(desk: Desk, source: str) -> None:
    assert await desk.status(source=source) == CommandStatus.ESME_RINVSRCADR
    assert desk.verifier.asked == []


async def test_what_waited_is_asked_for_by_its_number_again(desk: Desk, clock: Clock) -> None:
    message_id = await desk.accepted(source=MINE + "77", schedule_delivery_time=time_text(NOW_MS + 60_000))
    desk.verifier.asked.clear()
    clock.now_ms += 61_000
    desk.dispatcher.start()
    await until(lambda: bool(desk.smsc.sent))
    await desk.dispatcher.stop()
    assert [item.access_number for item in desk.verifier.asked] == [MINE]
    assert await desk.message(message_id) is not None


async def test_query_and_cancel_name_the_source_as_it_was_sent(desk: Desk) -> None:
    fields: dict[str, Any] = {"schedule_delivery_time": time_text(NOW_MS + 60_000)}
    message_id = await desk.accepted(source=MINE + "77", **fields)
    name = f"{message_id:016x}".encode()
    for source, expected in ((MINE, CommandStatus.ESME_RQUERYFAIL), (MINE + "77", QuerySmResp)):
        answer = await desk.ask(desk.services.query, QuerySm(message_id=name, source_addr=source.encode()))
        assert expected in (answer, type(answer))
    # Without an id: all that waits from that source, and nothing of another.
    for source, expected in ((MINE, CommandStatus.ESME_RCANCELFAIL), (MINE + "77", CancelSmResp)):
        body = CancelSm(source_addr=source.encode(), destination_addr=AID.encode())
        answer = await desk.ask(desk.services.cancel, body)
        assert expected in (answer, type(answer))
    assert await desk.state(message_id) is None


async def test_parts_from_different_sources_are_different_messages(desk: Desk) -> None:
    async def part(number: int, source: str) -> None:
        header = bytes((5, 0, 3, 9, 2, number))
        assert await desk.status(source=source, text=header + b"x", esm_class=0x40) == 0

    await part(1, MINE + "1")
    await part(2, MINE + "2")
    assert desk.smsc.sent == []
    await part(2, MINE + "1")
    assert len(desk.smsc.sent) == 2


@pytest.mark.parametrize("to", [MINE, MINE + "0042", MINE + "99999"])
async def test_a_reply_belongs_to_the_longest_number_that_its_address_begins_with(
    desk: Desk, to: str
) -> None:
    assert await desk.status(source=MINE + "0042") == 0
    replies = Replies(desk)
    await replies.take(b"yes", to)
    assert await inbound_rows(desk) == [(MINE, ENTERPRISE, None)]
    replies.inbound.start()
    await until(lambda: bool(replies.deliveries))
    await replies.inbound.stop()
    # The trust party is asked by the number of the consent; the enterprise sees what the person wrote to.
    assert [item.access_number for item in replies.restored] == [MINE]
    body = decode(replies.deliveries[0].frame).body
    assert isinstance(body, DeliverSm)
    assert (body.source_addr, body.destination_addr) == (AID.encode(), to.encode())


@pytest.mark.parametrize(
    ("to", "owner", "cause"), [(THEIRS, "ent-b", "NO_CONTACT"), ("106988", None, "UNKNOWN_ACCESS_NUMBER")]
)
async def test_a_reply_to_anothers_sub_code_or_to_none_is_nobodys(
    desk: Desk, to: str, owner: str | None, cause: str
) -> None:
    assert await desk.status(source=MINE) == 0
    replies = Replies(desk)
    await replies.take(b"yes", to)
    assert await inbound_rows(desk) == [(to, owner, cause)]


async def test_an_opt_out_to_an_appended_number_blocks_the_owner_and_is_confirmed_from_there(
    desk: Desk,
) -> None:
    assert await desk.status(source=MINE + "0042") == 0
    replies = Replies(desk)
    await replies.take(b"TD", MINE + "0042")
    assert await desk.status(source=MINE) == CommandStatus.ESME_RINVDSTADR
    (notice,) = replies.notices
    body = decode(notice.frame).body
    assert isinstance(body, SubmitSm)
    assert (body.source_addr, body.destination_addr) == ((MINE + "0042").encode(), MSISDN.encode())


async def test_a_number_given_to_another_while_a_reply_waits_tells_the_other_nothing(desk: Desk) -> None:
    assert await desk.status(source=MINE) == 0
    replies = Replies(desk)
    await replies.take(b"yes", MINE)
    other = AccessNumberRow(MINE, "ent-b", "sms-b", None)
    desk.directory.current = Snapshot(access_numbers={MINE: other})
    replies.inbound.start()
    await until(lambda: bool(replies.settled))
    await replies.inbound.stop()
    assert replies.deliveries == []
    (cdr,) = await rows(desk.domain, "cdr", "seq")
    assert (cdr["enterprise_id"], cdr["account"]) == (ENTERPRISE, "")
