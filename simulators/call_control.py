"""What scripts may do with a line over HTTP: the same words for a handset and for a desk phone."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from simulators.http_api import BadInput, number_field, text_field
from simulators.telephone import Behaviour, Line, NoSuchCall, Telephone

ANSWER_SECONDS_MAX = 120
"""Longest ringing before a line answers by itself."""
DIGITS_MAX = 64
"""Keys pressed in one request."""


def act_on_call(telephone: Telephone, line: Line, action: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """``answer``, ``reject``, ``hangup`` or ``digits`` on the call named by `id`, the newest without it.
    Returns the call's record. Raises BadInput."""
    call_id = text_field(body, "id", "") or None
    try:
        match action:
            case "answer":
                record = telephone.answer(line, call_id)
            case "reject":
                record = telephone.reject(line, call_id)
            case "hangup":
                record = telephone.hangup(line, call_id)
            case _:
                digits = text_field(body, "digits")
                if not 0 < len(digits) <= DIGITS_MAX:
                    raise BadInput(f"digits: 1 to {DIGITS_MAX}")
                record = telephone.press(line, digits, call_id)
    except NoSuchCall as error:
        raise BadInput(str(error), 409) from None
    except ValueError as error:
        raise BadInput(str(error)) from None
    return asdict(record)


def set_behaviour(behaviour: Behaviour, body: Mapping[str, Any]) -> Behaviour:
    """{"answer_after": seconds} | {"never": true} | {"busy": true}. Raises BadInput."""
    if body.get("busy") is True:
        behaviour.busy = True
        return behaviour
    seconds: float | None = None
    if body.get("never") is not True:
        seconds = number_field(body, "answer_after")
        if not 0 <= seconds <= ANSWER_SECONDS_MAX:
            raise BadInput(f"answer_after: 0 to {ANSWER_SECONDS_MAX} seconds")
    behaviour.busy, behaviour.answer_after = False, seconds
    return behaviour
