"""How SMSCs of the field write message ids."""

from collections.abc import Callable
from typing import Literal

IdFormName = Literal["decimal", "decimal-10", "hex", "hex-upper", "hex-8"]

_FORMS: dict[str, Callable[[int], str]] = {
    "decimal": "{:d}".format,
    "decimal-10": "{:010d}".format,
    "hex": "{:x}".format,
    "hex-upper": "{:X}".format,
    "hex-8": "{:08x}".format,
}


def write_id(serial: int, form: IdFormName) -> bytes:
    """The message id of message `serial` in one dialect."""
    return _FORMS[form](serial).encode("ascii")


def read_id(raw: bytes, form: IdFormName) -> int | None:
    """The serial that `raw` names in that dialect; None when it names none (query_sm, cancel_sm)."""
    try:
        return int(raw, 16 if form.startswith("hex") else 10)
    except ValueError:
        return None
