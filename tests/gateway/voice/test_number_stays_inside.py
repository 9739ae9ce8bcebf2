"""A person's number, planted wherever the core can put it, in every way to write it: it never reaches the enterprise.

Each round is a call to the person or back from one, in which every message of the core's side has the number in some
headers (known ones and such as nobody knows), in its reason phrase, and in lines of its description. Afterwards every
octet that the enterprise received is searched.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.store import edis
from masking.encodings import Numbers, find
from masking.needles import needles
from masking.sip_rules import HEADER_RULES
from sip.call import Call
from sip.events import CallAnswered, CallEnded, CallFailed, Event, IncomingCall
from sip.message import HeaderItems
from sip.sdp import SDP_TYPE
from tests.gateway.voice.conftest import (
    AID,
    EDI_ID,
    MSISDN,
    NOW_MS,
    NUMBER,
    Party,
    World,
    answer,
    grant,
    offer,
)

ROUNDS = 60
SOAK_ROUNDS = 3_000

# What the test's own core writes as it must, or what makes the message another one.
OURS = frozenset(
    ("Via", "From", "To", "Call-ID", "CSeq", "Contact", "Route", "Record-Route", "Max-Forwards", "Content-Length",
     "Content-Type", "Content-Encoding", "Content-Disposition", "Accept", "Require", "Proxy-Require", "RSeq", "RAck",
     "Session-Expires", "Min-SE", "Replaces", "P-Asserted-Identity", "Privacy", "Supported", "Allow")
)  # fmt: skip
NAMES = [*sorted(set(HEADER_RULES) - OURS), "X-Number", "P-Unheard-Of", "+sip.instance", "Isup-Oli", "Q"]
SHAPES = (
    "{}", '"{}"', "<sip:+{}@ims.example>", '"{}" <tel:+{}>;tag={}', "SIP;cause=200;text={}", "Q.850;cause={}",
    'Q.850;cause=16;text="{}"', "5;duration={}", "{} (in {})", '399 {} "{}"', "id;{}", "x;y={}", "urn:uuid:{}",
)  # fmt: skip
LINES = (
    "i={}", "u=http://x/{}", "e={}@x", "p=+{}", "b=AS:{}", "k=clear:{}", "a={}", "a=x-{}:{}", "a=tool:{}",
    "a=ssrc:1 cname:{}", "a=candidate:1 1 UDP 1 {} 1", "a=rtpmap:0 {}/8000", "a=fmtp:0 {}", "a=fmtp:97 mode-set={}",
    "a=fmtp:101 {}", "a=ptime:{}", "a=maxptime:{}", "a=rtcp:{}", "a=label:{}", "a=mid:{}", "a=curr:qos local {}",
    "m=video 0 {} 34", "m={} 0 RTP/AVP 34", "m=application 9 RTP/AVP {}", "a=identity:{}", "a=group:LS {}",
)  # fmt: skip
TEXTS = [
    needle.data.decode()
    for needle in needles(MSISDN)
    if needle.data.decode("utf-8", "ignore").encode() == needle.data and needle.data.decode().isprintable()
]


class Planter:
    """Draws what a hostile or careless core writes."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)

    def _number(self) -> str:
        return self._draw.choice(TEXTS)

    def headers(self) -> HeaderItems:
        count = self._draw.randint(1, 6)
        return [(name, self._planted(self._draw.choice(SHAPES))) for name in self._draw.sample(NAMES, count)]

    def _planted(self, shape: str) -> str:
        return shape.replace("{}", self._number())

    def reason(self) -> str:
        return self._planted(self._draw.choice(SHAPES))

    def body(self, described: bytes) -> bytes:
        """A description with the number in some lines; one that cannot be read is a call that ends."""
        lines = described.decode().split("\r\n")[:-1]
        for line in self._draw.choices(LINES, k=self._draw.randint(1, 5)):
            planted = self._planted(line)
            if planted[0] in "iuepbk":
                lines.insert(3, planted)
            else:
                lines.append(planted)
        if self._draw.random() < 0.5:
            lines[1] = f"o={self._draw.choice(['-', MSISDN])} {MSISDN} {MSISDN} IN IP4 127.0.0.1"
        if self._draw.random() < 0.5:
            lines[2] = f"s={self._number()}"
        body = "\r\n".join([*lines, ""]).encode()
        if self._draw.random() < 0.2:
            isup = b"--x\r\nContent-Type: application/ISUP\r\n\r\n" + MSISDN.encode()
            return b"--x\r\nContent-Type: application/sdp\r\n\r\n" + body + b"\r\n" + isup + b"\r\n--x--"
        return body

    def status(self) -> int:
        return self._draw.choice(
            (300, 302, 380, 404, 408, 410, 480, 484, 486, 487, 500, 503, 504, 600, 603, 604)
        )

    def happens(self, chance: float) -> bool:
        return self._draw.random() < chance


