"""Cutting long lists into requests of the size that routes take."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from interparty.client import PeerUnavailable

T = TypeVar("T")


def pieces(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """The items in order, in lists of at most `size`."""
    for at in range(0, len(items), size):
        yield list(items[at : at + size])


def matched(asked: Sequence[object], answers: list[T]) -> list[T]:
    """`answers` if there is one for each thing asked. Raises PeerUnavailable: answers are matched by
    position, so a list of another length answers nothing."""
    if len(answers) != len(asked):
        raise PeerUnavailable("not as many answers as questions")
    return answers
