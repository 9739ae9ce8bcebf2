"""What the SMSC took is kept under the id that it gave, and a receipt that came first finds its message by it."""

from typing import Any

import pytest

from gateway.sms.accepted import Accepted, record, upstream_key
from gateway.sms.final import Delivery
from gateway.sms.upstream_ids import Dialect
from gateway.store import messages
from gateway.store.domain import Domain
from gateway.store.messages import MessageRow, ParkedReceipt, State
from smpp.codec import decode
from smpp.receipts import MessageState, parse
from tests.gateway.carrier import NOW_MS, add_message, message_row, rows, submit_frame

DELIVERED = MessageState.DELIVERED
DIALECTS: dict[str, Dialect] = {"smsc": "any", "decimal": "hex-to-decimal"}


async def queued(people: Domain, *message_ids: int) -> list[MessageRow]:
    taken = [message_row(each) for each in message_ids]
    for row in taken:
        await add_message(people, row, submit_frame(b"hi"), state=State.QUEUED)
    return taken


async def recorded(people: Domain, *accepted: Accepted) -> dict[int, list[Delivery]]:
    return await people.store.write(lambda conn: record(conn, people, DIALECTS, accepted, 60))


async def park(people: Domain, upstream: str, upstream_id: str, state: MessageState, number: int = 9) -> None:
    receipt = ParkedReceipt(number, upstream, upstream_id, NOW_MS, state, 0)
    await people.store.write(lambda conn: messages.park(conn, [receipt]))


async def kept(people: Domain) -> list[tuple[Any, ...]]:
    return [
        (row["id"], row["state"], row["upstream"], row["upstream_id"])
        for row in await rows(people, "message")
    ]


def test_two_smscs_may_give_the_same_id() -> None:
    assert upstream_key("a", "1") != upstream_key("b", "1")


async def test_the_id_is_kept_as_it_came_and_as_the_dialect_reads_it(people: Domain) -> None:
    first, second = await queued(people, 1, 2)
    assert await recorded(people, Accepted(first, "smsc", "00AB"), Accepted(second, "decimal", "0A")) == {}
    assert await kept(people) == [
        (1, State.ACCEPTED, "smsc/ab", "00AB"),
        (2, State.ACCEPTED, "decimal/10", "0A"),
    ]


async def test_without_an_id_no_receipt_can_name_it(people: Domain) -> None:
    (row,) = await queued(people, 1)
    await recorded(people, Accepted(row, "smsc", ""))
    assert await kept(people) == [(1, State.ACCEPTED, None, None)]


async def test_a_receipt_that_came_first_ends_its_message_and_goes_to_the_enterprise(people: Domain) -> None:
    first, second = await queued(people, 1, 2)
    await park(people, "smsc/ab", "ab", DELIVERED)
    found = await recorded(people, Accepted(first, "smsc", "00AB"), Accepted(second, "smsc", "77"))
    ((message_id, (delivery,)),) = found.items()
    receipt = parse(decode(delivery.frame).body)  # type: ignore[arg-type]
    assert receipt is not None
    assert (message_id, receipt.message_id, receipt.state) == (1, b"0000000000000001", DELIVERED)
    assert [each[0] for each in await kept(people)] == [2]


async def test_a_message_ends_once_however_many_receipts_came_first(people: Domain) -> None:
    (row,) = await queued(people, 1)
    await park(people, "smsc/ab", "ab", DELIVERED)
    await park(people, "smsc/ab", "AB", MessageState.EXPIRED, number=10)
    found = await recorded(people, Accepted(row, "smsc", "AB"))
    assert [len(each) for each in found.values()] == [1]
    assert len(await rows(people, "cdr")) == 1


@pytest.mark.parametrize("state", [MessageState.ENROUTE, MessageState.ACCEPTED])
async def test_a_receipt_that_is_no_end_ends_nothing(people: Domain, state: MessageState) -> None:
    (row,) = await queued(people, 1)
    await park(people, "smsc/ab", "ab", state)
    assert await recorded(people, Accepted(row, "smsc", "ab")) == {}
    assert await kept(people) == [(1, State.ACCEPTED, "smsc/ab", "ab")]
