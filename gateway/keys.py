"""The carrier's own keys: what each purpose in the key store is for, and what others need to know of them."""

from __future__ import annotations

import time
from typing import Final

from foundation.atomic import write_atomic
from foundation.identities import KeyId, parse_key_id
from foundation.key_provider import create_keys, open_keys
from foundation.seal import add_missing_keys
from gateway.settings import GatewaySettings
from gm.errors import KeyStoreError
from gm.keystore import Algorithm, Key, KeyProvider
from gm.sm2 import PrivateKey, PublicKey
from interparty.key_delivery import Announcer, seal
from interparty.key_messages import CarrierCard
from interparty.signed_http import Signer

SIGN: Final = "sign"
"""SM2: confirmations, cancellations, and responses to other parties."""
EDI: Final = "edi"
"""SM2: EDIs are sealed to it; its id is the carrier key id in their header."""
ENVELOPE: Final = "envelope"
"""SM2: keys of other parties are delivered to it."""
QUERY: Final = "query"
"""SM2: queries by number are sealed to it."""
HTTP: Final = "http"
"""HMAC-SM3: shared with the trust party, for signed HTTP."""
NETWORK_PURPOSE: Final = "network/"
"""Followed by a network peer's id: HMAC-SM3 shared with it, for its assertions."""

PEER_PURPOSE: Final = "peer/"
"""Followed by another party's id: its SM2 public keys for signatures, as it sent them; their ids are their keyids."""


def open_store(settings: GatewaySettings) -> KeyProvider:
    """Open the party's keys. Raises KeyStoreError, OSError."""
    return open_keys(settings.keystore)


def create_missing(settings: GatewaySettings) -> tuple[KeyProvider, list[Key]]:
    """Open the key store, with what is missing made: passphrase, file and every key; and which were made.

    Writes `public/carrier.json`, which the trust party's operator needs to admit this carrier, the EDI
    public key for the apps, and the query public key for those who may ask by number. The HMAC key
    of the two is in the card in an envelope, where the trust party's key is known. Raises KeyStoreError, OSError.
    """
    keys = create_keys(settings.keystore)
    wanted: list[tuple[str, Algorithm, str]] = [
        (SIGN, "sm2", ""),
        (EDI, "sm2", settings.carrier.edi_key_id),
        (QUERY, "sm2", ""),
        (ENVELOPE, "sm2", ""),
        (HTTP, "hmac-sm3", ""),
        *((NETWORK_PURPOSE + peer, "hmac-sm3", "") for peer in settings.confirm.network_peers),
    ]
    made = [keys.add(purpose, kind, id=name) for purpose, kind, name in wanted if not keys.keys(purpose)]
    made += add_missing_keys(keys)
    write_public(settings, keys)
    return keys, made


def write_public(settings: GatewaySettings, keys: KeyProvider) -> None:
    """Write the card and the public halves of the current keys where the operator finds them. Raises OSError."""
    folder = settings.public_folder
    folder.mkdir(parents=True, exist_ok=True)
    edi, sign = keys.current(EDI), keys.current(SIGN)
    card = CarrierCard(
        id=settings.carrier.id,
        sign_keyid=key_id(settings, sign),
        sign_public_key=sign.public.to_pem().decode(),
        edi_key_id=edi.id,
        edi_public_key=edi.public.to_pem().decode(),
        http_key_envelope=_enveloped(settings, keys),
    )
    write_atomic(
        folder / "carrier.json",
        card.model_dump_json(exclude_none=True, indent=1).encode() + b"\n",
        mode=0o644,
    )
    envelope = keys.current(ENVELOPE)
    write_atomic(folder / f"envelope-{envelope.version}.pem", envelope.public.to_pem(), mode=0o644)
    write_atomic(folder / f"edi-{edi.id}.pem", edi.sm2.public_key.to_pem(), mode=0o644)
    query = keys.current(QUERY)
    write_atomic(folder / f"query-{query.version}.pem", query.sm2.public_key.to_pem(), mode=0o644)
    for peer in settings.confirm.network_peers:
        key = keys.current(NETWORK_PURPOSE + peer)
        write_atomic(folder / f"network-{peer}.key", key.material.hex().encode() + b"\n", mode=0o600)


def _enveloped(settings: GatewaySettings, keys: KeyProvider) -> str | None:
    """The key shared with the trust party in an envelope to it, None while its key is not there."""
    file = settings.trust.envelope_public_key
    if file is None or not file.exists():
        return None
    announcer = Announcer(settings.carrier.id, keys, (SIGN,))
    signed = announcer.signed(keys.current(HTTP), HTTP, time.time_ns() // 1_000_000, settings.trust.id)
    return seal(signed, PublicKey.from_pem(file.read_bytes()))


def edi_keys(keys: KeyProvider) -> dict[str, PrivateKey]:
    """Every EDI key that may still open something, by carrier key id."""
    return {key.id: key.sm2 for key in keys.keys(EDI) if key.state in ("active", "retired")}


def request_signer(settings: GatewaySettings, keys: KeyProvider) -> Signer:
    """Signs this carrier's requests to the trust party, under the HMAC key that both hold."""
    key = keys.current(HTTP)
    return Signer(str(KeyId(settings.carrier.id, HTTP, key.version)), key.material)


def shared_keys(keys: KeyProvider) -> list[bytes]:
    """The HMAC keys shared with the trust party, the current one first. One that it may have and that is not active
    yet is among them. Raises KeyStoreError if none is active."""
    current = keys.current(HTTP)
    usable = [key for key in keys.keys(HTTP) if key.state != "destroyed" and key != current]
    return [current.material, *(key.material for key in usable)]


def response_signer(settings: GatewaySettings, keys: KeyProvider) -> Signer:
    """Signs responses to requests that came under SM2."""
    key = keys.current(SIGN)
    return Signer(key_id(settings, key), key.sm2)


def key_id(settings: GatewaySettings, key: Key) -> str:
    """The name under which others know one of this carrier's keys: "CMCC/sign/1"."""
    return str(KeyId(settings.carrier.id, key.purpose, key.version))


class PeerKeys:
    """Keys of the parties that may speak to this carrier: the trust party and the configured network peers."""

    def __init__(self, settings: GatewaySettings, keys: KeyProvider) -> None:
        self._settings = settings
        self._keys = keys
        self._first = PublicKey.from_pem(settings.trust.sign_public_key.read_bytes())
        self._first_keyid = str(KeyId(settings.trust.id, SIGN, settings.trust.sign_key_version))

    def trust_keys(self) -> dict[str, PublicKey]:
        """The trust party's sign keys by keyid: the one of the configuration, and those that it sent since."""
        known = {self._first_keyid: self._first}
        for key in self._keys.keys(PEER_PURPOSE + self._settings.trust.id):
            if key.state != "destroyed":
                known[key.id] = key.public
        return known

    def lookup(self, keyid: str) -> bytes | PublicKey | None:
        """The key that a keyid names, None for one that nobody here knows."""
        try:
            named = parse_key_id(keyid)
        except ValueError:
            return None
        if named.party == self._settings.trust.id:
            return self.trust_keys().get(keyid)
        try:
            if named.party == self._settings.carrier.id and named.key == HTTP:
                return self._keys.get(HTTP, named.version).material
            if named.party in self._settings.confirm.network_peers and named.key == HTTP:
                return self._keys.get(NETWORK_PURPOSE + named.party, named.version).material
        except KeyStoreError:
            return None
        return None
