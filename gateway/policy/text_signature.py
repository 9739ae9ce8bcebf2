"""A text says whose it is: it begins or ends with the access number's signature in 【】, where it has one."""

from __future__ import annotations

from typing import Final

from gateway.policy.refusal import Case, Cause, Refusal
from gateway.policy.text import Text
from smpp.constants import CommandStatus

_NOT_SIGNED: Final = Refusal(Case.CONTENT, Cause.NOT_SIGNED, CommandStatus.ESME_RSUBMITFAIL)


def is_signed(text: Text) -> Refusal | None:
    if text.number.signature is None:
        return None
    signature = f"【{text.number.signature}】"
    said = text.characters.strip()
    return None if said.startswith(signature) or said.endswith(signature) else _NOT_SIGNED
