"""The heap of what happens later."""

from simulators.smsc.timers import Timers


def test_what_is_due_is_done_in_order_and_the_rest_stays() -> None:
    done: list[str] = []
    timers = Timers()
    for due, name in ((30, "c"), (10, "a"), (10, "b"), (40, "d")):
        timers.push(due, done.append, name)
    timers.run(30)
    assert done == ["a", "b", "c"]
    assert (len(timers), timers.next_due) == (1, 40)


def test_an_action_may_push_another_that_is_due_at_once() -> None:
    done: list[str] = []
    timers = Timers()
    timers.push(1, lambda _: timers.push(2, done.append, "second"), None)
    timers.run(2)
    assert done == ["second"]


def test_only_what_comes_first_moves_the_alarm() -> None:
    told: list[int] = []
    timers = Timers()
    timers.on_earlier = told.append
    for due in (50, 60, 40):
        timers.push(due, told.append, None)
    assert told == [50, 40]
