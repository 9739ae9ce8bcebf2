"""How an SMSC writes a message's id in its response and in the receipt, so that the two meet in one column.

The specification makes the id an opaque string that comes back as it was given (3.4, 5.2.23), but the receipt's
text is "up to 10 digits, decimal" in its appendix B. SMSCs differ in what they make of the two:

| dialect | submit_sm_resp | receipt | seen at |
|---|---|---|---|
| same | `b1946ac9-2c` | `b1946ac9-2c` | gateways that give UUIDs or base 64: case matters |
| hex-to-decimal | `33e95179` | `0870928761` | jSMPP's and smscsim's centres, and what they imitate |
| decimal-to-hex | `870928761` | `33E95179` | rarer, mostly behind a converter |
| padded | `221067780` | `0221067780` | receipts filled up to appendix B's ten digits (reported to jSMPP, 178) |
| padded | `0a1b2c3d` | `A1B2C3D` | case and padding alone |

Kannel (`msg-id-type`) and Jasmin (`dlr_msgid`) have a setting for the second and the third. The one dialect
that serves every peer is `any`: `key` folds case and leading zeros, and a receipt's id is tried as it is, as hex
and as decimal. It can be in doubt: with the ids 10 and a given out, does the receipt 0010 mean the first, or ten?
Then it is nobody's, and the message waits for a receipt that names it. It can even err, where ids are small
numbers without padding: with the ids 10 and 16 in hex given out, the receipt 16 in decimal reads like the second.
So whoever knows the SMSC should name its dialect: a lookup is then one key, and never in doubt. An SMSC whose
receipts have decimal text and, as a TLV, the hex id of the response needs `any`.

The caller keeps the response's id as it came (cancel_sm and query_sm name it so) and, indexed, its `key`;
looks a receipt up by all its `keys` at once; and lets `pick` decide between what it found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeVar

Dialect = Literal["same", "padded", "hex-to-decimal", "decimal-to-hex", "any"]

ID_MAX: Final = 64
"""Characters of a message_id (3.4, 5.2.23: 65 octets with the NUL). A longer one is not read as a number."""

CANDIDATES_MAX: Final = 8
"""Messages, newest first, that a caller need look at for one receipt."""

_DECIMAL: Final = frozenset("0123456789")
_HEX: Final = frozenset("0123456789abcdef")

T = TypeVar("T")


def key(dialect: Dialect, response_id: str) -> str:
    """What to index for the id of a submit_sm_resp; "" for an empty id, which no receipt can name."""
    text = response_id.strip()
    if dialect == "same" or not text:
        return text
    folded = _fold(text)
    if dialect == "hex-to-decimal" and _is_number(folded, _HEX):
        return str(int(folded, 16))
    return folded


def keys(dialect: Dialect, receipt_id: str) -> tuple[str, ...]:
    """The keys under which the message that a receipt names may be found, none twice, the likeliest first.

    One for a dialect that is known, up to three for "any", none for an empty id.
    """
    text = receipt_id.strip()
    if not text:
        return ()
    if dialect == "same":
        return (text,)
    folded = _fold(text)
    if dialect == "padded":
        return (folded,)
    is_hex = _is_number(folded, _HEX)
    is_decimal = _is_number(folded, _DECIMAL)
    if dialect == "hex-to-decimal":
        # Letters in what should be decimal: it is the response's own form.
        return (str(int(folded, 16)),) if is_hex and not is_decimal else (folded,)
    if dialect == "decimal-to-hex":
        return (str(int(folded, 16)),) if is_hex else (folded,)
    forms = [folded]
    if is_hex:
        forms.append(str(int(folded, 16)))
    if is_decimal:
        forms.append(f"{int(folded):x}")
    return tuple(dict.fromkeys(forms))


def pick(receipt_id: str, found: Sequence[tuple[str, T]]) -> T | None:
    """Which of the messages found by `keys` the receipt names; None when that is in doubt, or none was found.

    `found`: each message's id as its response gave it, and the message, newest first. The id that reads the
    same decides, unless digits alone stand against another id with letters: then the SMSC writes hex, and the
    digits may be decimal. Else all that was found must bear one id; of those the newest, since centres use ids
    again.
    """
    text = receipt_id.strip()
    for response_id, message in found:
        if response_id.strip() == text:
            lettered = _DECIMAL.issuperset(text) and any(not _DECIMAL.issuperset(other) for other, _ in found)
            return None if lettered else message
    if found and len({response_id for response_id, _ in found}) == 1:
        return found[0][1]
    return None


def _fold(text: str) -> str:
    """Lower case, without "0x" and leading zeros."""
    return text.lower().removeprefix("0x").lstrip("0") or "0"


def _is_number(folded: str, digits: frozenset[str]) -> bool:
    return len(folded) <= ID_MAX and digits.issuperset(folded)
