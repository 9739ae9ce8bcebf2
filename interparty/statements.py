"""Statements: JSON objects that one party signs with SM2 so that others can prove it.

What is signed is ``tag 00 | JCS bytes`` (JCS: RFC 8785). The tag keeps a signature made for one purpose
from being used for another. See docs/formats.md, "Signed statements".
"""

from collections.abc import Iterable
from typing import Any, Final

import rfc8785

from gm.sm2 import PrivateKey, PublicKey
from gm.sm3 import sm3
from interparty.messages import Consent, Message
from interparty.text import b64url_decode, b64url_encode
from interparty.verify_messages import VerifyAnswer, VerifyItem

CONSENT: Final = "ASCS-CONSENT1"
CONFIRM: Final = "ASCS-CONFIRM1"
CANCEL: Final = "ASCS-CANCEL1"
ROTATE: Final = "ASCS-ROTATE1"
UNLINK: Final = "ASCS-UNLINK1"
REVOKE: Final = "ASCS-REVOKE1"
BATCH: Final = "ASCS-BATCH1"
KEY: Final = "ASCS-KEY1"
KEYOP: Final = "ASCS-KEYOP1"
KEYEVENT: Final = "ASCS-KEYEVENT1"
COSIGN: Final = "ASCS-COSIGN1"
QUERY: Final = "ASCS-QUERY1"
ANSWER: Final = "ASCS-ANSWER1"

SIGNATURE_BYTES: Final = 64


def _plain(obj: Any) -> Any:
    if isinstance(obj, Message):
        return obj.fields()
    if isinstance(obj, list):
        return [_plain(item) for item in obj]
    return obj


def jcs(obj: Any) -> bytes:
    """The canonical JSON (RFC 8785) of a message, of a list of messages, or of plain JSON values.

    Raises ValueError for what JSON cannot carry exactly.
    """
    return rfc8785.dumps(_plain(obj))


def signed_bytes(tag: str, obj: Any) -> bytes:
    """What an SM2 signature of the statement `obj` under `tag` is over."""
    return tag.encode("ascii") + b"\x00" + jcs(obj)


def sign(key: PrivateKey, tag: str, obj: Any) -> str:
    """Sign a statement; 86 characters of base64url."""
    return b64url_encode(key.sign(signed_bytes(tag, obj)))


def signature_text(signature: bytes) -> str:
    """The 64 bytes of a signature as statements carry it."""
    return b64url_encode(signature)


def verify(public_key: PublicKey, tag: str, obj: Any, signature: str) -> bool:
    """Whether `signature` is this key's over the statement. False for anything malformed."""
    try:
        raw = b64url_decode(signature)
    except ValueError:
        return False
    return len(raw) == SIGNATURE_BYTES and public_key.verify(signed_bytes(tag, obj), raw)


def consent_sm3(consent: Consent | dict[str, Any]) -> bytes:
    """SM3 over the consent's JCS bytes: 32 bytes that name the consent in an AID and a confirmation."""
    return sm3(jcs(consent))


def consent_list(consents: Iterable[Consent | dict[str, Any]]) -> list[str]:
    """What an enterprise signs under ASCS-CONSENT1 for the consents of one request: their SM3s, in order.

    The list and not the consents themselves, so that one of them can be proved later without the others, and still
    when others are erased.
    """
    return [consent_sm3(consent).hex() for consent in consents]


def batch_entry(item: VerifyItem, answer: VerifyAnswer) -> bytes:
    """The log entry that stands for one answer of a verification batch, under the root of ASCS-BATCH1.

    The fields joined by 00: AID, enterprise, channel, access number, content digest (empty if none), where a template
    was named its id and digest, then "G" and the edi_id of a grant or "R" and the reason of a refusal. No field holds
    a 00.
    """
    if answer.grant is not None:
        outcome = "G" + answer.grant.edi_id
    elif answer.refusal is not None:
        outcome = "R" + answer.refusal.reason
    else:
        raise ValueError("an answer is a grant or a refusal")
    template = () if item.template_id is None else (item.template_id, item.template_digest or "")
    fields = (
        item.aid,
        item.enterprise,
        item.channel,
        item.access_number,
        item.content_digest or "",
        *template,
        outcome,
    )
    return "\x00".join(fields).encode()
