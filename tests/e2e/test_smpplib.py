"""smpplib, an SMPP client that nobody here wrote, as the enterprises' ESME."""

from __future__ import annotations

import asyncio
import json
import struct
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
import smpplib.consts
from smpplib import gsm

from ascs.demo import description
from smpp.constants import CommandId, CommandStatus, MessageState
from tests.e2e import page
from tests.e2e.esme import Esme, is_receipt, status_of_bind
from tests.e2e.house import ENT_A, ENT_B, House
from tests.e2e.peer_process import running

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

in_thread = asyncio.to_thread
IN_AN_HOUR = "000000010000000R"
"""SMPP 3.4, 7.1.1.1."""


@pytest_asyncio.fixture(loop_scope="session")
async def esme(house: House) -> AsyncIterator[Esme]:
    client = await in_thread(Esme(house.ports.smpp, ENT_A).bind)
    yield client
    await in_thread(client.close)


@pytest_asyncio.fixture(loop_scope="session")
async def aid(house: House) -> str:
    return await house.active_aid(ENT_A, house.people[0])


async def test_a_message_goes_to_the_handset_and_receipt_and_reply_come_back(
    house: House, esme: Esme, aid: str
) -> None:
    person = house.people[0]
    status, message_id = await in_thread(esme.submit, aid, "您的快件已到，取件码 6-2-8801。")
    assert status == CommandStatus.ESME_ROK
    shown = await house.message(person, lambda each: "6-2-8801" in each["text"], "the text")
    assert shown["text"] == "您的快件已到，取件码 6-2-8801。"
    assert shown["sender"].endswith(ENT_A.access_number)

    receipt = await in_thread(
        esme.delivered, lambda each: is_receipt(each) and message_id.encode() in each.short_message, "receipt"
    )
    assert b"stat:DELIVRD" in receipt.short_message
    assert receipt.receipted_message_id.rstrip(b"\0") == message_id.encode()
    assert (receipt.source_addr.decode(), receipt.destination_addr.decode()) == (aid, ENT_A.access_number)

    await house.handsets.reply(person.msisdn, "好的，今晚去取", ENT_A.access_number)
    reply = await in_thread(esme.delivered, lambda each: not is_receipt(each), "the reply")
    assert reply.short_message.decode("utf-16-be") == "好的，今晚去取"
    assert (reply.source_addr.decode(), reply.destination_addr.decode()) == (aid, ENT_A.access_number)
    assert person.msisdn[2:].encode() not in esme.client.octets


async def test_an_aid_of_another_enterprise_is_refused_as_one_that_nobody_has(house: House, aid: str) -> None:
    stranger = await in_thread(Esme(house.ports.smpp, ENT_B).bind)
    try:
        assert await in_thread(stranger.submit, aid, "您好") == (CommandStatus.ESME_RINVDSTADR, "")
        unknown = aid[:-1] + str((int(aid[-1]) + 1) % 10)
        assert await in_thread(stranger.submit, unknown, "您好") == (CommandStatus.ESME_RINVDSTADR, "")
    finally:
        await in_thread(stranger.close)


async def test_an_aid_that_its_owner_has_not_confirmed_is_refused(house: House, esme: Esme) -> None:
    pending = await house.deposit(ENT_A, house.people[7])
    assert await in_thread(esme.submit, pending, "您好") == (CommandStatus.ESME_RINVDSTADR, "")


async def test_a_source_that_is_not_the_accounts_is_refused(esme: Esme, aid: str) -> None:
    for source in (ENT_B.access_number, "10086"):
        assert await in_thread(esme.submit, aid, "您好", source) == (CommandStatus.ESME_RINVSRCADR, "")


async def test_a_wrong_password_does_not_bind(house: House) -> None:
    status = await in_thread(status_of_bind, house.ports.smpp, ENT_A, "wrong")
    assert status == CommandStatus.ESME_RBINDFAIL


async def test_binds_over_the_accounts_limit_are_refused_and_a_closed_one_makes_room(house: House) -> None:
    held = [await in_thread(Esme(house.ports.smpp, ENT_B).bind) for _ in range(16)]
    try:
        refused = await in_thread(status_of_bind, house.ports.smpp, ENT_B)
        await in_thread(held.pop().close)
        accepted = await in_thread(status_of_bind, house.ports.smpp, ENT_B)
    finally:
        for each in held:
            await in_thread(each.close)
    assert (refused, accepted) == (CommandStatus.ESME_RALYBND, CommandStatus.ESME_ROK)


async def test_a_malformed_pdu_gets_its_error_and_the_session_goes_on(esme: Esme, aid: str) -> None:
    # A submit_sm whose service_type has no terminating NULL within its six octets.
    body = b"A" * 40
    malformed = struct.pack(">IIII", 16 + len(body), CommandId.SUBMIT_SM, 0, 4711) + body
    await in_thread(esme.client._socket.sendall, malformed)
    answer = await in_thread(esme.answer, 4711)
    assert answer.status != CommandStatus.ESME_ROK
    status, _ = await in_thread(esme.submit, aid, "还在")
    assert status == CommandStatus.ESME_ROK


