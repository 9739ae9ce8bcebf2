"""Messages as ordered headers with typed views: RFC 3261 7, 8.2.6."""

from __future__ import annotations

import pytest

from sip.headers import HeaderError, parse_via
from sip.message import Request, Response, make_error_response, make_response
from sip.parser import parse
from sip.uri import SipUri
from tests.sip.wire import invite_text, request_of


def test_names_match_in_any_form() -> None:
    request = Request(
        "OPTIONS", SipUri("a", "b"), [("v", "SIP/2.0/UDP h;branch=z9hG4bKx"), ("X-Unknown", "1")]
    )
    assert request.get("via") == request.get("Via") == "SIP/2.0/UDP h;branch=z9hG4bKx"
    assert request.get("x-unknown") == "1"
    assert request.get_all("V") == ["SIP/2.0/UDP h;branch=z9hG4bKx"]
    assert request.get("Subject") is None


def test_views_follow_changes() -> None:
    request = request_of(invite_text())
    assert request.from_.tag == "from-1"
    request.set("From", "<sip:other@h>;tag=2")
    assert request.from_.tag == "2"
    request.prepend("Via", "SIP/2.0/UDP first;branch=z9hG4bKfirst")
    assert [via.host for via in request.vias] == ["first", "192.0.2.1"]
    request.replace_top_via(parse_via("SIP/2.0/UDP changed;branch=z9hG4bKc"))
    assert request.top_via.host == "changed"
    request.remove_top_via()
    assert request.top_via.host == "192.0.2.1"
    assert request.remove("Via") == 1
    with pytest.raises(HeaderError):
        _ = request.top_via


def test_set_keeps_the_place() -> None:
    request = Request("OPTIONS", SipUri("a", "b"), [("X-A", "1"), ("X-B", "2"), ("X-A", "3"), ("X-C", "4")])
    request.set("x-a", "9")
    assert list(request.items()) == [("x-a", "9"), ("X-B", "2"), ("X-C", "4")]


def test_content_length_is_made_from_the_body() -> None:
    request = Request("INFO", SipUri("a", "b"), [("To", "<sip:a@b>")], b"12345")
    assert request.get("l") == "5"
    assert request.to_bytes().endswith(b"\r\nContent-Length: 5\r\n\r\n12345")


@pytest.mark.parametrize("value", ["a\r\nVia: evil", "a\nb", "a\rb"])
def test_no_value_can_add_a_header(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        Request("INFO", SipUri("a", "b"), [("Subject", value)]).to_bytes()


def test_a_response_copies_what_8_2_6_2_names() -> None:
    request = request_of(
        invite_text(extra="Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nSubject: x\r\nTimestamp: 54\r\n")
    )
    ringing = make_response(request, 180, to_tag="mine")
    assert [name for name, _ in ringing.items()] == [
        "Via",
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Record-Route",
        "Record-Route",
    ]
    assert ringing.to.tag == "mine"
    assert ringing.reason == "Ringing"
    assert make_response(request, 100).get("Timestamp") == "54"
    assert make_response(request, 486).get("Record-Route") is None


def test_a_to_tag_that_came_stays() -> None:
    request = request_of(invite_text(to_tag="theirs"))
    assert make_response(request, 200, to_tag="mine").to.tag == "theirs"


def test_an_error_response_interprets_nothing() -> None:
    salvaged = Request("INVITE", SipUri(None, "x"), [("Via", "rubbish"), ("CSeq", "??"), ("Subject", "s")])
    response = make_error_response(salvaged, 400, "bad")
    assert list(response.items()) == [("Via", "rubbish"), ("CSeq", "??")]


def test_tags_of_extensions_are_lower_case() -> None:
    request = request_of(invite_text(extra="Require: 100Rel, Timer\r\nSupported: Path\r\n"))
    assert request.require == ["100rel", "timer"]
    assert request.supported == ["path"]


def test_reason_phrases() -> None:
    assert Response(404).start_line() == "SIP/2.0 404 Not Found"
    assert Response(499).start_line() == "SIP/2.0 499 "
    assert isinstance(parse(b"SIP/2.0 499 \r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@b>\r\nTo: <sip:a@b>\r\n"
                            b"Call-ID: 1\r\nCSeq: 1 BYE\r\n\r\n"), Response)  # fmt: skip
