"""The page for integrators says what the tables say, and the tables say what is built."""

from pathlib import Path

import pytest

from masking.sip_leg import build_sdp, crossing_audio
from masking.sip_page import page
from masking.sip_rules import HEADER_RULES, SDP_ATTRIBUTES, SDP_LINES
from sip.sdp import parse_sdp

PAGE = Path(__file__).parents[2] / "docs" / "sip-fields.md"
PRIVATE = "13800000001"
OFFER = (
    "v=0\r\no={p} 1 1 IN IP4 192.0.2.9\r\ns={p}\r\ni={p}\r\nu=http://{p}.example\r\ne={p}@example\r\np=+86 {p}\r\n"
    "c=IN IP4 192.0.2.9\r\nb=AS:64\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\n{a}"
)


def crossed(attributes: str = "") -> str:
    theirs = parse_sdp(OFFER.format(p=PRIVATE, a=attributes).encode())
    audio = crossing_audio(theirs)
    built = build_sdp(
        theirs, audio, host="198.51.100.1", rtp_port=20000, rtcp_port=20007, session_id=7, version=1
    )
    return built.to_bytes().decode()


def test_the_page_is_made_of_the_tables() -> None:
    """When it is not: python -m masking.sip_page > docs/sip-fields.md"""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_header_line_and_attribute_is_on_the_page() -> None:
    text = page()
    assert [
        name for name in (*HEADER_RULES, *SDP_LINES, *SDP_ATTRIBUTES) if f"| `{name}` |" not in text
    ] == []


def test_lines_that_are_dropped_do_not_cross_and_of_the_others_nothing_of_theirs() -> None:
    lines = crossed().splitlines()
    assert {line[0] for line in lines} <= {name for name, (what, _) in SDP_LINES.items() if what == "build"}
    assert PRIVATE not in crossed()
    assert "192.0.2.9" not in crossed()


@pytest.mark.parametrize("name", [name for name, (what, _) in SDP_ATTRIBUTES.items() if what == "drop"])
def test_an_attribute_that_is_dropped_does_not_cross(name: str) -> None:
    assert f"a={name}" not in crossed(f"a={name}:{PRIVATE}\r\n")
    assert PRIVATE not in crossed(f"a={name}:{PRIVATE}\r\n")


def test_an_unknown_attribute_does_not_cross() -> None:
    assert "x-anything" not in crossed("a=x-anything:1\r\n")


@pytest.mark.parametrize(
    "line",
    ["a=rtpmap:8 PCMA/8000", "a=ptime:20", "a=maxptime:40", "a=sendonly", "a=recvonly", "a=inactive"],
)
def test_an_attribute_that_is_built_crosses(line: str) -> None:
    assert line.partition(":")[0] in crossed(f"{line}\r\n")
