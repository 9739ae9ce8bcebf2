"""One run of the voice bench: the processes up, called by sipp in stages, measured, and down again."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import house, sipp
from bench.house import ENTERPRISE, House
from bench.processes import ProcessEnded, Processes, Running, Used

FAILED_MAX = 0.01
"""Of the calls of a stage that may fail."""
LATE = 1.25
"""A stage in which placing and ending its calls takes so much longer than it should did not keep its rate."""
LATE_S = 1.0
FIRST_RATE = 50.0
RATE_MAX = 6_400.0
HALVINGS = 3
"""Steps between the last rate that held and the first that did not."""
ENDED_S = 20.0
"""Of calls that end at once: less than the 32 s for which something of each stays."""
STAGES_AT = 5
"""Of the one rate that was asked for."""
REST_S = 1.0
"""Between stages: retransmissions of a stage that failed end, records and reports are written."""
REST_FAILED_S = 5.0
STAGE_S = 120.0
"""More than any stage takes beyond its calls."""
RELAY = "relay"
ERROR_SHOWN = 3_000
"""Characters of what sipp says about failed calls."""


@dataclass(frozen=True, slots=True)
class Load:
    """How a run is loaded."""

    seconds: float
    """Of placing calls in a stage."""
    talk_s: float
    """How long a call with RTP talks; without RTP it ends at once."""
    delay_rate: float
    """Calls a second while post-dial delay is measured."""
    held: int
    """Calls up at one time while memory is measured."""
    at: float = 0.0
    """Calls a second of a few stages that are all that is measured; 0: everything is."""


class Run:
    """What stands between the two sipps. Subclasses say what; this one has nothing between them."""

    name = "direct"

    def __init__(self, load: Load, folder: Path, built: House) -> None:
        self.load = load
        self.folder = folder
        self.house = built
        self.processes = Processes(folder)
        self.named: dict[str, Running] = {}
        self.caller_port, self.port = built.ports.handsets_sip, built.ports.core
        """Where the calling sipp is, and whom it calls."""
        self.good = 0

    async def start(self) -> None:
        """Start everything but the calling side."""
        sipp.write_scenarios(self.folder)
        self._aids = itertools.cycle(self.house.aids_file.read_text().split())
        program = shutil.which("sipp")
        if program is None:
            raise FileNotFoundError("sipp is needed: apt-get install sip-tester")
        self._sipp = program
        self.named["answerer"] = await self.processes.start(
            "answerer", sipp.answerer(self.house.ports.core), program=program
        )

    async def run(self) -> dict[str, Any]:
        """Warm-up, post-dial delay, the most calls a second, half of it; with RTP and memory where it has media."""
        try:
            await self.start()
            warm = await self.stage(min(FIRST_RATE, self.load.delay_rate), seconds=2.0)
            if not warm["held"]:
                errors = (self.folder / "errors").read_text(errors="replace")[:ERROR_SHOWN]
                raise ProcessEnded(f"{self.name}: {warm['failed']} calls failed at once; sipp says\n{errors}")
            if self.load.at:
                return {"name": self.name, "at": [await self.stage(self.load.at) for _ in range(STAGES_AT)]}
            result: dict[str, Any] = {"name": self.name, **await self.fresh()}
            result["delay"] = await self.stage(self.load.delay_rate, trace=True)
            result["most"], result["tried"] = await self.most()
            result["half"] = await self.stage(result["most"]["rate"] / 2)
            result |= await self.more()
        finally:
            await self.processes.stop()
        return result

    async def fresh(self) -> dict[str, Any]:
        """What a subclass measures before there was load."""
        return {}

    async def more(self) -> dict[str, Any]:
        """What a subclass measures last."""
        return {}

    async def most(self, *, rtp: bool = False) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The stage of the highest rate that held, by doubling and then halving the gap; and all that were tried."""
        tried: list[dict[str, Any]] = []
        low, high, rate = 0.0, RATE_MAX * 2, FIRST_RATE
        halvings = 0
        best: dict[str, Any] | None = None
        while halvings <= HALVINGS and rate <= RATE_MAX:
            stage = await self.stage(rate, rtp=rtp)
            tried.append(stage)
            if stage["held"]:
                low, best = rate, stage
            else:
                high = rate
                await asyncio.sleep(REST_FAILED_S)
            if high > RATE_MAX:
                rate *= 2
            else:
                halvings += 1
                rate = round((low + high) / 2)
        return best or tried[0], tried

    async def stage(
        self,
        rate: float,
        *,
        seconds: float = 0.0,
        rtp: bool = False,
        trace: bool = False,
    ) -> dict[str, Any]:
        """Place calls at the rate, until the last one has ended."""
        seconds = seconds or self.load.seconds
        talk_s = self.load.talk_s if rtp else 0.0
        calls = max(1, round(rate * seconds))
        before, began = self.used(), time.monotonic()
        caller = await self.call(rate, calls, talk_s, rtp=rtp, trace=trace)
        async with asyncio.timeout(seconds * 4 + talk_s + STAGE_S):
            await caller.process.wait()
        took = time.monotonic() - began
        self.processes.forget(caller)
        if not (self.folder / "stat.csv").exists():
            raise ProcessEnded(f"sipp counted nothing; it said\n{caller.said()}")
        await asyncio.sleep(REST_S)
        self.processes.check()
        after = self.used()
        counted = sipp.counted(self.folder / "stat.csv")
        self.good += counted.good
        within = (seconds + talk_s) * LATE + LATE_S
        result = {
            "rate": rate,
            "took_s": round(took, 2),
            "held": counted.failed_share < FAILED_MAX and counted.created >= calls and took <= within,
            **asdict(counted),
        }
        good = max(counted.good, 1)
        spent = {name: max(0.0, after[name] - before.get(name, 0.0)) for name in after}
        result["cpu_ms"] = {name: round(each / good * 1000, 3) for name, each in spent.items()}
        result["cores"] = {name: round(each / took, 2) for name, each in spent.items()}
        if trace:
            delays = sipp.post_dial_ms(self.folder / "short.csv")
            result["post_dial_ms"] = sipp.percentiles(delays)
        return result

    async def call(
        self, rate: float, calls: int, talk_s: float, *, rtp: bool = False, trace: bool = False
    ) -> Running:
        """Start the calling side."""
        arguments = sipp.caller(
            self.port,
            self.caller_port,
            next(self._aids),
            rate=rate,
            calls=calls,
            talk_s=talk_s,
            access_number=ENTERPRISE.access_number,
            user=ENTERPRISE.sip_user,
            password=ENTERPRISE.sip_password,
            rtp=rtp,
            trace=trace,
        )
        for name in ("stat.csv", "short.csv", "errors"):
            (self.folder / name).unlink(missing_ok=True)
        return await self.processes.start("caller", arguments, program=self._sipp)

    def used(self) -> dict[str, float]:
        """CPU seconds of each part so far."""
        found: dict[str, float] = {}
        for name, running in self.named.items():
            for each in running.used():
                part = _part(name, each)
                found[part] = found.get(part, 0.0) + each.cpu_s
        return found

    def resident_mb(self) -> dict[str, float]:
        """Memory of each part now."""
        found: dict[str, float] = {}
        for name, running in self.named.items():
            for each in running.used():
                part = _part(name, each)
                found[part] = found.get(part, 0.0) + each.resident_mb
        return found


