"""Which call of a line is meant, and how calls are counted."""

from typing import Any, cast

import pytest

from simulators.journal import Journal
from simulators.lines import CallCounts, CallRecord, CallStateName, Line, LiveCall, NoSuchCall
from sip.call import Call


def line_with(*calls: tuple[str, str, CallStateName]) -> Line:
    """A line whose live calls have these ids, directions and states."""
    line = Line("line", Journal(100))
    for call_id, direction, state in calls:
        record = CallRecord(call_id, cast(Any, direction), "peer", state=state)
        line.live.append(LiveCall(line, record, call=cast(Call, object())))
    return line


def test_the_newest_call_in_a_state_is_meant_unless_one_is_named() -> None:
    line = line_with(("1", "in", "answered"), ("2", "out", "answered"), ("3", "in", "ringing"))
    assert line.find(None, ("answered",)).record.id == "2"
    assert line.find(None, ("answered", "ringing")).record.id == "3"
    assert line.find(None, ("answered",), "in").record.id == "1"
    assert line.find("1", ("answered",)).record.id == "1"


@pytest.mark.parametrize(
    ("call_id", "state", "direction"),
    [("1", "ringing", None), ("9", "answered", None), (None, "answered", "out")],
)
def test_one_that_is_not_there_in_that_state_is_no_call(
    call_id: str | None, state: CallStateName, direction: Any
) -> None:
    with pytest.raises(NoSuchCall, match=state):
        line_with(("1", "in", "answered")).find(call_id, (state,), direction)


def test_a_call_that_was_not_placed_yet_is_none() -> None:
    line = line_with(("1", "out", "calling"))
    line.live[0].call = None
    with pytest.raises(NoSuchCall):
        line.find(None, ("calling",))


def test_ends_are_counted_by_cause_and_refusals_by_status() -> None:
    counts = CallCounts(placed=3)
    counts.count_end(CallRecord("1", "out", "peer", answered=1, cause="bye"))
    counts.count_end(CallRecord("2", "out", "peer", status=486, cause="refused"))
    counts.count_end(CallRecord("3", "out", "peer", status=486, cause="refused"))
    assert (counts.ended, counts.refused) == ({"bye": 1, "refused": 2}, {486: 2})
    assert str(counts).endswith("3 placed, 0 answered, 2 ended 486")
