"""Deposits a second at a trust party in a process of its own, over signed HTTP: many in a request, and one in each.

Consents are signed and EDIs have the right form; inside they hold random octets, since a trust party cannot open
them. No carrier answers, so none is confirmed. Each answer waits for its batch of the log and brings its proof, which
is checked here once a request.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from ascs.demo.layout import ENTERPRISES, person
from bench.house import House
from bench.processes import Running
from bench.seed import given_consent
from evidence.merkle import verify_inclusion
from foundation.pki import client_context
from gm.sm2 import PrivateKey, PublicKey
from interparty import edi
from interparty.client import Peer
from interparty.deposit_messages import Deposit, DepositResult
from interparty.party_link import PeerKeys
from interparty.signed_http import Signer
from trust_client.enterprise import EnterpriseClient

ENTERPRISE = ENTERPRISES[0]
BATCH = 500
BATCHES_AT_ONCE = 4
SINGLES_AT_ONCE = 64
MADE_AHEAD = 20_000


def made(count: int) -> list[Deposit]:
    """Deposits that the trust party takes."""
    now_ms = time.time_ns() // 1_000_000
    given = [given_consent(ENTERPRISE, person(1), now_ms) for _ in range(count)]
    return [Deposit(consent=each.consent, edis=[edi.to_text(each.edi)]) for each in given]


def _check(results: Sequence[DepositResult]) -> None:
    proof = results[-1].inclusion
    if proof is None or any(result.aid is None for result in results):
        raise RuntimeError(f"a deposit was not taken: {results[-1].error}")
    nodes = [bytes.fromhex(node) for node in proof.proof]
    if not verify_inclusion(
        proof.index, proof.size, bytes.fromhex(proof.leaf), nodes, bytes.fromhex(proof.root)
    ):
        raise RuntimeError("a proof does not hold")


async def deposit_figures(house: House, trust: Running, seconds: float) -> dict[str, dict[str, float]]:
    """Measure and print."""
    folder = house.root / f"enterprise-{ENTERPRISE.id}"
    key = PrivateKey.from_pem((folder / "sign.key").read_bytes())
    sign = PublicKey.from_pem((house.root / "trust" / "public" / "sign-1.pem").read_bytes())
    context = _context(folder)
    results = {}
    async with Peer(
        f"https://127.0.0.1:{house.ports.trust}",
        context,
        Signer(f"{ENTERPRISE.id}/sign/1", key),
        PeerKeys({"ttp/sign/1": sign}),
        party="ttp",
        connections=SINGLES_AT_ONCE,
        timeout=30.0,
    ) as peer:
        client = EnterpriseClient(peer, key)
        for name, size, at_once in (
            (f"{BATCH} in a request", BATCH, BATCHES_AT_ONCE),
            ("one in a request", 1, SINGLES_AT_ONCE),
        ):
            cell = results[name] = await _measure(client, trust, size, at_once, seconds)
            print(
                f"deposits, {name}, {at_once} at once: {cell['per_s']:,.0f}/s, {cell['trust_us']:,.0f} µs of a core"
                f" each, answer p50 {cell['p50_ms']:,.0f} ms, p99 {cell['p99_ms']:,.0f} ms",
                flush=True,
            )
    return results


async def _measure(
    client: EnterpriseClient, trust: Running, size: int, at_once: int, seconds: float
) -> dict[str, float]:
    ahead = await asyncio.to_thread(made, MADE_AHEAD if size > 1 else MADE_AHEAD // 10)
    taken: list[float] = []
    done = 0
    until = time.monotonic() + seconds

    async def worker() -> None:
        nonlocal done
        while time.monotonic() < until and len(ahead) >= size:
            piece = [ahead.pop() for _ in range(size)]
            began = time.perf_counter()
            _check(await client.deposit(piece))
            taken.append((time.perf_counter() - began) * 1000)
            done += size

    cpu, began = _cpu(trust), time.monotonic()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    took = time.monotonic() - began
    taken.sort()
    return {
        "per_s": done / took,
        "trust_us": (_cpu(trust) - cpu) / done * 1e6,
        "p50_ms": statistics.median(taken),
        "p99_ms": taken[int(len(taken) * 0.99)],
    }


def _cpu(trust: Running) -> float:
    return sum(each.cpu_s for each in trust.used())


def _context(folder: Path):
    pki = folder / "pki"
    return client_context(pki / "ca.pem", pki / f"{ENTERPRISE.id}.pem", pki / f"{ENTERPRISE.id}.key")