def spoils(party: Party, planter: Planter) -> None:
    """Let every response of the core's side have the number in it, also those that its agent makes by itself."""
    layer = party.agent.layer
    send: Callable[..., None] = layer.respond

    def respond(transaction: object, response: object, now: float) -> None:
        for name, value in planter.headers():
            response.add(name, value)  # type: ignore[attr-defined]
        response.reason = planter.reason()  # type: ignore[attr-defined]
        if response.body.startswith(b"--x"):  # type: ignore[attr-defined]
            response.set("Content-Type", "multipart/mixed;boundary=x")  # type: ignore[attr-defined]
        send(transaction, response, now)

    layer.respond = respond  # type: ignore[method-assign,assignment]


async def over(party: Party) -> None:
    await party.next_of(CallEnded, CallFailed)


async def inside(world: World, party_call: Call, planter: Planter) -> None:
    """What the core does in a call that is up."""
    now = world.core.now()
    if planter.happens(0.5):
        key = b"Signal=5\r\nDuration=160\r\n" + planter.headers()[0][1].encode("utf-8", "replace")
        kind = "application/dtmf-relay" if planter.happens(0.7) else "text/plain"
        party_call.request_in_dialog("INFO", now, body=key, content_type=kind, headers=planter.headers())
    if planter.happens(0.5):
        party_call.reinvite(planter.body(offer(41002)), now, headers=planter.headers())
    if planter.happens(0.3):
        party_call.request_in_dialog("MESSAGE", now, body=MSISDN.encode(), content_type="text/plain")


async def a_call(world: World, planter: Planter) -> None:
    out = world.call()
    arrived = await world.core.next(IncomingCall)
    now = world.core.now()
    arrived.call.contact_user = "+" + MSISDN
    if planter.happens(0.7):
        arrived.call.ring(
            now, 180 if planter.happens(0.5) else 183, body=planter.body(answer(arrived.request.body))
        )
    if planter.happens(0.3):
        arrived.call.reject(planter.status(), now)
        await over(world.phone)
        return
    arrived.call.answer(planter.body(answer(arrived.request.body)), now)
    told = await world.phone.next_of(CallAnswered, CallFailed)
    if isinstance(told, CallAnswered):
        await inside(world, arrived.call, planter)
        arrived.call.hangup(world.core.now(), headers=planter.headers())
        await over(world.phone)
    out.hangup(world.phone.now())


async def a_callback(world: World, planter: Planter) -> None:
    body = planter.body(offer(41000))
    kind = "multipart/mixed;boundary=x" if body.startswith(b"--x") else SDP_TYPE
    back = world.call_back(headers=planter.headers(), body=body, content_type=kind, contact_user="+" + MSISDN)
    arrives = await _first(world.phone, world.core, IncomingCall, CallFailed)
    if isinstance(arrives, CallFailed):
        return
    assert isinstance(arrives, IncomingCall)
    if planter.happens(0.2):
        back.cancel(world.core.now(), planter.headers())
        return
    arrives.call.answer(answer(arrives.request.body), world.phone.now())
    told = await world.core.next_of(CallAnswered, CallFailed)
    if isinstance(told, CallAnswered):
        await inside(world, back, planter)
        back.hangup(world.core.now(), headers=planter.headers())


async def _first(phone: Party, core: Party, at_phone: type[Event], at_core: type[Event]) -> Event:
    waits = [asyncio.ensure_future(phone.next_of(at_phone)), asyncio.ensure_future(core.next_of(at_core))]
    done, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for each in rest:
        each.cancel()
    event: Event = done.pop().result()
    return event


async def rounds(world: World, seed: int, count: int) -> None:
    planter = Planter(seed)
    index = await world.domain.store.write(lambda conn: world.domain.vault.msisdn_index(conn, MSISDN))
    await world.domain.store.write(lambda conn: edis.touch_contacts(conn, [(index, NUMBER, EDI_ID, NOW_MS)]))
    await world.restart(early_media="relay" if planter.happens(0.5) else "local")
    assert await world.register() == 200
    world.verifier.answers[AID] = replace(grant(EDI_ID), frequency="100000/day")
    spoils(world.core, planter)
    for number in range(count):
        await (a_call if planter.happens(0.6) else a_callback)(world, planter)
        await world.closed(0)
        world.phone.seen()
        world.core.seen()
        found = find(bytes(world.phone.received), Numbers([MSISDN]))
        assert found == [], f"seed {seed}, round {number}: {found}: {bytes(world.phone.received)!r}"
        world.phone.received.clear()
    # Most of what is planted makes no difference to the call.
    assert (await world.results()).count("ANSWERED") > count // 4


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_number_never_reaches_the_enterprise(world: World, seed: int) -> None:
    await rounds(world, seed, ROUNDS // 2)


@pytest.mark.soak
async def test_the_number_never_reaches_the_enterprise_for_long(world: World) -> None:
    await rounds(world, 3, SOAK_ROUNDS)


def test_what_is_planted_would_be_found() -> None:
    assert len(TEXTS) > 30
    assert all(find(f"X: {text}\r\n".encode(), Numbers([MSISDN])) for text in TEXTS)
