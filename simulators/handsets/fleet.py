"""The handsets of a fleet, by number. Cheap until one is used: ten thousand start in a second."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from simulators.handsets.inbox import Inbox
from simulators.handsets.subscribers import Subscriber, normalise_msisdn
from simulators.journal import Journal
from simulators.lines import CallRecord, Line
from simulators.scripts import Behaviour

CALLS_MAX = 200
"""Calls that one handset remembers; the oldest is dropped."""


class Handset:
    """One phone: its SIM, its inbox and its line."""

    __slots__ = ("_behaviour", "_inbox", "_line", "subscriber")

    def __init__(self, subscriber: Subscriber, behaviour: Behaviour) -> None:
        """`behaviour` is shared by many handsets; the line has a copy of its own."""
        self.subscriber = subscriber
        self._behaviour = behaviour
        self._inbox: Inbox | None = None
        self._line: Line | None = None

    @property
    def inbox(self) -> Inbox:
        """The messages it received."""
        if self._inbox is None:
            self._inbox = Inbox()
        return self._inbox

    @property
    def line(self) -> Line:
        """Its telephone line."""
        if self._line is None:
            calls: Journal[CallRecord] = Journal(CALLS_MAX)
            self._line = Line(f"+{self.subscriber.msisdn}", calls, replace(self._behaviour))
        return self._line

    @property
    def behaviour(self) -> Behaviour:
        """What it does when it is called, to look at; the line's own is the one to change."""
        return self._line.behaviour if self._line is not None else self._behaviour

    @property
    def counts(self) -> tuple[int, int]:
        """(messages, calls) that it remembers."""
        messages = len(self._inbox.journal) if self._inbox is not None else 0
        return messages, len(self._line.calls) if self._line is not None else 0


class Fleet:
    """All handsets."""

    def __init__(
        self, subscribers: Iterable[Subscriber], behaviour_of: Callable[[str], Behaviour] | None = None
    ) -> None:
        """`behaviour_of` says by its number what a handset does; without, it answers soon."""
        default = Behaviour()
        self._handsets = {
            one.msisdn: Handset(one, default if behaviour_of is None else behaviour_of(one.msisdn))
            for one in subscribers
        }

    def __len__(self) -> int:
        return len(self._handsets)

    def __iter__(self) -> Iterator[Handset]:
        return iter(self._handsets.values())

    def find(self, number: str) -> Handset | None:
        """The handset with this number, with or without "+" or "00"."""
        return self._handsets.get(normalise_msisdn(number))

    def line_of(self, user: str) -> Line | None:
        """The line of a called URI's user part."""
        handset = self.find(user)
        return handset.line if handset is not None else None
