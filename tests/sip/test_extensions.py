"""Header values of RFC 3262, 3323, 3325, 3326, 3515, 3892, 4028 and 6665."""

from __future__ import annotations

import pytest

from sip.extensions import (
    RAck,
    Reason,
    SessionExpires,
    SubscriptionState,
    asserted_identities,
    minimum_expires,
    parse_rack,
    parse_reason,
    parse_session_expires,
    parse_sipfrag,
    parse_subscription_state,
    privacy,
    reasons,
    refer_target,
    referred_by,
    response_number,
    session_expires,
)
from sip.headers import HeaderError
from sip.message import Request
from sip.uri import SipUri


def message(*headers: tuple[str, str]) -> Request:
    return Request("INVITE", SipUri("bob", "192.0.2.2"), headers)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('SIP ;cause=200 ;text="Call completed elsewhere"', Reason("SIP", 200, "Call completed elsewhere")),
        ('Q.850;cause=16;text="Terminated"', Reason("Q.850", 16, "Terminated")),
        ("preemption", Reason("preemption")),
        ("Q.850;cause=31;location=U", Reason("Q.850", 31, None, (("location", "U"),))),
    ],
)
def test_a_reason_has_protocol_cause_and_text(text: str, reason: Reason) -> None:
    """RFC 3326 2."""
    assert parse_reason(text) == reason
    assert parse_reason(str(reason)) == reason


@pytest.mark.parametrize("text", ["", ";cause=1", "SIP;cause=x", "SIP;cause=99999999", "SIP;cause=1;cause=2"])
def test_a_broken_reason_is_refused_and_passed_over(text: str) -> None:
    with pytest.raises(HeaderError):
        parse_reason(text)
    assert reasons(message(("Reason", text), ("Reason", "SIP;cause=486"))) == [Reason("SIP", 486)]


@pytest.mark.parametrize(
    ("values", "asked"),
    [
        ([], set()),
        (["id"], {"id"}),
        (["ID;critical"], {"id", "critical"}),
        (["user, header", "session"], {"user", "header", "session"}),
        (["none"], {"none"}),
    ],
)
def test_privacy_is_a_set_of_words(values: list[str], asked: set[str]) -> None:
    """RFC 3323 4.2."""
    assert privacy(message(*(("Privacy", value) for value in values))) == asked


def test_at_most_one_sip_and_one_tel_identity_is_asserted() -> None:
    """RFC 3325 9.1."""
    name = "P-Asserted-Identity"
    both = message((name, '"Cullen" <sip:f@192.0.2.9>'), (name, "<tel:+14085264000>"))
    assert [item.uri.scheme for item in asserted_identities(both)] == ["sip", "tel"]
    assert asserted_identities(message()) == []
    for second in ("<sip:g@192.0.2.9>", "<https://192.0.2.9>", "<sips:g@192.0.2.9>"):
        with pytest.raises(HeaderError):
            asserted_identities(message((name, "<sip:f@192.0.2.9>"), (name, second)))


def test_rack_names_response_and_request() -> None:
    """RFC 3262 7.2."""
    assert parse_rack("776656 1 INVITE") == RAck(776656, 1, "INVITE")
    assert str(RAck(1, 2, "INVITE")) == "1 2 INVITE"
    for text in ("", "1 INVITE", "x 1 INVITE", "1 2 3 INVITE", "4294967296 1 INVITE", "1 2147483648 INVITE"):
        with pytest.raises(HeaderError):
            parse_rack(text)


@pytest.mark.parametrize(
    ("value", "number"),
    [("1", 1), ("4294967295", 4294967295), ("0", None), ("4294967296", None), ("x", None)],
)
def test_rseq_is_a_number_from_one(value: str, number: int | None) -> None:
    """RFC 3262 7.1."""
    assert response_number(message(("RSeq", value))) == number
    assert response_number(message()) is None


def test_session_expires_names_seconds_and_refresher() -> None:
    """RFC 4028 4 and 5; ``x`` is the compact form."""
    assert parse_session_expires("4000") == SessionExpires(4000)
    assert session_expires(message(("x", "1800 ;Refresher=UAS"))) == SessionExpires(1800, "uas")
    assert str(SessionExpires(90, "uac")) == "90;refresher=uac"
    assert session_expires(message()) is None
    for text in ("", "-1", "90;refresher=both", "4294967296"):
        with pytest.raises(HeaderError):
            parse_session_expires(text)
    assert minimum_expires(message(("Min-SE", "120;any=1"))) == 120
    assert minimum_expires(message()) == 0
    with pytest.raises(HeaderError):
        minimum_expires(message(("Min-SE", "soon")))


def test_subscription_state_and_sipfrag() -> None:
    """RFC 6665 8.2.3, RFC 3515 2.4.5."""
    assert parse_subscription_state("Active;expires=60") == SubscriptionState("active", None, 60)
    assert parse_subscription_state("terminated;reason=noresource") == SubscriptionState(
        "terminated", "noresource"
    )
    with pytest.raises(HeaderError):
        parse_subscription_state("active;expires=x")
    assert parse_sipfrag(b"SIP/2.0 503 Service Unavailable\r\n") == (503, "Service Unavailable")
    assert parse_sipfrag(b"SIP/2.0 100 ") == (100, "")
    for body in (b"", b"SIP/2.0 700 X\r\n", b"INVITE sip:a@b SIP/2.0\r\n", b"SIP/2.0 200 OK" + b"k" * 5000):
        with pytest.raises(HeaderError):
            parse_sipfrag(body)


def test_refer_has_exactly_one_target() -> None:
    """RFC 3515 2.4.1."""
    target = refer_target(message(("r", '"Carol" <sip:carol@192.0.2.3>')))
    assert str(target.uri) == "sip:carol@192.0.2.3"
    for values in ([], ["<sip:a@b>", "<sip:c@d>"], ["<sip:"]):
        with pytest.raises(HeaderError):
            refer_target(message(*(("Refer-To", value) for value in values)))


def test_referred_by_is_read_where_it_can_be() -> None:
    """RFC 3892."""
    found = referred_by(message(("b", "<sip:bob@192.0.2.2>")))
    assert found is not None
    assert str(found.uri) == "sip:bob@192.0.2.2"
    assert referred_by(message(("Referred-By", "<"))) is None
    assert referred_by(message()) is None
