"""How many simulated phones one machine bears: `python -m bench.phones`, `--help` for what can be asked.

`ascs sim handsets` with thousands of phones, `ascs sim core` before them, and sipp in the gateway's place, which calls
one number after the other; each a process of its own on loopback. Nine of ten phones ring for a second or two, answer
and hang up after a while; the tenth is busy, refuses or presses keys. What the phones and the core take is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from ascs.demo.layout import HOST
from bench import machine, sipp
from bench.processes import ProcessEnded, Processes, Running
from simulators.handsets.subscribers import MSISDN_BASE

SCENARIO = sipp.SCENARIOS / "gateway.xml"
RING_S = (1.0, 2.0)
READY_S = 30.0
REST_S = 2.0
GATEWAY, CORE, HANDSETS, API = range(4)


def _configure(folder: Path, ports: list[int], given: argparse.Namespace) -> None:
    audio = str(given.audio).lower()
    (folder / "core.toml").write_text(
        f'host = "{HOST}"\nport = {ports[CORE]}\nlog_dir = "log"\ncalls_max = 100000\n'
        f'[gateway]\nhost = "{HOST}"\nport = {ports[GATEWAY]}\n'
        f'[handsets]\nhost = "{HOST}"\nport = {ports[HANDSETS]}\n'
    )
    talk = f"[{given.talk * 0.8}, {given.talk * 1.2}]"
    ring = f"[{RING_S[0]}, {RING_S[1]}]"
    (folder / "handsets.toml").write_text(
        f'count = {given.phones}\napi_port = {ports[API]}\nlog_dir = "log"\n'
        f"[[scripts]]\nshare = 90\nanswer_after = {ring}\nhang_up_after = {talk}\naudio = {audio}\n"
        f'[[scripts]]\nshare = 4\nanswer_after = {ring}\nhang_up_after = {talk}\naudio = {audio}\ndigits = "12#"\n'
        f"[[scripts]]\nshare = 3\nbusy = true\n"
        f"[[scripts]]\nshare = 3\nanswer_after = {ring}\nreject = 603\n"
        f'[sip]\nport = {ports[HANDSETS]}\ncore_host = "{HOST}"\ncore_port = {ports[CORE]}\n'
    )
    numbers = "\n".join(f"{MSISDN_BASE + serial}" for serial in range(1, given.phones + 1))
    (folder / "numbers.csv").write_text(f"SEQUENTIAL\n{numbers}\n")


def _statistics(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{HOST}:{port}/statistics", timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


async def _ready(port: int, processes: Processes) -> None:
    async with asyncio.timeout(READY_S):
        while True:
            processes.check()
            try:
                await asyncio.to_thread(_statistics, port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                return


def _taken(running: Running) -> tuple[float, float]:
    """CPU seconds so far and resident MB."""
    used = running.used()
    return sum(each.cpu_s for each in used), sum(each.resident_mb for each in used)


async def run(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Start everything, call, and say what was taken."""
    program = shutil.which("sipp")
    if program is None:
        raise FileNotFoundError("sipp is needed: apt-get install sip-tester")
    ports = sipp.free_ports(4)
    _configure(folder, ports, given)
    (folder / SCENARIO.name).write_text(SCENARIO.read_text())
    processes = Processes(folder)
    try:
        named = {
            "phones": await processes.start(
                "phones", ["-m", "ascs", "sim", "handsets", f"{folder}/handsets.toml"]
            ),
            "core": await processes.start("core", ["-m", "ascs", "sim", "core", f"{folder}/core.toml"]),
        }
        await _ready(ports[API], processes)
        idle = {name: _taken(running) for name, running in named.items()}
        calls = round(given.rate * given.seconds)
        caller = await processes.start(
            "gateway",
            [
                f"{HOST}:{ports[CORE]}", "-sf", SCENARIO.name, "-inf", "numbers.csv", "-i", HOST,
                "-p", str(ports[GATEWAY]), "-mi", HOST, "-mp", str(sipp.media_port()),
                "-r", str(given.rate), "-m", str(calls), "-l", str(calls), "-nostdin",
                "-deadcall_wait", "0", "-trace_stat", "-stf", "stat.csv", "-fd", "1",
            ],
            program=program,
        )  # fmt: skip
        most = {name: memory for name, (_, memory) in idle.items()}
        while caller.process.returncode is None:
            await asyncio.sleep(0.5)
            most = {name: max(most[name], _taken(running)[1]) for name, running in named.items()}
        processes.forget(caller)
        await asyncio.sleep(REST_S)
        after = {name: _taken(running) for name, running in named.items()}
        counted = sipp.counted(folder / "stat.csv")
        statistics = await asyncio.to_thread(_statistics, ports[API])
    finally:
        await processes.stop()
    return {
        "calls": calls,
        "failed": counted.failed,
        "statistics": statistics,
        "idle_mb": {name: round(memory, 1) for name, (_, memory) in idle.items()},
        "most_mb": {name: round(memory, 1) for name, memory in most.items()},
        "cpu_ms_a_call": {name: round((after[name][0] - idle[name][0]) / calls * 1000, 2) for name in named},
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.phones", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--phones", type=int, default=5_000, help="that are on (5000)")
    parser.add_argument("--rate", type=int, default=50, help="calls a second (50)")
    parser.add_argument("--talk", type=float, default=5.0, help="seconds that a call talks, about (5)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of placing calls (20)")
    parser.add_argument("--audio", action="store_true", help="phones talk: 50 packets a second each")
    given = parser.parse_args()
    about = machine.describe()
    print(machine.line(about))
    with tempfile.TemporaryDirectory(prefix="ascs-bench-") as name:
        found = asyncio.run(run(given, Path(name)))
    counts = found["statistics"]["calls"]
    print(
        f"{given.phones} phones, {found['calls']} calls at {given.rate} a second"
        f" ({'with' if given.audio else 'without'} audio): {counts['answered']} answered,"
        f" {sum(counts['refused'].values())} refused, {found['failed']} failed, at most {counts['most']} up at a time"
    )
    for part, idle in found["idle_mb"].items():
        print(
            f"{part:8}memory {idle:.0f} MB at rest, at most {found['most_mb'][part]:.0f};"
            f" CPU {found['cpu_ms_a_call'][part]:.2f} ms a call"
        )


if __name__ == "__main__":
    try:
        main()
    except ProcessEnded as ended:
        sys.exit(str(ended))
