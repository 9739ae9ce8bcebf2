"""The keyed digest of a message's content: what the enterprise can make itself, and nobody without the key."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.store.domain import Domain
from gateway.store.ids import text_of
from gm.sm3 import hmac_sm3
from smpp.constants import Tag
from smpp.pdu import DataSm, ReplaceSm, SmeDest, SubmitMulti
from smpp.segmentation import Scheme, split
from tests.gateway.carrier import ACCOUNT_KEY, AID, EDI_ID, NUMBER, Clock, directory, grant, rows
from tests.gateway.sms.desk import Desk, message_id_of

OTHER_AID = "888132341582397716"


@pytest.fixture
def desk(people: Domain, clock: Clock) -> Desk:
    desk = Desk(people, clock)
    desk.verifier.answers[OTHER_AID] = grant(EDI_ID)
    return desk


def expected(message_id: int, data_coding: int, text: bytes, key: bytes = ACCOUNT_KEY) -> bytes:
    """HMAC-SM3(HMAC-SM3(account key, message id), data_coding octet + text), made of nothing but HMAC."""
    return hmac_sm3(hmac_sm3(key, text_of(message_id).encode("ascii")), bytes((data_coding,)) + text)


async def digest_of(desk: Desk, message_id: int) -> Any:
    stored = await desk.message(message_id)
    assert stored is not None
    return stored.row.digest


async def test_a_message_is_stored_with_the_digest_under_the_id_that_its_response_gave(desk: Desk) -> None:
    message_id = await desk.accepted(text="您好".encode("utf-16-be"), data_coding=8)
    assert await digest_of(desk, message_id) == expected(message_id, 8, "您好".encode("utf-16-be"))
    await desk.taken()
    await desk.receipt()
    (cdr,) = await rows(desk.domain, "cdr")
    assert (cdr["digest"], cdr["octets"]) == (expected(message_id, 8, "您好".encode("utf-16-be")), 4)


async def test_a_text_in_message_payload_counts_as_one_in_short_message(desk: Desk) -> None:
    message_id = await desk.accepted(text=b"", tlvs=[(Tag.MESSAGE_PAYLOAD, b"x" * 300)])
    assert await digest_of(desk, message_id) == expected(message_id, 0, b"x" * 300)


async def test_a_user_data_header_is_no_content(desk: Desk) -> None:
    # A national language table (24.008: element 25); one part alone is no long message.
    message_id = await desk.accepted(text=b"\x03\x25\x01\x01merhaba", esm_class=0x40)
    assert await digest_of(desk, message_id) == expected(message_id, 0, b"merhaba")


async def test_data_sm_is_digested_as_what_it_says(desk: Desk) -> None:
    body = DataSm(
        source_addr=NUMBER.encode(), destination_addr=AID.encode(), tlvs=[(Tag.MESSAGE_PAYLOAD, b"a code")]
    )
    message_id = message_id_of(await desk.ask(desk.intake.data, body))
    assert await digest_of(desk, message_id) == expected(message_id, 0, b"a code")


async def test_the_destinations_of_a_submit_multi_have_one_digest_since_they_have_one_id(desk: Desk) -> None:
    body = SubmitMulti(
        source_addr=NUMBER.encode(),
        dests=[SmeDest(1, 1, AID.encode()), SmeDest(1, 1, OTHER_AID.encode())],
        short_message=b"to both",
    )
    message_id = message_id_of(await desk.ask(desk.intake.multi, body))
    found = [row["digest"] for row in await rows(desk.domain, "message")]
    assert found == [expected(message_id, 0, b"to both")] * 2


async def test_a_long_message_is_digested_whole_under_the_id_of_the_part_that_came_first(desk: Desk) -> None:
    parts = split("汉" * 150, 7)
    ids = [
        await desk.accepted(text=part.short_message, data_coding=part.data_coding, esm_class=part.esm_class)
        for part in (parts[2], parts[0], parts[1])
    ]
    (long,) = await rows(desk.domain, "long_message")
    assert long["digest"] == expected(ids[0], 8, ("汉" * 150).encode("utf-16-be"))
    assert long["octets"] == 300
    # A part has what knows it again, which is under the carrier's key alone.
    assert {len(row["digest"]) for row in await rows(desk.domain, "message")} == {16}


async def test_a_long_submit_multi_is_digested_under_its_one_id(desk: Desk) -> None:
    parts = split("x" * 200, 7, scheme=Scheme.SAR)
    ids = []
    for part in parts:
        body = SubmitMulti(
            source_addr=NUMBER.encode(),
            dests=[SmeDest(1, 1, AID.encode()), SmeDest(1, 1, OTHER_AID.encode())],
            esm_class=part.esm_class,
            data_coding=part.data_coding,
            short_message=part.short_message,
            tlvs=list(part.tlvs),
        )
        ids.append(message_id_of(await desk.ask(desk.intake.multi, body)))
    first, second = await rows(desk.domain, "long_message")
    assert first["digest"] == second["digest"] == expected(ids[0], 0, b"x" * 200)
    for upstream_id in (b"1", b"2", b"3", b"4"):
        await desk.taken(upstream_id)
        await desk.receipt(upstream_id)
    assert [row["public_id"] for row in await rows(desk.domain, "cdr")] == [ids[0]] * 2


async def test_a_replaced_text_has_the_digest_of_the_new_one(desk: Desk) -> None:
    desk.smsc.room = False
    message_id = await desk.accepted(text=b"old")
    body = ReplaceSm(
        message_id=text_of(message_id).encode(), source_addr=NUMBER.encode(), short_message=b"new"
    )
    await desk.ask(desk.services.replace, body)
    assert await digest_of(desk, message_id) == expected(message_id, 0, b"new")


async def test_an_account_without_a_key_has_no_digests(people: Domain, clock: Clock) -> None:
    accounts = directory()
    accounts.current = replace(accounts.current, account_keys={})
    desk = Desk(people, clock, accounts=accounts)
    assert await digest_of(desk, await desk.accepted()) is None
