"""RFC 9421 signatures between parties as docs/formats.md, "Signed HTTP", describes them."""

import base64
import json
from pathlib import Path

import pytest

from gm.sm2 import PrivateKey
from interparty import signed_http
from interparty.signed_http import NonceCache, SignatureError, Signer, verify_request, verify_response

NOW = 1_795_500_000
VECTOR = json.loads((Path(__file__).parent / "data" / "signed_http.json").read_text())
HMAC_KEY = bytes.fromhex(VECTOR["key"])
SM2_KEY = PrivateKey.from_bytes(bytes([7]) * 32)
TTP_KEY = PrivateKey.from_bytes(bytes([9]) * 32)
SIGNERS = {"hmac": Signer("CMCC/hmac/1", HMAC_KEY), "sm2": Signer("CMCC/sign/1", SM2_KEY)}


class Keys:
    """All keys of the two parties, as either side would hold them."""

    def lookup(self, keyid):
        return {
            "CMCC/hmac/1": HMAC_KEY,
            "CMCC/sign/1": SM2_KEY.public_key,
            "ttp/sign/1": TTP_KEY.public_key,
            "ent-a/sign/1": TTP_KEY.public_key,
        }.get(keyid)


REQUEST = {"method": "POST", "path": "/v1/verifications", "query": "", "body": b'{"items":[]}'}


def signed(signer, **changes):
    return signed_http.sign_request(
        signer, **(REQUEST | {"created": NOW, "nonce": "nonce-0123456789abcdef"} | changes)
    )


def verify(headers, *, nonces=None, party="CMCC", now=NOW, **changes):
    return verify_request(
        headers.get,
        **(REQUEST | changes),
        party=party,
        keys=Keys(),
        nonces=NonceCache(NOW - 1000) if nonces is None else nonces,
        now=now,
    )


@pytest.fixture(params=SIGNERS)
def signer(request):
    return SIGNERS[request.param]


def test_vector_of_a_request_and_its_response():
    request, response = VECTOR["request"], VECTOR["response"]
    signer = Signer(VECTOR["keyid"], HMAC_KEY)
    headers = signed_http.sign_request(
        signer,
        method=request["method"],
        path=request["path"],
        query=request["query"],
        body=request["body"].encode(),
        created=request["created"],
        nonce=request["nonce"],
    )
    assert headers == request["headers"]
    params = headers["signature-input"].removeprefix("sig1=")
    base = signed_http.request_base(
        request["method"], request["path"], request["query"], headers["content-digest"], params
    )
    assert base.decode() == request["signature_base"]
    answered = signed_http.sign_response(
        signer,
        status=response["status"],
        body=response["body"].encode(),
        request_signature=headers["signature"],
        created=response["created"],
    )
    assert answered == response["headers"]


def test_the_formats_page_shows_the_vector():
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    for shown in (VECTOR["request"]["signature_base"], VECTOR["response"]["signature_base"]):
        assert shown in page
    assert VECTOR["request"]["body"] in page


def test_a_signed_request_is_accepted(signer):
    accepted = verify(signed(signer))
    assert accepted.party == "CMCC"
    assert accepted.keyid == signer.keyid


def test_query_is_covered(signer):
    headers = signed(signer, path="/v1/log/inclusion", query="index=1&size=2", method="GET", body=b"")
    fields = {"path": "/v1/log/inclusion", "method": "GET", "body": b""}
    assert verify(headers, query="index=1&size=2", **fields)
    with pytest.raises(SignatureError, match="does not verify"):
        verify(headers, query="index=1&size=3", **fields)


@pytest.mark.parametrize(
    "change",
    [{"method": "PUT"}, {"path": "/v1/reports"}, {"path": "/v1/verifications/"}, {"query": "a=1"}],
    ids=str,
)
def test_wrong_method_path_or_query_is_refused(signer, change):
    with pytest.raises(SignatureError, match="does not verify"):
        verify(signed(signer), **change)


def test_altered_body_is_refused(signer):
    with pytest.raises(SignatureError, match="content-digest does not match"):
        verify(signed(signer), body=b'{"items":[1]}')


def test_altered_body_with_its_own_digest_is_refused(signer):
    headers = signed(signer) | {"content-digest": signed_http.content_digest(b"other")}
    with pytest.raises(SignatureError, match="does not verify"):
        verify(headers, body=b"other")


