"""Which link takes the next message: failover by priority, then turns by weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar


class Sharing(Protocol):
    """What a link says of its share."""

    credit: int
    """Kept by `take_turn`; begins at 0."""

    @property
    def priority(self) -> int: ...

    @property
    def weight(self) -> int: ...

    @property
    def can_send(self) -> bool: ...


L = TypeVar("L", bound=Sharing)


def in_use(links: Sequence[L]) -> list[L]:
    """The links that can send, of the lowest priority number that has any: the others wait for its loss.

    A link that is full or slowed down still counts: its messages wait, as they do for the SMSC itself.
    """
    able = [link for link in links if link.can_send]
    first = min((link.priority for link in able), default=0)
    return [link for link in able if link.priority == first]


def take_turns(ready: Sequence[L], messages: int) -> list[tuple[L, int]]:
    """How many of so many messages each of the links (at least one) takes, as by `take_turn` for each of them."""
    rounds, left = divmod(messages, sum(link.weight for link in ready))
    # After a whole round every credit is what it was before.
    shares = [rounds * link.weight for link in ready]
    for _ in range(left):
        shares[ready.index(take_turn(ready))] += 1
    return [(link, share) for link, share in zip(ready, shares, strict=True) if share]


def take_turn(ready: Sequence[L]) -> L:
    """One of the links (at least one), so that over time each is taken as its weight says, as evenly as can be.

    Smooth weighted round robin: each gains its weight, the richest pays all that was gained.
    """
    total = 0
    richest = ready[0]
    for link in ready:
        link.credit += link.weight
        total += link.weight
        if link.credit > richest.credit:
            richest = link
    richest.credit -= total
    return richest
