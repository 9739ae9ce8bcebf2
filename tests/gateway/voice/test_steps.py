"""Steps of a call: in order, and one that fails harms no other."""

import asyncio

from gateway.voice.steps import STEPS_MAX, Steps


async def test_steps_run_one_after_the_other_whatever_each_waits_for() -> None:
    done: list[int] = []
    steps = Steps(lambda error: None)

    async def slow(number: int) -> None:
        for _ in range(3 - number):
            await asyncio.sleep(0)
        done.append(number)

    for number in range(3):
        steps.add(lambda number=number: slow(number))
    over = asyncio.Event()
    steps.add(lambda: _set(over))
    await over.wait()
    assert done == [0, 1, 2]


async def _set(event: asyncio.Event) -> None:
    event.set()


async def test_what_a_step_raises_is_told_and_the_next_goes_on() -> None:
    errors: list[Exception] = []
    done = asyncio.Event()
    steps = Steps(errors.append)

    async def fails() -> None:
        raise ValueError("no")

    async def works() -> None:
        done.set()

    steps.add(fails)
    steps.add(works)
    await done.wait()
    assert [str(error) for error in errors] == ["no"]


async def test_steps_are_bounded_and_may_be_forgotten() -> None:
    steps = Steps(lambda error: None)

    async def nothing() -> None:
        return

    for _ in range(STEPS_MAX):
        steps.add(nothing)
    assert steps.is_full
    steps.clear()
    assert not steps.is_full