def test_a_replay_is_refused(signer):
    nonces = NonceCache(NOW - 1000)
    headers = signed(signer)
    verify(headers, nonces=nonces)
    with pytest.raises(SignatureError, match="nonce was used before"):
        verify(headers, nonces=nonces)


@pytest.mark.parametrize("ahead", [-60, 0, 60])
def test_a_replay_is_refused_as_long_as_it_would_pass_for_fresh(signer, ahead):
    nonces = NonceCache(NOW - 1000)
    headers = signed(signer, created=NOW + ahead)
    verify(headers, nonces=nonces, now=NOW)
    for later in range(0, 200, 20):
        with pytest.raises(SignatureError, match=r"nonce was used before|too far from now"):
            verify(headers, nonces=nonces, now=NOW + later)


@pytest.mark.parametrize("now", [NOW - 61, NOW + 61])
def test_a_stale_or_early_request_is_refused(signer, now):
    with pytest.raises(SignatureError, match="too far from now"):
        verify(signed(signer), now=now)


@pytest.mark.parametrize("now", [NOW - 60, NOW + 60])
def test_sixty_seconds_either_way_are_accepted(signer, now):
    assert verify(signed(signer), now=now)


def test_certificate_and_key_of_different_parties_are_refused(signer):
    with pytest.raises(SignatureError, match="different parties") as refused:
        verify(signed(signer), party="ent-a")
    assert refused.value.status == 403


def test_an_unknown_key_is_refused():
    with pytest.raises(SignatureError, match="not known"):
        verify(signed(Signer("CMCC/hmac/2", HMAC_KEY)))


def test_a_key_under_another_keyid_is_refused():
    with pytest.raises(SignatureError, match="does not verify"):
        verify(signed(Signer("CMCC/hmac/1", b"another key of 16 bytes or more")))


def test_alg_must_agree_with_the_key():
    headers = signed(SIGNERS["hmac"])
    headers["signature-input"] = headers["signature-input"].replace("hmac-sm3", "sm2-sm3")
    with pytest.raises(SignatureError, match="does not verify"):
        verify(headers)


@pytest.mark.parametrize("field", ["content-digest", "signature-input", "signature"])
def test_a_request_without_a_field_is_refused(field):
    headers = signed(SIGNERS["hmac"])
    del headers[field]
    with pytest.raises(SignatureError, match="not signed"):
        verify(headers)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"@query" ', ""),
        ('"@method" "@path"', '"@path" "@method"'),
        ("sig1=", "sig2="),
        (";created=", ";expires=1;created="),
        (";created=", ";created=1;created="),
        (";nonce=", ";nonces="),
        (f"created={NOW}", 'created="x"'),
        ('alg="hmac-sm3"', 'alg="hmac-sm3" '),
        ('keyid="CMCC/hmac/1"', 'keyid="CMCC"'),
        ('nonce="nonce-0123456789abcdef"', 'nonce="short"'),
    ],
)
def test_other_signature_inputs_are_refused(old, new):
    headers = signed(SIGNERS["hmac"])
    assert old in headers["signature-input"]
    headers["signature-input"] = headers["signature-input"].replace(old, new)
    with pytest.raises(SignatureError):
        verify(headers)


@pytest.mark.parametrize("signature", ["", "sig1=::", "sig1=:!!!!:", "sig1=:AAAA", "sig1=:" + "A" * 88 + ":"])
def test_malformed_signatures_are_refused(signer, signature):
    with pytest.raises(SignatureError):
        verify(signed(signer) | {"signature": signature})


def test_parameters_may_come_in_another_order():
    """RFC 9421, 2.3: the signature parameters are signed as they stand."""
    signer = SIGNERS["hmac"]
    digest = signed_http.content_digest(REQUEST["body"])
    params = (
        f'{signed_http.REQUEST_COMPONENTS};alg="hmac-sm3";keyid="CMCC/hmac/1"'
        f';nonce="nonce-0123456789abcdef";created={NOW}'
    )
    base = signed_http.request_base("POST", REQUEST["path"], "", digest, params)
    headers = {
        "content-digest": digest,
        "signature-input": f"sig1={params}",
        "signature": f"sig1=:{base64.b64encode(signer.sign(base)).decode()}:",
    }
    assert verify(headers)


