"""Long messages are shown whole, whatever the order of their parts, and few are awaited."""

import pytest

from simulators.assembly import Assembler, Whole
from smpp.pdu import DeliverSm
from smpp.segmentation import UdhError, split

LONG = "𝄞取件码" * 60


def parts(text: str, reference: int = 1, source: bytes = b"888132341582397708") -> list[DeliverSm]:
    return [
        DeliverSm(
            source_addr=source,
            destination_addr=b"10690001",
            esm_class=part.esm_class,
            data_coding=part.data_coding,
            short_message=part.short_message,
        )
        for part in split(text, reference)
    ]


def test_a_short_message_is_whole_at_once() -> None:
    [body] = parts("您好")
    assert Assembler(1).add(body) == Whole("您好", 1)


def test_the_last_part_completes_it_whichever_it_is() -> None:
    assembler = Assembler(10)
    bodies = parts(LONG)
    assert len(bodies) > 2
    assert [assembler.add(body) for body in bodies[1:]] == [None] * (len(bodies) - 1)
    assert assembler.add(bodies[0]) == Whole(LONG, len(bodies))


def test_a_part_that_comes_twice_counts_once() -> None:
    assembler = Assembler(10)
    first, *rest = parts(LONG)
    assert assembler.add(first) is None
    assert assembler.add(first) is None
    assert [assembler.add(body) for body in rest][-1] == Whole(LONG, 1 + len(rest))


def test_messages_of_different_senders_do_not_mix() -> None:
    assembler = Assembler(10)
    mine, theirs = parts(LONG), parts(LONG, source=b"888100000000000001")
    for body in (*mine[:-1], *theirs[:-1]):
        assert assembler.add(body) is None
    assert assembler.add(mine[-1]) == assembler.add(theirs[-1]) == Whole(LONG, len(mine))


def test_the_oldest_incomplete_message_is_given_up() -> None:
    assembler = Assembler(2)
    sets = [parts(LONG, reference) for reference in (1, 2, 3)]
    for bodies in sets:
        assembler.add(bodies[0])
    assert [assembler.add(body) for body in sets[2][1:]][-1] is not None
    assert all(assembler.add(body) is None for body in sets[0][1:])


def test_a_header_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(UdhError):
        Assembler(1).add(DeliverSm(esm_class=0x40, short_message=b"\xff"))
