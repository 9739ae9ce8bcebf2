"""Bodies: the session description, alone or among other parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.bodies import PARTS_MAX, take_description
from sip.message import Response
from tests.sip.wire import SDP

ISUP = b"Content-Type: application/ISUP;version=itu-t92+\r\nContent-Disposition: signal;handling=%s\r\n\r\n\x01\x00"
DESCRIBED = b"Content-Type: application/sdp\r\n\r\n" + SDP


def message(body: bytes, kind: str, *headers: tuple[str, str]) -> Response:
    return Response(200, None, [("Content-Type", kind), *headers], body)


def multipart(*parts: bytes, boundary: bytes = b"cut", end: bytes = b"--") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + end


@pytest.mark.parametrize(
    "body",
    [
        multipart(DESCRIBED, ISUP % b"optional"),
        multipart(ISUP % b"optional", DESCRIBED),
        b"preamble\r\n" + multipart(DESCRIBED) + b"\r\nepilogue",
        multipart(b"c: application/sdp\r\nContent-ID: <1>\r\n\r\n" + SDP),
    ],
)
def test_the_description_is_taken_out_of_a_multipart_body(body: bytes) -> None:
    found = message(body, "multipart/mixed;boundary=cut", ("MIME-Version", "1.0"))
    take_description(found)
    assert (found.body, found.content_type) == (SDP, "application/sdp")
    assert found.get("MIME-Version") is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (multipart(DESCRIBED, ISUP % b"required"), "multipart/mixed;boundary=cut"),
        (multipart(DESCRIBED, b"Content-Type: application/ISUP\r\n\r\n\1"), "multipart/mixed;boundary=cut"),
        (multipart(ISUP % b"optional"), "multipart/mixed;boundary=cut"),
        (multipart(DESCRIBED), "multipart/mixed"),
        (multipart(DESCRIBED), "multipart/mixed;boundary=other"),
        (multipart(*[DESCRIBED] * (PARTS_MAX + 1)), "multipart/mixed;boundary=cut"),
        (b"\1\0", "application/ISUP"),
        (b"", "multipart/mixed;boundary=cut"),
    ],
)
def test_what_must_be_understood_and_is_not_stays(body: bytes, kind: str) -> None:
    found = message(body, kind)
    take_description(found)
    assert found.body == body
    assert found.content_type == kind.partition(";")[0].lower()


def test_an_early_session_is_another_session() -> None:
    """RFC 3959."""
    early = b"Content-Type: application/sdp\r\nContent-Disposition: early-session;handling=optional\r\n\r\nv=0\r\n"
    ours = DESCRIBED.replace(b"sdp\r\n", b"sdp\r\nContent-Disposition: session\r\n", 1)
    found = message(multipart(early, ours, early), "multipart/mixed;boundary=cut")
    take_description(found)
    assert found.body == SDP


def test_of_alternatives_the_last_description_counts() -> None:
    body = multipart(b"Content-Type: text/plain\r\n\r\nhello", DESCRIBED, DESCRIBED.replace(b"4000", b"4002"))
    found = message(body, 'multipart/alternative; boundary="cut"')
    take_description(found)
    assert found.body == SDP.replace(b"4000", b"4002")


def test_a_body_that_may_be_passed_over_is() -> None:
    found = message(b"\1\0", "application/ISUP", ("Content-Disposition", "signal ; handling = optional"))
    take_description(found)
    assert (found.body, found.content_type) == (b"", None)


@given(st.binary(max_size=200), st.sampled_from(["cut", '"c u t"', ""]))
def test_whatever_comes_nothing_is_made_up(data: bytes, boundary: str) -> None:
    body = data.replace(b"%", b"--cut\r\n")
    found = message(body, f"multipart/mixed;boundary={boundary}")
    take_description(found)
    assert found.body in body
