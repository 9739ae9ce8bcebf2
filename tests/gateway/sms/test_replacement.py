"""What replace_sm makes of a message."""

from typing import Any

import pytest

from gateway.policy.text_rules import TextRules
from gateway.policy.text_words import Words
from gateway.sms.outgoing import SEAL_MESSAGE
from gateway.sms.replacement import Replacement, Replacements
from gateway.store.domain import Domain
from gateway.store.messages import State, Stored
from smpp.codec import decode, encode
from smpp.constants import CommandStatus, EsmClass, Tag
from smpp.pdu import Pdu, ReplaceSm, SubmitSm
from tests.gateway.carrier import ACCOUNT, MSISDN, NOW_MS, directory, message_row, submit_frame
from tests.gateway.sms.desk import SETTINGS, time_text

RULES = TextRules(Words(["casino"]))


def make(domain: Domain, frame: bytes | None = None, **fields: Any) -> Replacement | int:
    sealed = domain.vault.seal(SEAL_MESSAGE, frame or submit_frame())
    stored = Stored(
        message_row(1, expires_at=NOW_MS + 3_600_000), State.QUEUED, None, None, None, None, None, sealed
    )
    made = Replacements(domain, directory(), RULES, SETTINGS).make(ACCOUNT, stored, ReplaceSm(**fields))
    return made


async def test_another_text_to_the_same_person_with_the_same_times(domain: Domain) -> None:
    made = make(domain, short_message=b"other", registered_delivery=2)
    assert isinstance(made, Replacement)
    body = decode(made.frame).body
    assert body == made.submit
    assert isinstance(body, SubmitSm)
    assert (body.destination_addr, body.short_message) == (MSISDN.encode(), b"other")
    # The gateway needs a receipt, whatever the enterprise asks for.
    assert (body.registered_delivery, made.row.registered_delivery) == (1, 2)
    assert (made.row.octets, made.row.not_before, made.row.expires_at) == (5, NOW_MS, NOW_MS + 3_600_000)
    assert made.validity == b""


async def test_a_long_text_goes_as_payload(domain: Domain) -> None:
    made = make(domain, tlvs=[(Tag.MESSAGE_PAYLOAD, b"x" * 300)])
    assert isinstance(made, Replacement)
    assert (made.submit.short_message, made.submit.tlvs) == (b"", [(Tag.MESSAGE_PAYLOAD, b"x" * 300)])


async def test_a_new_end_is_told(domain: Domain) -> None:
    made = make(domain, short_message=b"x", validity_period=time_text(NOW_MS + 60_000))
    assert isinstance(made, Replacement)
    assert (made.validity, made.row.expires_at) == (time_text(NOW_MS + 60_000), NOW_MS + 60_000)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"short_message": b"Casino"}, CommandStatus.ESME_RSUBMITFAIL),
        ({"sm_default_msg_id": 1}, CommandStatus.ESME_RINVDFTMSGID),
        ({"registered_delivery": 0, "validity_period": b"never"}, CommandStatus.ESME_RINVEXPIRY),
        ({"schedule_delivery_time": b"never"}, CommandStatus.ESME_RINVSCHED),
        ({"schedule_delivery_time": time_text(NOW_MS - 6 * 60_000)}, CommandStatus.ESME_RINVSCHED),
    ],
)
async def test_it_is_checked_as_a_new_message_is(domain: Domain, fields: dict[str, Any], status: int) -> None:
    assert make(domain, **fields) == status


async def test_a_text_with_a_header_is_not_replaced(domain: Domain) -> None:
    """Its header says what the new text would have to be."""
    body = SubmitSm(source_addr=b"1", destination_addr=b"2", esm_class=EsmClass.UDHI, short_message=b"\0x")
    assert make(domain, encode(Pdu(body))) == CommandStatus.ESME_RREPLACEFAIL
