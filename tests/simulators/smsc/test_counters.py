"""Counts as JSON."""

from simulators.smsc.counters import Counters
from smpp.constants import MessageState


def test_states_are_told_by_name_and_only_those_that_occurred() -> None:
    counters = Counters(accepted=2)
    counters.finals[MessageState.EXPIRED] += 2
    told = counters.told()
    assert (told["accepted"], told["finals"], told["hangs"]) == (2, {"EXPIRED": 2}, 0)


def test_each_instance_counts_for_itself() -> None:
    Counters().finals[MessageState.DELIVERED] += 1
    assert Counters().told()["finals"] == {}
