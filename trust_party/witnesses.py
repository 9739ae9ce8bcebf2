"""Those who watch the log: which checkpoint they are to cosign, and what they cosigned.

Every few seconds one checkpoint is the candidate, the same for all who ask, so that the cosignatures of different
witnesses meet on one checkpoint however often the log is signed. Any admitted party may be a witness; who counts is the
choice of whoever verifies. A cosignature is kept as it came: what a witness signed can be shown to everyone.
"""

import asyncio
import sqlite3
from collections.abc import Mapping
from functools import partial
from typing import Final

from foundation.logs import get_logger
from foundation.store import Store
from gm.sm2 import PublicKey
from interparty import statements
from interparty.evidence_messages import (
    COSIGNATURES_MAX,
    Cosignature,
    SignedCosignature,
    Views,
    WitnessedCheckpoint,
)
from interparty.messages import CheckpointBody
from trust_party.clock import DAY_MS, now_ms
from trust_party.evidence_log import Evidence, checkpoint_body
from trust_party.sequencer import Sequencer

LOOKED_AT_MAX: Final = 32
"""Cosigned checkpoints among which the one with most cosignatures is looked for, newest first."""
CLOCK_SKEW_MS: Final = 300_000
"""How far ahead of ours a witness's clock may be."""
UNCOSIGNED_MS: Final = 3 * DAY_MS
"""How long a checkpoint that nobody cosigned is kept: one for every batch, about 200 bytes each. One that somebody
cosigned is evidence and stays: at most one every `every_ms` (docs/evidence.md says what a year takes)."""
PRUNE_SECONDS: Final = 60.0
"""How often those that are older are forgotten."""
PRUNED_AT_ONCE: Final = 1000
"""Checkpoints looked at in one operation of the store."""

_COSIGNED: Final = (
    "SELECT s.checkpoint_id, COUNT(*) AS cosignatures FROM evidence_cosignatures s"
    " WHERE s.checkpoint_id >="
    " (SELECT checkpoint_id FROM evidence_checkpoints WHERE size >= ? ORDER BY size, time_ms LIMIT 1)"
    " GROUP BY s.checkpoint_id ORDER BY s.checkpoint_id DESC LIMIT ?"
)
_NEWEST_VIEWS: Final = "SELECT checkpoint_id, witness FROM evidence_witnesses ORDER BY signed_at DESC LIMIT ?"
_WITH_COSIGNATURES: Final = (
    "SELECT c.log_id, c.size, c.time_ms, c.root, c.signature, s.witness, s.signed_at, s.signature AS cosignature"
    " FROM evidence_checkpoints c LEFT JOIN evidence_cosignatures s ON s.checkpoint_id = c.checkpoint_id"
    " WHERE c.checkpoint_id = ? ORDER BY s.witness LIMIT ?"
)

_log = get_logger(__name__)


class CosignatureRefused(ValueError):
    """It is not the witness's, or not over a checkpoint that this log signed; says which."""


class UnknownCheckpoint(CosignatureRefused):
    """This log signed no such checkpoint. If its signature verifies, that is a lie."""


class ForgottenCheckpoint(CosignatureRefused):
    """It may have been this log's, but nobody had cosigned it in time. Nothing is denied."""


