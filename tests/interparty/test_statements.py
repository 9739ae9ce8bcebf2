"""Signed statements: tag, zero byte, canonical JSON."""

import json
from pathlib import Path

import pytest

from evidence.merkle import leaf_hash, root
from gm.sm2 import PrivateKey, PublicKey
from gm.sm3 import sm3
from interparty import statements
from interparty.messages import Consent, RefusalBody
from interparty.verify_messages import GrantBody, GrantTerms, VerifyAnswer, VerifyItem

from .test_messages import CONSENT
from .test_verify_messages import GRANT

KEY = PrivateKey.generate()
VECTORS = json.loads((Path(__file__).parent / "data" / "statements.json").read_text())
VECTOR_KEY = PublicKey.from_bytes(bytes.fromhex(VECTORS["public_key"]))


@pytest.mark.parametrize("case", VECTORS["statements"], ids=lambda case: case["tag"])
def test_vectors(case):
    assert statements.jcs(case["object"]).decode() == case["jcs"]
    assert statements.verify(VECTOR_KEY, case["tag"], case["object"], case["signature"])


def test_vector_of_a_consent_and_of_the_list_that_is_signed():
    (case,) = [case for case in VECTORS["statements"] if case["tag"] == statements.CONSENT]
    consent = Consent.model_validate(VECTORS["consent"])
    assert statements.consent_sm3(consent).hex() == VECTORS["consent_sm3"]
    assert statements.consent_list([consent]) == case["object"][:1]


def test_vector_of_a_batch():
    entries = []
    for case in VECTORS["batch"]["answers"]:
        fields = {name: value for name, value in case.items() if name not in ("outcome", "entry")}
        kind, text = case["outcome"][0], case["outcome"][1:]
        answer = {"grant": GRANT | {"edi_id": text}} if kind == "G" else {"refusal": {"reason": text}}
        entry = statements.batch_entry(VerifyItem(**fields), VerifyAnswer.model_validate(answer))
        assert entry.hex() == case["entry"]
        entries.append(entry)
    assert root([leaf_hash(entry) for entry in entries]).hex() == VECTORS["batch"]["root"]


def test_json_is_canonical_after_rfc_8785():
    assert (
        statements.jcs({"b": [1, "电\n"], "a": None, "A": True})
        == '{"A":true,"a":null,"b":[1,"电\\n"]}'.encode()
    )


def test_a_message_and_its_object_are_the_same_statement():
    message = Consent.model_validate(CONSENT)
    assert statements.jcs(message) == statements.jcs(CONSENT)
    assert statements.jcs([message]) == statements.jcs([CONSENT])


def test_consent_sm3_is_over_the_canonical_json():
    expected = json.dumps(CONSENT, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    assert statements.consent_sm3(CONSENT) == sm3(expected)


def test_what_is_signed_is_tag_zero_and_json():
    assert statements.signed_bytes(statements.CANCEL, {"a": 1}) == b'ASCS-CANCEL1\x00{"a":1}'


def test_a_signature_holds_for_its_key_tag_and_object_alone():
    signature = statements.sign(KEY, statements.CONSENT, CONSENT)
    assert len(signature) == 86
    assert statements.verify(KEY.public_key, statements.CONSENT, CONSENT, signature)
    assert not statements.verify(KEY.public_key, statements.CONFIRM, CONSENT, signature)
    assert not statements.verify(KEY.public_key, statements.CONSENT, CONSENT | {"nonce": "0" * 32}, signature)
    assert not statements.verify(PrivateKey.generate().public_key, statements.CONSENT, CONSENT, signature)


@pytest.mark.parametrize("signature", ["", "A" * 86, "!" * 86, "A" * 85, "电"])
def test_malformed_signatures_do_not_hold(signature):
    assert not statements.verify(KEY.public_key, statements.CONSENT, CONSENT, signature)


def test_numbers_that_json_cannot_carry_exactly_are_refused():
    with pytest.raises(ValueError):
        statements.jcs({"at": 2**53})


def test_batch_entries_tell_grants_refusals_and_questions_apart():
    item = VerifyItem(aid="888132341582397708", enterprise="ent-a", channel="sms", access_number="10690001")
    refused = VerifyAnswer(refusal=RefusalBody(reason="EXPIRED"))
    granted = VerifyAnswer(
        grant=GrantBody(
            edi=GRANT["edi"], edi_id=GRANT["edi_id"], consent=GrantTerms.model_validate(GRANT["consent"])
        )
    )
    assert statements.batch_entry(item, refused) == (
        b"888132341582397708\x00ent-a\x00sms\x0010690001\x00\x00REXPIRED"
    )
    assert statements.batch_entry(item, granted).endswith(b"\x00\x00G" + GRANT["edi_id"].encode())
    matched = item.model_copy(update={"template_id": "tpl-1", "template_digest": "ab" * 32})
    assert statements.batch_entry(matched, refused) == (
        b"888132341582397708\x00ent-a\x00sms\x0010690001\x00\x00tpl-1\x00" + b"ab" * 32 + b"\x00REXPIRED"
    )
