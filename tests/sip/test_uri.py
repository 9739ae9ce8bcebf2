"""URIs: RFC 3261 19.1, RFC 3966, RFC 5118."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.uri import OtherUri, SipUri, TelUri, UriError, bare_host, host_reference, parse_uri


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sip:alice@192.0.2.4",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:888112345678901234@ascs.example:5070;lr",
        "sip:[2001:db8::10]:5070",
        "tel:+1-201-555-0123",
        "tel:7042;phone-context=example.com",
        "tel:888112345678901234;phone-context=ascs.example",
        "isbn:2983792873",
    ],
)
def test_what_is_parsed_is_built_again(text: str) -> None:
    """19.1.3: the RFC's own examples, and ours."""
    assert str(parse_uri(text)) == text


def test_parts_are_unescaped_and_escaped_again() -> None:
    uri = parse_uri("sip:sips%3Auser%40example.com@example.net;n%61me=v%61lue%25%34%31")
    assert isinstance(uri, SipUri)
    assert uri.user == "sips:user@example.com"
    assert uri.param("name") == "value%41"
    assert str(uri) == "sip:sips%3Auser%40example.com@example.net;name=value%2541"


def test_octets_that_are_not_utf8_survive() -> None:
    assert str(parse_uri("sip:%00%FF@example.com")) == "sip:%00%FF@example.com"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:+1-201-555-0123", "tel:+12015550123"),
    ],
)
def test_equal_uris(one: str, other: str) -> None:
    """19.1.4, the RFC's examples."""
    assert parse_uri(one) == parse_uri(other)
    assert hash(parse_uri(one)) == hash(parse_uri(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:alice@a.com", "sips:alice@a.com"),
    ],
)
def test_different_uris(one: str, other: str) -> None:
    """19.1.4, the RFC's examples."""
    assert parse_uri(one) != parse_uri(other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "sip:",
        "sip:@example.com",
        "sip:a b@example.com",
        "sip:alice@",
        "sip:alice@example.com:0",
        "sip:alice@example.com:70000",
        "sip:alice@example.com:5060x",
        "sip:alice@2001:db8::1",
        "sip:alice@[2001:db8::1",
        "sip:alice@[fe80::g]",
        "sip:alice@256.1.1.1",
        "sip:alice@example.com;",
        "sip:alice@example.com;a=1;a=2",
        "sip:alice@example.com; lr",
        "sip:alice@example.com?x",
        "sip:ali%4ce%@example.com",
        "tel:7042",
        "tel:+",
        "<sip:alice@example.com>",
        "sip:alice@-example.com",
    ],
)
def test_what_is_no_uri_is_refused(text: str) -> None:
    with pytest.raises(UriError):
        parse_uri(text)


def test_three_colons_are_read_but_not_written() -> None:
    """RFC 5118 4.10."""
    assert str(parse_uri("sip:user@[2001:db8:::192.0.2.1]")) == "sip:user@[2001:db8::192.0.2.1]"


def test_digits_of_a_telephone_uri() -> None:
    uri = parse_uri("tel:+86-138-0000-0001")
    assert isinstance(uri, TelUri)
    assert uri.digits == "+8613800000001"


def test_other_schemes_stay_opaque() -> None:
    assert parse_uri("soap.beep://192.0.2.103:3002") == OtherUri("soap.beep", "//192.0.2.103:3002")


def test_parameters_are_replaced_not_doubled() -> None:
    uri = SipUri("a", "example.com").with_param("lr").with_param("LR".lower())
    assert str(uri) == "sip:a@example.com;lr"
    assert str(uri.without_params("lr")) == "sip:a@example.com"


def test_brackets_belong_to_the_wire_form() -> None:
    assert bare_host("[2001:db8::1]") == "2001:db8::1"
    assert host_reference("2001:db8::1") == "[2001:db8::1]"
    assert host_reference("192.0.2.1") == "192.0.2.1"


@given(st.text(min_size=1, max_size=40))
def test_any_user_part_comes_back(user: str) -> None:
    uri = parse_uri(str(SipUri(user, "example.com")))
    assert isinstance(uri, SipUri)
    assert uri.user == user
