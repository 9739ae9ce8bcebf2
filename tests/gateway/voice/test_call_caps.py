"""Caps of calls: whichever of gateway, trunk, access number and AID has the least room decides."""

from dataclasses import replace

import pytest

from gateway.access_number import AccessNumberRow
from gateway.settings import AidSettings, VoiceSettings
from gateway.store.accounts import TrunkRow
from gateway.voice.call_caps import CallCaps, CallOf
from gateway.voice.call_record import Direction

TRUNK = TrunkRow("pbx-a", "ent-a", "ascs", "", "", "1069000100", None, 100)
NUMBER = AccessNumberRow("1069000100", "ent-a", None, "pbx-a")
AID = "888132341582397708"
CALL = CallOf(Direction.CALL, TRUNK, NUMBER, AID)
OTHER = replace(CALL, aid="888100000000000001")


def caps(**settings: object) -> CallCaps:
    return CallCaps(VoiceSettings(**settings))  # type: ignore[arg-type]


def admitted(table: CallCaps, *calls: CallOf, now: float = 0.0) -> list[bool]:
    """Which of them get in, one after the other."""
    found = []
    for call in calls:
        found.append(table.take(call, now))
        if found[-1]:
            table.opened(("gateway",), *call.keys)
    return found


@pytest.mark.parametrize(
    ("settings", "call"),
    [
        ({"calls_max": 1}, CALL),
        ({}, replace(CALL, trunk=replace(TRUNK, max_calls=1))),
        ({}, replace(CALL, number=replace(NUMBER, max_calls=1))),
        ({"aid": AidSettings(calls_max=1)}, CALL),
    ],
)
def test_one_place_is_given_once_and_again_when_it_is_given_back(
    settings: dict[str, object], call: CallOf
) -> None:
    table = caps(**settings)
    assert admitted(table, call, call) == [True, False]
    table.closed(("gateway",), *call.keys)
    assert admitted(table, call) == [True]


def test_one_persons_calls_leave_room_for_anothers() -> None:
    table = caps(aid=AidSettings(calls_max=1))
    assert admitted(table, CALL, CALL, OTHER) == [True, False, True]
    assert table.take_aid(OTHER, 0.0) is False


@pytest.mark.parametrize(
    ("settings", "call"),
    [
        ({"aid": AidSettings(calls_max=9)}, replace(CALL, trunk=replace(TRUNK, rate=1.0))),
        ({"aid": AidSettings(calls_max=9)}, replace(CALL, number=replace(NUMBER, call_rate=1.0))),
        ({"aid": AidSettings(rate=1.0, calls_max=9)}, CALL),
    ],
)
def test_calls_a_second_hold_each_way_for_itself(settings: dict[str, object], call: CallOf) -> None:
    table = caps(**settings)
    back = replace(call, direction=Direction.CALLBACK)
    assert admitted(table, call, call, back, back) == [True, False, True, False]
    assert admitted(table, call, now=1.0) == [True]


def test_what_a_narrow_limit_refuses_takes_nothing_of_a_wide_one() -> None:
    narrow = replace(NUMBER, call_rate=1.0)
    table = caps(aid=AidSettings(calls_max=9))
    trunk = replace(TRUNK, rate=2.0)
    one = replace(CALL, trunk=trunk, number=narrow)
    other = replace(one, number=replace(NUMBER, number="1069000101"))
    assert admitted(table, one, one, other) == [True, False, True]


@pytest.mark.parametrize(
    ("trunk", "number", "aid", "ring_s", "talk_s"),
    [
        ({}, {}, {}, 60.0, 7200.0),
        ({"ring_s": 90.0}, {}, {}, 90.0, 7200.0),
        ({"ring_s": 90.0, "talk_s": 50.0}, {"ring_s": 20.0}, {"talk_max_s": 30.0}, 20.0, 30.0),
    ],
)
def test_the_least_of_what_is_set_is_how_long_a_call_may_ring_and_last(
    trunk: dict[str, float], number: dict[str, float], aid: dict[str, float], ring_s: float, talk_s: float
) -> None:
    table = caps(aid=AidSettings(**aid))
    call = replace(CALL, trunk=replace(TRUNK, **trunk), number=replace(NUMBER, **number))
    assert (table.ring_s(call), table.talk_s(call)) == (ring_s, talk_s)
