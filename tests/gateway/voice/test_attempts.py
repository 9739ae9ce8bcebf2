"""Who takes a call: the core's peers, or an enterprise's contacts, one after the other."""

import pytest

from gateway.store import edis
from sip.digest import Credentials
from sip.events import (
    CallAnswered,
    CallFailed,
    CallProgress,
    IncomingCall,
    ResponseReceived,
)
from sip.headers import NameAddr
from sip.uri import SipUri
from tests.gateway.voice.conftest import (
    DOMAIN,
    EDI_ID,
    MSISDN,
    NOW_MS,
    NUMBER,
    PASSWORD,
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


async def register(world: World, party: Party, q: str) -> None:
    aor = NameAddr(SipUri("pbx-a", DOMAIN))
    contact = NameAddr(SipUri("line1", *party.endpoint.local), params=(("q", q),))
    party.agent.send_request(
        "REGISTER",
        SipUri(None, DOMAIN),
        to=aor,
        from_=aor,
        flow=world.gateway,
        now=party.now(),
        headers=[("Contact", contact)],
        credentials=Credentials("pbx-a", PASSWORD),
    )
    assert (await party.next(ResponseReceived)).response.status == 200


@pytest.mark.parametrize("first", ["is overloaded", "is gone", "is busy"])
async def test_of_several_contacts_the_next_is_called_where_one_is_not_there(
    world: World, first: str
) -> None:
    index = await world.domain.store.write(lambda conn: world.domain.vault.msisdn_index(conn, MSISDN))
    await world.domain.store.write(lambda conn: edis.touch_contacts(conn, [(index, NUMBER, EDI_ID, NOW_MS)]))
    await world.restart(core_answer_s=0.2)
    other = await Party.open()
    await register(world, other, "0.5")
    await register(world, world.phone, "0.9")
    if first == "is gone":
        world.phone.endpoint.close()
    world.call_back()
    if first != "is gone":
        arrived = await world.phone.next(IncomingCall)
        arrived.call.reject(503 if first == "is overloaded" else 486, world.phone.now())
    if first == "is busy":
        # It was asked, and this is its answer.
        assert (await world.core.next(CallFailed)).status == 486
        assert other.seen() == []
    else:
        taken = await other.next(IncomingCall)
        taken.call.answer(answer(taken.request.body), other.now())
        await world.core.next(CallAnswered)
    other.endpoint.close()
