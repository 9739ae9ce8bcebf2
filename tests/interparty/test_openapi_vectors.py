"""The vectors of the OpenAPI documents hold for this code; tests/interop has them hold for another."""

import json
from typing import Any

import pytest

from evidence.checkpoint import Checkpoint
from evidence.log import leaf_of
from evidence.merkle import root, verify_consistency, verify_inclusion
from gm.sm2 import PrivateKey, PublicKey
from interparty import edi, key_delivery, mqtt, openapi, signed_http, statements
from interparty.aid import is_aid
from interparty.hot_messages import question_text
from interparty.messages import CheckpointBody, Consent, Message
from interparty.signed_http import NonceCache, Signer
from interparty.stream import Authenticator, stream_key
from interparty.text import b64url_decode
from interparty.verify_messages import (
    BatchHead,
    Heartbeat,
    LeaseNonce,
    Revoked,
    StreamAnswer,
    StreamAsk,
    StreamBatch,
    StreamFailure,
    VerifyAnswer,
    VerifyItem,
    VerifyResponse,
)
from trust_client import batch_check
from trust_client.answers import outcome_of
from trust_client.bundle import is_signed

V = openapi.vectors()
NOW = 1_795_500_000.0


def public(text: str) -> PublicKey:
    return PublicKey.from_bytes(bytes.fromhex(text))


class Keys:
    def __init__(self, keyid: str, key: bytes | PublicKey) -> None:
        self._known = keyid, key

    def lookup(self, keyid: str) -> bytes | PublicKey | None:
        return self._known[1] if keyid == self._known[0] else None


def fields(vector: dict[str, Any]) -> dict[str, str]:
    return {
        "content-digest": vector["content_digest"],
        "signature-input": vector["signature_input"],
        "signature": vector["signature"],
    }


@pytest.mark.parametrize(
    ("name", "keyid"), [("signed_request", "CMCC/http/1"), ("signed_request_sm2", "ent-a/sign/1")]
)
def test_a_signed_request_and_its_response(name: str, keyid: str) -> None:
    vector = V[name]
    response = vector["response"]
    key = bytes.fromhex(vector["key"]) if "key" in vector else public(vector["public_key"])
    path, _, query = vector["target"].partition("?")
    digest, params = vector["content_digest"], vector["signature_input"].removeprefix("sig1=")
    assert vector["signature_base"].encode() == signed_http.request_base(
        vector["method"], path, query, digest, params
    )
    verified = signed_http.verify_request(
        fields(vector).get,
        method=vector["method"],
        path=path,
        query=query,
        body=vector["body"].encode(),
        party=keyid.partition("/")[0],
        keys=Keys(keyid, key),
        nonces=NonceCache(0),
        now=NOW,
    )
    assert verified.signature == vector["signature"]
    answerer = "ttp/sign/1" if name == "signed_request_sm2" else keyid
    signed_http.verify_response(
        fields(response).get,
        status=response["status"],
        body=response["body"].encode(),
        request_signature=vector["signature"],
        signer=Signer(keyid, key if isinstance(key, bytes) else PrivateKey.generate()),
        party="ttp",
        keys=Keys(answerer, key if isinstance(key, bytes) else public(response["public_key"])),
        now=NOW,
    )


def test_statements() -> None:
    key = public(V["statements"]["public_key"])
    told = V["statements"]["signed"]
    for each in told:
        assert statements.signed_bytes(each["tag"], each["statement"]).endswith(b"\0" + each["jcs"].encode())
        assert statements.verify(key, each["tag"], each["statement"], each["signature"])
    assert {each["tag"] for each in told} >= {
        "ASCS-CONSENT1",
        "ASCS-CONFIRM1",
        "ASCS-CANCEL1",
        "ASCS-REVOKE1",
    }


