"""How fast the voice path is: `make bench-voice`, or `python -m bench.voice --help` for what can be asked.

sipp calls, sipp answers; between them stand nothing, a parse-and-rebuild forwarder, or the gateway with its
relay and the trust party, each a process of its own on loopback. Every call through the gateway is challenged,
authorized, anchored and recorded. The relay alone is loaded afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import house, machine, relay_load
from bench.processes import ProcessEnded
from bench.voice_run import ForwarderRun, GatewayRun, Load, Run

RESULTS = Path(__file__).parent / "results"
HEADING = f"{'':10}{'stage':9}{'calls/s':>8}{'failed':>8}{'retrans':>9}  CPU ms a call"


def _row(name: str, title: str, stage: dict[str, Any]) -> str:
    cpu = "  ".join(f"{each} {value:.3f}" for each, value in stage["cpu_ms"].items())
    rate = f"{stage['rate']:.0f}" if stage["held"] else f"({stage['rate']:.0f})"
    return f"{name:10}{title:9}{rate:>8}{stage['failed']:>8}{stage['retransmissions']:>9}  {cpu}"


def _print_at(result: dict[str, Any]) -> None:
    """Of several stages the least counts: other work on the machine only adds."""
    stages = result["at"]
    least = {part: min(stage["cpu_ms"][part] for stage in stages) for part in stages[0]["cpu_ms"]}
    for stage in stages:
        print(_row(result["name"], "at", stage))
    print(
        f"{result['name']:10}least of {len(stages)}: "
        + "  ".join(f"{part} {cpu:.3f}" for part, cpu in least.items())
    )


def _print(result: dict[str, Any]) -> None:
    if "at" in result:
        _print_at(result)
        return
    name, delay = result["name"], result["delay"]["post_dial_ms"]
    for title, key in (("most", "most"), ("half", "half"), ("RTP", "rtp")):
        if key in result:
            print(_row(name, title, result[key]))
    print(
        f"{name:10}INVITE to 180 at {result['delay']['rate']:.0f} calls a second, ms:"
        f" p50 {delay.get('p50', 0):.2f}, p99 {delay.get('p99', 0):.2f}"
    )
    if "memory" in result:
        memory = result["memory"]
        each = ", ".join(f"{part} {value:.0f}" for part, value in memory["kib_a_call"].items())
        print(
            f"{name:10}memory a call, KiB, with {memory['calls']} calls up: {each};"
            f" of one that has just ended: gateway {memory['kib_an_ended_call']:.0f}"
        )
        print(
            f"{name:10}{result['good']} calls that sipp ended well; {result['call_records']} records of"
            f" answered calls, {result['evidence_records']} evidence records"
        )


def _compare(results: dict[str, dict[str, Any]]) -> None:
    if not {"direct", "gateway"} <= results.keys() or "at" in results["gateway"]:
        return
    direct, through = (results[each]["delay"]["post_dial_ms"] for each in ("direct", "gateway"))
    added = {each: through[each] - direct[each] for each in ("p50", "p99")}
    print(f"\npost-dial delay added, ms: p50 {added['p50']:.2f}, p99 {added['p99']:.2f}")
    if "forwarder" in results:
        ours, theirs = results["gateway"]["most"], results["forwarder"]["most"]
        print(
            f"against the forwarder: {ours['rate'] / theirs['rate']:.3f} of its rate,"
            f" {ours['cpu_ms']['gateway'] / theirs['cpu_ms']['forwarder']:.1f} times its CPU a call"
        )


async def _relay(seconds: float) -> list[dict[str, Any]]:
    found = await relay_load.search(seconds)
    if not all(each["apart"] for each in found):
        print(f"{'relay':10}one core alone: the delay holds waits for it")
    for each in found:
        delay, calls = each["delay_ms"], f"{each['calls']:>5} calls{'' if each['held'] else ' (not held)'}"
        print(
            f"{'relay':10}{calls}: {each['core']:.2f} of its core (the load {each['load_core']:.2f} of its own),"
            f" {each['us_a_packet']:.1f} µs a packet,"
            f" lost {each['lost_share']:.2%}, delay, ms: p50 {delay['p50']:.2f}, p99 {delay['p99']:.2f}"
        )
    held = [each for each in found if each["held"]]
    if held:
        most = held[-1]
        print(
            f"{'relay':10}anchored calls a core: {most['calls']} held, at {most['core']:.2f} of it,"
            f" p99 {most['delay_ms']['p99']:.2f} ms"
        )
    return found


def main() -> None:
    """Everything that was asked, printed as it is measured."""
    given = _arguments()
    load = Load(given.seconds, given.talk, given.delay_rate, given.held, given.at)
    about = machine.describe()
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="ascs-bench-") as name:
        work = Path(name)
        print(
            f"{machine.line(about)}\n"
            f"{given.seconds:.0f} s a stage, {given.aids} AIDs, {given.loop}; a rate in brackets did not hold"
        )
        kept = house.kept(given.aids, print)
        print(HEADING)
        for each in given.parts:
            if each == "relay":
                continue
            built = house.copy(kept, work / "house")
            for assignment in given.set:
                key, _, value = assignment.partition("=")
                house.change(built.gateway, key, json.loads(value))
            folder = work / each
            folder.mkdir()
            run: Run
            if each == "gateway":
                how = ["-m", "bench.profiled", str(folder)] if given.profile else ["-m", "ascs"]
                run = GatewayRun(load, folder, built, given.loop, how)
            else:
                run = (ForwarderRun if each == "forwarder" else Run)(load, folder, built)
            results[each] = asyncio.run(run.run())
            _print(results[each])
            if each == "gateway" and given.profile:
                from bench import profiles

                profiles.report(folder, run.good)
        relay = asyncio.run(_relay(given.seconds)) if "relay" in given.parts else []
        _compare(results)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / time.strftime("voice-%Y%m%d-%H%M%S.json", time.gmtime())
    path.write_text(
        json.dumps({"machine": about, "asked": vars(given), "runs": results, "relay": relay}, indent=1)
    )
    print(f"all of it: {path}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.voice", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of placing calls in a stage (5)")
    parser.add_argument("--aids", type=int, default=100, help="called in turn, one a stage (100)")
    parser.add_argument("--talk", type=float, default=2.0, help="seconds that a call with RTP talks (2)")
    parser.add_argument("--delay-rate", type=float, default=50.0, help="calls/s for post-dial delay (50)")
    parser.add_argument("--held", type=int, default=500, help="calls up while memory is measured (500)")
    parser.add_argument("--at", type=float, default=0.0, help="only stages at so many calls a second")
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument(
        "--parts",
        type=lambda text: text.split(","),
        default=["direct", "forwarder", "gateway", "relay"],
        help="LIST of what is measured (direct,forwarder,gateway,relay)",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=JSON", help="in gateway.toml: voice.x=1"
    )
    parser.add_argument("--profile", action="store_true", help="sample what the gateway's main thread does")
    return parser.parse_args()


if __name__ == "__main__":
    # As Ctrl-C, after which everything that was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        main()
    except ProcessEnded as ended:
        sys.exit(str(ended))
