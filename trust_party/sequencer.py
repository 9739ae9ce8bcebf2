"""Takes records into the evidence log: in padded batches, at moments that say little.

A record is safe with the commit that appended it; its proof comes with the next batch. Batches are some time apart,
so that each takes what came meanwhile from everyone and no leaf stands for one known event. Whoever waits for a proof
has the next batch begun as early as that allows; what nobody waits for is taken at the next sweep.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from evidence import batches
from evidence.log import NODES, SignedCheckpoint
from evidence.merkle import Appender
from foundation.store import Store
from interparty.messages import CheckpointBody, InclusionBody
from trust_party import evidence_log
from trust_party.evidence_log import Evidence, checkpoint_body
from trust_party.store.rows import read_in

PLANS_MAX: Final = 16
"""Plans carried out in one turn: a backlog of a million records. More wait for the next turn."""


class Sequencer:
    """The one writer of the tree. `every_seconds` is the least time between two batches; `clock` gives the
    checkpoints' times, in milliseconds since the epoch."""

    def __init__(
        self, store: Store, evidence: Evidence, every_seconds: float, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._evidence = evidence
        self._every = every_seconds
        self._clock = clock
        self._turn: asyncio.Task[dict[int, InclusionBody]] | None = None
        self._waits = False
        """The turn has not begun: what is committed now will be in it."""
        self._asked: list[int] = []
        """Records whose proofs the turn that waits is to give."""
        self._earliest = 0.0
        self.newest: CheckpointBody | None = None
        """The last checkpoint that this process signed or found."""

    async def proofs(self, record_ids: Sequence[int]) -> list[InclusionBody]:
        """Inclusion proofs of committed records, in order, once they are in the log, each with its checkpoint.

        All who ask for the same batch are answered from the same few reads. Raises StoreBusy, StoreUnavailable: the
        records are safe all the same.
        """
        found: dict[int, InclusionBody] = {}
        # More than once where more was pending than one turn takes.
        while missing := [record_id for record_id in record_ids if record_id not in found]:
            found.update(await self._join(missing))
        return [found[record_id] for record_id in record_ids]

    async def indices(self, record_ids: Sequence[int]) -> dict[int, int]:
        """The leaf index of each committed record, once all are in the log. Raises as `proofs`."""
        indices = await evidence_log.leaf_indices(self._store, record_ids)
        while len(indices) < len(set(record_ids)):
            await self.run()
            indices = await evidence_log.leaf_indices(self._store, record_ids)
        return indices

    async def run(self) -> None:
        """Take in all that is committed by now, and sign the log. Raises StoreBusy, StoreUnavailable."""
        await self._join(())

    async def _join(self, record_ids: Sequence[int]) -> dict[int, InclusionBody]:
        while self._turn is not None and not self._waits:
            await asyncio.wait([self._turn])  # it may have read already; the next one will not have
        if self._turn is None:
            self._waits, self._asked = True, []
            self._turn = asyncio.create_task(self._take_turn(), name="evidence batch")
        self._asked.extend(record_ids)
        # A caller that goes away takes nothing from the others.
        return await asyncio.shield(self._turn)

    async def close(self) -> None:
        """Finish the turn under way. What is pending then is taken after the next start."""
        if self._turn is not None:
            await asyncio.wait([self._turn])

    async def _take_turn(self) -> dict[int, InclusionBody]:
        try:
            now = asyncio.get_running_loop().time()
            if self._every and now < self._earliest:
                await asyncio.sleep(self._earliest - now)
            self._waits = False
            self._earliest = asyncio.get_running_loop().time() + self._every
            for _ in range(PLANS_MAX):
                if not await self._take_in():
                    break
            return await self._prove(self._asked)
        finally:
            self._waits = False
            self._turn = None

    async def _prove(self, record_ids: Sequence[int]) -> dict[int, InclusionBody]:
        if not record_ids:
            return {}
        assert self.newest is not None  # a batch is signed in the commit that makes it
        indices = await evidence_log.leaf_indices(self._store, sorted(set(record_ids)))
        proofs = await evidence_log.inclusions(self._store, list(indices.values()), self.newest)
        return dict(zip(indices, proofs, strict=True))

    async def _take_in(self) -> bool:
        """Take what is pending; whether more may be."""
        store, log = self._store, self._evidence.log
        head = await store.read(batches.HEAD)
        size, records = (head[0][0], head[0][1]) if head else (0, 0)
        pending = int((await store.read(batches.COUNT))[0][0]) - records
        appender = Appender(size, await self._edge(size))
        planned = batches.plan(pending)
        if not planned:
            signed = await store.write(
                lambda conn: log.checkpoint(conn, size, appender.root(), self._clock())
            )
            self.newest = checkpoint_body(signed)
        for count, leaves in planned:
            await self._batch(appender, records, count, leaves)
            records += count
        return pending > batches.TURN_MAX

    async def _batch(self, appender: Appender, first_record: int, count: int, leaves: int) -> None:
        """Append one batch of `leaves` leaves, of which `count` are records from `first_record` on."""
        store, log = self._store, self._evidence.log
        rows = await store.read(batches.PENDING, (first_record, count))
        # What takes long goes off the loop, and what takes moments does not go there and back.
        aside = asyncio.to_thread if leaves > batches.SLICE else _here
        batch = await aside(
            batches.draft,
            [row[0] for row in rows],
            leaves=leaves,
            first_leaf=appender.size,
            first_record=first_record,
            sealer=self._evidence.sealer,
        )
        pieces = batches.slices(batch, appender)
        piece = await aside(next, pieces)
        # All but the last piece on their own, so that no operation keeps the loop for long.
        while (following := await aside(next, pieces, None)) is not None:
            await store.write(lambda conn, written=piece: batches.write_nodes(conn, *written))  # type: ignore[misc]
            piece = following
        root = appender.root()

        def finish(conn: sqlite3.Connection) -> SignedCheckpoint:
            batches.write_nodes(conn, *piece)
            return batches.finish(conn, log, batch, root, self._clock())

        self.newest = checkpoint_body(await store.write(finish))

    async def _edge(self, size: int) -> list[bytes]:
        positions = batches.edge_positions(size)
        if not positions:
            return []
        rows = await read_in(self._store, NODES + "({})", positions)
        nodes = {row["position"]: row["hash"] for row in rows}
        return [nodes[at] for at in positions]


async def _here(work: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """As asyncio.to_thread, in this one."""
    return work(*args, **named)
