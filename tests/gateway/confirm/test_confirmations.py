"""The subscriber's own confirmation: code sent, answered, counted; or the network's word instead."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.confirm.confirmations import Confirmations
from gateway.policy.decision import find_subscribers
from gateway.policy.refusal import Refusal
from gateway.settings import CarrierSettings, ConfirmSettings
from gateway.sms.outgoing import Outgoing
from gateway.store import edis
from gateway.store.confirmations import State
from gateway.store.domain import Domain
from gateway.store.subscribers import HoldingLine, import_lines
from gm.sm2 import PrivateKey
from interparty.carrier_messages import Assertion, ConfirmationRequest
from interparty.edi import IdType, edi_id, to_text
from smpp.codec import decode
from smpp.pdu import SubmitSm
from smpp.segmentation import user_data
from smpp.text import decode_text
from tests.gateway.carrier import (
    CODE_NUMBER,
    ENTERPRISE,
    IMSI_ID,
    LONG_AGO,
    MSISDN,
    NOW_MS,
    NUMBER,
    OTHER_IMSI_ID,
    OTHER_MSISDN,
    PATIENCE_S,
    Clock,
    rows,
    until,
)
from trust_client.app import seal_identifier

KEY = PrivateKey.generate()
NONCE = bytes(range(16))
DEVICE = "352099001761481"


async def learn_device(domain: Domain, *numbers: str) -> None:
    """One device of whoever holds these numbers."""
    lines = [HoldingLine(number, IdType.IMEI, DEVICE, LONG_AGO, None) for number in numbers]
    await domain.store.write(lambda conn: import_lines(conn, domain.vault, lines, LONG_AGO))


def sealed(identifier: str, id_type: IdType = IdType.IMSI, key_id: str = "K001") -> bytes:
    return seal_identifier(
        KEY.public_key,
        carrier="CMCC",
        carrier_key_id=key_id,
        id_type=id_type,
        identifier=identifier,
        enterprise=ENTERPRISE,
        consent_nonce=NONCE,
        now_ms=NOW_MS,
    )


def request(deposit: str = "dep-1", identifier: str = IMSI_ID, key_id: str = "K001") -> ConfirmationRequest:
    return request_of(sealed(identifier, key_id=key_id), deposit=deposit)


def request_of(*opened: bytes, deposit: str = "dep-1") -> ConfirmationRequest:
    """A deposit of sealed identifiers."""
    consent = {
        "enterprise": ENTERPRISE,
        "service": "parcels",
        "channels": ["sms"],
        "access_numbers": [NUMBER],
        "hours": "08:00-21:00",
        "frequency": "20/day",
        "term_from": NOW_MS,
        "term_to": NOW_MS + 10**9,
        "agreement_version": "1",
        "agreement_sm3": "0" * 64,
        "page_version_sm3": "0" * 64,
        "confirmed_by": "page",
        "proof_sm3": "ef" * 32,
        "edi_ids": [edi_id(edi).hex() for edi in opened],
        "nonce": NONCE.hex(),
        "collected_at": NOW_MS,
    }
    return ConfirmationRequest.model_validate(
        {
            "deposit_id": deposit,
            "consent": consent,
            "enterprise_name": "A",
            "edis": [to_text(edi) for edi in opened],
        }
    )


class Desk:
    """Confirmations of one carrier; the test plays telephone and network."""

    def __init__(self, domain: Domain, clock: Clock) -> None:
        self.domain = domain
        self.clock = clock
        self.sent: list[Outgoing] = []
        self.confirmations = Confirmations(
            domain,
            CarrierSettings(id="CMCC"),
            ConfirmSettings(access_number=CODE_NUMBER, codes_per_day=2, attempts_max=2),
            lambda: {"K001": KEY},
            self.sent.append,
            lambda: None,
        )

    async def take(self, *requests: ConfirmationRequest) -> list[dict[str, Any]]:
        """The deposits' rows, once each was opened."""
        await self.confirmations.take(requests)
        opened: list[dict[str, Any]] = []
        while not opened or any(row["state"] == State.NEW for row in opened):
            opened = await rows(self.domain, "confirmation")
        return opened

    def code(self) -> str:
        text = ""
        for outgoing in self.sent:
            body = decode(outgoing.frame).body
            assert isinstance(body, SubmitSm)
            assert (body.source_addr, body.destination_addr) == (CODE_NUMBER.encode(), MSISDN.encode())
            elements, payload = user_data(body)
            text += decode_text(body.data_coding, payload, elements)
        (code,) = re.findall(r"(?<!\d)\d{6}(?!\d)", text)
        return str(code)

    async def reply(self, text: str, sender: str = MSISDN) -> None:
        await self.domain.store.write(lambda conn: self.confirmations.reply(conn, sender, text))

    async def signed(self) -> list[str]:
        """How each confirmed consent was confirmed."""
        return [each["method"] for each in await self.statements()]

    async def statements(self) -> list[dict[str, Any]]:
        return [json.loads(row["body"]) for row in await rows(self.domain, "trust_outbox")]

    async def settled(self) -> dict[str, Any]:
        """The one deposit's row, once nothing of it is to be opened."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                (row,) = await rows(self.domain, "confirmation")
                if row["state"] != State.NEW:
                    return row

    async def word(self, edi: bytes, msisdn: str) -> None:
        """The network says in whose session an EDI was made."""
        assertion = Assertion(edi_id=edi_id(edi).hex(), msisdn=msisdn, at=NOW_MS)
        await self.confirmations.assert_sessions([assertion])

    async def reached(self, edi: bytes) -> Any:
        """Whom a grant with this EDI reaches."""
        return await self.domain.store.write(
            lambda conn: find_subscribers(conn, self.domain, [(edi_id(edi), ENTERPRISE)], NOW_MS)[0]
        )


@pytest.fixture
async def desk(people: Domain, clock: Clock) -> AsyncIterator[Desk]:
    desk = Desk(people, clock)
    desk.confirmations.start()
    yield desk
    await desk.confirmations.stop()


async def test_the_right_code_from_the_subscriber_confirms(desk: Desk) -> None:
    (row,) = await desk.take(request())
    assert row["state"] == State.WAITING
    await until(lambda: bool(desk.sent))
    await desk.reply(f"同意 {desk.code()}", OTHER_MSISDN)
    assert await desk.signed() == []
    await desk.reply(f"同意 {desk.code()}")
    assert await desk.signed() == ["sms-code"]


async def test_wrong_codes_are_counted_until_the_right_one_is_too_late(desk: Desk) -> None:
    await desk.take(request())
    await until(lambda: bool(desk.sent))
    wrong = "000000" if desk.code() != "000000" else "111111"
    await desk.reply(wrong)
    await desk.reply(wrong)
    await desk.reply(desk.code())
    assert await desk.signed() == []


async def test_so_many_codes_a_day(desk: Desk) -> None:
    found = await desk.take(*(request(f"dep-{each}") for each in range(3)))
    assert [row["cause"] for row in found] == [None, None, "TOO_MANY_CODES"]


async def test_an_identifier_of_nobody_or_a_key_that_is_not_ours(desk: Desk) -> None:
    found = await desk.take(request("dep-1", "460009999999999"), request("dep-2", key_id="K999"))
    assert [(row["state"], row["cause"]) for row in found] == [(State.DEAD, "UNKNOWN"), (State.DEAD, "EDI")]
    assert desk.sent == []


@pytest.mark.parametrize("before", [True, False])
async def test_the_networks_word_confirms_before_or_after_the_deposit(desk: Desk, before: bool) -> None:
    asked = request()
    word = Assertion(edi_id=asked.consent.edi_ids[0], msisdn=MSISDN, at=NOW_MS)
    if before:
        await desk.confirmations.assert_sessions([word])
    await desk.take(asked)
    if not before:
        await desk.confirmations.assert_sessions([word])
    assert await desk.signed() == ["network"]
    assert (desk.sent == []) is before


async def test_the_networks_word_on_any_edi_of_a_deposit_confirms(desk: Desk) -> None:
    await learn_device(desk.domain, MSISDN)
    imsi, imei = sealed(IMSI_ID), sealed(DEVICE, IdType.IMEI)
    (row,) = await desk.take(request_of(imsi, imei))
    assert row["state"] == State.WAITING
    await desk.word(imei, MSISDN)
    [statement] = await desk.statements()
    assert (statement["method"], statement["edi_id"]) == ("network", edi_id(imei).hex())


@pytest.mark.parametrize("asserted", [0, 1])
@pytest.mark.parametrize("before", [True, False])
async def test_the_networks_word_on_any_edi_settles_which_number_of_a_device_with_two(
    desk: Desk, asserted: int, before: bool
) -> None:
    """One device, two subscriptions, both identifiers sealed: no code is sent, the network's word decides."""
    await learn_device(desk.domain, MSISDN, OTHER_MSISDN)
    opened = [sealed(DEVICE, IdType.IMEI), sealed(OTHER_IMSI_ID)]
    if before:
        await desk.word(opened[asserted], OTHER_MSISDN)
    (row,) = await desk.take(request_of(*opened))
    if not before:
        assert (row["state"], row["msisdn_index"]) == (State.WAITING, None)
        await desk.word(opened[asserted], OTHER_MSISDN)
    assert (await desk.settled())["state"] == State.DONE
    assert desk.sent == []
    [statement] = await desk.statements()
    assert statement["edi_id"] == edi_id(opened[asserted]).hex()
    assert (await desk.reached(opened[asserted])).msisdn == OTHER_MSISDN