def _part(name: str, used: Used) -> str:
    return RELAY if "relay_process" in used.command else name


class ForwarderRun(Run):
    """The parse-and-rebuild forwarder between the same two sipps."""

    name = "forwarder"

    async def start(self) -> None:
        await super().start()
        ports = self.house.ports
        self.port = ports.sip_enterprise
        self.named["forwarder"] = await self.processes.start(
            "forwarder", ["-m", "bench.sip_forwarder", str(self.port), str(ports.core)]
        )
        await asyncio.sleep(REST_S)


class GatewayRun(Run):
    """Trust party and gateway with its relay: each call authorized, anchored and recorded."""

    name = "gateway"

    def __init__(self, load: Load, folder: Path, built: House, loop: str, how: Sequence[str]) -> None:
        super().__init__(load, folder, built)
        self._loop = loop
        self._how = how
        self.port = built.ports.sip_enterprise

    async def start(self) -> None:
        await super().start()
        built, start, named = self.house, self.processes.start, self.named
        ports = built.ports
        limit_calls(built)
        await start("smsc", ["-m", "bench.smsc_stub", str(ports.smsc)])
        named["trust"] = await start(
            "trust", ["-m", "ascs", "trust", "run", str(built.trust)], loop=self._loop
        )
        await house.until_listens(ports.trust, self.processes.check)
        named["gateway"] = await start(
            "gateway", [*self._how, "gateway", "run", str(built.gateway)], loop=self._loop
        )
        await house.until_well(ports.operations, self.processes.check)

    async def run(self) -> dict[str, Any]:
        records = self.house.evidence_records()
        result = await super().run()
        result["good"] = self.good
        result["call_records"] = call_records(self.house)
        result["evidence_records"] = self.house.evidence_records() - records
        return result

    async def fresh(self) -> dict[str, Any]:
        # A heap that load has grown would take the calls without growing.
        ended = await self.ended_kib()
        return {"memory": await self.memory() | {"kib_an_ended_call": ended}}

    async def ended_kib(self) -> float:
        """What stays of a call that has ended, in KiB, as long as late messages for it may come."""
        before = self.resident_mb()
        stage = await self.stage(self.load.delay_rate, seconds=ENDED_S)
        return round((self.resident_mb()["gateway"] - before["gateway"]) * 1024 / stage["created"], 1)

    async def more(self) -> dict[str, Any]:
        best, tried = await self.most(rtp=True)
        return {"rtp": best, "rtp_tried": tried}

    async def memory(self) -> dict[str, Any]:
        """What each call costs while it is up, in KiB: calls held against none."""
        held = self.load.held
        before = self.resident_mb()
        caller = await self.call(self.load.delay_rate, held, held / self.load.delay_rate + 5.0)
        await asyncio.sleep(held / self.load.delay_rate + 2.0)
        during = self.resident_mb()
        async with asyncio.timeout(STAGE_S + 2 * held / self.load.delay_rate):
            await caller.process.wait()
        self.processes.forget(caller)
        self.good += sipp.counted(self.folder / "stat.csv").good
        return {
            "calls": held,
            "kib_a_call": {
                name: round((during[name] - before[name]) * 1024 / held, 1) for name in ("gateway", RELAY)
            },
            "resident_mb": {name: round(value, 1) for name, value in during.items()},
        }


def limit_calls(built: House, calls: int = 10_000) -> None:
    """Raise the caps on calls, so that what is measured is the gateway and not its settings."""
    house.change(built.gateway, "voice.calls_max", calls)
    house.change(built.gateway, "voice.aid.calls_max", calls)
    house.change(built.gateway, "voice.media.port_min", 40_000)
    house.change(built.gateway, "voice.media.port_max", 59_998)
    with closing(sqlite3.connect(built.gateway.parent / "carrier.db")) as database, database:
        database.execute("UPDATE trunk SET max_calls = ?", (calls,))


def call_records(built: House) -> int:
    """Answered calls in the gateway's records. It may not be running."""
    with closing(sqlite3.connect(built.gateway.parent / "carrier.db")) as database:
        query = "SELECT count(*) FROM cdr WHERE kind = 'call' AND answered_at IS NOT NULL"
        return int(database.execute(query).fetchone()[0])
