"""The gateway's caps, and what ends calls from outside."""

import asyncio
import gc
import weakref
from dataclasses import replace

import pytest

from gateway.settings import AidSettings
from sip.events import (
    CallCancelled,
    CallEnded,
    CallFailed,
    CallProgress,
    IncomingCall,
    ModificationAnswered,
    ModificationReceived,
)
from tests.gateway.voice.conftest import (
    EDI_ID,
    World,
    answer,
    offer,
    until,
)


async def test_a_call_that_lasts_too_long_is_released_on_both_legs(world: World) -> None:
    await world.restart(talk_max_s=0.1)
    await world.talk()
    await world.phone.next(CallEnded)
    await world.core.next(CallEnded)
    assert await world.results() == ["MAX_DURATION"]


async def test_a_call_in_which_both_sides_are_silent_is_released(world: World) -> None:
    await world.restart(silence_s=0.1)
    await world.talk()
    world.relay.silent_sides = ["a"]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(world.phone.next(CallEnded), 0.3)
    world.relay.silent_sides = ["a", "b"]
    await world.phone.next(CallEnded)
    await world.core.next(CallEnded)
    assert await world.results() == ["SILENCE"]


async def test_a_held_call_may_be_silent(world: World) -> None:
    await world.restart(silence_s=0.1)
    out, _ = await world.talk()
    out.reinvite(offer(40002, "inactive"), world.phone.now())
    change = await world.core.next(ModificationReceived)
    change.call.accept_modification(answer(change.request.body), world.core.now())
    await world.phone.next(ModificationAnswered)
    world.relay.silent_sides = ["a", "b"]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(world.phone.next(CallEnded), 0.3)


async def test_the_gateways_and_the_trunks_caps_hold(world: World) -> None:
    await world.restart(calls_max=1)
    await world.talk()
    world.call()
    failed = await world.phone.next(CallFailed)
    assert failed.response is not None
    assert (failed.status, failed.response.get("Retry-After")) == (503, "2")
    assert len(world.verifier.asked) == 1


async def test_a_stop_releases_calls_and_closes_records(world: World) -> None:
    await world.talk()
    await world.service.stop()
    await world.phone.next(CallEnded)
    await world.core.next(CallEnded)
    assert [row["result"] for row in await world.rows("cdr")] == ["RELEASED"]
    assert not await world.rows("call")


async def test_a_trunk_has_no_more_calls_than_its_own_cap(world: World) -> None:
    trunks = world.directory.current.trunks
    trunks["pbx-a"] = replace(trunks["pbx-a"], max_calls=1)
    await world.talk()
    world.call()
    assert (await world.phone.next(CallFailed)).status == 503


async def test_a_revocation_takes_back_what_rings(world: World) -> None:
    world.call()
    ringing = await world.core.next(IncomingCall)
    ringing.call.ring(world.core.now())
    await world.phone.next(CallProgress)
    world.service.revoked([EDI_ID])
    await world.core.next(CallCancelled)
    assert (await world.phone.next(CallFailed)).status == 480
    assert await world.results() == ["REVOKED"]


async def test_a_suspension_takes_back_what_rings(world: World) -> None:
    world.call()
    ringing = await world.core.next(IncomingCall)
    ringing.call.ring(world.core.now())
    await world.phone.next(CallProgress)
    world.service.suspended("ent-a")
    await world.core.next(CallCancelled)
    assert (await world.phone.next(CallFailed)).status == 480
    assert await world.results() == ["REVOKED"]


@pytest.mark.parametrize("ends", [False, True])
async def test_an_answered_call_ends_by_setting_when_it_is_revoked(world: World, ends: bool) -> None:
    await world.restart(end_revoked_calls=ends)
    out, _ = await world.talk()
    world.service.revoked([EDI_ID])
    if ends:
        await world.core.next(CallEnded)
        await world.phone.next(CallEnded)
    else:
        out.hangup(world.phone.now())
        await world.core.next(CallEnded)
    assert await world.results() == ["REVOKED" if ends else "ANSWERED"]


