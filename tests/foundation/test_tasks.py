"""Tasks end when they are told to."""

import asyncio
import contextlib

import pytest

from foundation import tasks
from foundation.tasks import end, first


async def test_what_runs_is_cancelled_and_nothing_is_nothing() -> None:
    task = asyncio.create_task(asyncio.sleep(3600))
    await end(task, None)
    assert task.cancelled()


async def test_a_task_that_swallowed_its_cancellation_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "AGAIN_SECONDS", 0.001)
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while swallowed < 3:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
            swallowed += 1

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end(task)
    assert swallowed == 3


async def test_a_failure_on_the_way_out_is_not_the_waiters() -> None:
    async def failing() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise ValueError("on the way out")

    task = asyncio.create_task(failing())
    await asyncio.sleep(0)
    await end(task)
    assert task.done()


async def test_what_has_ended_stays_as_it_was() -> None:
    task = asyncio.create_task(asyncio.sleep(0, "done"))
    assert await task == "done"
    await end(task)
    assert task.result() == "done"


async def test_the_waiter_itself_can_be_cancelled() -> None:
    async def for_ever() -> None:
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.001)
                return

    waiter = asyncio.create_task(end(asyncio.create_task(for_ever())))
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter


async def test_one_that_goes_on_is_left_behind_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tasks, "AGAIN_SECONDS", 0.001)
    released = False

    async def stubborn() -> None:
        while not released:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end(task)
    assert f"{task.get_name()} does not end" in caplog.text
    assert not task.done()
    released = True
    await end(task)


async def test_who_is_cancelled_while_it_ends_others_has_cancelled_them_once_more() -> None:
    async def stubborn() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        await asyncio.sleep(3600)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    waiter = asyncio.create_task(end(task))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.wait([waiter, task], timeout=tasks.AGAIN_SECONDS / 2)
    assert (waiter.cancelled(), task.cancelled()) == (True, True)


async def test_the_first_that_fails_ends_the_others_and_is_raised() -> None:
    ended = asyncio.Event()

    async def goes_on() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async def failing() -> None:
        await asyncio.sleep(0)
        raise LookupError

    with pytest.raises(LookupError):
        await first(goes_on(), failing())
    assert ended.is_set()
