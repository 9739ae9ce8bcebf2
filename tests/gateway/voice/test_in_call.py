"""What either side asks for while a call is up."""

from sip.call import CallState
from sip.events import (
    CallRequest,
    ModificationAnswered,
    ModificationFailed,
    ModificationReceived,
    ResponseReceived,
)
from sip.sdp import parse_sdp
from tests.gateway.voice.conftest import (
    World,
    answer,
    offer,
    until,
)


async def test_hold_and_resume_are_offered_to_the_other_side(world: World) -> None:
    out, _ = await world.talk()
    for direction, mirrored in (("sendonly", "recvonly"), ("sendrecv", "sendrecv")):
        assert out.reinvite(offer(40002, direction), world.phone.now())
        change = await world.core.next(ModificationReceived)
        offered = parse_sdp(change.request.body)
        assert offered.audio is not None
        assert offered.direction(offered.audio) == direction
        assert offered.audio.port == 20002
        change.call.accept_modification(answer(change.request.body), world.core.now())
        changed = parse_sdp((await world.phone.next(ModificationAnswered)).response.body)
        assert changed.audio is not None
        assert changed.direction(changed.audio) == mirrored
    assert world.relay.remotes["a"][-1].rtp_port == 40002


async def test_the_called_side_may_change_the_session_too(world: World) -> None:
    _, called = await world.talk()
    assert called.reinvite(offer(41002), world.core.now())
    change = await world.phone.next(ModificationReceived)
    assert b"m=audio 20000 " in change.request.body
    change.call.accept_modification(answer(change.request.body, 40000), world.phone.now())
    await world.core.next(ModificationAnswered)
    assert world.relay.remotes["b"][-1].rtp_port == 41002


async def test_each_new_description_has_a_new_version(world: World) -> None:
    out, called = await world.talk()
    first = parse_sdp(called.request.body).origin
    out.reinvite(offer(40002, "sendonly"), world.phone.now())
    change = await world.core.next(ModificationReceived)
    second = parse_sdp(change.request.body).origin
    assert (second.session_id, second.version) == (first.session_id, first.version + 1)
    change.call.accept_modification(answer(change.request.body), world.core.now())


async def test_a_refused_change_leaves_the_session_as_it_was(world: World) -> None:
    out, _ = await world.talk()
    out.reinvite(offer(40002), world.phone.now())
    change = await world.core.next(ModificationReceived)
    change.call.reject_modification(488, world.core.now())
    assert (await world.phone.next(ModificationFailed)).status == 488
    assert world.relay.remotes["a"][-1].rtp_port == 40000
    assert out.state is CallState.ESTABLISHED


async def test_a_change_that_holds_no_audio_is_refused_here(world: World) -> None:
    out, _ = await world.talk()
    out.reinvite(b"v=0\r\nnonsense", world.phone.now())
    assert (await world.phone.next(ModificationFailed)).status == 488
    assert out.state is CallState.ESTABLISHED


async def test_a_refresh_without_an_offer_is_answered_with_what_holds(world: World) -> None:
    out, _ = await world.talk()
    assert out.reinvite(b"", world.phone.now())
    refreshed = await world.phone.next(ModificationAnswered)
    assert b"m=audio 20000 " in refreshed.response.body
    out.acknowledge(answer(refreshed.response.body, 40008), world.phone.now())
    await until(lambda: world.relay.remotes["a"][-1].rtp_port == 40008)


async def test_digits_cross_as_info_rebuilt(world: World) -> None:
    out, _ = await world.talk()
    body = b"Signal=5\r\nDuration=160\r\nX-From=8613800000001\r\n"
    out.request_in_dialog("INFO", world.phone.now(), body=body, content_type="application/dtmf-relay")
    info = await world.core.next(CallRequest)
    assert info.request.body == b"Signal=5\r\nDuration=160\r\n"
    world.core.agent.respond(info.transaction, 200, now=world.core.now())
    assert (await world.phone.next(ResponseReceived)).response.status == 200


async def test_an_info_of_another_kind_does_not_cross(world: World) -> None:
    _, called = await world.talk()
    called.request_in_dialog("INFO", world.core.now(), body=b"<xml/>", content_type="application/xml")
    assert (await world.core.next(ResponseReceived)).response.status == 415
    assert not any(isinstance(event, CallRequest) for event in world.phone.seen())
