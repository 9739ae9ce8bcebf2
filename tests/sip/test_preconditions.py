"""Preconditions in descriptions (RFC 3312)."""

from __future__ import annotations

import pytest

from sip.preconditions import Precondition, answer_lines, preconditions, refusal, strip, unmet
from sip.sdp import Media, SdpError, parse_sdp
from tests.sip.wire import SDP

# RFC 3312 13.1 figure 3, SDP1: end-to-end status type.
E2E = [("curr", "qos e2e none"), ("des", "qos mandatory e2e sendrecv")]
# 3GPP's use of the segmented type: the caller's side has nothing yet.
SEGMENTED = [
    ("curr", "qos local none"),
    ("curr", "qos remote none"),
    ("des", "qos mandatory local sendrecv"),
    ("des", "qos optional remote sendrecv"),
]


def medium(attributes: list[tuple[str, str]], port: int = 4000) -> Media:
    return Media("audio", port, "RTP/AVP", ["0"], attributes=list(attributes))


def test_desired_statuses_are_read_with_what_is_current() -> None:
    assert preconditions(medium(E2E)) == [Precondition("qos", "e2e", "mandatory", "sendrecv", "none")]
    assert preconditions(medium([("des", "qos optional local send")])) == [
        Precondition("qos", "local", "optional", "send", "none")
    ]
    assert preconditions(medium([("rtpmap", "0 PCMU/8000")])) == []


@pytest.mark.parametrize(
    ("strength", "desired", "current", "met"),
    [
        ("mandatory", "sendrecv", "none", False),
        ("mandatory", "sendrecv", "send", False),
        ("mandatory", "recv", "send", False),
        ("mandatory", "recv", "sendrecv", True),
        ("mandatory", "sendrecv", "sendrecv", True),
        ("mandatory", "none", "none", True),
        ("optional", "sendrecv", "none", True),
        ("none", "sendrecv", "none", True),
    ],
)
def test_only_what_is_mandatory_and_missing_holds_a_session_back(
    strength: str, desired: str, current: str, met: bool
) -> None:
    """5."""
    session = parse_sdp(SDP)
    session.media[0].attributes += [("curr", f"qos e2e {current}"), ("des", f"qos {strength} e2e {desired}")]
    assert preconditions(session.media[0])[0].met is met
    assert unmet(session) is not met
    session.media[0].port = 0
    assert not unmet(session)  # a refused medium holds nothing back


def test_the_answer_says_that_our_segment_is_ready_and_asks_to_be_told_of_theirs() -> None:
    """5.1, 7: their local is our remote."""
    assert answer_lines(medium(SEGMENTED)) == [
        ("curr", "qos remote none"),
        ("des", "qos mandatory remote sendrecv"),
        ("curr", "qos local sendrecv"),
        ("des", "qos optional local sendrecv"),
        ("conf", "qos remote sendrecv"),
    ]
    ready = [("curr", "qos local sendrecv"), ("des", "qos mandatory local sendrecv")]
    assert answer_lines(medium(ready)) == [
        ("curr", "qos remote sendrecv"),
        ("des", "qos mandatory remote sendrecv"),
    ]
    assert answer_lines(medium([("des", "qos unknown e2e send")]))[1] == ("des", "qos none e2e recv")


def test_a_refusal_marks_what_failed() -> None:
    """8: the body of a 580."""
    session = parse_sdp(SDP)
    session.media[0].attributes += SEGMENTED
    body = parse_sdp(refusal(session).to_bytes())
    assert [item.port for item in body.media] == [0]
    assert body.media[0].attributes == [("des", "qos failure remote sendrecv")]


def test_they_can_be_taken_away() -> None:
    item = medium([*SEGMENTED, ("conf", "qos remote send"), ("ptime", "20")])
    strip(item)
    assert item.attributes == [("ptime", "20")]


@pytest.mark.parametrize(
    "line",
    [
        ("curr", "qos e2e"),
        ("curr", "qos e2e both"),
        ("des", "qos mandatory e2e"),
        ("des", "qos dire e2e send"),
        ("des", "qos mandatory here send"),
        ("des", "qos  mandatory e2e"),
    ],
)
def test_broken_lines_are_refused(line: tuple[str, str]) -> None:
    with pytest.raises(SdpError):
        preconditions(medium([line]))
