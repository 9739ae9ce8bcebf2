"""What an SMSC tells of itself: every count, and the ends that occurred by their names."""

import json

from simulators.smsc.counters import Counters
from smpp.constants import MessageState


def test_a_new_process_has_counted_nothing() -> None:
    told = Counters().told()
    assert told.pop("finals") == {}
    assert set(told.values()) == {0}


def test_ends_are_told_by_name_and_only_those_that_occurred() -> None:
    counters = Counters(accepted=3)
    counters.finals[MessageState.DELIVERED] += 2
    counters.finals[MessageState.EXPIRED] += 1
    told = json.loads(json.dumps(counters.told()))
    assert told["finals"] == {"DELIVERED": 2, "EXPIRED": 1}
    assert told["accepted"] == 3


def test_two_smscs_count_apart() -> None:
    first, second = Counters(), Counters()
    first.finals[MessageState.DELIVERED] += 1
    assert second.told()["finals"] == {}