class Witnesses:
    """Keeps cosignatures. `every_ms` is how long a checkpoint stays the candidate."""

    def __init__(self, store: Store, evidence: Evidence, sequencer: Sequencer, every_ms: int) -> None:
        self._store = store
        self._evidence = evidence
        self._sequencer = sequencer
        self._every_ms = every_ms
        self._candidate: CheckpointBody | None = None
        self._since = 0
        self.cosigned_at: dict[str, int] = {}
        """When each witness last signed, by its own clock."""
        self._pruned = 0
        """The last checkpoint that was old enough to be looked at."""

    async def load(self) -> None:
        """Read who signed when. Raises StoreBusy, StoreUnavailable."""
        rows = await self._store.read("SELECT witness, signed_at FROM evidence_witnesses")
        self.cosigned_at = {row["witness"]: row["signed_at"] for row in rows}

    def candidate(self, now_ms: int) -> CheckpointBody | None:
        """The checkpoint to be cosigned now; None before the log's first."""
        newest = self._sequencer.newest
        if self._candidate is None or not 0 <= now_ms - self._since < self._every_ms:
            self._candidate, self._since = newest, now_ms
        return self._candidate

    async def cosign(
        self, witness: str, keys: Mapping[str, PublicKey], signed: SignedCosignature, now_ms: int
    ) -> None:
        """Keep a cosignature; a second one of a witness on a checkpoint changes nothing.

        Raises CosignatureRefused, UnknownCheckpoint, ForgottenCheckpoint, StoreBusy, StoreUnavailable.
        """
        statement = signed.statement
        if statement.witness != witness:
            raise CosignatureRefused("the cosignature is another witness's")
        if statement.at > now_ms + CLOCK_SKEW_MS:
            raise CosignatureRefused("the cosignature is from the future")
        if not any(
            statements.verify(key, statements.COSIGN, statement, signed.signature) for key in keys.values()
        ):
            raise CosignatureRefused("the cosignature does not verify")
        if not await self._store.write(lambda conn: _keep(conn, signed)):
            if statement.time_ms < now_ms - UNCOSIGNED_MS:
                raise ForgottenCheckpoint("nobody had cosigned it in time: cosign the candidate")
            # Either the witness was shown something that this log did not sign, or this log forgot what it signed.
            _log.error("a cosignature is on no checkpoint of this log", party=witness, size=statement.size)
            raise UnknownCheckpoint("this log signed no such checkpoint")
        self.cosigned_at[witness] = max(statement.at, self.cosigned_at.get(witness, 0))

    async def run(self) -> None:
        """Prune for ever."""
        while True:
            await asyncio.sleep(PRUNE_SECONDS)
            try:
                await self.prune(now_ms())
            except Exception:  # the store may be busy; the next round tries again
                _log.exception("checkpoints not pruned")

    async def prune(self, now_ms: int) -> int:
        """Forget the checkpoints that nobody cosigned in UNCOSIGNED_MS, all but the newest; how many those were.

        Raises StoreBusy, StoreUnavailable.
        """
        total, looked_at = 0, PRUNED_AT_ONCE
        while looked_at == PRUNED_AT_ONCE:
            op = partial(_prune, after=self._pruned, before_ms=now_ms - UNCOSIGNED_MS)
            looked_at, self._pruned, removed = await self._store.write(op)
            total += removed
        return total

    async def witnessed(self, checkpoint: CheckpointBody) -> WitnessedCheckpoint:
        """A checkpoint of this log and the cosignatures on it. Raises StoreBusy, StoreUnavailable."""
        rows = await self._store.read(
            "SELECT checkpoint_id FROM evidence_checkpoints WHERE size = ? AND time_ms = ?",
            (checkpoint.size, checkpoint.time_ms),
        )
        return (
            await self._read(rows[0][0])
            if rows
            else WitnessedCheckpoint(checkpoint=checkpoint, cosignatures=[])
        )

    async def best(self, size: int, cosigned: int = 0) -> WitnessedCheckpoint | None:
        """Of the newest cosigned checkpoints of at least `size` leaves, the one that most witnesses cosigned, the
        newest of these; None if no such has `cosigned` cosignatures. Raises StoreBusy, StoreUnavailable."""
        rows = await self._store.read(_COSIGNED, (size, LOOKED_AT_MAX))
        if not rows:
            return None
        chosen = max(rows, key=lambda row: (row["cosignatures"], row["checkpoint_id"]))
        return await self._read(chosen["checkpoint_id"]) if chosen["cosignatures"] >= cosigned else None

    async def views(self) -> Views:
        """The newest checkpoint of each witness. Raises StoreBusy, StoreUnavailable."""
        rows = await self._store.read(_NEWEST_VIEWS, (COSIGNATURES_MAX,))
        views = []
        for row in rows:
            whole = await self._read(row["checkpoint_id"])
            own = [each for each in whole.cosignatures if each.statement.witness == row["witness"]]
            views.append(WitnessedCheckpoint(checkpoint=whole.checkpoint, cosignatures=own))
        return Views(views=views)

    async def _read(self, checkpoint_id: int) -> WitnessedCheckpoint:
        rows = await self._store.read(_WITH_COSIGNATURES, (checkpoint_id, COSIGNATURES_MAX))
        first = rows[0]
        checkpoint = checkpoint_body(
            self._evidence.log.signed(
                first["log_id"], first["size"], first["time_ms"], first["root"], first["signature"]
            )
        )
        cosignatures = [
            SignedCosignature(
                statement=Cosignature.of(checkpoint, row["witness"], row["signed_at"]),
                signature=row["cosignature"],
            )
            for row in rows
            if row["witness"] is not None
        ]
        return WitnessedCheckpoint(checkpoint=checkpoint, cosignatures=cosignatures)


