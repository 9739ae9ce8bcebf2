"""What becomes of a message: the handset's answer as a table, and seeded chance on top of it."""

import random
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from foundation.config import Config
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
"""Command status of the handset's deliver_sm_resp to the message's end. Any other status is temporary."""

EXPIRED = Final(MessageState.EXPIRED, 27)
"""The validity period ended first (error: absent subscriber)."""

DELETED = Final(MessageState.DELETED, 0)
"""The ESME cancelled it."""

STATE_OF: dict[str, MessageState] = {
    "undeliverable": MessageState.UNDELIVERABLE,
    "expired": MessageState.EXPIRED,
    "rejected": MessageState.REJECTED,
    "unknown": MessageState.UNKNOWN,
}


class Outcome(Config):
    """One thing that may befall an MT, drawn by weight."""

    weight: Annotated[float, Field(gt=0)] = 1.0
    result: Literal["deliver", "refuse", "undeliverable", "expired", "rejected", "unknown"] = "deliver"
    """``deliver``: what the handset answers; ``refuse``: submit_sm gets `status`; else that final state."""
    status: Annotated[int, Field(ge=1, le=0xFFFFFFFF)] = int(CommandStatus.ESME_RTHROTTLED)
    error: Annotated[int, Field(ge=0, le=999)] = 1
    delay_ms: Annotated[int, Field(ge=0, le=3_600_000)] = 0
    """Mean wait between the submit_sm_resp and delivery or failure, exponentially distributed."""


CERTAIN_DELIVERY = Outcome()


class OutcomeDraw:
    """Draws outcomes from a seeded generator of its own."""

    def __init__(self, outcomes: Sequence[Outcome], seed: int) -> None:
        self._outcomes = list(outcomes)
        self._weights = [outcome.weight for outcome in outcomes]
        self._random = random.Random(seed)

    def next(self) -> tuple[Outcome, float]:
        """The next message's outcome and its delay in seconds."""
        if not self._outcomes:
            return CERTAIN_DELIVERY, 0.0
        outcome = self._random.choices(self._outcomes, self._weights)[0]
        delay = self._random.expovariate(1000.0 / outcome.delay_ms) if outcome.delay_ms else 0.0
        return outcome, delay


def final_of(outcome: Outcome) -> Final | None:
    """The end that `outcome` decides by itself; None when the handset decides."""
    state = STATE_OF.get(outcome.result)
    return Final(state, outcome.error) if state is not None else None
