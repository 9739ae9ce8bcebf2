"""One run of the SMS bench: the processes up, loaded in stages, measured, and down again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascs.demo.layout import HOST
from bench import house, machine
from bench.house import ENTERPRISE, House
from bench.processes import Processes, Running, Used

WARM_S = 2.0
QUIET_CPU = 0.05
"""Of one core: a process below it has caught up."""
QUIET_S = 0.5
CATCH_UP_S = 60.0
ANSWER_S = 180.0
FRONT = "gateway.workers.process"
"""In the command of a front process."""
FREQUENCY_LEFT = 95_000
"""Messages to one AID in a run: a consent can allow 99,999 an hour and no more."""


@dataclass(frozen=True, slots=True)
class Load:
    """How a run is loaded."""

    seconds: float
    """Of sending in a stage."""
    binds: int
    window: int
    rates: tuple[float, ...]
    """Messages a second of further stages, beside full load and half of it."""
    seed: int


class Run:
    """Processes that serve one load generator. Subclasses say which."""

    def __init__(self, load: Load, folder: Path, built: House, aids: int) -> None:
        self._load = load
        self.folder = folder
        self.house = built
        self.aids = aids
        self.processes = Processes(folder)
        self.named: dict[str, Running] = {}
        self.caught_up: tuple[str, ...] = ()
        """Processes that may have something left to do when the last receipt is there."""

    async def start(self) -> None:
        """Start everything but the load generator."""
        raise NotImplementedError

    async def run(self) -> dict[str, Any]:
        """Warm-up, full load, half of what full load reached, and the other rates that were asked."""
        load = self._load
        most = int(FREQUENCY_LEFT * self.aids / (3 + len(load.rates)))
        try:
            await self.start()
            await self._start_load()
            stages = {"warm": await self._stage(min(WARM_S, load.seconds), None, most // 4)}
            stages["full"] = await self._stage(load.seconds, None, most)
            stages["half"] = await self._stage(load.seconds, stages["full"]["rate"] / 2, most)
            for rate in load.rates:
                stages[f"{rate:.0f}/s"] = await self._stage(load.seconds, rate, most)
            peaks = {
                name: [(each.command, each.peak_mb) for each in one] for name, one in self._used().items()
            }
        finally:
            await self.processes.stop()
        return {
            "aids": self.aids,
            "stages": stages,
            "peak_mb": {name: round(sum(peak for _, peak in each), 1) for name, each in peaks.items()},
            "processes": peaks,
        }

    async def _start_load(self) -> None:
        load, ports = self._load, self.house.ports
        self.named["load"] = await self.processes.start(
            "load",
            [
                "-m",
                "bench.esme_load",
                HOST,
                str(ports.smpp),
                ENTERPRISE.system_id,
                ENTERPRISE.smpp_password,
                ENTERPRISE.access_number,
                str(self.house.aids_file),
                str(load.binds),
                str(load.window),
                str(load.seed),
            ],
            talks=True,
        )
        await self._answer(house.START_S)

    async def _answer(self, seconds: float) -> dict[str, Any]:
        running = self.named["load"]
        assert running.process.stdout is not None
        async with asyncio.timeout(seconds):
            line = await running.process.stdout.readline()
        if not line:
            await running.process.wait()
            self.processes.check()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _used(self) -> dict[str, list[Used]]:
        """By name; front processes apart from the gateway that started them."""
        used: dict[str, list[Used]] = {}
        for name, running in self.named.items():
            used[name] = [each for each in running.used() if FRONT not in each.command]
            fronts = [each for each in running.used() if FRONT in each.command]
            if fronts:
                used["workers"] = fronts
        return used

    async def _stage(self, seconds: float, rate: float | None, most: int) -> dict[str, Any]:
        stdin = self.named["load"].process.stdin
        assert stdin is not None
        before, others, began = self._used(), machine.busy_s(), time.monotonic()
        stdin.write(json.dumps({"seconds": seconds, "rate": rate, "most": most}).encode() + b"\n")
        result = await self._answer(seconds + ANSWER_S)
        took, at_end, busy = time.monotonic() - began, self._used(), machine.busy_s() - others
        await self._quiet()
        self.processes.check()
        result["caught_up_s"] = round(max(0.0, time.monotonic() - began - took - QUIET_S), 2)
        after = self._used()
        thousands = max(result["received"], 1) / 1000
        result["cpu_per_1000"] = {
            name: round(_spent(before[name], after[name]) / thousands, 4) for name in before
        }
        ours = {name: _spent(before[name], at_end[name]) / took for name in before}
        result["cores"] = {name: round(each, 2) for name, each in ours.items()}
        result["cores"]["others"] = round(max(0.0, busy / took - sum(ours.values())), 2)
        result["threads"] = {
            name: _threads(before[name], after[name], thousands) for name in before if name != "load"
        }
        return result

    async def _quiet(self) -> None:
        """Until what was left to do is done: reports to the trust party above all."""
        deadline = time.monotonic() + CATCH_UP_S
        while time.monotonic() < deadline:
            before = self._used()
            await asyncio.sleep(QUIET_S)
            after = self._used()
            if all(_spent(before[name], after[name]) < QUIET_CPU * QUIET_S for name in self.caught_up):
                return


def _spent(before: Sequence[Used], after: Sequence[Used]) -> float:
    was = {each.pid: each.cpu_s for each in before}
    return sum(each.cpu_s - was.get(each.pid, 0.0) for each in after)


def _threads(before: Sequence[Used], after: Sequence[Used], thousands: float) -> list[tuple[str, float]]:
    """CPU seconds per 1,000 messages of the threads that did anything, the busiest first."""
    was = {thread.tid: thread.cpu_s for each in before for thread in each.threads}
    spent = [
        (
            f"{each.command} {'main' if thread.tid == each.pid else thread.tid - each.pid}",
            round((thread.cpu_s - was.get(thread.tid, 0.0)) / thousands, 4),
        )
        for each in after
        for thread in each.threads
    ]
    return sorted((each for each in spent if each[1]), key=lambda each: -each[1])


class GatewayRun(Run):
    """Trust party, SMSC and gateway."""

    def __init__(
        self, load: Load, folder: Path, built: House, aids: int, loop: str, smsc: str, profile: bool
    ) -> None:
        super().__init__(load, folder, built, aids)
        self._loop = loop
        self._smsc = smsc
        self._profile = profile
        self.caught_up = ("gateway", "trust")

    async def start(self) -> None:
        built, start, named = self.house, self.processes.start, self.named
        ports = built.ports
        named["trust"] = await start(
            "trust", ["-m", "ascs", "trust", "run", str(built.trust)], loop=self._loop
        )
        if self._smsc == "stub":
            named["smsc"] = await start("smsc", ["-m", "bench.smsc_stub", str(ports.smsc)])
        else:
            house.simulated_smsc(built)
            named["smsc"] = await start("smsc", ["-m", "ascs", "sim", "smsc", str(built.smsc)])
        how = ["-m", "bench.profiled", str(self.folder)] if self._profile else ["-m", "ascs"]
        await house.until_listens(ports.trust, self.processes.check)
        named["gateway"] = await start(
            "gateway", [*how, "gateway", "run", str(built.gateway)], loop=self._loop
        )
        await house.until_well(ports.operations, self.processes.check)

    async def run(self) -> dict[str, Any]:
        records = self.house.evidence_records()
        result = await super().run()
        result["loop"] = self._loop
        result["received"] = sum(stage["received"] for stage in result["stages"].values())
        result["evidence_records"] = self.house.evidence_records() - records
        return result


class ForwarderRun(Run):
    """The splice-only forwarder between the same load generator and the same stub."""

    async def start(self) -> None:
        ports = self.house.ports
        self.named["smsc"] = await self.processes.start("smsc", ["-m", "bench.smsc_stub", str(ports.smsc)])
        await house.until_listens(ports.smsc, self.processes.check)
        self.named["forwarder"] = await self.processes.start(
            "forwarder",
            ["-m", "bench.forwarder", str(ports.smpp), str(ports.smsc), str(self.house.aids_file)],
        )
        await house.until_listens(ports.smpp, self.processes.check)


class FrontRun(Run):
    """The gateway's front alone, which answers at once."""

    def __init__(self, load: Load, folder: Path, built: House, aids: int, workers: int) -> None:
        super().__init__(load, folder, built, aids)
        self._workers = workers

    async def start(self) -> None:
        ports = self.house.ports
        account = (ENTERPRISE.system_id, ENTERPRISE.smpp_password, ENTERPRISE.access_number)
        self.named["front"] = await self.processes.start(
            "front",
            ["-m", "bench.front_stub", str(ports.smpp), str(self._workers), *account, str(self.folder)],
        )
        await house.until_listens(ports.smpp, self.processes.check)
