"""What a verification and a report cost on both sides: `.venv/bin/python -m bench.verify --help`.

A trust party in a process of its own, and here the gateway's client of it: questions of a given number at a time, the
next ones when all are answered. Prints CPU microseconds a question on both sides, latency, and how the stream compares
with requests; then the same for reports. Both processes share the machine with whatever else runs.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import secrets
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ascs.commands.common import load_settings
from ascs.demo.layout import ENTERPRISES
from bench import house, machine
from bench.house import House
from bench.processes import Processes, Running
from foundation.loop import run
from foundation.pki import client_context
from gateway import keys as own_keys
from gateway.settings import GatewaySettings
from interparty.client import Peer
from interparty.hot_messages import report_text
from trust_client.batch_check import BatchCheck
from trust_client.carrier import CarrierClient
from trust_client.verifier import Grant, Outcome, Question, Verifier
from trust_client.verify_stream import VerifyStream

ENTERPRISE = ENTERPRISES[0]
OPEN_S = 10.0
SETTLE_S = 1.5
"""For signatures and commits that follow an answer."""


def cpu_of(running: Running) -> float:
    return sum(each.cpu_s for each in running.used())


class Asker:
    """Asks `size` questions at a time about all AIDs in turn, with `content` each with a digest of its own."""

    def __init__(self, verifier: Verifier, aids: list[str], content: bool) -> None:
        self._verifier = verifier
        self._content = content
        self._next = itertools.cycle(aids)
        self.grants: dict[str, Grant] = {}
        self._waiting = 0
        self._all: asyncio.Future[None] | None = None

    async def ask(self, size: int) -> None:
        self._all = asyncio.get_running_loop().create_future()
        self._waiting = size
        submit, done = self._verifier.submit, self._done
        for _ in range(size):
            digest = secrets.token_hex(32) if self._content else None
            submit(Question(next(self._next), ENTERPRISE.id, "sms", ENTERPRISE.access_number, digest), done)
        await self._all

    def _done(self, outcome: Outcome) -> None:
        if not isinstance(outcome, Grant):
            raise RuntimeError(f"not granted: {outcome}")
        self.grants.setdefault(outcome.edi_text, outcome)
        self._waiting -= 1
        if not self._waiting and self._all is not None:
            self._all.set_result(None)


async def measure(
    step: Callable[[int], Awaitable[None]], size: int, seconds: float, trust: Running
) -> dict[str, float]:
    """CPU microseconds of each side and rate, by item, and milliseconds from asking to the last answer."""
    until = time.monotonic() + seconds / 5
    while time.monotonic() < until:
        await step(size)
    await asyncio.sleep(SETTLE_S)
    taken: list[float] = []
    own, theirs, began = time.process_time(), cpu_of(trust), time.monotonic()
    while time.monotonic() < began + seconds:
        asked = time.perf_counter()
        await step(size)
        taken.append((time.perf_counter() - asked) * 1000)
    own, took = time.process_time() - own, time.monotonic() - began
    await asyncio.sleep(SETTLE_S)
    items = len(taken) * size
    taken.sort()
    return {
        "gateway_us": own / items * 1e6,
        "trust_us": (cpu_of(trust) - theirs) / items * 1e6,
        "per_s": items / took,
        "p50_ms": statistics.median(taken),
        "p99_ms": taken[int(len(taken) * 0.99)],
    }


async def _for_ever(step: Callable[[int], Awaitable[None]], size: int) -> None:
    while True:
        await step(size)


def row(what: str, size: int, cell: dict[str, float]) -> str:
    return (
        f"{what:10}{size:>6}{cell['gateway_us']:>13.1f}{cell['trust_us']:>13.1f}{1e6 / cell['trust_us']:>13.0f}"
        f"{cell['per_s']:>11.0f}"
        f"{cell['p50_ms']:>9.2f}{cell['p99_ms']:>9.2f}"
    )


def _wrong() -> None:
    raise RuntimeError("the trust party's signature does not hold")


async def bench(options: argparse.Namespace, folder: Path, built: House) -> dict[str, Any]:
    processes = Processes(folder)
    results: dict[str, Any] = {"machine": machine.describe(), "aids": options.aids}
    try:
        trust = await processes.start("trust", ["-m", "ascs", "trust", "run", str(built.trust)])
        await house.until_listens(built.ports.trust, processes.check)
        settings = load_settings(built.gateway, GatewaySettings)
        keys = own_keys.open_store(settings)
        tls = settings.tls
        peer_keys = own_keys.PeerKeys(settings, keys)
        peer = Peer(
            settings.trust.url,
            client_context(tls.ca, tls.cert, tls.key),
            own_keys.request_signer(settings, keys),
            peer_keys,
            party=settings.trust.id,
        )
        client = CarrierClient(peer)
        check = BatchCheck(peer_keys.trust_keys, _wrong)
        stream = VerifyStream(peer, check=check)
        ways = {
            "requests": Verifier(client, deadline=OPEN_S, check=check),
            "stream": Verifier(client, deadline=OPEN_S, stream=stream),
        }
        async with asyncio.timeout(OPEN_S):
            while not stream.is_open:  # noqa: ASYNC110 (nothing tells of it)
                await asyncio.sleep(0.01)
        aids = built.aids_file.read_text().split()
        print(
            f"{'':10}{'size':>6}{'gateway µs':>13}{'trust µs':>13}{'trust/s/core':>13}{'items/s':>11}{'p50 ms':>9}"
            f"{'p99 ms':>9}"
        )
        grants: dict[str, Grant] = {}
        for way, verifier in ways.items():
            asker = Asker(verifier, aids, options.content)
            for size in options.sizes:
                cell = results[f"{way} {size}"] = await measure(asker.ask, size, options.seconds, trust)
                print(row(way, size, cell), flush=True)
            grants = asker.grants
        numbers, subscribers = itertools.count(), itertools.cycle(grants.values())

        async def report(size: int) -> None:
            now = time.time_ns() // 1_000_000
            texts = [
                report_text(
                    report_id=f"mt-{next(numbers)}",
                    edi_id=next(subscribers).edi_id,
                    enterprise=ENTERPRISE.id,
                    channel="sms",
                    access_number=ENTERPRISE.access_number,
                    direction="mt",
                    result="DELIVERED",
                    started_at=now - 1000,
                    ended_at=now,
                    content_digest=b"\xef" * 32,
                )
                for _ in range(size)
            ]
            if await client.report_texts(texts) != size:
                raise RuntimeError("not all reports were taken")

        for size in options.sizes:
            cell = results[f"report {size}"] = await measure(report, size, options.seconds, trust)
            print(row("report", size, cell), flush=True)
        beside = Asker(ways["stream"], aids, options.content)
        reporting = asyncio.create_task(_for_ever(report, 500))
        cell = results["beside reports"] = await measure(beside.ask, 1, options.seconds, trust)
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)
        print(f"one at a time beside reports: p50 {cell['p50_ms']:.2f} ms, p99 {cell['p99_ms']:.2f} ms")
        for size in options.sizes:
            one, other = results[f"requests {size}"], results[f"stream {size}"]
            print(
                f"requests to stream, {size} at a time: gateway {one['gateway_us'] / other['gateway_us']:.1f},"
                f" trust party {one['trust_us'] / other['trust_us']:.1f},"
                f" median latency {one['p50_ms'] / other['p50_ms']:.1f}"
            )
        for verifier in ways.values():
            await verifier.close()
        await peer.close()
    finally:
        await processes.stop()
    return results


def arguments() -> argparse.ArgumentParser:
    """What can be asked of this bench."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--aids", type=int, default=1000)
    arguments.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    arguments.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 100, 500])
    arguments.add_argument(
        "--content", action="store_true", help="offer a digest of the content with each question"
    )
    arguments.add_argument("--json", type=Path, help="write the results there too")
    return arguments


def main() -> None:
    options = arguments().parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ascs-bench-"))
    try:
        built = house.copy(house.kept(options.aids, print), folder / "house")
        results = run(lambda _: bench(options, folder, built))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(machine.line(results["machine"]))
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
