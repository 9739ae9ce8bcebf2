"""The trust party's own keys: what each purpose in the key store is for, and the public halves for others."""

from typing import Final

from foundation.atomic import write_atomic
from foundation.identities import KeyId
from foundation.key_provider import create_keys, open_keys
from foundation.seal import add_missing_keys
from gm.keystore import Key, KeyProvider
from gm.sm2 import PrivateKey, PublicKey
from interparty.signed_http import Signer
from trust_party.settings import TrustSettings

SIGN: Final = "sign"
"""SM2: responses, requests to carriers, and statements."""
LOG: Final = "log"
"""SM2: checkpoints of the evidence log, which it also names."""
AGREEMENT: Final = "agreement"
"""SM2: agreement texts are enveloped to it."""
ENVELOPE: Final = "envelope"
"""SM2: keys of other parties are delivered to it."""
DECRYPTS: Final = ("active", "retired")
"""States in which a key opens what was sealed to it."""
HTTP_PURPOSE: Final = "http/"
"""Followed by a carrier's id: HMAC-SM3 shared with that carrier for signed HTTP."""


def open_store(settings: TrustSettings) -> KeyProvider:
    """Open the party's keys. Raises KeyStoreError, OSError."""
    return open_keys(settings.keystore)


def create_missing(settings: TrustSettings) -> tuple[KeyProvider, list[Key]]:
    """Open the key store, with what is missing made: passphrase, file, and every key of its own; and which were made.

    The public halves are written beside the database. Raises KeyStoreError, OSError.
    """
    keys = create_keys(settings.keystore)
    made = [
        keys.add(purpose, "sm2") for purpose in (SIGN, LOG, AGREEMENT, ENVELOPE) if not keys.keys(purpose)
    ]
    made += add_missing_keys(keys)
    write_public(settings, keys)
    return keys, made


def write_public(settings: TrustSettings, keys: KeyProvider) -> None:
    """Write the public halves of the current keys where the operator finds them. Raises OSError."""
    settings.public_folder.mkdir(parents=True, exist_ok=True)
    for purpose in (SIGN, LOG, AGREEMENT, ENVELOPE):
        key = keys.current(purpose)
        pem = key.sm2.public_key.to_pem()
        write_atomic(settings.public_folder / f"{purpose}-{key.version}.pem", pem, mode=0o644)


def key_id(settings: TrustSettings, key: Key) -> str:
    """The name under which others know one of the trust party's own keys: "ttp/sign/1"."""
    return str(KeyId(settings.party, key.purpose, key.version))


class LogKeys:
    """The keys of the evidence log: one signs, those before it are still known."""

    def __init__(self, keys: KeyProvider) -> None:
        self._keys = keys

    def current(self) -> PrivateKey:
        """The key that signs. Raises KeyStoreError."""
        return self._keys.current(LOG).sm2


def signer(settings: TrustSettings, keys: KeyProvider) -> Signer:
    """Signs HTTP messages with the current SM2 key."""
    key = keys.current(SIGN)
    return Signer(key_id(settings, key), key.sm2)


def own_sign_keys(party: str, keys: KeyProvider) -> dict[str, PublicKey]:
    """The public halves of the trust party's keys for statements that are not destroyed, by keyid."""
    return {
        str(KeyId(party, SIGN, key.version)): key.public
        for key in keys.keys(SIGN)
        if key.state != "destroyed"
    }


def sign_key(keys: KeyProvider) -> PrivateKey:
    """The current key for statements."""
    return keys.current(SIGN).sm2
