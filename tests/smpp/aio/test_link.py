"""A link that is kept up."""

from __future__ import annotations

import asyncio

import pytest

from smpp.aio.client import NotBound
from smpp.aio.connection import Connection
from smpp.aio.link import Link, LinkConfig, LinkState
from smpp.events import Bound, Event
from smpp.pdu import BindTransceiver, Pdu, SubmitSm
from tests.smpp.aio.centre import BIND, Centre, until


def nothing(connection: Connection, events: list[Event]) -> None:
    """Events that a test does not look at."""


def config(port: int, bind: BindTransceiver = BIND) -> LinkConfig:
    return LinkConfig("127.0.0.1", port, bind, connect_timeout_s=1, backoff_min_s=0.01, backoff_max_s=0.05)


async def test_it_binds_sends_and_stops() -> None:
    async with Centre() as centre:
        states: list[LinkState] = []
        link = Link(config(centre.port), nothing, on_state=lambda _, state: states.append(state))
        assert (link.state, link.window_free) == (LinkState.STOPPED, 0)
        with pytest.raises(NotBound):
            link.request(SubmitSm(), lambda _: None)
        link.start()
        await link.wait_bound(2)
        outcome: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        link.request(SubmitSm(), outcome.set_result)
        assert isinstance(await outcome, Pdu)
        await link.stop()
        assert states == [LinkState.CONNECTING, LinkState.BOUND, LinkState.STOPPED]
        assert not link.is_bound


async def test_it_comes_back_after_a_loss() -> None:
    async with Centre() as centre:
        link = Link(config(centre.port), nothing)
        link.start()
        await link.wait_bound(2)
        first = link.connection
        centre.bound[0].abort("cut")
        assert first is not None
        await first.wait_closed()
        assert link.window_free == 0
        await until(lambda: link.connection not in (None, first))
        await link.wait_bound(2)
        assert link.connection is not first
        await link.stop()


async def test_it_can_send_the_moment_it_is_bound() -> None:
    async with Centre() as centre:
        outcome: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        def on_events(connection: Connection, events: list[Event]) -> None:
            if any(isinstance(event, Bound) for event in events):
                link.request(SubmitSm(), outcome.set_result)

        link = Link(config(centre.port), on_events)
        link.start()
        assert isinstance(await outcome, Pdu)
        await link.stop()


async def test_refused_binds_back_off_and_go_on() -> None:
    async with Centre() as centre:
        link = Link(config(centre.port, BindTransceiver(b"ent-a", b"wrong")), nothing)
        link.start()
        await until(lambda: link.failures >= 3)
        assert "0x0000000D" in link.last_error
        with pytest.raises(TimeoutError):
            await link.wait_bound(0.01)
        await link.stop()
        assert link.state is LinkState.STOPPED


async def test_it_waits_for_a_centre_that_comes_later() -> None:
    centre = Centre()
    await centre.server.start("127.0.0.1", 0)
    port = centre.port
    await centre.server.stop()
    link = Link(config(port), nothing)
    link.start()
    await until(lambda: link.failures >= 2)
    later = Centre()
    await later.server.start("127.0.0.1", port)
    await link.wait_bound(2)
    assert link.failures == 0
    await link.stop()
    await later.server.stop()
