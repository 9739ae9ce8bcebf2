"""The SIP leg that is shown: headers, descriptions and pressed keys built from typed values."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.encodings import carries
from masking.sip_leg import (
    build_info,
    build_sdp,
    core_headers,
    crossing_audio,
    enterprise_headers,
    enterprise_status,
    remote_media,
)
from masking.sip_rules import HEADER_RULES
from sip.media.control import RemoteMedia
from sip.message import Response
from sip.sdp import Session, parse_sdp

NUMBER = "8613812345678"

OFFER = f"""v=0
o=+{NUMBER} {NUMBER} 1 IN IP4 10.1.2.3
s=Call of {NUMBER}
i=info {NUMBER}
u=http://example/{NUMBER}
e={NUMBER}@example
p=+{NUMBER}
c=IN IP4 10.1.2.3
b=AS:{NUMBER}
t={NUMBER} 0
a=tool:{NUMBER}
a=sendonly
m=audio 40000 RTP/AVP 97 8 101 99
i={NUMBER}
a=rtpmap:97 AMR-WB/16000
a=fmtp:97 mode-set=0,1,2; octet-align=1; x-number={NUMBER}; max-red={NUMBER}
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=rtpmap:99 x-{NUMBER}/8000
a=ptime:20
a=maxptime:240
a=rtcp:40007 IN IP4 10.1.2.9
a=candidate:1 1 UDP 1 {NUMBER} 1
a=cname:{NUMBER}
m=video 40002 RTP/AVP 34
m={NUMBER} 40004 RTP/AVP 0
""".replace("\n", "\r\n").encode()


def shown(body: bytes = OFFER, rtcp_port: int = 20001) -> Session:
    theirs = parse_sdp(body)
    return build_sdp(
        theirs,
        crossing_audio(theirs),
        host="192.0.2.1",
        rtp_port=20000,
        rtcp_port=rtcp_port,
        session_id=7,
        version=2,
    )


def remote(body: bytes, signalling_host: str | None) -> RemoteMedia:
    theirs = parse_sdp(body)
    return remote_media(theirs, crossing_audio(theirs), signalling_host=signalling_host)


def media(stream: str, *lines: str) -> bytes:
    """A description with this stream."""
    head = ("v=0", "o=- 1 1 IN IP4 10.1.2.3", "s=-", "c=IN IP4 10.1.2.3", "t=0 0", f"m={stream}")
    return "\r\n".join((*head, *lines, "")).encode()


def test_a_description_is_built_and_nothing_is_copied() -> None:
    assert shown().to_bytes().decode().split("\r\n") == [
        "v=0",
        "o=- 7 2 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "m=audio 20000 RTP/AVP 97 8 101",
        "a=rtpmap:97 AMR-WB/16000",
        "a=fmtp:97 mode-set=0,1,2; octet-align=1",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:20",
        "a=sendonly",
        # RFC 3264, section 6: as many streams as there were.
        "m=video 0 RTP/AVP 0",
        "m=application 0 RTP/AVP 0",
        "",
    ]
    assert carries(shown().to_bytes(), NUMBER) is None


def test_an_own_rtcp_port_is_told() -> None:
    assert shown(rtcp_port=30000).media[0].attribute("rtcp") == "30000"


def test_hold_by_the_null_address_is_told_as_sendonly() -> None:
    held = OFFER.replace(b"c=IN IP4 10.1.2.3", b"c=IN IP4 0.0.0.0").replace(b"a=sendonly", b"a=sendrecv")
    assert shown(held).media[0].direction == "sendonly"


@pytest.mark.parametrize(
    "media",
    [
        "m=audio 0 RTP/AVP 0",
        "m=audio 4000 RTP/SAVP 0",
        "m=audio 4000 RTP/AVP 99",
        "m=audio 4000 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000",
        "m=video 4000 RTP/AVP 34",
    ],
)
def test_no_audio_that_may_cross(media: str) -> None:
    body = f"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n{media}\r\n".encode()
    with pytest.raises(ValueError, match="no audio"):
        shown(body)
    assert remote(body, "192.0.2.9").rtp_port == 0


def test_where_a_side_listens() -> None:
    rates = {97: 16000, 8: 8000, 101: 8000}
    assert remote(OFFER, "192.0.2.9") == RemoteMedia(
        "10.1.2.3", 40000, 40007, also_from=("192.0.2.9",), clock_rates=rates
    )
    assert remote(OFFER, "10.1.2.3").also_from == ()


def test_rtcp_mux_is_not_accepted_so_rtcp_has_its_own_port() -> None:
    muxed = OFFER.replace(b"a=rtcp:40007 IN IP4 10.1.2.9", b"a=rtcp-mux")
    assert remote(muxed, None).rtcp_port == 40001


@pytest.mark.parametrize("address", ["IP4 239.1.2.3/127", "IP6 ff15::101"])
def test_nothing_is_sent_to_many(address: str) -> None:
    body = media("audio 40000 RTP/AVP 8").replace(b"IP4 10.1.2.3\r\nt=", f"{address}\r\nt=".encode())
    assert remote(body, "192.0.2.9").host == "0.0.0.0"


def test_a_host_name_is_not_looked_up() -> None:
    named = OFFER.replace(b"c=IN IP4 10.1.2.3", b"c=IN IP4 phone.example")
    assert remote(named, "192.0.2.9").host == "192.0.2.9"
    assert remote(named, None).host == "0.0.0.0"


def test_few_headers_cross_and_unknown_ones_do_not() -> None:
    headers = [
        ("Reason", f'Q.850;cause=17;text="{NUMBER}"'),
        ("P-Asserted-Identity", f"<tel:+{NUMBER}>"),
        ("X-Vendor", NUMBER),
        ("Privacy", "id"),
        ("Retry-After", "30"),
    ]
    response = Response(486, None, headers)
    assert enterprise_headers(response) == [("Reason", "Q.850;cause=17"), ("Retry-After", "30")]
    assert core_headers(response) == [("Reason", "Q.850;cause=17"), ("Privacy", "id"), ("Retry-After", "30")]


def test_a_status_has_the_standards_phrase() -> None:
    assert enterprise_status(486) == (486, "Busy Here")


@pytest.mark.parametrize(
    ("kind", "body", "built"),
    [
        (
            "application/dtmf-relay",
            b"Signal=5\r\nDuration=160\r\n",
            b"Signal=5\r\nDuration=160\r\n",
        ),
        (
            "Application/DTMF-Relay;x=y",
            b"signal= a\nduration = 99999\nX=13812345678",
            b"Signal=A\r\nDuration=5000\r\n",
        ),
        ("application/dtmf-relay", b"Signal=#", b"Signal=#\r\nDuration=160\r\n"),
        ("application/dtmf", b" 7\r\n", b"7"),
        ("application/dtmf", b"13812345678", None),
        ("application/dtmf-relay", b"Signal=13812345678\r\n", None),
        ("application/isup", b"\1", None),
        ("", b"", None),
    ],
)
def test_a_pressed_key_is_built_from_its_digit(kind: str, body: bytes, built: bytes | None) -> None:
    result = build_info(body, kind)
    assert (result[1] if result else None) == built


AMR = "mode-set=0,2,4,7; mode-change-period=2; mode-change-capability=2; mode-change-neighbor=1; max-red=220"
EVS = "br=5.9-24.4; bw=nb-swb; ch-aw-recv=-1; cmr=1; dtx=0; max-red=220; mode-set=0,1,2; evs-mode-switch=0; hf-only=1"


@pytest.mark.parametrize(
    ("rtpmap", "fmtp"),
    [
        ("AMR/8000", AMR),
        ("AMR/8000", "octet-align=1; crc=1; robust-sorting=0; interleaving=30"),
        ("AMR-WB/16000", AMR.replace("0,2,4,7", "0,1,2,8")),
        ("EVS/16000", EVS),
        ("EVS/16000", "br-send=13.2; br-recv=5.9-13.2; bw-send=wb; bw-recv=nb-fb; ch-send=1; ch-recv=1"),
        ("EVS/16000", "br=9.6-128; bw=fb; channels=2; dtx-recv=0"),
        ("AMR/8000", None),
    ],
)
def test_the_formats_of_telephones_cross_as_they_are(rtpmap: str, fmtp: str | None) -> None:
    """RFC 4867 8.1; 3GPP TS 26.445 A.3."""
    lines = [f"a=rtpmap:97 {rtpmap}", *([] if fmtp is None else [f"a=fmtp:97 {fmtp}"])]
    described = shown(media("audio 40000 RTP/AVP 97", *lines)).to_bytes().decode().split("\r\n")
    assert [line for line in described if line.startswith(("a=rtpmap", "a=fmtp"))] == lines


def test_blanks_in_parameters_mean_nothing() -> None:
    body = media(
        "audio 40000 RTP/AVP 97", "a=rtpmap:97 AMR/8000", "a=fmtp:97 mode-set=0, 2, 4 ;octet-align = 1"
    )
    assert b"a=fmtp:97 mode-set=0,2,4; octet-align=1\r\n" in shown(body).to_bytes()


def test_a_format_whose_packets_would_be_read_wrongly_does_not_cross() -> None:
    body = media(
        "audio 40000 RTP/AVP 97 8", "a=rtpmap:97 AMR/8000", "a=fmtp:97 octet-align=perhaps; max-red=x"
    )
    assert b"RTP/AVP 8\r\n" in shown(body).to_bytes()
    harmless = media("audio 40000 RTP/AVP 97", "a=rtpmap:97 AMR/8000", "a=fmtp:97 octet-align=1; max-red=x")
    assert b"a=fmtp:97 octet-align=1\r\n" in shown(harmless).to_bytes()


def test_a_refused_stream_keeps_its_kind_and_its_transport() -> None:
    body = media("audio 40000 RTP/AVP 8\r\nm=video 40002 RTP/SAVPF 96\r\nm=image 40004 X/8613800000001 t38")
    assert b"m=video 0 RTP/SAVPF 0\r\nm=image 0 RTP/AVP 0\r\n" in shown(body).to_bytes()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("sendonly", "recvonly"), ("recvonly", "sendonly"), ("sendrecv", "sendrecv"), ("inactive", "inactive")],
)
def test_an_answer_of_our_own_mirrors_the_direction(theirs: str, ours: str) -> None:
    session = parse_sdp(media("audio 40000 RTP/AVP 8", f"a={theirs}"))
    built = build_sdp(
        session,
        crossing_audio(session),
        host="192.0.2.1",
        rtp_port=20000,
        rtcp_port=20001,
        session_id=7,
        version=2,
        answers=True,
    )
    assert built.direction(built.media[0]) == ours


TOKENS = st.sampled_from(
    ["8613800000001", "+86 138", "x", "a=", "RTP/AVP", "0", "8", "audio", "sip:", ";", ":", "/", " "]
)
LINE = st.builds(
    lambda key, words: key + "=" + "".join(words),
    st.sampled_from("vosiuepcbtrzkma"),
    st.lists(TOKENS, max_size=6),
)
BUILT_LINE = re.compile(
    r"v=0|o=- [0-9]+ [0-9]+ IN IP4 192\.0\.2\.1|s=-|c=IN IP4 192\.0\.2\.1|t=0 0"
    r"|m=(?:audio|video|text|application|message|image) (?:20000|0) [A-Za-z/]+(?: [0-9]{1,3})+"
    r"|a=rtpmap:[0-9]{1,3} (?:PCMU|PCMA|G722|G729|GSM|GSM-EFR|iLBC|AMR|AMR-WB|EVS|opus|CN|telephone-event)"
    r"/[0-9]+(?:/2)?"
    r"|a=fmtp:[0-9]{1,3} [a-z0-9=;.,\- ]+|a=(?:ptime|maxptime):[0-9]{1,3}|a=(?:sendrecv|sendonly|recvonly|inactive)"
)


@given(st.lists(LINE, max_size=12))
def test_whatever_is_described_only_lines_of_our_own_form_are_built(lines: list[str]) -> None:
    body = media("audio 40000 RTP/AVP 8 97", "a=rtpmap:97 AMR/8000", *lines)
    try:
        built = shown(body).to_bytes().decode()
    except ValueError:
        return
    for line in built.split("\r\n")[:-1]:
        assert BUILT_LINE.fullmatch(line), line


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*HEADER_RULES, "X-Other"]),
            st.text(st.characters(exclude_characters="\r\n\0", max_codepoint=0x2FF), max_size=40)
            | st.sampled_from(
                ["Q.850;cause=17;text=x", "SIP ; cause = 200", "8613800000001", "120;duration=8613800"]
            ),
        ),
        max_size=8,
    )
)
def test_whatever_headers_come_only_built_values_cross(headers: list[tuple[str, str]]) -> None:
    message = Response(486, None, headers)
    for name, value in enterprise_headers(message):
        assert name in ("Reason", "Retry-After")
        assert re.fullmatch(r"(?:SIP|Q\.850);cause=[0-9]{1,3}|[0-9]{1,4}", value)
    for name, value in core_headers(message):
        assert name in ("Reason", "Retry-After", "Privacy")
        assert re.fullmatch(r"(?:SIP|Q\.850);cause=[0-9]{1,3}|[0-9]{1,4}|id|none", value)
