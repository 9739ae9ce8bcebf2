"""What scripts may do with a line over HTTP: the same words for a handset and for a desk phone."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from simulators.http_api import BadInput, text_field
from simulators.lines import Line, NoSuchCall
from simulators.scripts import Behaviour, Script
from simulators.telephone import Telephone

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
    """The keys of a script (`simulators.scripts.Script`); what is not named stays as it was. Raises BadInput."""
    if not body:
        raise BadInput("no behaviour is named")
    try:
        script = Script.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{key}: {first['msg']}" if key else first["msg"]) from None
    script.change(behaviour)
    return behaviour
