"""What a script may do with a line, and what it is told when it cannot."""

from typing import Any

import pytest

from simulators.call_control import DIGITS_MAX, act_on_call, set_behaviour
from simulators.http_api import BadInput
from simulators.lines import CallRecord, Line, NoSuchCall
from simulators.scripts import ANSWER_SECONDS_MAX, Behaviour

RECORD = CallRecord(id="c1", direction="in", peer="888132341582397708", state="talking", started=0)


class Telephone:
    """Has one call, "c1"; remembers what was done with it."""

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []

    def _do(self, *what: Any) -> CallRecord:
        if what[-1] not in (None, "c1"):
            raise NoSuchCall("no such call")
        self.done.append(what)
        return RECORD

    def answer(self, line: Line, call_id: str | None) -> CallRecord:
        return self._do("answer", call_id)

    def reject(self, line: Line, call_id: str | None) -> CallRecord:
        return self._do("reject", call_id)

    def hangup(self, line: Line, call_id: str | None) -> CallRecord:
        return self._do("hangup", call_id)

    def press(self, line: Line, digits: str, call_id: str | None) -> CallRecord:
        if not set(digits) <= set("0123456789*#"):
            raise ValueError("no such key")
        return self._do("press", digits, call_id)


@pytest.fixture
def telephone() -> Telephone:
    return Telephone()


def act(telephone: Telephone, action: str, body: dict[str, Any]) -> dict[str, Any]:
    return act_on_call(telephone, None, action, body)  # type: ignore[arg-type]


@pytest.mark.parametrize("action", ["answer", "reject", "hangup"])
def test_the_newest_call_or_the_one_that_is_named(telephone: Telephone, action: str) -> None:
    assert act(telephone, action, {})["id"] == "c1"
    act(telephone, action, {"id": "c1"})
    assert telephone.done == [(action, None), (action, "c1")]


def test_keys_are_pressed(telephone: Telephone) -> None:
    act(telephone, "digits", {"digits": "12#"})
    assert telephone.done == [("press", "12#", None)]


def test_a_call_that_is_not_there_is_a_conflict(telephone: Telephone) -> None:
    with pytest.raises(BadInput, match="no such call") as raised:
        act(telephone, "hangup", {"id": "c2"})
    assert raised.value.status == 409


@pytest.mark.parametrize("digits", ["", "1" * (DIGITS_MAX + 1), "x", 5])
def test_what_is_no_key_is_not_pressed(telephone: Telephone, digits: Any) -> None:
    with pytest.raises(BadInput):
        act(telephone, "digits", {"digits": digits})
    assert telephone.done == []


@pytest.mark.parametrize(
    ("body", "busy", "answer_after"),
    [
        ({"answer_after": 1.5}, False, 1.5),
        ({"answer_after": 0}, False, 0),
        ({"never": True}, False, None),
        ({"busy": True}, True, 0.3),
    ],
)
def test_a_line_behaves_as_it_is_told(body: dict[str, Any], busy: bool, answer_after: float | None) -> None:
    behaviour = set_behaviour(Behaviour(0.3), body)
    assert (behaviour.busy, behaviour.answer_after) == (busy, answer_after)


@pytest.mark.parametrize(
    "body", [{}, {"answer_after": -1}, {"answer_after": ANSWER_SECONDS_MAX + 1}, {"answer_after": "soon"}]
)
def test_other_behaviour_is_refused_and_the_line_stays_as_it_was(body: dict[str, Any]) -> None:
    behaviour = Behaviour(0.3)
    with pytest.raises(BadInput):
        set_behaviour(behaviour, body)
    assert behaviour.answer_after == 0.3
