"""Who takes a call: the core's peers one after the other."""

from sip.events import (
    CallAnswered,
    CallFailed,
    CallProgress,
    IncomingCall,
)
from tests.gateway.voice.conftest import (
    Party,
    World,
    answer,
)


async def two_peers(world: World, **settings: object) -> Party:
    """The world with another peer of the core, tried after the first."""
    other = await Party.open()
    first = world.settings.core[0]
    second = first.model_copy(update={"port": other.flow.port, "priority": 2})
    await world.restart(core=(first, second), **settings)
    return other


async def test_a_call_goes_to_the_next_peer_when_one_is_overloaded(world: World) -> None:
    other = await two_peers(world)
    world.call()
    arrived = await world.core.next(IncomingCall)
    arrived.call.reject(503, world.core.now(), headers=[("Retry-After", 60)])
    again = await other.next(IncomingCall)
    again.call.answer(answer(again.request.body), other.now())
    await world.phone.next(CallAnswered)
    # Calls keep away from it for so long.
    world.call()
    await other.next(IncomingCall)
    other.endpoint.close()


async def test_a_peer_that_says_nothing_is_given_up_for_the_next(world: World) -> None:
    other = await two_peers(world, core_answer_s=0.05)
    world.core.endpoint.close()
    world.call()
    arrived = await other.next(IncomingCall)
    arrived.call.answer(answer(arrived.request.body), other.now())
    await world.phone.next(CallAnswered)
    other.endpoint.close()


async def test_a_peer_that_rings_is_not_given_up(world: World) -> None:
    other = await two_peers(world, core_answer_s=0.05)
    world.call()
    arrived = await world.core.next(IncomingCall)
    arrived.call.ring(world.core.now())
    await world.phone.next(CallProgress)
    arrived.call.reject(503, world.core.now())
    assert (await world.phone.next(CallFailed)).status == 503
    assert other.seen() == []
    other.endpoint.close()


async def test_what_the_person_answers_is_not_asked_of_another_peer(world: World) -> None:
    other = await two_peers(world)
    world.call()
    arrived = await world.core.next(IncomingCall)
    arrived.call.reject(486, world.core.now())
    assert (await world.phone.next(CallFailed)).status == 486
    assert other.seen() == []
    other.endpoint.close()
