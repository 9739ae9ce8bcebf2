"""The evidence log by itself: leaves a second, time and memory of proofs in logs of different size.

Records go into a store on the disk as reports do, 500 in an operation, eight operations under way, and become leaves by
the sequencer, batch by batch; what is counted are records, not padding. For proofs a log of so many leaves is made by
the same code without the sealed records, which proofs do not read.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from evidence import batches, merkle
from evidence.batches import Batch
from evidence.checkpoint import Checkpoint
from evidence.log import NEWEST, SignedCheckpoint
from evidence.merkle import Appender
from foundation.seal import Sealer, add_missing_keys
from foundation.store import Store
from gm.keystore import ITERATIONS_MIN, KeyStore
from gm.sm2 import PrivateKey
from interparty.text import b64url_encode
from trust_party import evidence_log
from trust_party.data_keys import DataKeys
from trust_party.evidence_log import Evidence
from trust_party.sequencer import Sequencer
from trust_party.settings import TrustSettings
from trust_party.store import MIGRATIONS

OPERATION: Final = 500
"""Records in one operation: what one request of reports may hold."""
AT_ONCE: Final = 8
"""Operations under way: requests of several carriers, which share commits."""
RECORD: Final = (
    '{"access_number":"1069880001","aid":"888132341582397708","carrier":"CMCC","channel":"sms","content_digest":"'
    + "ef" * 32
    + '","direction":"mt","edi_id":"'
    + "ab" * 16
    + '","ended_at":1790000000005,"enterprise":"ent-a","kind":"COMMUNICATION","report_id":"mt-%d","result":"DELIVERED",'
    '"started_at":1790000000000}'
)
PIECE: Final = 65_536
"""Leaves of a batch in a log that is made for proofs."""
COSIGNED: Final = 50_000
"""Checkpoints of which the size on the disk is taken."""
WITNESSES: Final = ("CMCC", "ent-a", "regulator")
SIGNATURE: Final = 64
YEAR_S: Final = 365 * 86_400
PROOFS: Final = 500
SERVED: Final = 500
"""Proofs that are made together, as for the deposits of one request."""


class Rig:
    """A store with a log, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        keys = KeyStore.create(folder / "keys.store", "bench", iterations=ITERATIONS_MIN)
        add_missing_keys(keys)
        self.store = Store.open(folder / "trust.db", MIGRATIONS, secure_delete=True)
        self.sealer = Sealer(keys)
        self.evidence = Evidence(PrivateKey.generate(), self.sealer, DataKeys(self.sealer))
        self.sequencer = Sequencer(self.store, self.evidence, 0, lambda: time.time_ns() // 1_000_000)


async def appending(folder: Path, records: int) -> dict[str, float]:
    """Records a second from nothing to sealed on the disk, to the tree, and both; beside it, the cost of a core."""
    rig = Rig(folder)
    sealers = [rig.sealer] * OPERATION
    subjects: list[int | None] = [None] * OPERATION
    numbers = iter(range(10**12))
    cells: dict[str, float] = {"records": records}

    async def put(texts: list[bytes]) -> None:
        await rig.store.write(lambda conn: rig.evidence.append_bytes(conn, texts, subjects, sealers, 0))

    sealed_s = sealed_cpu = tree_s = tree_cpu = 0.0
    while records > 0:
        # A sequencer's turn takes what came since the last: as many as in some seconds of a busy day.
        turn = min(records, batches.TURN_MAX // OPERATION * OPERATION)
        began, cpu = time.perf_counter(), time.process_time()
        given = [
            [(RECORD % next(numbers)).encode() for _ in range(OPERATION)] for _ in range(turn // OPERATION)
        ]
        for at in range(0, len(given), AT_ONCE):
            await asyncio.gather(*(put(texts) for texts in given[at : at + AT_ONCE]))
        sealed_s, sealed_cpu = sealed_s + time.perf_counter() - began, sealed_cpu + time.process_time() - cpu
        began, cpu = time.perf_counter(), time.process_time()
        await rig.sequencer.run()
        tree_s, tree_cpu = tree_s + time.perf_counter() - began, tree_cpu + time.process_time() - cpu
        records -= turn
    done = cells["records"]
    leaves = (await rig.store.read(batches.HEAD))[0][0]
    cells |= {
        "leaves": leaves,
        "sealed_per_s": done / sealed_s,
        "tree_per_s": done / tree_s,
        "per_s": done / (sealed_s + tree_s),
        "cpu_us": (sealed_cpu + tree_cpu) / done * 1e6,
    }
    await rig.store.close()
    # Closing carries the write-ahead log over.
    cells["bytes"] = (folder / "trust.db").stat().st_size / done
    return cells


def grow(folder: Path, leaves: int) -> None:
    """A log of that many leaves, of which nothing but the tree is kept."""
    rig = Rig(folder)
    connection = rig.store._writer
    appender = Appender()
    connection.execute("PRAGMA synchronous=OFF")
    while appender.size < leaves:
        size = min(PIECE, leaves - appender.size)
        drawn = secrets.token_bytes(merkle.HASH_SIZE * size)
        made = [drawn[at : at + merkle.HASH_SIZE] for at in range(0, len(drawn), merkle.HASH_SIZE)]
        batch = Batch(appender.size, appender.size, size, b"", b"", made)
        connection.execute("BEGIN")
        for first, hashes in batches.slices(batch, appender):
            batches.write_nodes(connection, first, hashes)
        batches.finish(connection, rig.evidence.log, batch, appender.root(), appender.size)
        connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def proving(folder: Path, leaves: int) -> dict[str, float]:
    """Milliseconds of a proof at random places: one by one, and of many together."""
    store = Store.open(folder / "trust.db", MIGRATIONS, secure_delete=True)
    try:
        return await _proving(store, folder, leaves)
    finally:
        await store.close()


async def _proving(store: Store, folder: Path, leaves: int) -> dict[str, float]:
    before = _resident_mb()
    rows = await store.read(NEWEST)
    newest = evidence_log.checkpoint_body(SignedCheckpoint(Checkpoint(*rows[0][:4]), rows[0][4]))
    places = random.Random(1)
    inclusion, consistency = [], []
    for _ in range(PROOFS):
        began = time.perf_counter()
        proof = await evidence_log.inclusion(store, places.randrange(leaves), newest, leaves)
        inclusion.append((time.perf_counter() - began) * 1000)
    for _ in range(PROOFS):
        began = time.perf_counter()
        await evidence_log.consistency(store, places.randrange(1, leaves), leaves, newest)
        consistency.append((time.perf_counter() - began) * 1000)
    began = time.perf_counter()
    first = places.randrange(leaves - SERVED)
    await evidence_log.inclusions(store, range(first, first + SERVED), newest)
    together = (time.perf_counter() - began) * 1000 / SERVED
    nodes = [bytes.fromhex(node) for node in proof.proof]
    began = time.perf_counter()
    for _ in range(PROOFS):
        if not merkle.verify_inclusion(
            proof.index, leaves, bytes.fromhex(proof.leaf), nodes, bytes.fromhex(newest.root)
        ):
            raise RuntimeError("a proof does not hold")
    checked = (time.perf_counter() - began) * 1000 / PROOFS
    return {
        "leaves": leaves,
        "nodes": len(nodes),
        "inclusion_p50_ms": statistics.median(inclusion),
        "inclusion_p99_ms": sorted(inclusion)[PROOFS * 99 // 100],
        "consistency_p50_ms": statistics.median(consistency),
        "consistency_p99_ms": sorted(consistency)[PROOFS * 99 // 100],
        "together_ms": together,
        "check_ms": checked,
        "memory_mb": _resident_mb() - before,
        "disk_mb": (folder / "trust.db").stat().st_size / 1e6,
    }


async def cosigned(folder: Path) -> float:
    """Bytes on the disk of one checkpoint with what each of WITNESSES signed of it."""
    rig = Rig(folder)
    log_id, signature = secrets.token_bytes(merkle.HASH_SIZE), secrets.token_bytes(SIGNATURE)
    text = b64url_encode(signature)

    def put(conn: sqlite3.Connection) -> None:
        conn.executemany(
            "INSERT INTO evidence_checkpoints (checkpoint_id, log_id, size, time_ms, root, signature)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                (
                    each,
                    log_id,
                    1_000_000 * each,
                    10_000 * each,
                    secrets.token_bytes(merkle.HASH_SIZE),
                    signature,
                )
                for each in range(1, COSIGNED + 1)
            ),
        )
        conn.executemany(
            "INSERT INTO evidence_cosignatures (checkpoint_id, witness, signed_at, signature) VALUES (?, ?, ?, ?)",
            (
                (each, witness, 10_000 * each, text)
                for each in range(1, COSIGNED + 1)
                for witness in WITNESSES
            ),
        )

    await rig.store.write(put)
    await rig.store.close()
    return (folder / "trust.db").stat().st_size / COSIGNED


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def log_figures(folder: Path, records: int, sizes: list[int]) -> dict[str, Any]:
    """Measure and print. Each log of `sizes` is read in a process of its own, so that its memory is its own."""
    results: dict[str, Any] = {}
    (folder / "append").mkdir()
    cell = results["append"] = asyncio.run(appending(folder / "append", records))
    print(
        f"evidence: {cell['records']:,.0f} records in operations of {OPERATION}: sealed on the disk"
        f" {cell['sealed_per_s']:,.0f}/s, into the tree {cell['tree_per_s']:,.0f}/s, both {cell['per_s']:,.0f}/s;"
        f" {cell['cpu_us']:.1f} µs of a core and {cell['bytes']:,.0f} bytes a record;"
        f" {cell['leaves'] / cell['records']:.2f} leaves a record",
        flush=True,
    )
    shutil.rmtree(folder / "append")
    (folder / "cosigned").mkdir()
    kept = results["cosigned_bytes"] = asyncio.run(cosigned(folder / "cosigned"))
    every = TrustSettings.model_fields["witness_seconds"].default
    print(
        f"checkpoints with {len(WITNESSES)} cosignatures: {kept:,.0f} bytes each; one every {every:g} s is"
        f" {kept * YEAR_S / every / 1e9:.1f} GB a year",
        flush=True,
    )
    print(
        f"{'leaves':>12}{'nodes':>7}{'inclusion ms p50':>18}{'p99':>7}{'consistency p50':>17}{'p99':>7}"
        f"{f'{SERVED} together':>15}{'check':>8}{'memory MB':>11}{'disk MB':>9}"
    )
    for size in sizes:
        place = folder / f"log-{size}"
        place.mkdir()
        grow(place, size)
        ran = subprocess.run(
            [sys.executable, "-m", "bench.trust_log", str(place), str(size)],
            check=True,
            capture_output=True,
            text=True,
        )
        cell = dict(zip(FIELDS, map(float, ran.stdout.split()), strict=True))
        results[f"proofs {size}"] = cell
        print(
            f"{size:>12,}{cell['nodes']:>7.0f}{cell['inclusion_p50_ms']:>18.2f}{cell['inclusion_p99_ms']:>7.2f}"
            f"{cell['consistency_p50_ms']:>17.2f}{cell['consistency_p99_ms']:>7.2f}{cell['together_ms']:>15.3f}"
            f"{cell['check_ms']:>8.3f}{cell['memory_mb']:>11.1f}{cell['disk_mb']:>9.0f}",
            flush=True,
        )
        shutil.rmtree(place)
    return results


FIELDS: Final = (
    "leaves",
    "nodes",
    "inclusion_p50_ms",
    "inclusion_p99_ms",
    "consistency_p50_ms",
    "consistency_p99_ms",
    "together_ms",
    "check_ms",
    "memory_mb",
    "disk_mb",
)

if __name__ == "__main__":
    figures = asyncio.run(proving(Path(sys.argv[1]), int(sys.argv[2])))
    print(*(figures[name] for name in FIELDS))
