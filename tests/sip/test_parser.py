"""The parser: strict, and never at a loss."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.headers import NameAddr, Via
from sip.message import Request
from sip.parser import HEADER_FIELDS_MAX, MESSAGE_MAX, SipParseError, parse
from sip.uri import SipUri
from tests.sip.wire import SDP, invite_text, request_of, request_text

VALID = invite_text(
    body=SDP, extra='Contact: "x" <sip:a@b>;q=0.5\r\nRoute: <sip:p;lr>\r\nAccept: a/b, c/d\r\n'
)


def refusal(data: bytes, *, stream: bool = False) -> SipParseError:
    with pytest.raises(SipParseError) as caught:
        parse(data, stream=stream)
    return caught.value


def test_headers_keep_their_order_and_lists_come_apart() -> None:
    request = request_of(request_text(extra="X-B: 1\r\nAllow: INVITE, ACK\r\nx-a:2\r\n"))
    assert [item for item in request.items() if item[0] in ("X-B", "Allow", "x-a")] == [
        ("X-B", "1"),
        ("Allow", "INVITE"),
        ("Allow", "ACK"),
        ("x-a", "2"),
    ]


def test_folded_lines_are_one() -> None:
    """7.3.1."""
    request = request_of(request_text(extra="Subject: I know\r\n you're there,\r\n\t pick up\r\n"))
    assert request.get("Subject") == "I know you're there, pick up"


def test_a_datagram_without_content_length_ends_with_its_body() -> None:
    """18.3."""
    data = request_text().replace(b"Content-Length: 0\r\n", b"") + b"rest"
    assert request_of(data).body == b"rest"
    assert refusal(data, stream=True).reason == "Content-Length missing"


def test_octets_past_the_length_are_dropped_on_a_datagram_only() -> None:
    """18.3."""
    data = request_text(body=b"12345") + b"more"
    assert request_of(data).body == b"12345"
    assert refusal(data, stream=True).status == 400


@pytest.mark.parametrize("missing", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_what_8_1_1_wants_must_be_there(missing: str) -> None:
    kept = [line for line in request_text().split(b"\r\n") if not line.startswith(missing.encode() + b":")]
    error = refusal(b"\r\n".join(kept))
    assert error.status == 400
    assert error.reason == f"{missing} missing"
    assert (error.request is None) == (missing == "Via")


def test_an_ack_that_does_not_parse_is_never_answered() -> None:
    """17: there is no response to an ACK."""
    assert refusal(request_text("ACK").replace(b"CSeq: 1", b"CSeq: x")).request is None


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"OPTIONS sip:a@b SIP/3.0", 505),
        (b"OPTIONS sip:a@b HTTP/1.1", 400),
        (b"OPTIONS sip:a@b", 400),
        (b"OPT(IONS sip:a@b SIP/2.0", 400),
        (b"OPTIONS  sip:a@b SIP/2.0", 400),
        (b"", 400),
    ],
)
def test_request_lines(line: bytes, status: int) -> None:
    data = request_text()
    assert refusal(line + data[data.index(b"\r\n") :]).status == status


def test_the_version_matches_in_any_case() -> None:
    """7.1."""
    assert request_of(request_text().replace(b" SIP/2.0\r\nVia", b" sip/2.0\r\nVia")).method == "OPTIONS"


@pytest.mark.parametrize("status", [b"99", b"700", b"1000", b"2x0", b"-10"])
def test_statuses_out_of_range(status: bytes) -> None:
    data = request_text()
    assert refusal(b"SIP/2.0 " + status + b" OK" + data[data.index(b"\r\n") :]).request is None


@pytest.mark.parametrize("line", [b"No colon here", b"Bad name: x", b": x", b"X-Bare: a\nb", b"X-Bare: a\rb"])
def test_bad_header_lines(line: bytes) -> None:
    assert refusal(request_text(extra="")[:-4] + b"\r\n" + line + b"\r\n\r\n").status == 400


@pytest.mark.parametrize(
    "name", ["From", "f", "TO", "i", "CSeq", "Max-Forwards", "l", "Content-Type", "Expires"]
)
def test_single_headers_stand_once(name: str) -> None:
    twice = f"{name}: 1\r\n{name}: 1\r\n"
    assert "twice" in refusal(request_text(extra=twice)).reason


def test_caps() -> None:
    assert refusal(b"x" * (MESSAGE_MAX + 1)).status == 513
    assert refusal(request_text(extra="X-Y: 1\r\n" * HEADER_FIELDS_MAX)).reason == "too many headers"


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_a_refusal(data: bytes) -> None:
    with contextlib.suppress(SipParseError):
        parse(data)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 6), st.binary(max_size=4)),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
)
def test_mutated_messages_never_crash_and_always_rebuild(
    edits: list[tuple[int, int, bytes]], stream: bool
) -> None:
    data = bytearray(VALID)
    for position, length, new in edits:
        data[position : position + length] = new
    try:
        message = parse(bytes(data), stream=stream)
    except SipParseError:
        return
    again = parse(message.to_bytes())
    assert list(again.items()) == list(message.items())
    assert again.body == message.body
    assert isinstance(message, Request)


WORDS = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=12)
TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=30)


@settings(max_examples=200)
@given(
    method=st.sampled_from(("INVITE", "OPTIONS", "NEWMETHOD")),
    user=st.none() | TEXTS.filter(bool),
    display=st.none() | TEXTS,
    tag=WORDS,
    params=st.dictionaries(WORDS.map(str.lower), st.none() | WORDS, max_size=3),
    extra=st.lists(st.tuples(WORDS.map("X-{}".format), TEXTS.map(str.strip)), max_size=4),
    body=st.binary(max_size=60),
)
def test_what_is_built_is_read_back(
    method: str,
    user: str | None,
    display: str | None,
    tag: str,
    params: dict[str, str | None],
    extra: list[tuple[str, str]],
    body: bytes,
) -> None:
    """Any user, display name, parameter, unknown header and body that can be built means the same when read."""
    params.pop("tag", None)
    params.pop("branch", None)
    uri = SipUri(user, "192.0.2.9")
    from_ = NameAddr(uri, display or None, tuple(params.items())).with_tag(tag)
    via = Via("UDP", "192.0.2.1", 5060, (("branch", f"z9hG4bK{tag}"), *params.items()))
    headers: list[tuple[str, object]] = [
        ("Via", via),
        ("From", from_),
        ("To", NameAddr(uri)),
        ("Call-ID", "one"),
        ("CSeq", f"1 {method}"),
        *extra,
    ]
    request = parse(Request(method, uri, headers, body).to_bytes(), stream=True)
    assert isinstance(request, Request)
    assert (request.method, request.uri, request.body) == (method, uri, body)
    assert request.from_ == from_
    assert request.top_via == via
    assert list(request.items())[5:] == [(name, value) for name, value in extra]
