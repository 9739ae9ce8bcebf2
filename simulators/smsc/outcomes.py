"""What becomes of a message: the handset's answer as a table, and seeded chance on top of it.

A draw is a function of the seed and of the message's serial or number, never of what was drawn before: the
same run gives the same fates, whatever came between, and so does a restart.
"""

import re
import struct
from bisect import bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from foundation.config import Config
from simulators.smsc.delays import NO_DELAY, Delay
from simulators.smsc.patterns import Pattern
from smpp.constants import CommandStatus, MessageState


class Final(NamedTuple):
    """A final state and the error that the receipt's ``err:`` shows, 0 to 999."""

    state: MessageState
    error: int


FINAL_OF_STATUS: dict[int, Final] = {
    CommandStatus.ESME_ROK: Final(MessageState.DELIVERED, 0),
    CommandStatus.ESME_RX_P_APPN: Final(MessageState.UNDELIVERABLE, 1),
    CommandStatus.ESME_RX_R_APPN: Final(MessageState.REJECTED, 2),
    CommandStatus.ESME_RINVDSTADR: Final(MessageState.UNDELIVERABLE, 3),
}
"""Command status of the receiver's deliver_sm_resp to the message's end. Any other status is temporary."""

EXPIRED = Final(MessageState.EXPIRED, 27)
"""The validity period ended first (error: absent subscriber)."""

DELETED = Final(MessageState.DELETED, 0)
"""The ESME cancelled it."""

DELIVERED = Final(MessageState.DELIVERED, 0)

STATE_OF: dict[str, MessageState] = {
    "undeliverable": MessageState.UNDELIVERABLE,
    "expired": MessageState.EXPIRED,
    "rejected": MessageState.REJECTED,
    "unknown": MessageState.UNKNOWN,
    "deleted": MessageState.DELETED,
    "accepted": MessageState.ACCEPTED,
}


class NetworkError(Config):
    """The network_error_code TLV of a receipt (3.4 5.3.2.31)."""

    network: Annotated[int, Field(ge=0, le=255)] = 3
    """1 ANSI-136, 2 IS-95, 3 GSM."""
    code: Annotated[int, Field(ge=0, le=65535)]


class Outcome(Config):
    """One thing that may befall an MT, drawn by weight."""

    weight: Annotated[float, Field(gt=0)] = 1.0
    number: Pattern = ""
    """Regular expression that the destination must match in full; an outcome with one goes before those
    without."""
    result: Literal[
        "deliver", "refuse", "undeliverable", "expired", "rejected", "unknown", "deleted", "accepted"
    ] = "deliver"
    """``deliver``: what the phone answers; ``refuse``: submit_sm gets `status`; else that final state."""
    status: Annotated[int, Field(ge=1, le=0xFFFFFFFF)] = int(CommandStatus.ESME_RTHROTTLED)
    error: Annotated[int, Field(ge=0, le=999)] = 1
    network_error_code: NetworkError | None = None
    failures: Annotated[int, Field(ge=0, le=200)] = 0
    """Temporary failures before the result, `retry_seconds` apart; the first is an intermediate notice."""
    respond: bool = True
    """False: taken and carried out, but the submit_sm is never answered."""
    receipt: bool = True
    """False: no receipt ever comes."""
    response_delay: Delay | None = None
    delivery_delay: Delay | None = None

    @model_validator(mode="after")
    def _delivery_has_no_error(self) -> Self:
        if self.network_error_code is not None and self.result in ("deliver", "refuse"):
            raise ValueError("network_error_code: only a failed message's receipt has one")
        return self


CERTAIN_DELIVERY = Outcome()


class Plan(NamedTuple):
    """What an outcome decides for one message, small enough for a column of its row."""

    state: int = 0
    """Final message_state; 0: the phone decides."""
    error: int = 0
    failures: int = 0
    receipt: bool = True
    respond: bool = True
    network: int = 0
    code: int = 0
    has_network_error: bool = False

    def packed(self) -> int:
        """One integer of 52 bits at most."""
        return (
            self.state
            | self.error << 4
            | self.failures << 14
            | (not self.receipt) << 22
            | (not self.respond) << 23
            | self.network << 24
            | self.code << 32
            | self.has_network_error << 48
        )

    @classmethod
    def unpacked(cls, value: int) -> "Plan":
        """What `packed` made."""
        return cls(
            value & 0xF,
            value >> 4 & 0x3FF,
            value >> 14 & 0xFF,
            not value >> 22 & 1,
            not value >> 23 & 1,
            value >> 24 & 0xFF,
            value >> 32 & 0xFFFF,
            bool(value >> 48 & 1),
        )


