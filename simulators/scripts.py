"""What a line does by itself when it is called, and afterwards: the same words in a configuration and over HTTP."""

import random
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator

from foundation.config import Config

SECONDS_MAX = 86_400
ANSWER_SECONDS_MAX = 120
"""Longest ringing before a line answers by itself."""

Seconds = Annotated[float, Field(ge=0, le=SECONDS_MAX)]
Wait = Seconds | Annotated[list[Seconds], Field(min_length=2, max_length=2)]
"""So many seconds each time, or [least, most] of which each time is drawn."""
Span = float | tuple[float, float]


@dataclass(slots=True)
class Behaviour:
    """What a line does. Times are seconds, or the least and the most."""

    answer_after: Span | None = 0.3
    """Of ringing before it answers or refuses by itself; None: it rings until told."""
    busy: bool = False
    reject: int | None = None
    """The status with which it refuses in place of answering."""
    hang_up_after: Span | None = None
    """Of talk, in calls of either direction; None: the other side ends them."""
    digits: str = ""
    """Keys that it presses in a call that was answered, of either direction."""
    digits_after: Span = 0.5
    call_back_after: Span | None = None
    """From the end of a call that came until it calls back, however that call ended; None: it does not."""
    audio: bool = True
    """It talks; without, it is silent but for its keys, which is what makes thousands of calls cheap."""


class Script(Config):
    """A behaviour as somebody writes it; what is not named is as it was."""

    answer_after: Wait = Field(default=0.3, description="seconds of ringing before it answers, or refuses")
    never: bool = Field(default=False, description="true: it rings until the caller or the API ends that")
    busy: bool = Field(default=False, description="true: 486 at once")
    reject: int | None = Field(default=None, ge=400, le=699, description="refuses with this status")
    hang_up_after: Wait | None = Field(default=None, description="seconds of talk, then BYE")
    digits: str = Field(default="", pattern=r"^[0-9*#A-D]{0,64}$", description="keys that it presses")
    digits_after: Wait = Field(default=0.5, description="seconds from the answer to the first key")
    call_back_after: Wait | None = Field(
        default=None, description="seconds from a call's end to the callback"
    )
    audio: bool = Field(default=True, description="false: silent but for the keys")

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if sum((self.never, self.busy, self.reject is not None)) > 1:
            raise ValueError("one of never, busy and reject")
        waits = (self.answer_after, self.hang_up_after, self.digits_after, self.call_back_after)
        if any(isinstance(wait, list) and wait[0] > wait[1] for wait in waits):
            raise ValueError("[least, most]: the least comes first")
        longest = self.answer_after[1] if isinstance(self.answer_after, list) else self.answer_after
        if longest > ANSWER_SECONDS_MAX:
            raise ValueError(f"answer_after: at most {ANSWER_SECONDS_MAX} seconds")
        return self

    def change(self, behaviour: Behaviour) -> None:
        """Have a line behave so from its next call on."""
        named = self.model_fields_set
        if named & {"answer_after", "never", "busy", "reject"}:
            behaviour.busy, behaviour.reject = self.busy, self.reject
            if self.never:
                behaviour.answer_after = None
            elif "answer_after" in named:
                behaviour.answer_after = _span(self.answer_after)
        for name in named & {"digits", "audio"}:
            setattr(behaviour, name, getattr(self, name))
        for name in named & {"hang_up_after", "digits_after", "call_back_after"}:
            wait = getattr(self, name)
            setattr(behaviour, name, None if wait is None else _span(wait))


def _span(wait: float | list[float]) -> Span:
    return (wait[0], wait[1]) if isinstance(wait, list) else wait


def drawn(span: Span, chance: random.Random) -> float:
    """Seconds for this once."""
    return chance.uniform(*span) if isinstance(span, tuple) else span
