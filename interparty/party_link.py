"""How a party is told to reach another by signed HTTP: address, certificate, signing key, the other's keys."""

from collections.abc import Callable
from typing import Self

from pydantic import Field, model_validator

from foundation.config import Config, ConfigPath
from foundation.pki import client_context
from gm.sm2 import PrivateKey, PublicKey
from interparty.client import TIMEOUT_SECONDS, Peer
from interparty.key_delivery import believed, keyid_of
from interparty.key_messages import PublicKeys
from interparty.signed_http import Signer


class PartyLinkSettings(Config):
    """Where the other party is, and by which keys the two know each other."""

    url: str
    """https://host:port"""
    party: str
    """Id that the other's certificate must name."""
    ca: ConfigPath
    cert: ConfigPath
    key: ConfigPath
    sign_key_id: str
    """<party>/<key>/<version> of the key that signs our requests."""
    sign_key: ConfigPath | None = None
    """SM2 private key, PEM PKCS#8."""
    hmac_key: ConfigPath | None = None
    """HMAC-SM3 key shared with the other party: a file of hexadecimal digits."""
    peer_keys: dict[str, ConfigPath] = Field(default_factory=dict)
    """keyid to SM2 public key (PEM) of the other party; answers to SM2-signed requests are under one."""

    @model_validator(mode="after")
    def _has_one_key(self) -> Self:
        if (self.sign_key is None) == (self.hmac_key is None):
            raise ValueError("either sign_key or hmac_key")
        return self


class PeerKeys:
    """The other party's public sign keys: from files, and those that these vouch for."""

    def __init__(self, keys: dict[str, PublicKey], party: str = "") -> None:
        """`party`: whose keys they are, so that it may announce others; unset: it may not."""
        self._keys = dict(keys)
        self._party = party

    def lookup(self, keyid: str) -> bytes | PublicKey | None:
        """See interparty.signed_http.KeyLookup."""
        return self._keys.get(keyid)

    def learn(self, told: PublicKeys, now_ms: int) -> bool:
        """See interparty.client.LearningKeys."""
        known = len(self._keys)
        for notice in believed(told.keys, self._keys, party=self._party, now_ms=now_ms):
            if notice.key == "sign":
                self._keys.setdefault(keyid_of(notice), PublicKey.from_bytes(bytes.fromhex(notice.value)))
        return len(self._keys) > known


def sign_key_of(settings: PartyLinkSettings) -> bytes | PrivateKey:
    """The key that signs requests. Raises OSError, ValueError, GmError for a file that holds none."""
    if settings.sign_key is not None:
        return PrivateKey.from_pem(settings.sign_key.read_bytes())
    assert settings.hmac_key is not None
    return bytes.fromhex(settings.hmac_key.read_text().strip())


def connect(
    settings: PartyLinkSettings,
    capture: Callable[[bytes], None] | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Peer:
    """The other party's routes. `capture` gets every decrypted byte that it sends; `timeout`, in seconds, is for each
    request."""
    keys = {keyid: PublicKey.from_pem(path.read_bytes()) for keyid, path in settings.peer_keys.items()}
    return Peer(
        settings.url,
        client_context(settings.ca, settings.cert, settings.key),
        Signer(settings.sign_key_id, sign_key_of(settings)),
        PeerKeys(keys, settings.party),
        party=settings.party,
        timeout=timeout,
        capture=capture,
    )
