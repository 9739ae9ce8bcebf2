"""Whatever a peer sends, in whatever pieces and state: no crash, and memory stays bounded.

The same octets each time in an ordinary run; other ones, for longer, under `make soak`.
"""

from __future__ import annotations

import os
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smpp.codec import PduError, decode, encode, encode_body
from smpp.config import SessionConfig
from smpp.constants import MAX_PDU_OCTETS
from smpp.events import ConnectionMustClose, Event
from smpp.pdu import BODY_OF, Body, Pdu
from smpp.session import Session
from tests.smpp import strategies
from tests.smpp.pair import Pair

SOAK_S = float(os.environ.get("SOAK_SECONDS", "60"))
CONFIG = SessionConfig(inbound_window=5, outbound_window=5)


def fed(session: Session, reads: list[bytes], now: float) -> list[Event]:
    """The events of those reads. What the session holds stays bounded, and it ends exactly once."""
    events: list[Event] = []
    for read in reads:
        events += session.receive_data(read, now)
        assert session.unanswered <= CONFIG.inbound_window
        assert session._framer.buffered <= MAX_PDU_OCTETS
        session.data_to_send()
    events += session.terminate("done")
    assert [type(event) for event in events].count(ConnectionMustClose) == 1
    assert isinstance(events[-1], ConnectionMustClose)
    return events


def one_of_each() -> tuple[Session, Session]:
    """A bound message centre and a bound ESME that has requests open."""
    pair = Pair(CONFIG, CONFIG)
    pair.bind()
    for name in "abc":
        pair.esme.send_request(BODY_OF[4](), pair.now, name)
    pair.esme.data_to_send()
    return pair.mc, pair.esme


pieces = st.lists(
    st.binary(max_size=100)
    | strategies.pdu().map(encode)
    | st.builds(
        encode_body, st.sampled_from(sorted(BODY_OF)).map(lambda number: BODY_OF[number]()), st.integers(0, 9)
    ),
    max_size=12,
)


@given(pieces)
@settings(max_examples=80, derandomize=True)
def test_any_octets_in_any_state_end_in_events(reads: list[bytes]) -> None:
    mc, esme = one_of_each()
    for session in (Session("mc", CONFIG, 0.0), Session("esme", CONFIG, 0.0), mc, esme):
        fed(session, reads, 1000.0)


@given(pieces, st.lists(st.integers(1, 40), min_size=1, max_size=200))
@settings(max_examples=60, derandomize=True)
def test_how_the_stream_is_cut_changes_nothing(reads: list[bytes], cuts: list[int]) -> None:
    stream, pos, cut_reads = b"".join(reads), 0, []
    for cut in [*cuts, len(stream)]:
        cut_reads.append(stream[pos : pos + cut])
        pos += cut
    whole, cut_up = one_of_each()[0], one_of_each()[0]
    assert fed(whole, [stream], 1000.0) == fed(cut_up, cut_reads, 1000.0)


def mutated(source: random.Random, frame: bytes) -> bytes:
    """The frame with some octets changed, taken out, put in or doubled; its length set right half the time."""
    octets = bytearray(frame)
    for _ in range(source.randint(1, 6)):
        at = source.randrange(len(octets) + 1)
        match source.randrange(4):
            case 0:
                octets[at : at + 1] = bytes((source.randrange(256),))
            case 1:
                del octets[at : at + source.randint(1, 8)]
            case 2:
                octets[at:at] = source.randbytes(source.randint(1, 8))
            case _:
                octets += octets[at:]
        octets = octets[:MAX_PDU_OCTETS] or bytearray(1)
    if source.random() < 0.5:
        octets[0:4] = len(octets).to_bytes(4, "big")
    return bytes(octets)


def bodies() -> list[Body]:
    return [BODY_OF[number]() for number in sorted(BODY_OF)]


def attack(source: random.Random, frames: list[bytes]) -> None:
    """One round: a mutated frame is decoded, and what is a PDU says the same again; a session takes many."""
    frame = mutated(source, source.choice(frames))
    try:
        pdu = decode(frame)
    except PduError:
        pass
    else:
        again = encode(pdu)
        assert decode(again) == pdu
        if source.random() < 0.2 and len(frames) < 500:
            frames.append(again)
    if source.random() < 0.05:
        mc, esme = one_of_each()
        reads = [mutated(source, source.choice(frames)) for _ in range(source.randint(1, 30))]
        fed(source.choice((mc, esme)), reads, 1000.0)


def corpus() -> list[bytes]:
    return [encode(Pdu(body, number)) for number, body in enumerate(bodies(), start=1)]


def test_mutated_pdus() -> None:
    source, frames = random.Random(34), corpus()
    for _ in range(3000):
        attack(source, frames)


@pytest.mark.soak
@pytest.mark.timeout(SOAK_S + 60)
def test_mutated_pdus_for_long() -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")  # shown when it fails
    source, frames, end = random.Random(seed), corpus(), time.monotonic() + SOAK_S
    while time.monotonic() < end:
        attack(source, frames)