PLAIN = Plan()


def plan_of(outcome: Outcome) -> Plan:
    """The plan that `outcome` makes for a message that is taken."""
    state = int(STATE_OF.get(outcome.result, 0))
    network = outcome.network_error_code
    return Plan(
        state,
        outcome.error if state else 0,
        outcome.failures,
        outcome.receipt,
        outcome.respond,
        network.network if network is not None else 0,
        network.code if network is not None else 0,
        network is not None,
    )


class Fate(NamedTuple):
    """What was drawn for one message; delays in milliseconds."""

    refused: int
    """command_status that refuses it; 0 when it is taken."""
    plan: Plan
    response_ms: int
    delivery_ms: int


class _Choice:
    """An outcome with its delays, ready to draw from."""

    __slots__ = ("_always", "delivery", "pattern", "plan", "refused", "response")

    def __init__(self, outcome: Outcome, response: Delay, delivery: Delay) -> None:
        self.refused = outcome.status if outcome.result == "refuse" else 0
        self.plan = plan_of(outcome)
        self.response = outcome.response_delay or response
        self.delivery = outcome.delivery_delay or delivery
        self.pattern = re.compile(outcome.number) if outcome.number else None
        self._always: Fate | None = None
        if self.is_constant:
            self._always = self.fate(0.0, 0.0)

    def fate(self, response_u: float, delivery_u: float) -> Fate:
        if self._always is not None:
            return self._always
        return Fate(
            self.refused, self.plan, self.response.sample(response_u), self.delivery.sample(delivery_u)
        )

    @property
    def is_constant(self) -> bool:
        return self.response.is_constant and self.delivery.is_constant


class _Weighted:
    """Choices by weight."""

    __slots__ = ("_bounds", "_choices", "_total")

    def __init__(self, choices: Sequence[_Choice], weights: Sequence[float]) -> None:
        self._choices = list(choices)
        self._bounds = list(accumulate(weights))
        self._total = self._bounds[-1]

    def at(self, u: float) -> _Choice:
        return self._choices[min(bisect_right(self._bounds, u * self._total), len(self._choices) - 1)]


_THREE = struct.Struct(">QQQ")
_SCALE = 2.0**-64


class OutcomeDraw:
    """Draws fates. `by` says what the draw depends on beside the seed: the serial, or the destination."""

    def __init__(
        self,
        outcomes: Sequence[Outcome],
        seed: int,
        *,
        by: Literal["sequence", "number"] = "sequence",
        response_delay: Delay = NO_DELAY,
        delivery_delay: Delay = NO_DELAY,
    ) -> None:
        every = [(each, _Choice(each, response_delay, delivery_delay)) for each in outcomes]
        plain = [(each, choice) for each, choice in every if choice.pattern is None] or [
            (CERTAIN_DELIVERY, _Choice(CERTAIN_DELIVERY, response_delay, delivery_delay))
        ]
        self._plain = _Weighted([choice for _, choice in plain], [each.weight for each, _ in plain])
        self._by_number = [(each.weight, choice) for each, choice in every if choice.pattern is not None]
        key = blake2b(str(seed).encode(), digest_size=16).digest()
        # Copied for each draw: the key is hashed in once.
        self._by_serial = blake2b(digest_size=24, key=key)
        self._by_destination = blake2b(digest_size=8, key=key)
        self._by = by
        only = plain[0][1]
        self._always = (
            only.fate(0.0, 0.0) if len(plain) == 1 and not self._by_number and only.is_constant else None
        )

    def draw(self, serial: int, number: bytes) -> Fate:
        """The fate of message `serial` to `number`."""
        if self._always is not None:
            return self._always
        drawn = self._by_serial.copy()
        drawn.update(serial.to_bytes(8, "big"))
        chance, response_u, delivery_u = _THREE.unpack(drawn.digest())
        if self._by == "number":
            drawn = self._by_destination.copy()
            drawn.update(number)
            chance = int.from_bytes(drawn.digest(), "big")
        group = self._matching(number) if self._by_number else self._plain
        return group.at(chance * _SCALE).fate(response_u * _SCALE, delivery_u * _SCALE)

    def _matching(self, number: bytes) -> _Weighted:
        digits = number.decode("latin-1")
        found = [
            (weight, choice)
            for weight, choice in self._by_number
            if choice.pattern is not None and choice.pattern.fullmatch(digits)
        ]
        if not found:
            return self._plain
        return _Weighted([choice for _, choice in found], [weight for weight, _ in found])
