"""The gateway is killed while messages flow: what it acknowledged is delivered all the same.

Of messages to the handset the enterprise's client is the judge of what was acknowledged; of receipts and replies
the SMSC is, by its own store.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading

import pytest
from smpplib.exceptions import ConnectionError as LostConnection
from smpplib.exceptions import PDUError

from smpp.codec import decode
from smpp.constants import CommandStatus, MessageState
from smpp.pdu import SubmitSm
from tests.e2e.esme import Esme, is_receipt
from tests.e2e.house import ENT_A, ENT_B, House, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

KILLS = 3
ENOUGH = 12
"""Acknowledged messages after which the gateway is killed: the next ones are on their way."""
WINDOW = 8
PER_KILL_MAX = 50
"""The handset keeps 200 messages; all that the tests send to it must be among them."""
REPLIES_AT_ONCE = 4
RECEIPT_ANSWERED = 2
"""The SMSC's own mark of a receipt that was answered with ESME_ROK."""


def _flow(esme: Esme, aid: str, round_: int, accepted: dict[str, str], flowing: threading.Event) -> None:
    """Submit with a window until the connection is lost; `accepted` is text to message_id of ESME_ROK."""
    under_way: dict[int, str] = {}

    def collect() -> None:
        for sequence in [each for each in under_way if each in esme.answers]:
            answer, text = esme.answers[sequence], under_way.pop(sequence)
            assert answer.status == CommandStatus.ESME_ROK, hex(answer.status)
            accepted[text] = answer.message_id.decode()
            if len(accepted) >= (round_ + 1) * ENOUGH:
                flowing.set()

    try:
        for number in range(PER_KILL_MAX):
            text = f"第{round_}轮第{number}条"
            under_way[esme.send(aid, text)] = text
            if len(under_way) >= WINDOW:
                esme.read_until(lambda: any(each in esme.answers for each in under_way), "a response")
            collect()
        esme.read_until(lambda: False, "the connection's end")
    except (LostConnection, PDUError, OSError):
        collect()


def _bound_again(port: int) -> Esme:
    return Esme(port, ENT_A).bind()


def _smsc_rows(house: House, condition: str) -> list[tuple[int, str]]:
    """(serial, text) of messages in the SMSC's store."""
    file = house.layout.simulators / "smsc" / "smsc.db"
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as conn:
        rows = conn.execute(f"SELECT id, pdu FROM message WHERE {condition} ORDER BY id").fetchall()
    found = []
    for serial, frame in rows:
        body = decode(bytes(frame)).body
        assert isinstance(body, SubmitSm)
        found.append((int(serial), body.short_message.decode("utf-16-be")))
    return found


def _acknowledged(house: House, mark: str) -> set[str]:
    """Replies for which the SMSC has the gateway's deliver_sm_resp with ESME_ROK."""
    rows = _smsc_rows(house, f"mobile_originated = 1 AND state = {int(MessageState.DELIVERED)}")
    return {text for _, text in rows if text.startswith(mark)}


def _texts(esme: Esme) -> set[str]:
    """Replies that an enterprise's client got."""
    return {each.short_message.decode("utf-16-be") for each in esme.received if not is_receipt(each)}


def _read_to_the_end(esme: Esme) -> None:
    """Answer what comes until the connection is lost."""
    with contextlib.suppress(LostConnection, PDUError, OSError):
        esme.read_until(lambda: False, "the connection's end", 30)


async def test_what_was_acknowledged_before_a_kill_is_delivered_after_the_restart(house: House) -> None:
    person = house.people[2]
    aid = await house.active_aid(ENT_A, person)
    accepted: dict[str, str] = {}
    receipts: dict[str, bytes] = {}

    def note(esme: Esme) -> None:
        for each in esme.received:
            if is_receipt(each):
                receipts[each.receipted_message_id.rstrip(b"\0").decode()] = each.short_message

    for round_ in range(KILLS):
        esme = await asyncio.to_thread(_bound_again, house.ports.smpp)
        flowing = threading.Event()
        flow = asyncio.create_task(asyncio.to_thread(_flow, esme, aid, round_, accepted, flowing))
        assert await asyncio.to_thread(flowing.wait, 10), "no messages flow"
        await house.kill_gateway()
        await flow
        note(esme)
        with contextlib.suppress(OSError):
            esme.client.disconnect()
        await house.start_gateway()

    async def all_shown() -> bool:
        inbox = await house.handsets.inbox(person.msisdn)
        return set(accepted) <= {each["text"] for each in inbox}

    await until(all_shown, f"the handset shows all {len(accepted)} acknowledged messages", 30)

    esme = await asyncio.to_thread(_bound_again, house.ports.smpp)
    try:

        def complete() -> bool:
            note(esme)
            return set(accepted.values()) <= receipts.keys()

        await asyncio.to_thread(esme.read_until, complete, "a final receipt of each", 30)
    finally:
        await asyncio.to_thread(esme.close)
    assert len(accepted) >= KILLS * ENOUGH
    assert all(b"stat:DELIVRD" in receipts[each] for each in accepted.values())


