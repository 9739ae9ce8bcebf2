"""The second lock on a leg that leaves the carrier domain.

The first lock is that such messages are built from typed models. This one searches what the gateway
itself put into them for the numbers of the transaction, in every encoding. It must be given only fields
that the gateway introduced: a field that echoes what the enterprise sent is never searched, or a sender
could plant guesses and learn from what happens. A hit drops that field and raises an alarm; it changes
no status, and the search is the same work hit or not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from masking.encodings import Numbers, first

__all__ = ["Alarm", "EgressGuard", "Secrets"]


@dataclass(frozen=True, slots=True)
class Secrets:
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

    def check(self, leg: str, fields: Mapping[str, bytes | str], secrets: Secrets) -> frozenset[str]:
        """Names of the fields to drop."""
        numbers = Numbers(filter(None, (secrets.msisdn, secrets.imsi, secrets.imei)))
        hits = set()
        for name, value in fields.items():
            data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
            found = first(data, numbers)
            if found is not None:
                hits.add(name)
                self.alarms += 1
                if self._on_alarm is not None:
                    self._on_alarm(Alarm(leg, name, found.encoding))
        return frozenset(hits)
