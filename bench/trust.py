"""How fast the trust party is: `make bench-trust`, or `.venv/bin/python -m bench.trust --help`.

Verifications a second a core by request and by stream, deposits a second, evidence records a second, proofs in logs of
different size, memory of active AIDs. The default takes a minute or two; the large sizes:

    make bench-trust BENCH_ARGS="--leaves 10000 1000000 10000000 --live 1000000 --aids 10000"
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from bench import house, machine, verify
from bench.house import House
from bench.processes import Processes
from bench.trust_deposits import deposit_figures
from bench.trust_live import live_figures
from bench.trust_log import log_figures
from foundation.loop import run

SECTIONS = ("verify", "deposits", "log", "live")
VERIFY_SIZES = [1, 100, 500]


async def _verifications(options: argparse.Namespace, folder: Path, built: House) -> dict[str, Any]:
    asked = verify.arguments().parse_args([])
    asked.aids, asked.seconds, asked.sizes = options.aids, options.seconds, VERIFY_SIZES
    results = await verify.bench(asked, folder, built)
    for way in ("requests", "stream"):
        cost = results[f"{way} {VERIFY_SIZES[-1]}"]["trust_us"]
        results[f"{way} per core"] = 1e6 / cost
        print(
            f"verifications a second a core, {VERIFY_SIZES[-1]} at a time by {way}: {1e6 / cost:,.0f}"
            f" ({cost:.1f} µs each)"
        )
    return results


async def _deposits(options: argparse.Namespace, folder: Path, built: House) -> dict[str, Any]:
    processes = Processes(folder)
    try:
        trust = await processes.start("trust", ["-m", "ascs", "trust", "run", str(built.trust)])
        await house.until_listens(built.ports.trust, processes.check)
        return dict(await deposit_figures(built, trust, options.seconds))
    finally:
        await processes.stop()


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument(
        "--only", nargs="+", choices=SECTIONS, default=SECTIONS, help="these sections alone"
    )
    arguments.add_argument("--aids", type=int, default=1000, help="active AIDs that are asked about")
    arguments.add_argument("--seconds", type=float, default=2.0, help="of each measurement over the wire")
    arguments.add_argument("--records", type=int, default=100_000, help="records put into the log")
    arguments.add_argument(
        "--leaves", type=int, nargs="+", default=[10_000, 1_000_000], help="of logs for proofs"
    )
    arguments.add_argument("--live", type=int, default=100_000, help="active AIDs in memory")
    arguments.add_argument("--json", type=Path, help="write the results there too")
    options = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ascs-bench-"))
    results: dict[str, Any] = {"machine": machine.describe()}
    print(f"{machine.line(results['machine'])}, fsync {machine.fsync_ms(folder)[0]:.2f} ms")
    try:
        if {"verify", "deposits"} & set(options.only):
            built = house.copy(house.kept(options.aids, print), folder / "house")
        if "verify" in options.only:
            results["verify"] = run(lambda _: _verifications(options, folder, built))
        if "deposits" in options.only:
            results["deposits"] = run(lambda _: _deposits(options, folder, built))
        if "log" in options.only:
            results["log"] = log_figures(folder, options.records, options.leaves)
        if "live" in options.only:
            results["live"] = live_figures(options.live)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