async def test_a_long_message_in_parts_is_one_message_on_the_handset(
    house: House, esme: Esme, aid: str
) -> None:
    text = "".join(f"第{number}件已到站，" for number in range(1, 25)) + "请尽快领取。"
    parts, data_coding, esm_class = gsm.make_parts(text, smpplib.consts.SMPP_ENCODING_ISO10646)
    assert (len(parts), data_coding) == (3, smpplib.consts.SMPP_ENCODING_ISO10646)
    ids = []
    for part in parts:
        answer = await in_thread(
            esme.answer, await in_thread(partial(esme.send, aid, part, esm_class=esm_class))
        )
        assert answer.status == CommandStatus.ESME_ROK
        ids.append(answer.message_id)
    shown = await house.message(house.people[0], lambda each: each["text"] == text, "the whole text")
    assert shown["parts"] == len(parts)
    for each in ids:
        receipt = await in_thread(
            esme.delivered, lambda pdu, id_=each: is_receipt(pdu) and id_ in pdu.short_message, "its receipt"
        )
        assert b"stat:DELIVRD" in receipt.short_message


async def test_a_query_tells_what_became_of_a_message_and_nothing_of_one_that_is_not_the_accounts(
    house: House, esme: Esme, aid: str
) -> None:
    _, message_id = await in_thread(esme.submit, aid, "查询")
    await in_thread(
        esme.delivered, lambda each: is_receipt(each) and message_id.encode() in each.short_message, "receipt"
    )
    told = await in_thread(esme.query, message_id)
    assert (told.status, told.message_id.decode()) == (CommandStatus.ESME_ROK, message_id)
    assert (told.message_state, told.error_code or 0) == (MessageState.DELIVERED, 0)
    assert told.final_date

    stranger = await in_thread(Esme(house.ports.smpp, ENT_B).bind)
    try:
        refused = await in_thread(stranger.query, message_id)
        assert refused.status == CommandStatus.ESME_RQUERYFAIL
    finally:
        await in_thread(stranger.close)


async def test_a_scheduled_message_that_is_cancelled_is_never_delivered(
    house: House, esme: Esme, aid: str
) -> None:
    sequence = await in_thread(partial(esme.send, aid, "一小时以后", schedule_delivery_time=IN_AN_HOUR))
    accepted = await in_thread(esme.answer, sequence)
    assert accepted.status == CommandStatus.ESME_ROK
    message_id = accepted.message_id.decode()
    waits = await in_thread(esme.query, message_id)
    assert (waits.status, waits.message_state) == (CommandStatus.ESME_ROK, MessageState.ENROUTE)

    stranger = await in_thread(Esme(house.ports.smpp, ENT_B).bind)
    try:
        assert await in_thread(stranger.cancel, message_id, aid) == CommandStatus.ESME_RCANCELFAIL
    finally:
        await in_thread(stranger.close)
    assert await in_thread(esme.cancel, message_id, aid) == CommandStatus.ESME_ROK
    receipt = await in_thread(
        esme.delivered, lambda each: is_receipt(each) and message_id.encode() in each.short_message, "receipt"
    )
    assert b"stat:DELETED" in receipt.short_message
    cancelled = await in_thread(esme.query, message_id)
    assert (cancelled.status, cancelled.message_state) == (CommandStatus.ESME_ROK, MessageState.DELETED)
    assert await in_thread(esme.cancel, message_id, aid) == CommandStatus.ESME_RCANCELFAIL
    inbox = await house.handsets.inbox(house.people[0].msisdn)
    assert all(each["text"] != "一小时以后" for each in inbox)


async def test_the_example_of_the_page_runs_as_it_stands(house: House, aid: str, tmp_path: Path) -> None:
    [example] = page.blocks("### smpplib")
    (tmp_path / "example.py").write_text(example)
    demo = description.describe(
        house.layout, ready=True, aids_ready=True, script=description.Script.NONE, smsc=None, core=None
    )
    demo["enterprises"][0]["aids_file"] = str(tmp_path / "aids.csv")
    (tmp_path / "aids.csv").write_text(f"aid\n{aid}\n")
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "demo.json").write_text(json.dumps(demo))
    inbox = await house.handsets.inbox(house.people[0].msisdn)
    async with running(tmp_path, sys.executable, "example.py") as program:
        accepted = await program.until_said(r"accepted as b'([0-9a-f]+)'", "the message is accepted")
        receipt = rf"b'{aid}' b'id:{accepted[1]} .* stat:DELIVRD"
        await program.until_said(receipt, "the receipt")
    after = inbox[-1]["index"] if inbox else 0
    await house.message(house.people[0], lambda each: each["text"] == "您好", "the text", after)
