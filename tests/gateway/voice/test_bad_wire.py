"""Many calls at once over wires that lose, double and reorder, while both sides do what comes to mind: in the end every
call is over on both legs and every record is closed once."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from gateway.settings import AidSettings, SipSideSettings
from gateway.store import edis
from sip.aio.endpoint import SipEndpoint
from sip.call import Call
from sip.events import (
    CallAnswered,
    CallProgress,
    Event,
    IncomingCall,
    ModificationAnswered,
    ModificationReceived,
)
from sip.flow import Flow
from tests.gateway.voice.conftest import (
    AID,
    EDI_ID,
    MSISDN,
    NOW_MS,
    NUMBER,
    World,
    answer,
    grant,
    offer,
)

CALLS = 40
T1_MS = 50
GIVEN_UP_S = 64 * T1_MS / 1000
"""What no repeat brings through is given up after so long."""
RING_S, TALK_S = 4.0, 4.0
LOSS, DOUBLE, LATE_S = 0.2, 0.2, 0.15


class Chaos:
    """Draws what becomes of each packet, and what each side does next."""

    def __init__(self, world: World, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self._draw = random.Random(seed)
        self._world = world
        self._loop = asyncio.get_running_loop()
        self._wire = True
        send = SipEndpoint._send
        chaos = self

        def carry(endpoint: SipEndpoint, data: bytes, flow: Flow) -> None:
            if not chaos._wire:
                send(endpoint, data, flow)
                return
            for _ in range(1 + (chaos._draw.random() < DOUBLE)):
                if chaos._draw.random() >= LOSS:
                    chaos._loop.call_later(chaos._draw.random() * LATE_S, send, endpoint, data, flow)

        monkeypatch.setattr(SipEndpoint, "_send", carry)

    def be_good(self) -> None:
        """From here on the wire carries everything at once."""
        self._wire = False

    def react(self, side: str, event: Event) -> None:
        """What a side's user does about an event."""
        party = getattr(self._world, side)
        now = party.now()
        match event:
            case IncomingCall(call=call, request=request):
                self._soon(self._take, party, call, request.body)
            case CallAnswered(call=call, response=response):
                if response.body and not call.request.body:
                    call.acknowledge(answer(response.body), now)
                self._soon(self._inside, party, call)
            case CallProgress(call=call):
                if self._draw.random() < 0.1:
                    call.cancel(now)
            case ModificationReceived(call=call, request=request):
                if self._draw.random() < 0.8 and request.body:
                    call.accept_modification(answer(request.body), now)
                else:
                    call.reject_modification(488, now)
            case ModificationAnswered(call=call, response=response):
                if not call.over and response.cseq.method == "INVITE" and not response.body:
                    call.acknowledge(b"", now)

    def _soon(self, act: object, *arguments: object) -> None:
        self._loop.call_later(self._draw.random() * 0.4, act, *arguments)  # type: ignore[arg-type]

    def _take(self, party: object, call: Call, body: bytes) -> None:
        now = party.now()  # type: ignore[attr-defined]
        chance = self._draw.random()
        if chance < 0.5:
            call.ring(now, self._draw.choice((180, 183)), body=answer(body) if body and chance < 0.2 else b"")
        if chance < 0.15:
            call.reject(self._draw.choice((302, 404, 486, 500, 603)), now)
        elif chance < 0.9:
            call.answer(answer(body) if body else offer(41000), now)
            self._soon(self._inside, party, call)
        # else it is left to ring until somebody gives up

    def _inside(self, party: object, call: Call) -> None:
        now = party.now()  # type: ignore[attr-defined]
        match self._draw.randrange(6):
            case 0:
                call.hangup(now)
            case 1:
                call.reinvite(offer(42000, self._draw.choice(("sendonly", "sendrecv"))), now, retries=2)
            case 2:
                call.reinvite(b"", now)
            case 3:
                call.update(offer(42002), now)
        if not call.over:
            self._loop.call_later(self._draw.random(), self._end, party, call)

    def _end(self, party: object, call: Call) -> None:
        if self._draw.random() < 0.8:
            call.hangup(party.now())  # type: ignore[attr-defined]


async def watch(world: World, chaos: Chaos, side: str) -> None:
    party = getattr(world, side)
    while True:
        chaos.react(side, await party._events.get())


async def rush(world: World, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = {name: SipSideSettings(port=0, t1_ms=T1_MS) for name in ("enterprise", "core_side")}
    index = await world.domain.store.write(lambda conn: world.domain.vault.msisdn_index(conn, MSISDN))
    await world.domain.store.write(lambda conn: edis.touch_contacts(conn, [(index, NUMBER, EDI_ID, NOW_MS)]))
    world.verifier.answers[AID] = replace(grant(EDI_ID), frequency="100000/day")
    world.set_trunk(max_calls=1_000)
    await world.equip("phone", reliable_provisional="supported")
    await world.equip("core", reliable_provisional="supported")
    await world.restart(**sides, aid=AidSettings(calls_max=1_000), ring_s=RING_S, talk_max_s=TALK_S)
    assert await world.register() == 200
    chaos = Chaos(world, seed, monkeypatch)
    draw = random.Random(seed)
    tasks = [asyncio.create_task(watch(world, chaos, side)) for side in ("phone", "core")]
    try:
        for _ in range(CALLS):
            late = draw.random() < 0.15
            body = b"" if late else offer()
            if draw.random() < 0.5:
                world.call(body=body)
            else:
                world.call_back(body=body)
            await asyncio.sleep(draw.random() * 0.05)
        await over(world)
        chaos.be_good()
    finally:
        for task in tasks:
            task.cancel()
    ids = [row["id"] for row in await world.rows("cdr")]
    assert len(ids) == len(set(ids)) > CALLS // 2
    assert not world.relay.calls
    assert world.service._bridges.caps._up == {}


async def over(world: World) -> None:
    """No call is left, and no dialog once its last BYE has been answered or given up."""
    agents = [endpoint.agent for endpoint in world.service._bridges.endpoints.values()]
    async with asyncio.timeout(RING_S + TALK_S + 4 * GIVEN_UP_S):
        while True:
            await asyncio.sleep(0.05)
            left = any(agent.calls or agent._dialogs for agent in agents)
            if not left and not world.service.calls_up and not await world.rows("call"):
                return


async def test_every_call_ends_on_both_legs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await rush(world, 1, monkeypatch)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10, 30))
async def test_every_call_ends_for_long(world: World, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    await rush(world, seed, monkeypatch)