def test_consent_aids_and_edi() -> None:
    consent = Consent.model_validate_json(json.dumps(V["consent"]["consent"]))
    assert statements.consent_sm3(consent).hex() == V["consent"]["consent_sm3"]
    assert all(map(is_aid, V["aids"]["valid"]))
    assert not any(map(is_aid, V["aids"]["invalid"]))
    octets = edi.from_text(V["edi"]["edi"])
    header = edi.EdiHeader.parse(octets)
    assert edi.edi_id(octets).hex() == V["edi"]["edi_id"]
    assert (int(header.id_type), header.carrier, header.carrier_key_id, header.as_of) == tuple(
        V["edi"][name] for name in ("id_type", "carrier", "carrier_key_id", "as_of")
    )


def test_batch() -> None:
    vector = V["batch"]
    questions = [VerifyItem.model_validate_json(json.dumps(each)) for each in vector["questions"]]
    answers = [VerifyAnswer.model_validate_json(json.dumps(each)) for each in vector["answers"]]
    head = BatchHead.model_validate_json(json.dumps(vector["head"]))
    answered = [(list(map(question_text, questions)), list(map(outcome_of, answers)))]
    assert batch_check.root_of(answered) == head.root
    assert batch_check.is_signed(head, [public(vector["public_key"])])
    assert len(vector["entries"]) == head.count


def test_stream() -> None:
    vector = V["stream"]
    key = stream_key(bytes.fromhex(vector["key"]), vector["request_signature"])
    assert key.hex() == vector["stream_key"]
    receivers = {direction: Authenticator(key, direction) for direction in (1, 2)}
    shapes: tuple[type[Message], ...] = (
        StreamAsk, LeaseNonce, StreamAnswer, StreamFailure, StreamBatch, Heartbeat, Revoked,
    )  # fmt: skip
    seen = set()
    for each in vector["messages"]:
        payload = each["payload"].encode()
        assert receivers[each["direction"]].open(payload + bytes.fromhex(each["mac"])) == payload
        [shape] = [
            shape for shape in shapes if payload.startswith(f'{{"{next(iter(shape.model_fields))}"'.encode())
        ]
        shape.model_validate_json(payload)
        seen.add(shape)
    assert seen == set(shapes)
    VerifyResponse.model_validate_json(V["signed_request"]["response"]["body"])


def test_log() -> None:
    vector = V["log"]
    key = public(vector["public_key"])
    assert key.spki_der().hex() == vector["spki"]
    leaves = [leaf_of(each["record"].encode(), bytes.fromhex(each["salt"])) for each in vector["records"]]
    assert [leaf.hex() for leaf in leaves] == [each["leaf"] for each in vector["records"]]
    body = CheckpointBody.model_validate_json(json.dumps(vector["checkpoint"]))
    assert root(leaves).hex() == body.root
    assert is_signed(body, key)
    state = Checkpoint(bytes.fromhex(body.log_id), body.size, body.time_ms, bytes.fromhex(body.root))
    assert state.signed_bytes().hex() == vector["signed_bytes"]
    place, grown = vector["inclusion"], vector["consistency"]
    proof = [bytes.fromhex(each) for each in place["proof"]]
    assert verify_inclusion(place["index"], place["size"], leaves[place["index"]], proof, root(leaves))
    proof = [bytes.fromhex(each) for each in grown["proof"]]
    first = bytes.fromhex(grown["first_root"])
    assert verify_consistency(grown["first"], grown["second"], first, root(leaves), proof)


def test_envelope_and_mqtt() -> None:
    vector = V["envelope"]
    recipient = PrivateKey.from_bytes(bytes.fromhex(vector["recipient_private_key"]))
    assert recipient.decrypt(b64url_decode(vector["envelope"])).decode() == vector["plaintext"]
    signed = key_delivery.open_envelope(vector["envelope"], [recipient])
    assert statements.verify(
        public(vector["sender_public_key"]), statements.KEY, signed.statement, signed.signature
    )
    told = V["mqtt"]
    message = mqtt.seal(bytes.fromhex(told["key"]), told["topic"], told["payload"].encode())
    assert message == told["payload"].encode() + bytes.fromhex(told["mac"])
