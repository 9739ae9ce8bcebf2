"""Seals anew under the current data key what earlier ones sealed, and indexes anew under the current index key, so that
an earlier one can be destroyed.

With it every copy of the database that was made under it alone stops opening: so a backup from before an erasure gives
nothing back. What consents' own data keys seal is not touched; those keys are sealed anew themselves.
"""

import sqlite3
from contextlib import closing
from typing import Final

from evidence.batches import PADDING_TAG
from evidence.log import RECORD_TAG
from foundation import resealing
from foundation.resealing import Column
from foundation.seal import Sealer, version_prefix
from foundation.store import LOCK_WAIT_S
from interparty.messages import Consent
from trust_party.admission import transaction
from trust_party.data_keys import KEY_AAD, DataKey, DataKeys
from trust_party.deposits import AGREEMENT_AAD, CONSENT_AAD, NONCE_LABEL
from trust_party.keys import open_store
from trust_party.settings import TrustSettings

NONCES: Final = "nonces"
"""What is indexed, among what is told of."""


COLUMNS: Final = (
    Column("data_keys", "id", "sealed", lambda _: KEY_AAD),
    Column("agreements", "sm3", "text_sealed", lambda sm3: AGREEMENT_AAD + bytes(sm3)),
    Column(
        "evidence_records",
        "record_id",
        "sealed",
        lambda record_id: RECORD_TAG + int(record_id).to_bytes(8, "big"),
        where="subject IS NULL AND sealed IS NOT NULL",
    ),
    Column(
        "evidence_batches",
        "first_leaf",
        "padding_sealed",
        lambda first_leaf: PADDING_TAG + int(first_leaf).to_bytes(8, "big"),
    ),
)
"""What is sealed under the party's own data key. What consents' own data keys seal is not: those are sealed here."""


def indexed_under(conn: sqlite3.Connection, version: int) -> int:
    """How many consents' nonces are found by a version of the party's index key."""
    row = conn.execute(
        "SELECT COUNT(*) FROM authorizations WHERE substr(nonce_index, 1, 4) = ?", (version_prefix(version),)
    ).fetchone()
    return int(row[0])


def reseal(settings: TrustSettings) -> dict[str, int]:
    """Seal and index anew whatever is not under the current keys, beside a running trust party or without one; how many
    values of each table. May be repeated, and goes on where it was ended.

    Raises KeyStoreError, MigrationError, DecryptError, OSError, sqlite3.Error.
    """
    sealer = Sealer(open_store(settings))
    with transaction(settings):
        pass  # the schema is there
    with closing(sqlite3.connect(settings.database, timeout=LOCK_WAIT_S, isolation_level=None)) as conn:
        conn.execute("PRAGMA synchronous=FULL")
        conn.execute("PRAGMA secure_delete=ON")
        done = resealing.reseal(conn, COLUMNS, sealer)
        done[NONCES] = _renew_nonces(conn, sealer)
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return done


def _renew_nonces(conn: sqlite3.Connection, sealer: Sealer) -> int:
    """Index the nonces of all consents under the current key: once through the table, in steps. What comes meanwhile is
    under it already."""
    keys, prefix = DataKeys(sealer), version_prefix(sealer.index_version)
    renewed, last = 0, -1
    while True:
        conn.execute("BEGIN IMMEDIATE")
        try:
            rows = conn.execute(
                "SELECT aid, consent_sm3, consent_sealed, substr(nonce_index, 1, 4) FROM authorizations"
                " WHERE aid > ? AND nonce_index IS NOT NULL ORDER BY aid LIMIT ?",
                (last, resealing.ROWS_MAX),
            ).fetchall()
            stale = [row for row in rows if bytes(row[3]) != prefix]
            opened = keys.of_aids(conn, [row[0] for row in stale])
            conn.executemany(
                "UPDATE authorizations SET nonce_index = ? WHERE aid = ?",
                [
                    (sealer.tags(NONCE_LABEL, _nonce(opened[aid], bytes(digest), bytes(sealed)))[0], aid)
                    for aid, digest, sealed, _ in stale
                ],
            )
            conn.execute("COMMIT")
        except BaseException:
            conn.execute("ROLLBACK")
            raise
        if not rows:
            return renewed
        renewed, last = renewed + len(stale), rows[-1][0]


def _nonce(key: DataKey, digest: bytes, sealed: bytes) -> bytes:
    consent = Consent.model_validate_json(key.open(sealed, CONSENT_AAD + digest))
    return bytes.fromhex(consent.nonce)
