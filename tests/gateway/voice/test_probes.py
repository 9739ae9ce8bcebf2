"""OPTIONS to who should be there."""

from __future__ import annotations

import asyncio

import pytest

from gateway.voice import probes
from gateway.voice.probes import PROBES_MISSED, Probe, Probed, Probes
from sip.agent import AgentConfig
from sip.aio.endpoint import Listener, SipEndpoint
from sip.events import Event, RequestFailed, RequestReceived, ResponseReceived
from sip.flow import Flow
from sip.timers import TimerValues
from tests.gateway.voice.conftest import until


def test_one_lost_probe_takes_nobody_away() -> None:
    target = Probed("somebody", Flow("UDP", "192.0.2.1", 5060))
    assert [target.missed() for _ in range(PROBES_MISSED + 1)] == [False] * (PROBES_MISSED - 1) + [
        True,
        False,
    ]
    assert not target.is_up
    assert target.answered()
    assert target.is_up
    assert not target.answered()


@pytest.mark.parametrize(
    ("status", "is_up"), [(200, True), (404, True), (405, True), (503, False), (None, False)]
)
async def test_any_answer_is_a_sign_of_life_but_503(
    monkeypatch: pytest.MonkeyPatch, status: int | None, is_up: bool
) -> None:
    monkeypatch.setattr(probes, "PROBE_S", 0.05)
    judged: list[Probed] = []

    def at_target(event: Event) -> None:
        if isinstance(event, RequestReceived) and status is not None:
            there.agent.respond(event.transaction, status, now=there.now())

    def at_asker(event: Event) -> None:
        if isinstance(event, ResponseReceived | RequestFailed) and isinstance(
            event.transaction.context, Probe
        ):
            answer = event.response.status if isinstance(event, ResponseReceived) else None
            event.transaction.context.over(event.transaction, answer)

    there = await SipEndpoint.open([Listener("UDP", "127.0.0.1", 0)], at_target)
    config = AgentConfig(values=TimerValues(t1=0.02))
    asker = await SipEndpoint.open([Listener("UDP", "127.0.0.1", 0)], at_asker, config)
    target = Probed("somebody", Flow("UDP", *there.local))
    asking = Probes(asker, 0.06, lambda: [target], judged.append)
    asking.start()
    await until(lambda: len(judged) >= PROBES_MISSED)
    assert target.is_up == is_up
    asking.stop()
    count = len(judged)
    await asyncio.sleep(0.08)
    assert len(judged) <= count + 1  # the one under way
    there.close()
    asker.close()


async def test_without_an_interval_nobody_is_asked() -> None:
    endpoint = await SipEndpoint.open([Listener("UDP", "127.0.0.1", 0)], lambda event: None)
    Probes(endpoint, 0, lambda: pytest.fail("asked"), lambda target: None).start()
    endpoint.close()
