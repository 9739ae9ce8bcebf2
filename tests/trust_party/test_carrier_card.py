"""A carrier is admitted by its card; the key that both share comes in an envelope, or later."""

from typing import Any

import pytest

from gm.sm2 import PrivateKey
from interparty import key_delivery
from interparty.key_messages import CarrierCard, KeyNotice
from tests.trust_party.world import CARRIER
from trust_party.admission import AdmissionError
from trust_party.carrier_card import admit_by_card
from trust_party.clock import now_ms
from trust_party.keys import open_store
from trust_party.settings import TrustSettings

SIGN, EDI = PrivateKey.generate(), PrivateKey.generate()
URL = "https://127.0.0.1:1"
SECRET = bytes(range(1, 33))


def card(envelope: str | None = None, carrier: str = "CTCC") -> bytes:
    made = CarrierCard(
        id=carrier,
        sign_keyid=f"{carrier}/sign/3",
        sign_public_key=SIGN.public_key.to_pem().decode(),
        edi_key_id="K003",
        edi_public_key=EDI.public_key.to_pem().decode(),
        http_key_envelope=envelope,
    )
    return made.model_dump_json(exclude_none=True).encode()


def envelope(settings: TrustSettings, sign: PrivateKey = SIGN, **changed: Any) -> str:
    fields: dict[str, Any] = {
        "party": "CTCC",
        "recipient": "ttp",
        "key": "http",
        "version": 2,
        "algorithm": "hmac-sm3",
        "value": SECRET.hex(),
        "state": "active",
        "at": now_ms(),
    }
    signed = key_delivery.sign(KeyNotice.model_validate(fields | changed), "CTCC/sign/3", sign)
    return key_delivery.seal(signed, open_store(settings).current("envelope").public)


def test_keys_are_known_by_the_names_that_the_carrier_gave_them(settings: TrustSettings) -> None:
    admitted = admit_by_card(settings, card(envelope(settings)), "Carrier", URL)
    assert (admitted.sign_keyid, admitted.http_keyid) == ("CTCC/sign/3", "CTCC/http/2")
    shared = open_store(settings).current("http/CTCC")
    assert (shared.id, shared.material) == ("CTCC/http/2", SECRET)


def test_without_an_envelope_the_shared_key_comes_later(settings: TrustSettings) -> None:
    assert admit_by_card(settings, card(), "Carrier", URL).http_keyid is None
    assert open_store(settings).keys("http/CTCC") == ()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"sign": PrivateKey.generate()}, "known key"),
        ({"party": CARRIER}, "another party"),
        ({"recipient": "other"}, "another"),
        (
            {"key": "sign", "algorithm": "sm2", "value": EDI.public_key.to_bytes().hex()},
            "another key than the shared one",
        ),
    ],
)
def test_an_envelope_that_is_not_the_carriers_for_this_trust_party(
    settings: TrustSettings, changed: dict[str, Any], why: str
) -> None:
    with pytest.raises(AdmissionError, match=why):
        admit_by_card(settings, card(envelope(settings, **changed)), "Carrier", URL)


def test_what_is_no_card_is_said_by_field(settings: TrustSettings) -> None:
    with pytest.raises(AdmissionError, match="edi_key_id: missing"):
        admit_by_card(
            settings, b'{"id":"CTCC","sign_keyid":"CTCC/sign/1","sign_public_key":"x"}', "Carrier", URL
        )
