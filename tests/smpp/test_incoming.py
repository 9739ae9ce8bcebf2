"""Each request of the peer is answered once, also when two bear one number."""

from smpp.incoming import Incoming


def arrived(*numbers: int) -> Incoming:
    """As the session notes requests."""
    made = Incoming()
    for number in numbers:
        made.open[number] = made.open.get(number, 0) + 1
        made.count += 1
    return made


def test_a_request_is_settled_once() -> None:
    incoming = arrived(1, 2)
    assert incoming.settle(1)
    assert not incoming.settle(1)
    assert incoming.count == 1


def test_two_of_one_number_are_two() -> None:
    incoming = arrived(7, 7)
    assert [incoming.settle(7) for _ in range(3)] == [True, True, False]
    assert incoming.count == 0


def test_all_are_forgotten_with_the_connection() -> None:
    incoming = arrived(1, 2, 2)
    incoming.clear()
    assert incoming.count == 0
    assert not incoming.settle(2)
