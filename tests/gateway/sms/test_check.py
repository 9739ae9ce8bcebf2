"""What of a message is judged without store and trust party."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.access_number import AccessNumberRow
from gateway.policy.text_rules import TextRules
from gateway.policy.text_words import Words
from gateway.sms.check import Checked, Checks, Unfit
from smpp.codec import encode
from smpp.constants import CommandStatus, EsmClass, Tag
from smpp.pdu import Pdu
from smpp.segmentation import PartInfo
from tests.gateway.carrier import AID, NOW_MS
from tests.gateway.sms.desk import SETTINGS, submit_sm, time_text

NUMBER = AccessNumberRow("106988", "ent-a", "sms-a", None, extension_digits=2)
HOUR = 3_600_000


def check(
    number: AccessNumberRow = NUMBER, words: tuple[str, ...] = (), account: str = "sms-a", **fields: Any
) -> Checked | Unfit:
    body = submit_sm(**{"source": "106988"} | fields)
    texts = TextRules(Words(words))
    return Checks(lambda: {number.number: number}, SETTINGS, texts, lambda: NOW_MS).check(
        account, body, encode(Pdu(body, 1))
    )


def test_what_is_found_in_a_message() -> None:
    found = check(
        source="10698807", text=b"hello", registered_delivery=1, priority_flag=2, replace_if_present_flag=1
    )
    assert isinstance(found, Checked)
    assert (found.access_number, found.source, found.aid) == (NUMBER, "10698807", AID)
    assert (found.registered_delivery, found.priority_flag, found.replaces) == (1, 2, True)
    assert (found.text, found.data_coding, found.part) == (b"hello", 0, None)
    assert (found.not_before, found.expires_at, found.validity) == (NOW_MS, NOW_MS + HOUR, b"")


def test_a_part_is_known_and_its_text_is_without_the_header() -> None:
    found = check(text=b"\x05\x00\x03\x07\x02\x01part", esm_class=EsmClass.UDHI)
    assert isinstance(found, Checked)
    assert (found.part, found.text) == (PartInfo(7, 2, 1), b"part")


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"account": "sms-b"}, CommandStatus.ESME_RINVSRCADR),
        ({"source": "1069881234"}, CommandStatus.ESME_RINVSRCADR),
        ({"aid": "13800138000"}, CommandStatus.ESME_RINVDSTADR),
        ({"aid": "8881234567890123²"}, CommandStatus.ESME_RINVDSTADR),
        ({"schedule_delivery_time": b"soon"}, CommandStatus.ESME_RINVSCHED),
        ({"validity_period": b"long"}, CommandStatus.ESME_RINVEXPIRY),
        ({"validity_period": time_text(NOW_MS - 1000)}, CommandStatus.ESME_RINVEXPIRY),
        ({"protocol_id": 0x40}, CommandStatus.ESME_RSUBMITFAIL),
        (
            {"text": b"\x05\x00\x03\x07\xff\x01part", "esm_class": EsmClass.UDHI},
            CommandStatus.ESME_RINVMSGLEN,
        ),
    ],
)
def test_what_is_refused_and_how(given: dict[str, Any], status: int) -> None:
    found = check(**given)
    assert isinstance(found, Unfit)
    assert not found.is_refusal
    if "protocol_id" not in given:  # whose status is its table's
        assert found.status == status


def test_a_rule_of_texts_refuses_a_contact() -> None:
    assert check(words=("hello",)) == Unfit(CommandStatus.ESME_RSUBMITFAIL, True)
    signed = replace(NUMBER, signature="X")
    assert check(signed) == Unfit(CommandStatus.ESME_RSUBMITFAIL, True)
    assert isinstance(check(signed, text="【X】hello".encode("utf-16-be"), data_coding=8), Checked)


def test_times_are_held_within_what_is_configured() -> None:
    found = check(
        schedule_delivery_time=time_text(NOW_MS + HOUR), validity_period=time_text(NOW_MS + 20 * HOUR)
    )
    assert isinstance(found, Checked)
    assert (found.not_before - NOW_MS, found.expires_at - found.not_before) == (HOUR, 2 * HOUR)
    assert found.validity == time_text(found.expires_at)


def test_a_time_to_live_supersedes_the_validity_period() -> None:
    lifetime = (int(Tag.QOS_TIME_TO_LIVE), (60).to_bytes(4, "big"))
    found = check(validity_period=time_text(NOW_MS + HOUR), tlvs=[lifetime])
    assert isinstance(found, Checked)
    assert datetime.fromtimestamp(found.expires_at / 1000, UTC) == datetime.fromtimestamp(
        NOW_MS / 1000 + 60, UTC
    )
