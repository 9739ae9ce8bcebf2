"""A data key for each consent: everything that is kept of it is sealed under this key and no other.

The consent, the record of its deposit, its confirmation, its cancellation and each communication under it open
only while the key is there. Destroying one key therefore erases one consent whole, and nobody else's anything.
The keys lie in the database, sealed under the party's own data key. An agreement's text, which many consents share,
is sealed under the party's own.
"""

import secrets
import sqlite3
from collections.abc import Sequence
from typing import Final

from foundation.rows import select_keys
from foundation.seal import Nonces, Sealer
from gm import sm4

OPENED_MAX: Final = 100_000
"""Keys kept opened, about 350 bytes each."""

KEY_AAD: Final = b"data_keys.sealed"


class DataKey:
    """One SM4 key. What it seals is `nonce[12] | ciphertext | tag[16]`; `nonces` may serve many keys."""

    __slots__ = ("_cipher", "_nonces")

    def __init__(self, key: bytes, nonces: Nonces) -> None:
        self._cipher = sm4.Sm4Gcm(key)
        self._nonces = nonces

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt and authenticate, bound to `aad`."""
        nonce = next(self._nonces)
        return nonce + self._cipher.seal(nonce, plaintext, aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Undo `seal`. Raises gm.errors.DecryptError."""
        return self._cipher.open_sealed(sealed[: sm4.NONCE_SIZE], sealed[sm4.NONCE_SIZE :], aad)


class DataKeys:
    """Makes data keys, and opens those in the database."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._nonces = Nonces()
        # By what is in the database and never by row: a row's number may come again after a rollback.
        self._opened: dict[bytes, DataKey] = {}

    def make(self) -> tuple[DataKey, bytes]:
        """A new key, and the sealed form in which `insert` keeps it."""
        secret = secrets.token_bytes(sm4.KEY_SIZE)
        sealed = self._sealer.seal(secret, KEY_AAD)
        return DataKey(secret, self._nonces), sealed

    def opened(self, sealed: bytes) -> DataKey:
        """The key of a sealed form. Raises gm.errors.DecryptError, KeyStoreError."""
        key = self._opened.get(sealed)
        if key is None:
            key = DataKey(self._sealer.open(sealed, KEY_AAD), self._nonces)
            if len(self._opened) >= OPENED_MAX:
                self._opened.clear()
            self._opened[sealed] = key
        return key

    def of_aids(self, conn: sqlite3.Connection, aids: Sequence[int]) -> dict[int, DataKey]:
        """The keys of the consents behind AIDs; what was erased or never issued has none."""
        rows = select_keys(
            conn,
            "SELECT a.aid, k.sealed FROM authorizations a JOIN data_keys k ON k.id = a.data_key_id"
            " WHERE a.aid IN (@keys)",
            aids,
        )
        return {row[0]: self.opened(bytes(row[1])) for row in rows}

    def forget(self) -> None:
        """Drop what is kept opened: after keys were destroyed."""
        self._opened.clear()


def insert(conn: sqlite3.Connection, sealed: bytes) -> int:
    """Keep a sealed key; its row."""
    row = conn.execute("INSERT INTO data_keys (sealed) VALUES (?) RETURNING id", (sealed,)).fetchone()
    return int(row[0])


def destroy(conn: sqlite3.Connection, key_id: int) -> None:
    """Delete a key's row. The connection overwrites what it deletes (secure_delete)."""
    conn.execute("DELETE FROM data_keys WHERE id = ?", (key_id,))
