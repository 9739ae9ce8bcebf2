"""A sealer with one key, as an owner of a log would have."""

import secrets

from gm import sm4


class OneKeySealer:
    """SM4-GCM under one key; without it nothing opens."""

    def __init__(self) -> None:
        self.key = secrets.token_bytes(16)

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        nonce = secrets.token_bytes(12)
        return nonce + sm4.seal(self.key, nonce, plaintext, aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        return sm4.open_sealed(self.key, sealed[:12], sealed[12:], aad)
