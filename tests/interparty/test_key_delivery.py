"""Keys between parties: signed by their owner, sealed to the recipient, believed only along a chain that is known."""

import json
from pathlib import Path

import pytest

from gm.keystore import ITERATIONS_MIN, KeyStore
from gm.sm2 import PrivateKey
from interparty import key_delivery
from interparty.key_delivery import Announcer, DeliveryError, believed, check, open_envelope
from interparty.key_messages import KeyNotice, SignedKeyNotice

NOW = 1_790_000_000_000
SIGN, NEXT, ENVELOPE, OTHER = (PrivateKey.generate() for _ in range(4))
KNOWN = {"CMCC/sign/1": SIGN.public_key}


def notice(**changed: object) -> KeyNotice:
    fields = {
        "party": "CMCC",
        "recipient": "ttp",
        "key": "http",
        "version": 2,
        "algorithm": "hmac-sm3",
        "value": "ab" * 32,
        "state": "pre-active",
        "at": NOW,
    }
    return KeyNotice.model_validate(
        {name: value for name, value in (fields | changed).items() if value is not None}
    )


def signed(**changed: object) -> SignedKeyNotice:
    return key_delivery.sign(notice(**changed), "CMCC/sign/1", SIGN)


def accept(
    given: SignedKeyNotice, *, party: str = "CMCC", recipient: str | None = "ttp", now: int = NOW
) -> KeyNotice:
    return check(given, KNOWN, party=party, recipient=recipient, now_ms=now)


def test_what_was_sealed_opens_for_its_recipient_alone_and_is_its_senders() -> None:
    envelope = key_delivery.seal(signed(), ENVELOPE.public_key)
    assert "ab" * 32 not in envelope
    assert accept(open_envelope(envelope, [OTHER, ENVELOPE])) == notice()
    with pytest.raises(DeliveryError, match="does not open"):
        open_envelope(envelope, [OTHER])
    with pytest.raises(DeliveryError, match="does not open"):
        open_envelope("AAAA", [ENVELOPE])


@pytest.mark.parametrize(
    ("changed", "party", "recipient", "why"),
    [
        ({}, "CUCC", "ttp", "another party"),
        ({}, "CMCC", "other", "another"),
        ({}, "CMCC", None, "another"),
        ({"at": NOW + key_delivery.AHEAD_MS + 1}, "CMCC", "ttp", "time to come"),
        ({"at": NOW - key_delivery.AGE_MAX_MS - 1}, "CMCC", "ttp", "too old"),
        ({"algorithm": "sm2"}, "CMCC", "ttp", "another algorithm"),
        ({"value": "04" + "ab" * 64}, "CMCC", "ttp", "another length"),
        ({"key": "sign", "algorithm": "sm2", "value": "04" + "ab" * 64}, "CMCC", "ttp", "not a public key"),
        ({"edi_key_id": "K002"}, "CMCC", "ttp", "carrier key id"),
        ({"recipient": None}, "CMCC", None, "one party"),
    ],
)
def test_what_is_not_taken(changed: dict[str, object], party: str, recipient: str | None, why: str) -> None:
    with pytest.raises(DeliveryError, match=why):
        accept(signed(**changed), party=party, recipient=recipient)


def test_another_signature_or_an_unknown_key_is_not_taken() -> None:
    forged = key_delivery.sign(notice(), "CMCC/sign/1", OTHER)
    with pytest.raises(DeliveryError, match="known key"):
        accept(forged)
    with pytest.raises(DeliveryError, match="known key"):
        accept(signed().model_copy(update={"keyid": "CMCC/sign/2"}))
    with pytest.raises(DeliveryError, match="known key"):
        accept(signed().model_copy(update={"statement": notice(version=3)}))


def test_announced_keys_are_believed_along_the_chain_however_old() -> None:
    year = 365 * 86_400_000
    second = notice(
        recipient=None, key="sign", algorithm="sm2", value=NEXT.public_key.to_bytes().hex(), at=NOW - year
    )
    third = notice(
        recipient=None,
        key="envelope",
        algorithm="sm2",
        version=1,
        value=ENVELOPE.public_key.to_bytes().hex(),
    )
    told = [
        key_delivery.sign(second, "CMCC/sign/1", SIGN),
        key_delivery.sign(third, "CMCC/sign/2", NEXT),
        key_delivery.sign(third, "CMCC/sign/9", OTHER),
    ]
    assert believed(told, KNOWN, party="CMCC", now_ms=NOW) == [second, third]
    assert believed(told, {}, party="CMCC", now_ms=NOW) == []
    assert believed(told, KNOWN, party="CUCC", now_ms=NOW) == []


def test_an_announcement_has_all_public_keys_and_no_secret(tmp_path: Path) -> None:
    keys = KeyStore.create(tmp_path / "keys", "x", iterations=ITERATIONS_MIN)
    first = keys.add("sign", "sm2")
    keys.add("http", "hmac-sm3")
    keys.add("edi", "sm2", id="K001")
    announcer = Announcer("CMCC", keys, ("sign", "edi"))
    waiting = keys.add("sign", "sm2", state="pre-active")
    kept = announcer.signed(waiting, "sign", NOW)
    keys.set_state("sign", 2, "active")
    told = announcer.public({"CMCC/sign/2": kept}, NOW).keys
    assert [(each.statement.key, each.statement.version, each.keyid) for each in told] == [
        ("sign", 1, "CMCC/sign/2"),
        ("sign", 2, "CMCC/sign/1"),
        ("edi", 1, "CMCC/sign/2"),
    ]
    assert told[2].statement.edi_key_id == "K001"
    assert len(believed(told, {"CMCC/sign/1": first.public}, party="CMCC", now_ms=NOW)) == 2
    secret = announcer.signed(keys.current("http"), "http", NOW, "ttp")
    assert secret.statement.value == keys.current("http").material.hex()
    keys.set_state("sign", 1, "destroyed")
    with pytest.raises(DeliveryError, match="destroyed"):
        announcer.notice(keys.keys("sign")[0], "sign", NOW)


def test_a_delivery_goes_as_a_file() -> None:
    data = key_delivery.to_file("abc", "CMCC", "ttp")
    assert key_delivery.from_file(data) == ("CMCC", "abc")
    for other in (b"", b"{}", b"[]", b'{"from":1,"envelope":"x"}', json.dumps({"from": "x"}).encode()):
        with pytest.raises(DeliveryError):
            key_delivery.from_file(other)