async def test_replies_acknowledged_to_the_smsc_before_a_kill_reach_the_enterprise_after_it(
    house: House,
) -> None:
    person, mark = house.people[4], "答"
    aid = await house.active_aid(ENT_B, person)
    esme = await asyncio.to_thread(Esme(house.ports.smpp, ENT_B).bind)
    assert (await asyncio.to_thread(esme.submit, aid, "请回复"))[0] == CommandStatus.ESME_ROK
    await house.message(person, lambda each: each["text"] == "请回复", "the text")
    sent: list[str] = []
    received: set[str] = set()

    async def reply(round_: int, lane: int, enough: asyncio.Event) -> None:
        for number in range(PER_KILL_MAX):
            if enough.is_set():
                return
            text = f"{mark}{round_}-{lane}-{number}"
            await house.handsets.reply(person.msisdn, text, ENT_B.access_number)
            sent.append(text)

    for round_ in range(KILLS):
        reader = asyncio.create_task(asyncio.to_thread(_read_to_the_end, esme))
        enough = asyncio.Event()
        replies = [asyncio.create_task(reply(round_, lane, enough)) for lane in range(REPLIES_AT_ONCE)]

        async def flows(round_: int = round_) -> bool:
            return len(_acknowledged(house, f"{mark}{round_}")) >= ENOUGH

        await until(flows, "replies flow")
        await house.kill_gateway()
        acknowledged = _acknowledged(house, mark)
        enough.set()
        await asyncio.gather(*replies)
        await reader
        received |= _texts(esme)
        with contextlib.suppress(OSError):
            esme.client.disconnect()
        await house.start_gateway()
        esme = await asyncio.to_thread(Esme(house.ports.smpp, ENT_B).bind)
        lost = acknowledged - received
        await asyncio.to_thread(
            esme.read_until,
            lambda lost=lost, esme=esme: lost <= _texts(esme),
            "what the SMSC need not repeat",
            30,
        )
        received |= _texts(esme)
    try:
        await asyncio.to_thread(
            esme.read_until, lambda: set(sent) <= received | _texts(esme), f"all {len(sent)} replies", 30
        )
    finally:
        await asyncio.to_thread(esme.close)
    assert received | _texts(esme) == set(sent)
    assert len(sent) >= KILLS * ENOUGH


async def test_what_waits_for_an_enterprise_that_is_not_bound_outlives_a_kill(house: House) -> None:
    person, mark = house.people[5], "留"
    aid = await house.active_aid(ENT_B, person)
    esme = await asyncio.to_thread(Esme(house.ports.smpp, ENT_B).bind)
    before = max(serial for serial, _ in _smsc_rows(house, "mobile_originated = 0"))
    # A receipt that overtakes the last responses may still reach this session.
    sequences = [await asyncio.to_thread(esme.send, aid, f"{mark}{number}") for number in range(ENOUGH)]
    answers = [await asyncio.to_thread(esme.answer, each) for each in sequences]
    early = {each.receipted_message_id.rstrip(b"\0").decode() for each in esme.received}
    await asyncio.to_thread(esme.client.disconnect)
    ids = {each.message_id.decode() for each in answers} - early
    for number in range(ENOUGH):
        await house.handsets.reply(person.msisdn, f"{mark}{number}", ENT_B.access_number)

    async def all_acknowledged() -> bool:
        receipts = _smsc_rows(house, f"id > {before} AND receipt = {RECEIPT_ANSWERED}")
        return len(receipts) == ENOUGH == len(_acknowledged(house, mark))

    await until(all_acknowledged, "the SMSC has an acknowledgement of every receipt and reply")
    await house.kill_gateway()
    await house.start_gateway()

    esme = await asyncio.to_thread(Esme(house.ports.smpp, ENT_B).bind)
    receipts: set[str] = set()

    def complete() -> bool:
        receipts.update(
            each.receipted_message_id.rstrip(b"\0").decode() for each in esme.received if is_receipt(each)
        )
        return ids <= receipts and len(_texts(esme)) == ENOUGH

    try:
        await asyncio.to_thread(esme.read_until, complete, "all receipts and replies", 30)
    finally:
        await asyncio.to_thread(esme.close)
    assert _texts(esme) == {f"{mark}{number}" for number in range(ENOUGH)}
