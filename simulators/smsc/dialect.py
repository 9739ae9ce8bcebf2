"""How SMSCs of the field write message ids and receipts.

SMPP leaves a receipt's form to the vendor (3.4 appendix B), and vendors differ. A `Dialect` says in which ways;
`PRESETS` names the ones that ESMEs are known to stumble over.
"""

from typing import Annotated, Literal

from pydantic import Field

from foundation.config import Config

IdFormName = Literal["decimal", "decimal-10", "decimal-20", "hex", "hex-upper", "hex-8", "hex-upper-8"]
FieldName = Literal["id", "sub", "dlvrd", "submit date", "done date", "stat", "err", "text"]

_FORMS: dict[str, bytes] = {
    "decimal": b"%d",
    "decimal-10": b"%010d",
    "decimal-20": b"%020d",
    "hex": b"%x",
    "hex-upper": b"%X",
    "hex-8": b"%08x",
    "hex-upper-8": b"%08X",
}


def write_id(serial: int, form: IdFormName) -> bytes:
    """The message id of message `serial` in one dialect."""
    return _FORMS[form] % serial


def read_id(raw: bytes, form: IdFormName) -> int | None:
    """The serial that `raw` names in that dialect; None when it names none (query_sm, cancel_sm)."""
    try:
        return int(raw, 16 if form.startswith("hex") else 10)
    except ValueError:
        return None


class Dialect(Config):
    """One way of writing ids and receipts."""

    response_id: IdFormName = "decimal"
    """In submit_sm_resp; query_sm, cancel_sm and replace_sm are read in it."""
    receipt_id: IdFormName = "decimal"
    """In the receipt; many SMSCs write hexadecimal in one place and decimal in the other."""
    content: Literal["both", "text", "tlv"] = "both"
    """Where id and state are told: text of appendix B, the TLVs receipted_message_id and message_state, both."""
    omit: tuple[FieldName, ...] = ()
    """Fields that the text leaves out."""
    lower_case: bool = False
    """``stat:delivrd`` for ``stat:DELIVRD``."""
    states: Literal["short", "long"] = "short"
    """``DELIVRD`` or ``DELIVERED``."""
    dates: Literal["minutes", "seconds", "century"] = "minutes"
    """YYMMDDhhmm, YYMMDDhhmmss, YYYYMMDDhhmmss; all UTC."""
    text_octets: Annotated[int, Field(ge=0, le=20)] = 0
    """How much of the message ``text:`` repeats."""
    payload: Literal["short_message", "message_payload"] = "short_message"
    pdu: Literal["deliver_sm", "data_sm"] = "deliver_sm"
    esm_class: Literal["receipt", "none"] = "receipt"
    """``none``: 0, so that only content tells a receipt from an MO."""
    order: Literal["response_first", "receipt_first"] = "response_first"
    """``receipt_first``: submit_sm_resp is held back until the receipt has been sent, a second at most."""
    bind: Literal["any", "same", "other"] = "any"
    """Which bind of the account gets the receipt: any in turn, the submitter's own, or another one."""
    copies: Annotated[int, Field(ge=1, le=5)] = 1
    """Each receipt is sent so many times."""


PRESETS: dict[str, Dialect] = {
    "plain": Dialect(),
    "hex-response": Dialect(response_id="hex"),
    "hex-receipt": Dialect(receipt_id="hex-upper"),
    "leading-zeros": Dialect(response_id="hex-8", receipt_id="decimal-10"),
    "zeros-in-receipt": Dialect(receipt_id="decimal-20"),
    "case-differs": Dialect(response_id="hex-upper-8", receipt_id="hex"),
    "text-only": Dialect(content="text"),
    "tlv-only": Dialect(content="tlv"),
    "lower-case": Dialect(content="text", lower_case=True),
    "long-states": Dialect(content="text", states="long", dates="century"),
    "sparse": Dialect(content="text", omit=("sub", "dlvrd", "submit date", "err", "text")),
    "no-id-in-text": Dialect(omit=("id",)),
    "message-payload": Dialect(payload="message_payload", dates="seconds", text_octets=20),
    "data-sm": Dialect(pdu="data_sm"),
    "no-esm-class": Dialect(esm_class="none"),
    "early": Dialect(order="receipt_first"),
    "other-bind": Dialect(bind="other"),
    "duplicated": Dialect(copies=2),
}
"""Dialects by name: `dialect = "early"` in a configuration."""
