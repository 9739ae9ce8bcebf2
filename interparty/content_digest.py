"""The digest of a message's content that goes into evidence, in place of the content.

A bare digest of a six-digit code is no secret: a million guesses find it. So it is keyed. The salt is
HMAC-SM3(account key, message id), which enterprise and carrier can both make and nobody else; the digest is
HMAC-SM3(salt, content). The content of a message is its data_coding octet followed by its text as octets,
without user data headers; of a long message, the texts of all parts in order under the data_coding of the
first. The message id is the 16 characters that the submit_sm_resp gave, of a long message those of the part
that came first. docs/formats.md has it with vectors.
"""

from __future__ import annotations

from typing import Final

from gm.sm3 import HmacSm3, hmac_sm3

ACCOUNT_KEY_OCTETS: Final = 32


def content_digest(key: bytes | HmacSm3, message_id: str, data_coding: int, text: bytes) -> bytes:
    """32 bytes; see above. `key` is the account key, or an HMAC under it that is used again."""
    keyed = key if isinstance(key, HmacSm3) else HmacSm3(key)
    return hmac_sm3(keyed.digest(message_id.encode("ascii")), bytes((data_coding,)) + text)
