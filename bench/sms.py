"""How fast the SMS path is: `make bench-sms`, or `python -m bench.sms --help` for what can be asked.

ESME load, gateway, trust party and SMSC run as processes of their own on loopback, with sealing and fsync
as in production. Every message is verified, sent, receipted and reported; a splice-only forwarder between
the same ESME and the same SMSC is measured beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import house, machine, profiles
from bench.processes import ProcessEnded
from bench.sms_run import ForwarderRun, FrontRun, GatewayRun, Load

LATENCY_RATE, COST_RATE = 5_000.0, 10_000.0
"""At which the aims for latency and for cost are stated."""
RESULTS = Path(__file__).parent / "results"
HEADING = (
    f"{'AIDs':>7} {'loop':8}{'load':7}{'msg/s':>8}{'resp p50':>10}{'p99 ms':>8}{'rcpt p50':>10}{'p99 ms':>8}"
    f"{'others':>8}  CPU s per 1,000"
)


def _row(aids: int, loop: str, name: str, stage: dict[str, Any]) -> str:
    response, receipt = stage["response_ms"], stage["receipt_ms"]
    cpu = "  ".join(f"{each} {value:.4f}" for each, value in stage["cpu_per_1000"].items())
    return (
        f"{aids:>7} {loop:8}{name:7}{stage['rate']:8.0f}{response.get('p50', 0):10.1f}{response.get('p99', 0):8.1f}"
        f"{receipt.get('p50', 0):10.1f}{receipt.get('p99', 0):8.1f}{stage['cores']['others']:8.2f}  {cpu}"
    )


def _oddities(stage: dict[str, Any]) -> str:
    """What a plain number would hide."""
    found = []
    if stage["statuses"]:
        found.append(f"refused {stage['statuses']}")
    if stage["failures"]:
        found.append(f"{stage['failures']} receipts say other than DELIVRD")
    if stage["missing"]:
        found.append(f"{stage['missing']} receipts did not come")
    if stage["whole_s"] > stage["sending_s"] * 1.1 + 0.2:
        found.append(f"last receipt {stage['whole_s'] - stage['sending_s']:.1f} s after sending ended")
    if stage["caught_up_s"] > 1:
        found.append(f"busy {stage['caught_up_s']} s longer")
    return "; ".join(found)


def _print(result: dict[str, Any]) -> None:
    for name, stage in result["stages"].items():
        if name == "warm":
            continue
        print(_row(result["aids"], result["loop"], name, stage))
        odd = _oddities(stage)
        if odd:
            print(f"{'':16}{odd}")
    peaks = ", ".join(f"{name} {peak:.0f}" for name, peak in result["peak_mb"].items())
    print(f"{'':16}peak memory, MB: {peaks}", end="")
    if "evidence_records" in result:
        print(f"; {result['evidence_records']} evidence records for {result['received']} messages")
    else:
        print()


def _aims(results: list[dict[str, Any]]) -> None:
    """What was reached of what is aimed for, as the aims are put."""
    print(
        "\naims: 10,000 msg/s; at 5,000 p99 15 ms to the response and 30 ms to the receipt; at 10,000 a cost of 0.08"
    )
    for result in results:
        stages = result["stages"]
        said = [f"{stages['full']['rate']:.0f} msg/s"]
        latency, cost = stages.get(f"{LATENCY_RATE:.0f}/s"), stages.get(f"{COST_RATE:.0f}/s")
        if latency is not None:
            response, receipt = latency["response_ms"], latency["receipt_ms"]
            said.append(
                f"at {latency['rate']:.0f} p50 {response.get('p50', 0):.1f} and {receipt.get('p50', 0):.1f} ms,"
                f" p99 {response.get('p99', 0):.1f} and {receipt.get('p99', 0):.1f} ms"
            )
        if cost is not None:
            said.append(f"at {cost['rate']:.0f} a cost of {cost['cpu_per_1000']['gateway']:.4f}")
        print(f"{result['aids']:>7} {result['loop']:8}{'; '.join(said)}")


def _spread(results: list[dict[str, Any]]) -> None:
    """Median and range of several runs alike."""
    alike: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for result in results:
        alike.setdefault((result["aids"], result["loop"]), []).append(result)
    print(f"\nmedian (least to most) of {len(results) // len(alike)} runs")
    for (aids, loop), group in alike.items():
        for name in group[0]["stages"]:
            if name == "warm":
                continue
            stages = [each["stages"][name] for each in group]
            said = [f"{_middle([each['rate'] for each in stages], 0)} msg/s"]
            for what, kind in (("response", "response_ms"), ("receipt", "receipt_ms")):
                p50 = _middle([each[kind].get("p50", 0.0) for each in stages], 1)
                p99 = _middle([each[kind].get("p99", 0.0) for each in stages], 1)
                said.append(f"{what} p50 {p50}, p99 {p99}")
            cpu = _middle([each["cpu_per_1000"].get("gateway", 0.0) for each in stages], 4)
            print(f"{aids:>7} {loop:8}{name:8}{'; '.join(said)}; gateway {cpu}")


def _middle(values: list[float], digits: int) -> str:
    """Median, and the least and the most."""
    middle, least, most = (
        f"{each:.{digits}f}" for each in (statistics.median(values), min(values), max(values))
    )
    return f"{middle} ({least} to {most})"


def _ratio(results: list[dict[str, Any]], forwarder: dict[str, Any]) -> None:
    base = forwarder["stages"]["full"]
    print("\nagainst the forwarder")
    for result in results:
        full = result["stages"]["full"]
        cpu = full["cpu_per_1000"]["gateway"] / base["cpu_per_1000"]["forwarder"]
        print(
            f"{result['aids']:>7} {result['loop']:8}{full['rate'] / base['rate']:8.3f} of its rate,"
            f" {cpu:.1f} times its CPU a message"
        )


def main() -> None:
    """Everything that was asked, printed as it is measured."""
    given = _arguments()
    load = Load(
        given.seconds, given.binds, given.window, tuple(float(each) for each in given.rates), given.seed
    )
    about = machine.describe()
    processes = (
        "one gateway process"
        if given.workers == 1
        else f"{given.workers} front processes and a store process"
    )
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="ascs-bench-") as name:
        work = Path(name)
        fsync = machine.fsync_ms(work)
        print(
            f"{machine.line(about)}, fsync {fsync[0]:.2f} ms (p99 {fsync[1]:.2f})\n"
            f"{load.binds} binds, window {load.window}, {load.seconds:.0f} s a stage, seed {load.seed},"
            f" {processes};"
            f" SMSC: {'bench/smsc_stub' if given.smsc == 'stub' else 'ascs sim smsc, in memory'}"
        )
        print(HEADING)
        for aids in given.aids:
            kept = house.kept(aids, lambda said: print(f"{'':16}{said}"))
            for loop in given.loops:
                for _ in range(given.repeat):
                    built = house.copy(kept, work / "house")
                    # Each message is asked about, unless it is to be seen what the lease saves.
                    house.change(built.gateway, "trust.cached_grants", given.cached_grants)
                    house.change(built.gateway, "smpp.workers", given.workers)
                    for assignment in given.set:
                        key, _, value = assignment.partition("=")
                        house.change(built.gateway, key, json.loads(value))
                    folder = work / f"run-{len(results)}"
                    folder.mkdir()
                    run = GatewayRun(load, folder, built, aids, loop, given.smsc, given.profile)
                    with machine.awake() if given.awake else contextlib.nullcontext():
                        result = asyncio.run(run.run())
                    results.append(result)
                    _print(result)
                    if given.profile:
                        profiles.report(folder, result["received"])
        if given.repeat > 1:
            _spread(results)
        if results:
            _aims(results)
        forwarder = None
        fronts: list[dict[str, Any]] = []
        if given.front:
            for workers in sorted({1, given.workers}):
                folder = work / f"front-{workers}"
                folder.mkdir()
                built = house.copy(house.kept(given.aids[0], print), work / "house")
                result = asyncio.run(FrontRun(load, folder, built, 1_000_000, workers).run())
                result["loop"], result["aids"] = f"front {workers}", given.aids[0]
                _print(result)
                fronts.append(result)
        if given.forwarder:
            folder = work / "forwarder"
            folder.mkdir()
            built = house.copy(house.kept(given.aids[0], print), work / "house")
            forwarder = asyncio.run(ForwarderRun(load, folder, built, 1_000_000).run())
            forwarder["loop"], forwarder["aids"] = "forward", given.aids[0]
            _print(forwarder)
            _ratio(results, forwarder)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / time.strftime("sms-%Y%m%d-%H%M%S.json", time.gmtime())
    path.write_text(
        json.dumps(
            {
                "machine": about,
                "fsync_ms": fsync,
                "asked": vars(given),
                "runs": results,
                "forwarder": forwarder,
                "fronts": fronts,
            },
            indent=1,
        )
    )
    print(f"all of it: {path}")


def _arguments() -> argparse.Namespace:
    def many(kind: type) -> Any:
        return lambda text: [kind(each) for each in text.split(",") if each]

    parser = argparse.ArgumentParser(prog="python -m bench.sms", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of sending in a stage (10)")
    parser.add_argument("--binds", type=int, default=4, help="transceivers of the ESME (4)")
    parser.add_argument("--window", type=int, default=100, help="unanswered submit_sm of one bind (100)")
    parser.add_argument("--aids", type=many(int), default=[1, 100, 100_000], help="LIST (1,100,100000)")
    parser.add_argument(
        "--loops", type=many(str), default=["uvloop", "asyncio"], help="LIST (uvloop,asyncio)"
    )
    parser.add_argument(
        "--rates",
        type=many(float),
        default=[LATENCY_RATE, COST_RATE],
        help="LIST of further paced stages, messages a second (5000,10000)",
    )
    parser.add_argument("--workers", type=int, default=1, help="front processes of the gateway; 1: none (1)")
    parser.add_argument("--smsc", choices=("stub", "simulator"), default="stub")
    parser.add_argument(
        "--awake", action="store_true", help="keep the processors from resting; counted among the others"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=1, help="runs alike; prints median and spread")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=JSON", help="in gateway.toml: sms.x=1"
    )
    parser.add_argument(
        "--cached-grants", type=int, default=0, help="grants that may be used again under the lease (0)"
    )
    parser.add_argument("--profile", action="store_true", help="sample what the gateway's main thread does")
    parser.add_argument(
        "--front", action="store_true", help="also the front alone, with rooms that answer at once"
    )
    parser.add_argument("--no-forwarder", dest="forwarder", action="store_false")
    return parser.parse_args()


if __name__ == "__main__":
    # As Ctrl-C, after which everything that was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        main()
    except ProcessEnded as ended:
        sys.exit(str(ended))
