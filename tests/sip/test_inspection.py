"""What a user agent server refuses before its user sees it (RFC 3261 8.2)."""

from __future__ import annotations

import pytest

from sip.agent_config import DEFAULT_ALLOW, AgentConfig
from sip.inspection import Refusal, inspect
from tests.sip.wire import SDP, invite_text, request_of, request_text

ALLOW = [("Allow", ", ".join(DEFAULT_ALLOW))]
RELIABLE = AgentConfig(reliable_provisional="required")
TIMED = AgentConfig(session_expires=1800, min_se=120)


@pytest.mark.parametrize(
    ("method", "extra", "config", "refusal"),
    [
        ("INVITE", "", AgentConfig(), None),
        ("REGISTER", "", AgentConfig(), None),
        ("REFER", "", AgentConfig(), (405, ALLOW)),
        ("NEWMETHOD", "", AgentConfig(), (501, ALLOW)),
        ("INVITE", "Require: 100rel, Path\r\n", AgentConfig(), (420, [("Unsupported", "100rel, Path")])),
        ("INVITE", "Require: 100rel\r\n", RELIABLE, None),
        ("INVITE", "Supported: 100rel\r\n", RELIABLE, None),
        ("INVITE", "", RELIABLE, (421, [("Require", "100rel")])),
        ("BYE", "", RELIABLE, None),
        ("INVITE", "Replaces: 1@a;to-tag=x;from-tag=y\r\n", AgentConfig(), (481, [])),
        ("INVITE", "Content-Encoding: gzip\r\n", AgentConfig(), (415, [("Accept-Encoding", "identity")])),
        ("INVITE", "Accept: text/plain\r\n", AgentConfig(), (406, [])),
        ("INVITE", "Accept: text/plain, application/*;q=0.1\r\n", AgentConfig(), None),
        ("INVITE", "Session-Expires: 90\r\n", TIMED, None),
        ("INVITE", "Session-Expires: 90\r\nSupported: timer\r\n", TIMED, (422, [("Min-SE", 120)])),
        ("UPDATE", "Session-Expires: 90\r\nSupported: timer\r\n", TIMED, (422, [("Min-SE", 120)])),
        ("INVITE", "Session-Expires: 120\r\nSupported: timer\r\n", TIMED, None),
        ("INVITE", "Session-Expires: soon\r\n", TIMED, (422, [("Min-SE", 120)])),
        ("INVITE", "Max-Breadth: 3\r\n", AgentConfig(), None),
    ],
)
def test_a_request_is_refused_in_the_order_of_the_clauses(
    method: str, extra: str, config: AgentConfig, refusal: Refusal | None
) -> None:
    assert inspect(request_of(request_text(method, extra=extra)), config) == refusal


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "PRACK"])
def test_only_descriptions_are_read_as_bodies(method: str) -> None:
    """8.2.3, 20.11."""
    config = AgentConfig()
    described = request_text(method, extra="Content-Type: application/SDP\r\n", body=SDP)
    other = request_text(method, extra="Content-Type: application/isup\r\n", body=b"\x01")
    assert inspect(request_of(described), config) is None
    assert inspect(request_of(other), config) == (415, [("Accept", "application/sdp")])


def test_a_tag_that_the_user_judges_is_not_refused_here() -> None:
    required = request_of(invite_text(extra="Require: precondition\r\n"))
    assert inspect(required, AgentConfig()) == (420, [("Unsupported", "precondition")])
    assert inspect(required, AgentConfig(tolerated=("precondition",))) is None


def test_an_unknown_scheme_is_416() -> None:
    text = request_text("OPTIONS").replace(b"OPTIONS sip:bob@192.0.2.2 ", b"OPTIONS http://x ")
    assert inspect(request_of(text), AgentConfig()) == (416, [])
