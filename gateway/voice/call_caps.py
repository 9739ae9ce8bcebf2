"""How many calls there may be, how fast they may come, how long they may ring and last: for the gateway, a trunk, an
access number, and a person under an enterprise's AID. The least of what is set for any of them holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from gateway.access_number import AccessNumberRow
from gateway.accounts.rates import Rates
from gateway.settings import VoiceSettings
from gateway.store.accounts import TrunkRow
from gateway.voice.call_record import Direction

Key = tuple[str, ...]
GATEWAY: Final[Key] = ("gateway",)


@dataclass(frozen=True, slots=True)
class CallOf:
    """Whose call it is. `aid` is not known of a callback until it is restored."""

    direction: Direction
    trunk: TrunkRow
    number: AccessNumberRow
    aid: str | None = None
    keys: tuple[Key, ...] = field(init=False)
    """What its place is counted under, beside the gateway's own; the AID's is the last."""

    def __post_init__(self) -> None:
        own: tuple[Key, ...] = (("trunk", self.trunk.username), ("number", self.number.number))
        if self.aid is not None:
            own = (*own, ("aid", self.trunk.enterprise_id, self.aid))
        object.__setattr__(self, "keys", own)


class CallCaps:
    """Counts the calls that are there, and those that came lately. What an enterprise calls is counted before anybody
    says whether it is an AID at all: from a refusal here it learns nothing of one."""

    def __init__(self, settings: VoiceSettings) -> None:
        self._settings = settings
        self._up: Counter[Key] = Counter()
        self._rates = Rates()

    def take(self, call: CallOf, now: float) -> bool:
        """Whether one more call may be; its rates are counted if it may, its place by `opened`."""
        return self._has_room(call) and self._comes_slowly(call, now)

    def take_aid(self, call: CallOf, now: float) -> bool:
        """The same for the person alone, of a callback whose AID became known."""
        return self._aid_has_room(call) and self._aid_comes_slowly(call, now)

    @property
    def is_full(self) -> bool:
        """The gateway itself has no room for one more."""
        return self._up[GATEWAY] >= self._settings.calls_max

    def _has_room(self, call: CallOf) -> bool:
        trunk, number = call.trunk, call.number
        return (
            not self.is_full
            and self._up["trunk", trunk.username] < trunk.max_calls
            and (number.max_calls is None or self._up["number", number.number] < number.max_calls)
            and (call.aid is None or self._aid_has_room(call))
        )

    def _aid_has_room(self, call: CallOf) -> bool:
        return self._up[call.keys[-1]] < self._settings.aid.calls_max

    def _comes_slowly(self, call: CallOf, now: float) -> bool:
        # The widest last: what a narrower limit refuses takes no place in a wider one.
        trunk, number, way = call.trunk, call.number, call.direction
        return (
            (call.aid is None or self._aid_comes_slowly(call, now))
            and self._rates.take_call(
                ("number", way, number.number), number.call_rate, number.call_burst, now
            )
            and self._rates.take_call(("trunk", way, trunk.username), trunk.rate, trunk.burst, now)
        )

    def _aid_comes_slowly(self, call: CallOf, now: float) -> bool:
        aid = self._settings.aid
        return self._rates.take_call((*call.keys[-1], call.direction), aid.rate, aid.burst, now)

    def opened(self, *keys: Key) -> None:
        """A call takes its place under these keys."""
        for key in keys:
            self._up[key] += 1

    def closed(self, *keys: Key) -> None:
        """It gives it back."""
        for key in keys:
            self._up[key] -= 1
            if self._up[key] <= 0:
                del self._up[key]

    def ring_s(self, call: CallOf) -> float:
        """Seconds that it may ring."""
        settings = self._settings
        return _least(settings.ring_s, call.trunk.ring_s, call.number.ring_s, settings.aid.ring_s)

    def talk_s(self, call: CallOf) -> float:
        """Seconds that it may last."""
        settings = self._settings
        return _least(settings.talk_max_s, call.trunk.talk_s, call.number.talk_s, settings.aid.talk_max_s)


def _least(default: float, *own: float | None) -> float:
    """The least of what is set; where nothing is, what holds for all."""
    return min((each for each in own if each is not None), default=default)
