"""A stream becomes frames, however it is cut; once out of step, nothing of it is trusted any more."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp.constants import HEADER_OCTETS, MAX_PDU_OCTETS
from smpp.framing import Framer


def frame(octets: int) -> bytes:
    return octets.to_bytes(4, "big") + bytes(octets - 4)


FRAMES = [frame(16), frame(200), frame(17), frame(MAX_PDU_OCTETS)]


@given(cuts=st.lists(st.integers(0, sum(map(len, FRAMES))), max_size=8))
def test_frames_come_out_whole_however_the_stream_is_cut(cuts: list[int]) -> None:
    stream, framer = b"".join(FRAMES), Framer()
    places = [0, *sorted(cuts), len(stream)]
    got = [each for start, end in pairwise(places) for each in framer.feed(stream[start:end])]
    assert got == FRAMES
    assert (framer.fatal, framer.buffered) == (None, 0)


def test_what_is_unfinished_is_held_and_counted() -> None:
    framer = Framer()
    assert framer.feed(frame(16) + frame(32)[:10]) == [frame(16)]
    assert framer.buffered == 10


@pytest.mark.parametrize("length", [0, HEADER_OCTETS - 1, MAX_PDU_OCTETS + 1, 0xFFFFFFFF])
def test_an_impossible_length_ends_the_stream_after_what_came_before(length: int) -> None:
    framer = Framer()
    assert framer.feed(frame(16) + length.to_bytes(4, "big") + bytes(100)) == [frame(16)]
    assert framer.fatal is not None
    assert str(length) in str(framer.fatal)
    assert framer.feed(frame(16)) == []
