"""Keys on their way from one party to another: signed by their owner, in an envelope to the recipient. No I/O."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from foundation.identities import KeyId
from gm.errors import GmError
from gm.keystore import Key, KeyProvider
from gm.sm2 import PrivateKey, PublicKey
from interparty import statements
from interparty.key_messages import KEYS_MAX, KeyName, KeyNotice, PublicKeys, SignedKeyNotice
from interparty.text import b64url_decode, b64url_encode

AHEAD_MS: Final = 300_000
"""How far ahead of ours the sender's clock may be."""
AGE_MAX_MS: Final = 31 * 86_400_000
"""How old a notice may be: files go by hand."""


class DeliveryError(ValueError):
    """A delivery that is not taken; says why, in words without secrets."""


def keyid_of(notice: KeyNotice) -> str:
    """The name under which the key is known from now on."""
    return str(KeyId(notice.party, notice.key, notice.version))


def sign(notice: KeyNotice, keyid: str, key: PrivateKey) -> SignedKeyNotice:
    """Sign a notice with a sign key of its party."""
    return SignedKeyNotice(
        statement=notice, keyid=keyid, signature=statements.sign(key, statements.KEY, notice)
    )


def seal(signed: SignedKeyNotice, recipient: PublicKey) -> str:
    """The envelope: base64url."""
    return b64url_encode(recipient.encrypt(statements.jcs(signed)))


def open_envelope(envelope: str, keys: Iterable[PrivateKey]) -> SignedKeyNotice:
    """What is in an envelope to one of `keys`. Raises DeliveryError, the same for whatever does not open."""
    for key in keys:
        try:
            return SignedKeyNotice.model_validate_json(key.decrypt(b64url_decode(envelope)))
        except (GmError, ValidationError, ValueError):
            continue
    raise DeliveryError("the envelope does not open")


def check(
    signed: SignedKeyNotice,
    known: Mapping[str, PublicKey],
    *,
    party: str,
    recipient: str | None,
    now_ms: int,
    age_max_ms: int = AGE_MAX_MS,
) -> KeyNotice:
    """The notice, if `party` signed it with a key that is `known` (by keyid), for `recipient` (None: for everyone).

    Raises DeliveryError.
    """
    notice = signed.statement
    key = known.get(signed.keyid)
    if key is None or not statements.verify(key, statements.KEY, notice, signed.signature):
        raise DeliveryError("the notice is not signed under a known key")
    if notice.party != party or notice.recipient != recipient:
        raise DeliveryError("the notice is of another party, or for another")
    if not -AHEAD_MS <= now_ms - notice.at <= age_max_ms:
        raise DeliveryError("the notice is too old, or of a time to come")
    if (notice.algorithm == "hmac-sm3") is not (notice.key == "http"):
        raise DeliveryError("another algorithm than this key's")
    if (notice.algorithm == "hmac-sm3") is not (len(notice.value) == 64):
        raise DeliveryError("another length than this algorithm's")
    if notice.recipient is None and notice.key == "http":
        raise DeliveryError("a secret key is for one party")
    if (notice.edi_key_id is None) is (notice.key == "edi"):
        raise DeliveryError("an edi key, and no other, has a carrier key id")
    if notice.algorithm == "sm2":
        try:
            PublicKey.from_bytes(bytes.fromhex(notice.value))
        except GmError:
            raise DeliveryError("not a public key") from None
    return notice


def believed(
    notices: Iterable[SignedKeyNotice], known: Mapping[str, PublicKey], *, party: str, now_ms: int
) -> list[KeyNotice]:
    """Those of a party's announced keys that are signed under a known sign key, or under one so believed. They may be
    old: the word of one key for the next stands for good."""
    trusted, found = dict(known), []
    for signed in notices:
        try:
            notice = check(signed, trusted, party=party, recipient=None, now_ms=now_ms, age_max_ms=now_ms)
        except DeliveryError:
            continue
        found.append(notice)
        if notice.key == "sign":
            trusted.setdefault(keyid_of(notice), PublicKey.from_bytes(bytes.fromhex(notice.value)))
    return found


@dataclass(frozen=True, slots=True)
class Announcer:
    """Says which public keys a party has. `names` are purposes of its key store, the sign key's first."""

    party: str
    keys: KeyProvider
    names: tuple[KeyName, ...]

    def notice(self, key: Key, name: KeyName, now_ms: int, recipient: str | None = None) -> KeyNotice:
        """What there is to say of one key. Raises DeliveryError for one that was destroyed."""
        if key.state == "destroyed":
            raise DeliveryError("this key is destroyed")
        secret = key.algorithm == "hmac-sm3"
        return KeyNotice(
            party=self.party,
            recipient=recipient,
            key=name,
            version=key.version,
            edi_key_id=key.id if name == "edi" else None,
            algorithm="hmac-sm3" if secret else "sm2",
            value=(key.material if secret else key.public.to_bytes()).hex(),
            state=key.state,
            at=now_ms,
        )

    def signed(self, key: Key, name: KeyName, now_ms: int, recipient: str | None = None) -> SignedKeyNotice:
        """The same, signed under the current sign key. Raises DeliveryError, KeyStoreError."""
        signer = self.keys.current("sign")
        keyid = str(KeyId(self.party, "sign", signer.version))
        return sign(self.notice(key, name, now_ms, recipient), keyid, signer.sm2)

    def public(self, kept: Mapping[str, SignedKeyNotice], now_ms: int) -> PublicKeys:
        """All public keys that are not destroyed; for those in `kept` (by keyid) the word that was given then."""
        found = []
        for name in self.names:
            for key in self.keys.keys(name):
                if key.state != "destroyed":
                    keyid = str(KeyId(self.party, name, key.version))
                    found.append(kept.get(keyid) or self.signed(key, name, now_ms))
        return PublicKeys(keys=found[:KEYS_MAX])


def to_file(envelope: str, party: str, recipient: str) -> bytes:
    """A delivery as a file that goes by hand."""
    return json.dumps({"from": party, "to": recipient, "envelope": envelope}, indent=1).encode() + b"\n"


def from_file(data: bytes) -> tuple[str, str]:
    """Sending party and envelope of such a file. Raises DeliveryError."""
    try:
        body = json.loads(data)
        party, envelope = body["from"], body["envelope"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise DeliveryError("not a delivery of a key") from None
    if not isinstance(party, str) or not isinstance(envelope, str):
        raise DeliveryError("not a delivery of a key")
    return party, envelope
