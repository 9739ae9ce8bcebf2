"""Two telephones on loopback: ring, answer, audio, keys, and every way a call ends."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from simulators.journal import Journal
from simulators.lines import CallRecord, Line, NoSuchCall
from simulators.scripts import Behaviour
from simulators.telephone import Telephone
from sip.flow import Flow
from sip.headers import NameAddr
from sip.media.endpoint import RtpEndpoint
from sip.sdp import make_offer
from sip.uri import SipUri


@dataclass
class Phone:
    telephone: Telephone
    line: Line
    seen: bytearray

    @property
    def flow(self) -> Flow:
        host, port = self.telephone.endpoint.local
        return Flow("UDP", host, port)

    async def until(self, state: str) -> CallRecord:
        """The newest call, once it is in `state`."""
        after = 0
        while True:
            for record in await self.line.calls.wait(after, 5):
                if record.state == state:
                    return record
            assert self.line.calls.last > after, f"no call became {state}"
            after = self.line.calls.last

    async def until_heard(self, digits: str) -> None:
        """Return when the other side has pressed `digits`."""
        while not any(record.digits == digits for record in self.line.calls.since()):
            assert await self.line.calls.wait(self.line.calls.last, 5), "no keys were heard"


async def phone(user: str, behaviour: Behaviour) -> Phone:
    line = Line(user, Journal(10), behaviour)
    seen = bytearray()
    telephone = await Telephone.open(
        "127.0.0.1", 0, lambda called: line if called == user else None, tap_sip=seen.extend
    )
    return Phone(telephone, line, seen)


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Phone, Phone]]:
    caller, called = await phone("alice", Behaviour(None)), await phone("bob", Behaviour(0.0))
    yield caller, called
    await caller.telephone.close()
    await called.telephone.close()


async def dial(caller: Phone, called: Phone, user: str = "bob") -> CallRecord:
    host, port = called.telephone.endpoint.local
    uri = SipUri(user, host, port)
    return await caller.telephone.dial(
        caller.line, uri, to=NameAddr(uri), from_=NameAddr(SipUri("alice", "example.com")), flow=called.flow
    )


async def test_an_answered_call_carries_audio_and_keys_both_ways(pair: tuple[Phone, Phone]) -> None:
    caller, called = pair
    await dial(caller, called)
    await caller.until("answered")
    await called.until("answered")
    caller.telephone.press(caller.line, "12#")
    called.telephone.press(called.line, "7")

    await caller.until_heard("7")
    await called.until_heard("12#")
    caller.telephone.hangup(caller.line)
    ended = [await caller.until("ended"), await called.until("ended")]
    assert [record.cause for record in ended] == ["hangup", "bye"]
    assert all(record.rtp_received > 5 and record.rtp_sent > 5 for record in ended)
    assert (ended[1].direction, ended[1].peer) == ("in", "alice")
    assert ended[1].from_uri.startswith("sip:alice@example.com")
    assert not caller.telephone.endpoint.agent.calls
    assert b"INVITE sip:bob@" in called.seen


async def test_a_busy_line_answers_486(pair: tuple[Phone, Phone]) -> None:
    caller, called = pair
    called.line.behaviour.busy = True
    await dial(caller, called)
    assert (await caller.until("ended")).status == 486
    assert (await called.until("ended")).cause == "busy"


async def test_an_unknown_user_is_not_found(pair: tuple[Phone, Phone]) -> None:
    caller, called = pair
    await dial(caller, called, "carol")
    assert (await caller.until("ended")).status == 404


async def test_a_line_that_never_answers_can_be_told_to(pair: tuple[Phone, Phone]) -> None:
    caller, called = pair
    called.line.behaviour.answer_after = None
    await dial(caller, called)
    await called.until("ringing")
    called.telephone.answer(called.line)
    await caller.until("answered")


async def test_a_ringing_call_can_be_refused(pair: tuple[Phone, Phone]) -> None:
    caller, called = pair
    called.line.behaviour.answer_after = None
    await dial(caller, called)
    await called.until("ringing")
    called.telephone.reject(called.line)
    assert (await caller.until("ended")).status == 603
    assert (await called.until("ended")).cause == "rejected"


async def test_a_ringing_call_can_be_given_up(pair: tuple[Phone, Phone]) -> None:
    caller, called = pair
    called.line.behaviour.answer_after = None
    await dial(caller, called)
    await caller.until("ringing")
    caller.telephone.hangup(caller.line)
    assert (await called.until("ended")).cause == "cancelled"
    assert (await caller.until("ended")).cause == "hangup"


async def test_a_line_has_one_call_at_a_time(pair: tuple[Phone, Phone]) -> None:
    caller, called = pair
    await dial(caller, called)
    with pytest.raises(NoSuchCall):
        await dial(caller, called)


async def test_what_needs_a_call_is_refused_without_one(pair: tuple[Phone, Phone]) -> None:
    caller, _ = pair
    for act in (caller.telephone.answer, caller.telephone.reject, caller.telephone.hangup):
        with pytest.raises(NoSuchCall):
            act(caller.line)
    with pytest.raises(NoSuchCall):
        caller.telephone.press(caller.line, "1")


async def test_a_line_refuses_after_ringing_with_the_status_it_was_told(pair: tuple[Phone, Phone]) -> None:
    caller, called = pair
    called.line.behaviour = Behaviour(answer_after=0.01, reject=480)
    await dial(caller, called)
    await called.until("ringing")
    assert (await caller.until("ended")).status == 480
    assert called.telephone.counts.refused == {480: 1}


async def test_a_line_presses_keys_and_hangs_up_by_itself(pair: tuple[Phone, Phone]) -> None:
    caller, called = pair
    called.line.behaviour = Behaviour(0.0, digits="5#", digits_after=0.0, hang_up_after=1.0)
    await dial(caller, called)
    await caller.until_heard("5#")
    assert (await called.until("ended")).cause == "hangup"
    assert (await caller.until("ended")).cause == "bye"


async def test_a_caller_presses_keys_and_hangs_up_by_itself_too(pair: tuple[Phone, Phone]) -> None:
    caller, called = pair
    caller.line.behaviour = Behaviour(digits="7", digits_after=0.0, hang_up_after=0.6)
    await dial(caller, called)
    await called.until_heard("7")
    assert (await caller.until("ended")).cause == "hangup"


async def test_a_line_without_audio_sends_nothing_but_its_keys(pair: tuple[Phone, Phone]) -> None:
    caller, called = pair
    caller.line.behaviour = Behaviour(audio=False)
    called.line.behaviour = Behaviour(0.0, audio=False)
    await dial(caller, called)
    await caller.until("answered")
    await called.until("answered")
    for phone in pair:
        assert phone.line.live[0].media is not None
        assert not await is_sending(phone.line.live[0].media)
    called.telephone.press(called.line, "9")
    await caller.until_heard("9")
    async with asyncio.timeout(5):
        while await is_sending(called.line.live[0].media):  # type: ignore[arg-type]
            pass


@pytest.mark.parametrize("behaviour", [Behaviour(0.0), Behaviour(busy=True), Behaviour(0.0, reject=603)])
async def test_a_line_calls_back_however_the_call_ended(
    pair: tuple[Phone, Phone], behaviour: Behaviour
) -> None:
    caller, called = pair
    returned: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def call_back(line: Line, record: CallRecord) -> None:
        returned.put_nowait((line.user, record.peer))

    for phone in pair:
        phone.telephone.on_call_back = call_back
        phone.line.behaviour = replace(behaviour, call_back_after=0.0)
    await dial(caller, called)
    if not (behaviour.busy or behaviour.reject):
        await caller.until("answered")
        caller.telephone.hangup(caller.line)
    async with asyncio.timeout(5):
        assert await returned.get() == ("bob", "alice")
    await caller.until("ended")
    await called.until("ended")
    assert returned.empty()  # who called returns no call


async def test_calls_are_counted(pair: tuple[Phone, Phone]) -> None:
    caller, called = pair
    await dial(caller, called)
    await called.until("answered")
    counts = called.telephone.counts
    assert (counts.up, counts.most, counts.taken, counts.placed, counts.answered) == (1, 1, 1, 0, 1)
    called.telephone.hangup(called.line)
    await caller.until("ended")
    assert (counts.up, counts.most, counts.ended["hangup"]) == (0, 1, 1)
    assert str(counts) == "0 calls up (at most 1), 1 taken, 0 placed, 1 answered"


async def test_a_held_call_goes_silent_and_comes_back(pair: tuple[Phone, Phone]) -> None:
    caller, called = pair
    await dial(caller, called)
    await caller.until("answered")
    await called.until("answered")
    ours, theirs = caller.line.live[0], called.line.live[0]
    assert ours.call is not None
    assert ours.media is not None
    assert theirs.media is not None
    for direction, expected in (("sendonly", False), ("sendrecv", True)):
        offer = make_offer(ours.media.host, ours.media.rtp_port, direction=direction, session_id=1, version=2)
        assert ours.call.reinvite(offer.to_bytes(), caller.telephone.endpoint.now())
        async with asyncio.timeout(5):
            while await is_sending(theirs.media) is not expected:
                pass


async def is_sending(media: RtpEndpoint) -> bool:
    """Whether audio left within the next three packets' time."""
    before = media.stats.rtp_sent
    await asyncio.sleep(0.06)
    return media.stats.rtp_sent > before