async def test_anothers_revocation_changes_nothing(world: World) -> None:
    out, _ = await world.talk()
    world.service.revoked([b"x" * 16])
    out.hangup(world.phone.now())
    await world.core.next(CallEnded)
    assert await world.results() == ["ANSWERED"]


@pytest.mark.parametrize("whose", ["trunk", "number", "aid"])
async def test_each_may_ring_and_last_as_long_as_is_set_for_it(world: World, whose: str) -> None:
    async def limit(**seconds: float) -> None:
        if whose == "aid":
            names = {"ring_s": "ring_s", "talk_s": "talk_max_s"}
            await world.restart(aid=AidSettings(**{names[name]: value for name, value in seconds.items()}))
        else:
            (world.set_trunk if whose == "trunk" else world.set_number)(**seconds)

    await limit(ring_s=0.2)
    world.call()
    ringing = await world.core.next(IncomingCall)
    ringing.call.ring(world.core.now())
    assert (await world.phone.next(CallFailed)).status == 480
    await world.core.next(CallCancelled)
    await limit(ring_s=60.0, talk_s=0.1)
    await world.talk()
    await world.phone.next(CallEnded)
    await world.core.next(CallEnded)
    assert await world.results(2) == ["NO_ANSWER", "MAX_DURATION"]


async def test_an_access_numbers_and_an_aids_calls_are_counted_too(world: World) -> None:
    await world.talk()
    world.set_number(max_calls=1)
    world.call()
    assert (await world.phone.next(CallFailed)).status == 503
    world.set_number(max_calls=None)
    await world.talk()
    # No third one with one person, by default; nobody was asked whether the AID is one.
    world.call()
    assert (await world.phone.next(CallFailed)).status == 503
    assert len(world.verifier.asked) == 2


async def test_a_callback_counts_as_a_call_with_its_person(world: World) -> None:
    assert await world.register() == 200
    await world.restart(aid=AidSettings(calls_max=1))
    assert await world.register() == 200
    await world.talk()
    world.call_back()
    assert (await world.core.next(CallFailed)).status == 486
    assert await world.refusals() == ["OVER_CALLS"]


async def test_only_a_full_gateway_tells_the_core_to_stay_away(world: World) -> None:
    """RFC 3261 21.5.4: 503 keeps everybody's calls away, and one trunk's limit concerns nobody else."""
    out, _ = await world.talk()
    assert await world.register() == 200
    world.set_trunk(max_calls=1)
    world.call_back()
    assert (await world.core.next(CallFailed)).status == 486
    await world.restart(calls_max=1)
    out.hangup(world.phone.now())
    await world.talk()
    assert await world.register() == 200
    world.set_trunk(max_calls=10)
    world.core.seen()
    world.call_back()
    assert (await world.core.next(CallFailed)).status == 503


async def test_what_is_revoked_while_it_is_asked_for_calls_nobody(world: World) -> None:
    """The trust party's answer was on its way when the revocation came."""
    world.verifier.held = []
    world.call()
    await until(lambda: bool(world.verifier.held))
    world.service.revoked([EDI_ID])
    world.verifier.held[0]()
    assert (await world.phone.next(CallFailed)).status == 480
    assert await world.results() == ["REVOKED"]
    assert not any(isinstance(event, IncomingCall) for event in world.core.seen())


async def test_what_a_call_was_made_of_is_gone_when_its_record_is_closed(world: World) -> None:
    """Without a collection: in a quiet gateway there is none for thousands of calls."""
    gc.collect()
    gc.disable()
    try:
        out, _ = await world.talk()
        (bridge,) = world.service._bridges._bridges
        remembered = weakref.ref(bridge)
        del bridge
        out.hangup(world.phone.now())
        await world.core.next(CallEnded)
        await world.closed()
        await until(lambda: remembered() is None)
    finally:
        gc.enable()