def test_what_was_signed_before_the_cache_began_is_refused_for_now():
    with pytest.raises(SignatureError) as refused:
        verify(signed(SIGNERS["hmac"]), nonces=NonceCache(NOW + 1))
    assert refused.value.status == 503


def test_a_full_nonce_cache_refuses_and_recovers():
    nonces = NonceCache(NOW - 1000, per_party_max=2)
    nonces.admit("CMCC", "a" * 16, NOW, NOW)
    nonces.admit("CMCC", "b" * 16, NOW, NOW)
    with pytest.raises(SignatureError) as refused:
        nonces.admit("CMCC", "c" * 16, NOW, NOW)
    assert refused.value.status == 503
    nonces.admit("ttp", "c" * 16, NOW, NOW)  # one party's flood is not another's
    assert len(nonces) == 3
    nonces.admit("CMCC", "c" * 16, NOW + 200, NOW + 200)


def test_a_refused_request_takes_no_place_in_the_cache():
    nonces = NonceCache(NOW - 1000)
    with pytest.raises(SignatureError):
        verify(signed(SIGNERS["hmac"]), nonces=nonces, body=b"other")
    assert len(nonces) == 0


@pytest.mark.parametrize(
    "keyid", ["CMCC", "CMCC/hmac", "/hmac/1", "CMCC/hmac/x", "C M/hmac/1", "CMCC/hmac/0"]
)
def test_keyids_of_another_form_are_refused(keyid):
    with pytest.raises(SignatureError):
        Signer(keyid, HMAC_KEY)


def test_short_hmac_keys_are_refused():
    with pytest.raises(ValueError):
        Signer("CMCC/hmac/1", b"short")


# --- responses


def answered(signer, request_headers, **changes):
    fields = {"status": 200, "body": b"{}", "request_signature": request_headers["signature"], "created": NOW}
    return signed_http.sign_response(signer, **(fields | changes))


def check(headers, request_headers, signer, **changes):
    fields = {"status": 200, "body": b"{}", "party": "ttp", "now": NOW} | changes
    verify_response(
        headers.get, request_signature=request_headers["signature"], signer=signer, keys=Keys(), **fields
    )


RESPONDERS = {"hmac": SIGNERS["hmac"], "sm2": Signer("ttp/sign/1", TTP_KEY)}


@pytest.fixture(params=RESPONDERS)
def sides(request):
    asking = SIGNERS[request.param]
    return asking, RESPONDERS[request.param], signed(asking)


def test_a_signed_response_is_accepted(sides):
    asking, answering, request = sides
    check(answered(answering, request), request, asking)


def test_a_response_to_another_request_is_refused(sides):
    asking, answering, request = sides
    other = signed(asking, nonce="another-nonce-0123456789")
    with pytest.raises(SignatureError, match="does not verify"):
        check(answered(answering, other), request, asking)


@pytest.mark.parametrize("change", [{"status": 201}, {"body": b"[]"}, {"now": NOW + 61}], ids=str)
def test_an_altered_or_stale_response_is_refused(sides, change):
    asking, answering, request = sides
    with pytest.raises(SignatureError):
        check(answered(answering, request), request, asking, **change)


def test_a_response_of_another_party_is_refused():
    asking, request = SIGNERS["sm2"], signed(SIGNERS["sm2"])
    with pytest.raises(SignatureError, match="different parties"):
        check(answered(Signer("ent-a/sign/1", TTP_KEY), request), request, asking)


def test_an_hmac_request_is_not_answered_under_sm2():
    asking, request = SIGNERS["hmac"], signed(SIGNERS["hmac"])
    with pytest.raises(SignatureError, match="another key"):
        check(answered(RESPONDERS["sm2"], request), request, asking)


def test_the_askers_own_signature_is_no_answer():
    asking, request = SIGNERS["sm2"], signed(SIGNERS["sm2"])
    with pytest.raises(SignatureError, match="different parties"):
        check(answered(asking, request), request, asking, party=None)


def test_a_signed_request_does_not_pass_for_a_response(sides):
    asking, _, request = sides
    with pytest.raises(SignatureError):
        check(request, request, asking)


def test_an_unsigned_response_is_refused(sides):
    asking, _, request = sides
    with pytest.raises(SignatureError, match="not signed"):
        check({}, request, asking)