def _prune(conn: sqlite3.Connection, after: int, before_ms: int) -> tuple[int, int, int]:
    """Look at the checkpoints behind `after`: how many were old enough, the last of these, how many were removed."""
    rows = conn.execute(
        "SELECT checkpoint_id, time_ms FROM evidence_checkpoints WHERE checkpoint_id > ?"
        " AND checkpoint_id < (SELECT MAX(checkpoint_id) FROM evidence_checkpoints)"
        " ORDER BY checkpoint_id LIMIT ?",
        (after, PRUNED_AT_ONCE),
    ).fetchall()
    # Their times never go back.
    old = [row[0] for row in rows if row[1] < before_ms]
    if not old:
        return 0, after, 0
    removed = conn.execute(
        "DELETE FROM evidence_checkpoints WHERE checkpoint_id > ? AND checkpoint_id <= ? AND checkpoint_id NOT IN"
        " (SELECT checkpoint_id FROM evidence_cosignatures WHERE checkpoint_id > ? AND checkpoint_id <= ?)",
        (after, old[-1], after, old[-1]),
    ).rowcount
    return len(old), old[-1], removed


def _keep(conn: sqlite3.Connection, signed: SignedCosignature) -> bool:
    statement = signed.statement
    row = conn.execute(
        "SELECT checkpoint_id FROM evidence_checkpoints WHERE size = ? AND time_ms = ? AND root = ?"
        " AND log_id = ?",
        (
            statement.size,
            statement.time_ms,
            bytes.fromhex(statement.root),
            bytes.fromhex(statement.log_id),
        ),
    ).fetchone()
    if row is None:
        return False
    held = conn.execute(
        "SELECT COUNT(*) FROM evidence_cosignatures WHERE checkpoint_id = ?", (row[0],)
    ).fetchone()[0]
    if held >= COSIGNATURES_MAX:
        raise CosignatureRefused(f"{COSIGNATURES_MAX} witnesses cosigned this checkpoint already")
    conn.execute(
        "INSERT INTO evidence_cosignatures (checkpoint_id, witness, signed_at, signature) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (checkpoint_id, witness) DO NOTHING",
        (row[0], statement.witness, statement.at, signed.signature),
    )
    conn.execute(
        "INSERT INTO evidence_witnesses (witness, checkpoint_id, signed_at) VALUES (?, ?, ?)"
        " ON CONFLICT (witness) DO UPDATE SET"
        " checkpoint_id = excluded.checkpoint_id, signed_at = excluded.signed_at"
        " WHERE excluded.checkpoint_id > evidence_witnesses.checkpoint_id",
        (statement.witness, row[0], statement.at),
    )
    return True
