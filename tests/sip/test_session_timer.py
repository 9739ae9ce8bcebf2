"""What both sides of a session timer settle on (RFC 4028)."""

from __future__ import annotations

import pytest

from sip.message import Request, Response
from sip.session_timer import SESSION_EXPIRES_MAX, Agreed, agreed, answer, raised, request_headers, too_small
from sip.uri import SipUri


def invite(**headers: str) -> Request:
    items = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request("INVITE", SipUri("b", "192.0.2.2"), items)


@pytest.mark.parametrize(
    ("headers", "taken", "said"),
    [
        # Table 2 of clause 9: who refreshes.
        ({}, Agreed(1800, True), ["1800;refresher=uas"]),
        ({"Session_Expires": "900"}, Agreed(900, True), ["900;refresher=uas"]),
        ({"Supported": "timer"}, Agreed(1800, False), ["1800;refresher=uac", "timer"]),
        (
            {"Supported": "timer", "Session_Expires": "900;refresher=uas"},
            Agreed(900, True),
            ["900;refresher=uas"],
        ),
        (
            {"Supported": "timer", "Session_Expires": "900;refresher=uac"},
            Agreed(900, False),
            ["900;refresher=uac", "timer"],
        ),
        # Never above what was asked, never below a minimum.
        ({"Session_Expires": "3600"}, Agreed(1800, True), ["1800;refresher=uas"]),
        ({"Session_Expires": "60"}, Agreed(90, True), ["90;refresher=uas"]),
        ({"Session_Expires": "3600", "Min_SE": "2400"}, Agreed(2400, True), ["2400;refresher=uas"]),
        ({"Min_SE": "4294967295"}, Agreed(SESSION_EXPIRES_MAX, True), ["86400;refresher=uas"]),
        ({"Session_Expires": "soon"}, Agreed(1800, True), ["1800;refresher=uas"]),
    ],
)
def test_the_callee_settles_interval_and_refresher(
    headers: dict[str, str], taken: Agreed, said: list[str]
) -> None:
    result, out = answer(invite(**headers), 1800, 90)
    assert result == taken
    assert [str(value) for _, value in out] == said


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("900;refresher=uac", Agreed(900, True)),
        ("900;refresher=uas", Agreed(900, False)),
        ("900", Agreed(900, True)),
        ("1;refresher=uas", Agreed(90, False)),
        (None, Agreed(1800, True)),
        ("soon", Agreed(1800, True)),
    ],
)
def test_the_caller_takes_what_the_2xx_says(value: str | None, taken: Agreed) -> None:
    """7.2; without a word the refreshing is the caller's."""
    headers = [] if value is None else [("Session-Expires", value)]
    assert agreed(Response(200, headers=headers), 1800) == taken


def test_refresh_and_end_are_timed_from_the_interval() -> None:
    """7.2, 10."""
    assert Agreed(1800, True).refresh_after == 900.0
    assert Agreed(1800, True).ends_after == 1800.0
    assert Agreed(1800, False).ends_after == 1768.0
    assert Agreed(90, False).ends_after == 60.0


def test_a_small_interval_is_refused_only_to_who_can_ask_anew() -> None:
    """9."""
    assert too_small(invite(Supported="timer", Session_Expires="100"), 120)
    assert not too_small(invite(Session_Expires="100"), 120)
    assert not too_small(invite(Supported="timer", Session_Expires="120"), 120)
    assert not too_small(invite(Supported="timer"), 120)


def test_a_422_is_followed_only_upwards() -> None:
    """7.3: a refusal that asks for nothing longer would be asked for ever."""
    assert raised(Response(422, headers=[("Min-SE", "3600")]), 1800) == 3600
    for value in ("1800", "90", "x", "4294967295"):
        assert raised(Response(422, headers=[("Min-SE", value)]), 1800) is None
    assert raised(Response(422), 1800) is None


def test_min_se_is_said_where_it_is_no_default() -> None:
    assert [name for name, _ in request_headers(1800, 90)] == ["Session-Expires"]
    assert [str(value) for _, value in request_headers(1800, 120, "uac")] == ["1800;refresher=uac", "120"]