async def test_two_subscriptions_wait_for_the_network_and_the_one_that_it_names_is_reached(
    desk: Desk,
) -> None:
    opened = [sealed(IMSI_ID), sealed(OTHER_IMSI_ID)]
    await desk.take(request_of(*opened))
    await desk.word(opened[1], OTHER_MSISDN)
    assert (await desk.settled())["state"] == State.DONE
    assert (await desk.reached(opened[1])).msisdn == OTHER_MSISDN
    # The other subscription's EDI was not its own owner's word.
    assert isinstance(await desk.reached(opened[0]), Refusal)
    assert desk.sent == []


async def test_an_edi_of_one_is_not_confirmed_by_a_session_of_the_other(desk: Desk) -> None:
    opened = [sealed(IMSI_ID), sealed(OTHER_IMSI_ID)]
    await desk.take(request_of(*opened))
    await desk.word(opened[0], OTHER_MSISDN)
    row = await desk.settled()
    assert (row["state"], row["cause"]) == (State.DEAD, "ASSERTED_ANOTHER")
    assert await desk.signed() == []


async def test_words_that_contradict_each_other_confirm_nobody(desk: Desk) -> None:
    opened = [sealed(IMSI_ID), sealed(OTHER_IMSI_ID)]
    await desk.word(opened[0], MSISDN)
    await desk.word(opened[1], OTHER_MSISDN)
    (row,) = await desk.take(request_of(*opened))
    assert (row["state"], row["cause"]) == (State.DEAD, "ASSERTED_ANOTHER")


