"""A deposit's EDIs open together or not at all; one answer for every fault."""

from typing import Any

import pytest

from gateway.confirm.opening import Opened, open_deposit
from gm.sm2 import PrivateKey
from interparty.carrier_messages import ConfirmationRequest
from interparty.edi import IdType, edi_id, to_text
from tests.gateway.carrier import AS_OF, ENTERPRISE, IMSI_ID, NOW_MS, NUMBER
from trust_client.app import seal_identifier

KEY = PrivateKey.generate()
KEYS = {"K001": KEY}
NONCE = bytes(range(16))
DAY_MS = 86_400_000
IMEI = "352099001761481"


def sealed(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "carrier": "CMCC",
        "carrier_key_id": "K001",
        "id_type": IdType.IMSI,
        "identifier": IMSI_ID,
        "enterprise": ENTERPRISE,
        "consent_nonce": NONCE,
        "now_ms": NOW_MS,
    }
    return seal_identifier(KEY.public_key, **(fields | changes))


def request(*edis: bytes, **changes: Any) -> ConfirmationRequest:
    consent: dict[str, Any] = {
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
        "edi_ids": [edi_id(each).hex() for each in edis],
        "nonce": NONCE.hex(),
        "collected_at": NOW_MS,
    }
    return ConfirmationRequest.model_validate(
        {
            "deposit_id": "dep-1",
            "consent": consent | changes,
            "enterprise_name": "A",
            "edis": [to_text(each) for each in edis],
        }
    )


def opened(asked: ConfirmationRequest, keys: dict[str, PrivateKey] = KEYS) -> list[Opened] | None:
    return open_deposit(asked, "CMCC", keys, as_of_days=1)


def test_each_edi_says_its_identifier_and_date() -> None:
    imsi, imei = sealed(), sealed(id_type=IdType.IMEI, identifier=IMEI)
    assert opened(request(imsi, imei)) == [
        Opened(edi_id(imsi), int(IdType.IMSI), IMSI_ID, AS_OF),
        Opened(edi_id(imei), int(IdType.IMEI), IMEI, AS_OF),
    ]


def test_one_that_was_sealed_the_day_before_still_opens() -> None:
    assert opened(request(sealed(now_ms=NOW_MS - DAY_MS))) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"carrier": "CUCC"},
        {"carrier_key_id": "K002"},
        {"enterprise": "ent-b"},
        {"consent_nonce": bytes(16)},
        {"now_ms": NOW_MS - 2 * DAY_MS},  # a former owner's day
        {"now_ms": NOW_MS + DAY_MS},
    ],
    ids=str,
)
def test_what_the_consent_does_not_say_opens_nothing(changes: dict[str, Any]) -> None:
    assert opened(request(sealed(**changes))) is None


def test_one_bad_edi_spoils_the_deposit() -> None:
    assert opened(request(sealed(), sealed(enterprise="ent-b"))) is None


def test_an_edi_that_the_consent_does_not_name_opens_nothing() -> None:
    assert opened(request(sealed(), edi_ids=["0" * 32])) is None
    assert opened(request(sealed(), edi_ids=["0" * 32, "1" * 32])) is None


def test_what_is_sealed_for_another_carrier_is_not_sent_here_and_is_not_missed() -> None:
    """A device with two SIM cards of two carriers: the consent names the EDIs of both."""
    own, other = sealed(), "0" * 32
    for edi_ids in ([other, edi_id(own).hex()], [edi_id(own).hex(), other]):
        [only] = opened(request(own, edi_ids=edi_ids)) or []
        assert only.edi_id == edi_id(own)


def test_edis_come_in_the_order_of_the_consent_and_once() -> None:
    first, second = sealed(), sealed(id_type=IdType.IMEI, identifier=IMEI)
    named = [edi_id(first).hex(), edi_id(second).hex()]
    assert opened(request(second, first, edi_ids=named)) is None
    assert opened(request(first, first, edi_ids=named)) is None


def test_a_key_that_is_gone_opens_nothing() -> None:
    assert opened(request(sealed()), {}) is None
    assert opened(request(sealed()), {"K001": PrivateKey.generate()}) is None
