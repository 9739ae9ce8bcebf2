"""The vectors of the OpenAPI document hold for code that knows nothing of the product: gmssl and the standards."""

import json
from typing import Any

import pytest
import rfc8785

from . import foreign_signatures as signed
from .foreign_log import Log, consistency_path, leaf_hash, root_of
from .foreign_server import DOCUMENT, answer_entry, schema
from .foreign_signatures import Sm2Key
from .small_trust_party import damm

V: dict[str, Any] = DOCUMENT["x-test-vectors"]


def is_good(vector: dict[str, Any], base: bytes, keys: dict[str, Any]) -> bool:
    signature = signed.base64.b64decode(vector["signature"][6:-1])
    if "key" in keys:
        return signature == signed.hmac_sm3(bytes.fromhex(keys["key"]), base)
    return signed.verifies(keys["public_key"], base, signature)


@pytest.mark.parametrize("name", ["signed_request", "signed_request_sm2"])
def test_signed_http(name: str) -> None:
    vector = V[name]
    given = signed.read_signature_input(vector["signature_input"])
    assert given is not None
    assert given.covers == signed.REQUEST_COVERS
    assert vector["content_digest"] == signed.content_digest(vector["body"].encode())
    base = signed.request_base(vector["method"], vector["target"], vector["content_digest"], given.value)
    assert base.decode() == vector["signature_base"]
    assert is_good(vector, base, vector)

    response = vector["response"]
    given = signed.read_signature_input(response["signature_input"])
    assert given is not None
    assert given.covers == signed.RESPONSE_COVERS
    assert response["content_digest"] == signed.content_digest(response["body"].encode())
    base = signed.response_base(
        response["status"], response["content_digest"], vector["signature"], given.value
    )
    assert base.decode() == response["signature_base"]
    assert is_good(response, base, response if "public_key" in response else vector)


def test_statements_and_consent() -> None:
    for each in V["statements"]["signed"]:
        assert rfc8785.dumps(each["statement"]).decode() == each["jcs"]
        message = signed.statement_bytes(each["tag"], each["statement"])
        assert signed.verifies(V["statements"]["public_key"], message, signed.from_b64url(each["signature"]))
    consent = V["consent"]
    assert signed.sm3(rfc8785.dumps(consent["consent"])).hex() == consent["consent_sm3"]
    schema("Consent").validate(consent["consent"])


def test_aids_and_edi() -> None:
    assert [damm(aid) for aid in V["aids"]["valid"]] == [0] * len(V["aids"]["valid"])
    assert all(damm(aid) for aid in V["aids"]["invalid"])
    octets = signed.from_b64url(V["edi"]["edi"])
    assert (octets[:4], octets[4], octets[5:9], octets[9:13], int.from_bytes(octets[13:17], "big")) == (
        b"EDI1",
        V["edi"]["id_type"],
        V["edi"]["carrier"].encode(),
        V["edi"]["carrier_key_id"].encode(),
        V["edi"]["as_of"],
    )
    assert signed.sm3(octets)[:16].hex() == V["edi"]["edi_id"]


def test_batch() -> None:
    vector = V["batch"]
    entries = list(map(answer_entry, vector["questions"], vector["answers"]))
    assert [entry.hex() for entry in entries] == vector["entries"]
    head = dict(vector["head"])
    assert root_of(list(map(leaf_hash, entries))).hex() == head["root"]
    signature = signed.from_b64url(head.pop("signature"))
    assert signed.verifies(vector["public_key"], signed.statement_bytes("ASCS-BATCH1", head), signature)
    for question, answer in zip(vector["questions"], vector["answers"], strict=True):
        schema("VerifyItem").validate(question)
        schema("VerifyAnswer").validate(answer)


def test_stream() -> None:
    vector = V["stream"]
    tag = b"ASCS-STREAM1\0" + vector["request_signature"].encode()
    key = signed.hmac_sm3(bytes.fromhex(vector["key"]), tag)
    assert key.hex() == vector["stream_key"]
    for each in vector["messages"]:
        counted = bytes([each["direction"]]) + each["counter"].to_bytes(8, "big")
        assert signed.hmac_sm3(key, counted + each["payload"].encode()).hex() == each["mac"]


def test_every_message_of_the_stream_is_in_the_vector() -> None:
    operation = DOCUMENT["paths"]["/v1/verifications/stream"]["get"]["x-websocket"]
    told = [json.loads(each["payload"]) for each in V["stream"]["messages"]]
    for shape in operation["sends"] + operation["receives"]:
        assert any(schema(shape["$ref"].rpartition("/")[2]).is_valid(each) for each in told), shape


def test_log() -> None:
    vector = V["log"]
    log = Log(Sm2Key("", vector["public_key"]))
    for each in vector["records"]:
        log.append(each["record"].encode(), bytes.fromhex(each["salt"]))
    assert [leaf.hex() for leaf in log.hashes] == [each["leaf"] for each in vector["records"]]
    head = vector["checkpoint"]
    assert (log.log_id.hex(), root_of(log.hashes).hex()) == (head["log_id"], head["root"])
    message = bytes.fromhex(vector["signed_bytes"])
    assert signed.verifies(vector["public_key"], message, signed.from_b64url(head["signature"]))
    assert log.inclusion(vector["inclusion"]["index"], head["size"]) == vector["inclusion"]
    grown = vector["consistency"]
    assert root_of(log.hashes[: grown["first"]]).hex() == grown["first_root"]
    assert [each.hex() for each in consistency_path(grown["first"], log.hashes)] == grown["proof"]


def test_envelope_and_mqtt() -> None:
    vector = V["envelope"]
    recipient = Sm2Key(vector["recipient_private_key"], "")
    plaintext = recipient.open_envelope(signed.from_b64url(vector["envelope"]))
    assert plaintext.decode() == vector["plaintext"]
    delivery = json.loads(plaintext)
    message = signed.statement_bytes("ASCS-KEY1", delivery["statement"])
    assert signed.verifies(vector["sender_public_key"], message, signed.from_b64url(delivery["signature"]))
    told = V["mqtt"]
    message = b"ASCS-MQTT1\0" + told["topic"].encode() + b"\0" + told["payload"].encode()
    assert signed.hmac_sm3(bytes.fromhex(told["key"]), message).hex() == told["mac"]