async def test_an_edi_of_nobody_beside_one_of_somebody_is_not_settled_by_the_network(desk: Desk) -> None:
    opened = [sealed(IMSI_ID), sealed("460009999999999")]
    (row,) = await desk.take(request_of(*opened))
    assert (row["state"], row["cause"]) == (State.DEAD, "AMBIGUOUS")


async def test_a_code_that_was_sent_is_worth_nothing_once_the_network_named_another(desk: Desk) -> None:
    asked = request()
    await desk.take(asked)
    await until(lambda: bool(desk.sent))
    word = Assertion(edi_id=asked.consent.edi_ids[0], msisdn=OTHER_MSISDN, at=NOW_MS)
    await desk.confirmations.assert_sessions([word])
    await desk.reply(desk.code())
    assert await desk.signed() == []


async def test_the_network_named_another(desk: Desk) -> None:
    asked = request()
    word = Assertion(edi_id=asked.consent.edi_ids[0], msisdn=OTHER_MSISDN, at=NOW_MS)
    await desk.confirmations.assert_sessions([word])
    (row,) = await desk.take(asked)
    assert (row["state"], row["cause"]) == (State.DEAD, "ASSERTED_ANOTHER")


async def test_who_opted_out_and_confirms_the_same_consent_anew_is_reached_at_once(desk: Desk) -> None:
    """Whom an EDI means is remembered for a while: not when they confirmed it."""
    edi = sealed(IMSI_ID)
    await desk.take(request_of(edi))
    await desk.word(edi, MSISDN)
    index = await desk.domain.store.write(lambda conn: desk.domain.vault.msisdn_index(conn, MSISDN))
    assert (await desk.reached(edi)).msisdn == MSISDN
    await desk.domain.store.write(lambda conn: edis.block(conn, ENTERPRISE, index, NOW_MS))
    assert isinstance(await desk.reached(edi), Refusal)
    desk.clock.now_ms += 1
    await desk.take(request_of(edi, deposit="dep-2"))
    await desk.word(edi, MSISDN)
    assert (await desk.reached(edi)).msisdn == MSISDN
