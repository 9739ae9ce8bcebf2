"""Header names and values: RFC 3261 7.3, 20, 25.1; RFC 3581."""

from __future__ import annotations

import pytest

from sip.headers import (
    KNOWN,
    CSeq,
    HeaderError,
    NameAddr,
    canonical,
    find_param,
    parse_auth,
    parse_cseq,
    parse_delta_seconds,
    parse_name_addr,
    parse_via,
    quote,
    split_list,
    unquote,
)
from sip.uri import SipUri


@pytest.mark.parametrize(
    ("compact", "long"),
    [("i", "Call-ID"), ("m", "Contact"), ("e", "Content-Encoding"), ("l", "Content-Length"),
     ("c", "Content-Type"), ("f", "From"), ("s", "Subject"), ("k", "Supported"), ("t", "To"), ("v", "Via"),
     ("x", "Session-Expires"), ("r", "Refer-To"), ("b", "Referred-By"), ("o", "Event"), ("u", "Allow-Events")],
)  # fmt: skip
def test_compact_forms(compact: str, long: str) -> None:
    """7.3.3 and the extensions' own."""
    assert canonical(compact) == canonical(compact.upper()) == canonical(long.lower()) == long


def test_unknown_names_keep_their_spelling() -> None:
    assert canonical("X-fOO") == "X-fOO"
    assert "X-fOO" not in KNOWN


@pytest.mark.parametrize(
    ("text", "display", "uri", "tag"),
    [
        (
            '"A. G. Bell" <sip:agb@bell-telephone.com> ;tag=a48s',
            "A. G. Bell",
            "sip:agb@bell-telephone.com",
            "a48s",
        ),
        (
            "sip:+12125551212@server.phone2net.com;tag=887s",
            None,
            "sip:+12125551212@server.phone2net.com",
            "887s",
        ),
        (
            "Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8",
            "Anonymous",
            "sip:c8oqz84zk7z@privacy.org",
            "hyh8",
        ),
        ("caller<sip:caller@example.com>", "caller", "sip:caller@example.com", None),
        (r'"quo\"ted, \\ one" <sip:a@b>', 'quo"ted, \\ one', "sip:a@b", None),
        ("<sip:a@b;lr>;x", None, "sip:a@b;lr", None),
    ],
)
def test_addresses(text: str, display: str | None, uri: str, tag: str | None) -> None:
    """20.20: parameters after an addr-spec without brackets are the header's."""
    address = parse_name_addr(text)
    assert (address.display, str(address.uri), address.tag) == (display, uri, tag)
    assert parse_name_addr(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<>",
        '"open <sip:a@b>',
        "Bell, Alexander <sip:a@b>",
        "< sip:a@b >",
        "<sip:a@b>;;tag=1",
        "<sip:a@b>;tag=1;tag=2",
        "<sip:a@b> tag=1",
        "sip:a@b?Route=%3Csip:c%3E",
        "sip:a@b, sip:c@d",
    ],
)
def test_broken_addresses(text: str) -> None:
    with pytest.raises(HeaderError):
        parse_name_addr(text)


def test_display_names_are_quoted_where_needed() -> None:
    assert str(NameAddr(SipUri("a", "b"), "Bob")) == "Bob <sip:a@b>"
    assert str(NameAddr(SipUri("a", "b"), '企业 "甲"')) == '"企业 \\"甲\\"" <sip:a@b>'
    assert "\r" not in quote("a\r\nVia: x")
    assert unquote(quote('a"\\b')) == 'a"\\b'


def test_lists_split_outside_quotes_and_brackets() -> None:
    assert split_list('"a, b" <sip:x@y?p=1,2>;q=1 , <sip:z@y>') == ['"a, b" <sip:x@y?p=1,2>;q=1', "<sip:z@y>"]


def test_via_views() -> None:
    via = parse_via(
        "SIP / 2.0 / udp first.example.com: 4000;ttl=16;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1"
    )
    assert (via.transport, via.host, via.port) == ("UDP", "first.example.com", 4000)
    assert via.branch == "z9hG4bKa7c6a8dlze.1"
    assert via.sent_by == "first.example.com:4000"


def test_received_is_marked_when_the_source_differs() -> None:
    """18.2.1."""
    via = parse_via("SIP/2.0/UDP client.example.com;branch=z9hG4bKx").with_source("192.0.2.9", 5099)
    assert via.received == "192.0.2.9"
    assert via.rport is None
    same = parse_via("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx").with_source("192.0.2.9", 5099)
    assert same.received is None


def test_rport_is_filled_in_where_asked() -> None:
    """RFC 3581 4: then received is added whatever the sent-by says."""
    via = parse_via("SIP/2.0/UDP 192.0.2.9:5060;rport;branch=z9hG4bKx").with_source("192.0.2.9", 5099)
    assert (via.received, via.rport) == ("192.0.2.9", 5099)
    assert str(via) == "SIP/2.0/UDP 192.0.2.9:5060;rport=5099;branch=z9hG4bKx;received=192.0.2.9"


@pytest.mark.parametrize(
    "text",
    [
        "SIP/2.0/UDP",
        "SIP/7.0/UDP a;branch=z9hG4bKx",
        "SIP/2.0/UDP a b",
        "SIP/2.0/UDP a:0;branch=z9hG4bKx",
        "SIP/2.0/UDP a:99999",
        "SIP/2.0/UDP 192.0.2.15;;,;,,",
        "SIP/2.0/UDP a;branch=z9hG4bK",
        "SIP/2.0/UDP [1::2::3]",
    ],
)
def test_broken_vias(text: str) -> None:
    with pytest.raises(HeaderError):
        parse_via(text)


def test_received_may_be_ipv6_with_or_without_brackets() -> None:
    """RFC 5118 4.5."""
    for text in ("2001:db8::9:255", "[2001:db8::9:255]"):
        via = parse_via(f"SIP/2.0/UDP [2001:db8::9:1];received={text};branch=z9hG4bKas3")
        assert via.received == text


def test_sequence_numbers() -> None:
    """8.1.1.5."""
    assert parse_cseq("0009  INVITE") == CSeq(9, "INVITE")
    assert parse_cseq("2147483647 ACK").number == 2**31 - 1
    for text in ("2147483648 ACK", "36893488147419103232 REGISTER", "-1 ACK", "1", "ACK", "1 ACK x"):
        with pytest.raises(HeaderError):
            parse_cseq(text)


def test_seconds_are_clamped() -> None:
    """20.10, 20.19: too large is the largest, malformed the default."""
    assert parse_delta_seconds("1" + "0" * 100, 60) == 2**32 - 1
    assert parse_delta_seconds("18000;duration=3600", 60) == 18000
    assert parse_delta_seconds("soon", 60) == 60


def test_credentials() -> None:
    auth = parse_auth(
        'Digest username="bob, \\"b\\"", realm="a b", nc=00000001 , qop=auth, uri="sip:x@y;z=1"'
    )
    assert auth.scheme == "digest"
    assert auth.params == {
        "username": 'bob, "b"',
        "realm": "a b",
        "nc": "00000001",
        "qop": "auth",
        "uri": "sip:x@y;z=1",
    }
    for text in ("Digest", 'Digest a="1", a="2"', 'Digest a="1" b="2"', "Digest a="):
        with pytest.raises(HeaderError):
            parse_auth(text)


def test_parameters_by_name() -> None:
    params = (("Tag", "x"), ("lr", None), ("q", '"0.5"'))
    assert find_param(params, "tag") == "x"
    assert find_param(params, "lr") == ""
    assert find_param(params, "q") == "0.5"
    assert find_param(params, "none") is None
