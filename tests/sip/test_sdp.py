"""Session descriptions (RFC 4566) and offer/answer (RFC 3264)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.sdp import (
    DEFAULT_CODECS,
    MEDIA_MAX,
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    Codec,
    NoCommonCodec,
    SdpError,
    Session,
    make_answer,
    make_offer,
    media_address,
    parse_sdp,
    reverse_direction,
)

RFC_4566 = b"""v=0\r
o=jdoe 2890844526 2890842807 IN IP4 10.47.16.5\r
s=SDP Seminar\r
i=A Seminar on the session description protocol\r
u=http://www.example.com/seminars/sdp.pdf\r
e=j.doe@example.com (Jane Doe)\r
c=IN IP4 224.2.17.12/127\r
t=2873397496 2873404696\r
a=recvonly\r
m=audio 49170 RTP/AVP 0\r
m=video 51372/2 RTP/AVP 99\r
c=IN IP6 2001:db8::7\r
b=AS:128\r
a=rtpmap:99 h263-1998/90000\r
a=fmtp:99 profile=1\r
"""


def description(*media: str, direction: str = "") -> Session:
    lines = ["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0"]
    if direction:
        lines.append(f"a={direction}")
    return parse_sdp("\r\n".join([*lines, *media, ""]).encode())


def test_the_example_of_rfc_4566() -> None:
    session = parse_sdp(RFC_4566)
    audio, video = session.media
    assert session.origin.session_id == 2890844526
    assert session.direction(audio) == "recvonly"
    assert media_address(session, audio) == ("224.2.17.12", 49170)
    assert media_address(session, video) == ("2001:db8::7", 51372)
    assert video.port_count == 2
    assert video.codecs == [Codec(99, "h263-1998", 90000, fmtp="profile=1")]
    assert parse_sdp(session.to_bytes()) == session


def test_line_feeds_alone_are_taken() -> None:
    """RFC 4566 5: parsers should accept them."""
    assert parse_sdp(RFC_4566.replace(b"\r\n", b"\n")) == parse_sdp(RFC_4566)


def test_static_payload_types_need_no_map() -> None:
    """RFC 3551."""
    session = description("m=audio 4000 RTP/AVP 8 0 18 96")
    assert [codec.name for codec in session.media[0].codecs] == ["PCMA", "PCMU", "G729"]


def test_codec_with_channels_and_parameters_passes_unchanged() -> None:
    media = (
        "m=audio 4000 RTP/AVP 104",
        "a=rtpmap:104 AMR-WB/16000/1",
        "a=fmtp:104 mode-set=0,1,2; octet-align=1",
    )
    session = description(*media)
    assert session.media[0].codecs == [Codec(104, "AMR-WB", 16000, 1, "mode-set=0,1,2; octet-align=1")]
    assert b"a=fmtp:104 mode-set=0,1,2; octet-align=1\r\n" in session.to_bytes()


def test_rtcp_address() -> None:
    """RFC 3605, RFC 5761."""
    assert description("m=audio 4000 RTP/AVP 0").media[0].rtcp_port == 4001
    assert description("m=audio 4000 RTP/AVP 0", "a=rtcp:53020").media[0].rtcp_port == 53020
    assert description("m=audio 4000 RTP/AVP 0", "a=rtcp-mux").media[0].rtcp_port == 4000


def test_packet_time() -> None:
    assert description("m=audio 4000 RTP/AVP 0", "a=ptime:30").media[0].ptime == 30
    assert description("m=audio 4000 RTP/AVP 0", "a=ptime:x").media[0].ptime is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"v=1\r\n",
        b"v=0\r\ns=-\r\n",
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n",
        b"v=0\r\no=- x 1 IN IP4 192.0.2.1\r\ns=-\r\n",
        b"v=0\r\no=- 1 1 IN IP4 2001:db8::1\r\ns=-\r\n",
        b"v=0\r\no=- 1 1 IN IP4 999.0.2.1\r\ns=-\r\n",
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nm=audio 4000 RTP/AVP 0\r\n",
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nm=audio 70000 RTP/AVP 0\r\n",
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nm=audio 0 RTP/AVP\r\n",
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nrubbish\r\n",
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nx=1\r\n",
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nm =audio 0 RTP/AVP 0\r\n",
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n" + b"m=audio 0 RTP/AVP 0\r\n" * (MEDIA_MAX + 1),
    ],
)
def test_what_is_no_description_is_refused(data: bytes) -> None:
    with pytest.raises(SdpError):
        parse_sdp(data)


@given(st.binary(max_size=300).map(lambda tail: RFC_4566[:80] + tail) | st.binary(max_size=100))
def test_any_bytes_are_a_description_or_an_error(data: bytes) -> None:
    with contextlib.suppress(SdpError):
        parse_sdp(data).to_bytes()


def test_no_value_can_add_a_line() -> None:
    session = make_offer("192.0.2.1", 4000, session_id=1)
    session.name = "a\r\na=inactive"
    with pytest.raises(ValueError, match="line break"):
        session.to_bytes()


def test_an_offer() -> None:
    assert make_offer("192.0.2.1", 4000, session_id=7).to_bytes() == (
        b"v=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        b"m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
        b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    )


def test_an_answer_takes_the_offers_order_and_numbers() -> None:
    """RFC 3264 6.1."""
    offer = description(
        "m=audio 4000 RTP/AVP 8 97 0 96",
        "a=rtpmap:97 iLBC/8000",
        "a=rtpmap:96 telephone-event/8000",
    )
    answer = make_answer(offer, "192.0.2.2", 5000, session_id=1)
    assert answer.media[0].formats == ["8", "0", "96"]
    assert media_address(answer, answer.media[0]) == ("192.0.2.2", 5000)


def test_an_answer_has_as_many_media_and_refuses_with_port_zero() -> None:
    """RFC 3264 6."""
    offer = description("m=video 3000 RTP/AVP 31", "m=audio 4000 RTP/AVP 0", "m=audio 4002 RTP/AVP 0")
    answer = make_answer(offer, "192.0.2.2", 5000, session_id=1)
    assert [(m.kind, m.port) for m in answer.media] == [("video", 0), ("audio", 5000), ("audio", 0)]
    assert answer.audio is answer.media[1]


@pytest.mark.parametrize(
    "media",
    [
        ["m=video 3000 RTP/AVP 31"],
        ["m=audio 4000 RTP/AVP 18"],
        ["m=audio 0 RTP/AVP 0"],
        ["m=audio 4000 RTP/SAVP 0"],
        ["m=audio 4000 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"],
    ],
)
def test_nothing_in_common(media: list[str]) -> None:
    with pytest.raises(NoCommonCodec):
        make_answer(description(*media), "192.0.2.2", 5000, session_id=1)


@pytest.mark.parametrize(
    ("offered", "wanted", "answered"),
    [
        ("sendrecv", None, "sendrecv"),
        ("sendonly", None, "recvonly"),
        ("recvonly", None, "sendonly"),
        ("inactive", None, "inactive"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendonly", "sendrecv", "recvonly"),
        ("sendonly", "sendonly", "inactive"),
        ("inactive", "sendrecv", "inactive"),
    ],
)
def test_directions(offered: str, wanted: str | None, answered: str) -> None:
    """RFC 3264 6.1, 8.4: hold and resume."""
    offer = description("m=audio 4000 RTP/AVP 0", direction=offered)
    answer = make_answer(offer, "192.0.2.2", 5000, session_id=1, direction=wanted)
    assert answer.media[0].direction == answered


def test_reversed_directions() -> None:
    assert [reverse_direction(d) for d in ("sendonly", "recvonly", "sendrecv", "inactive")] == [
        "recvonly",
        "sendonly",
        "sendrecv",
        "inactive",
    ]


def test_default_codecs() -> None:
    assert DEFAULT_CODECS == (PCMU, PCMA, TELEPHONE_EVENT)
