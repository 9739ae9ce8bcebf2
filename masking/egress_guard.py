"""The second lock on a leg that leaves the carrier domain.

The first lock is that such messages are built from typed models. This one searches what the gateway
itself put into them for the numbers of the transaction, in every encoding. It must be given only fields
that the gateway introduced: a field that echoes what the enterprise sent is never searched, or a sender
could plant guesses and learn from what happens. A hit drops that field and raises an alarm; it changes
no status. A message under suspicion takes a millisecond longer than another; nothing of what an enterprise
sent is searched, so that it cannot aim at this.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from masking.screen import Screen

__all__ = ["Alarm", "EgressGuard", "Secrets"]

SCREENS_MAX: Final = 2_000
"""Screens kept for whoever gets several messages: to make one costs a quarter of its use."""


class Secrets(NamedTuple):
    """Numbers of one transaction that must not leave: E.164 digits, IMSI, IMEI."""

    msisdn: str
    imsi: str | None = None
    imei: str | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """A number was about to leave: on which leg, in which field, how encoded. Never the number itself."""

    leg: str
    field: str
    encoding: str


class EgressGuard:
    """Searches fields and counts alarms; `on_alarm` is told of each."""

    def __init__(self, on_alarm: Callable[[Alarm], None] | None = None) -> None:
        self.alarms = 0
        self._on_alarm = on_alarm

    def passes(self, data: bytes, secrets: Secrets) -> bool:
        """Whether these octets, all that was introduced into one message, surely carry none of the numbers.

        False is an order to `check` field by field: only that tells which field to drop, and alarms.
        """
        return not _screen_of(secrets).suspects(data)

    def check(self, leg: str, fields: Mapping[str, bytes | str], secrets: Secrets) -> frozenset[str]:
        """Names of the fields to drop."""
        screen = _screen_of(secrets)
        octets = {
            name: value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
            for name, value in fields.items()
        }
        # No encoding goes from one field into the next, and what one hides is hidden in all together.
        if not screen.suspects(b"\n".join(octets.values())):
            return _NONE
        hits = set()
        for name, data in octets.items():
            found = screen.first(data)
            if found is not None:
                hits.add(name)
                self.alarms += 1
                if self._on_alarm is not None:
                    self._on_alarm(Alarm(leg, name, found.encoding))
        return frozenset(hits)


_NONE: Final[frozenset[str]] = frozenset()


@lru_cache(maxsize=SCREENS_MAX)
def _screen_of(secrets: Secrets) -> Screen:
    if secrets.imsi is None and secrets.imei is None and secrets.msisdn:
        return Screen((secrets.msisdn,))
    return Screen([number for number in secrets if number])
