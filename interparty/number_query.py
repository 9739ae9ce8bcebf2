"""A query by number, sealed to one carrier: whoever passes it on learns everything but the number.

748 bytes: a clear header that names carrier and key, and an SM2 ciphertext over 640 bytes, always as
many, so that the size tells nothing either. See docs/formats.md, "Queries by number".
"""

import struct
from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError

from gm.errors import GmError
from gm.sm2 import CIPHERTEXT_OVERHEAD, PrivateKey, PublicKey
from gm.sm3 import sm3
from interparty.edi import EDI_ID_BYTES
from interparty.query_messages import ANSWER_IDS, NumberQuestion
from interparty.statements import jcs
from interparty.text import b64url_decode, b64url_encode

MAGIC: Final = b"ASQ1"
PLAINTEXT_BYTES: Final = 640
CARRIER_BYTES: Final = 4

_HEADER: Final = struct.Struct(">4s4sI")
_LENGTH: Final = struct.Struct(">H")
LENGTH: Final = _HEADER.size + CIPHERTEXT_OVERHEAD + PLAINTEXT_BYTES
"""748"""
FOUND_BYTES: Final = _LENGTH.size + ANSWER_IDS * EDI_ID_BYTES
FOUND_LENGTH: Final = CIPHERTEXT_OVERHEAD + FOUND_BYTES
"""2146"""


class QueryError(Exception):
    """A sealed query that is malformed or does not open; the text is the same whatever the cause."""

    def __init__(self) -> None:
        super().__init__("query does not open")


def seal(public_key: PublicKey, key_version: int, question: NumberQuestion) -> str:
    """Seal a question to its carrier's query key; base64url. Raises ValueError for a carrier id that is not 4
    ASCII characters."""
    return b64url_encode(_header(question.carrier, key_version) + public_key.encrypt(plaintext(question)))


def plaintext(question: NumberQuestion) -> bytes:
    """`u16 length | JCS of the question | zeros`, 640 bytes."""
    body = jcs(question)
    if len(body) > PLAINTEXT_BYTES - _LENGTH.size:  # the bounds of its fields leave room
        raise ValueError("question is too long")
    return (_LENGTH.pack(len(body)) + body).ljust(PLAINTEXT_BYTES, b"\0")


def question_sm3(question: NumberQuestion) -> str:
    """SM3 over the JCS of a question, by which an approver says what was shown. Who does not know the nonce cannot test
    a number against it."""
    return sm3(jcs(question)).hex()


def key_version(sealed: str) -> int:
    """The version of the carrier's query key that the header names. Raises QueryError."""
    return int(_HEADER.unpack_from(_decode(sealed))[2])


def open_query(private_key: PrivateKey, sealed: str, carrier: str) -> NumberQuestion:
    """Open a query at its carrier. Raises QueryError, the same for all causes: another form or carrier, a ciphertext
    that does not open, a question that is none or is not in the one form that `plaintext` gives it."""
    data = _decode(sealed)
    try:
        opened = private_key.decrypt(data[_HEADER.size :])
    except GmError:
        raise QueryError from None
    if len(opened) != PLAINTEXT_BYTES:
        raise QueryError
    body = opened[_LENGTH.size : _LENGTH.size + _LENGTH.unpack_from(opened)[0]]
    try:
        question = NumberQuestion.model_validate_json(body)
        # Building what the plaintext must be and comparing all of it leaves no byte unchecked.
        same = plaintext(question) == opened and _header(carrier, 0)[:8] == data[:8]
    except (ValidationError, ValueError):
        raise QueryError from None
    if not same or question.carrier != carrier:
        raise QueryError
    return question


def sealed_sm3(sealed: str) -> str:
    """SM3 over the sealed query's bytes, by which approvals and answers name it. Raises QueryError."""
    return sm3(_decode(sealed)).hex()


def seal_found(answer_key: str, found: Sequence[bytes]) -> str:
    """At most ANSWER_IDS edi_ids that were found, sealed to a question's answer_key; of one size however many they are.
    Raises gm.errors.GmError for a key that is none."""
    plain = _LENGTH.pack(len(found)) + b"".join(found)
    return b64url_encode(
        PublicKey.from_bytes(bytes.fromhex(answer_key)).encrypt(plain.ljust(FOUND_BYTES, b"\0"))
    )


def open_found(answer_secret: PrivateKey, sealed: str) -> list[str]:
    """The edi_ids that a carrier found. Raises QueryError for what its carrier did not seal."""
    try:
        plain = answer_secret.decrypt(b64url_decode(sealed))
    except (GmError, ValueError):
        raise QueryError from None
    if len(plain) != FOUND_BYTES:
        raise QueryError
    count = _LENGTH.unpack_from(plain)[0]
    ids, rest = plain[_LENGTH.size :][: count * EDI_ID_BYTES], plain[_LENGTH.size + count * EDI_ID_BYTES :]
    if count > ANSWER_IDS or any(rest):
        raise QueryError
    return [ids[at : at + EDI_ID_BYTES].hex() for at in range(0, len(ids), EDI_ID_BYTES)]


def _header(carrier: str, version: int) -> bytes:
    name = carrier.encode("ascii")
    if len(name) != CARRIER_BYTES:
        raise ValueError("a carrier's id has 4 ASCII characters")
    return _HEADER.pack(MAGIC, name, version)


def _decode(sealed: str) -> bytes:
    try:
        data = b64url_decode(sealed)
    except ValueError:
        raise QueryError from None
    if len(data) != LENGTH or data[: len(MAGIC)] != MAGIC:
        raise QueryError
    return data
