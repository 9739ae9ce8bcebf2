"""The demo from start to end: set up, start, script, leak search, stay up, stop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp
import click

from ascs import leak_search
from ascs.demo import description, parties
from ascs.demo.bulk import deposit_all
from ascs.demo.description import Script
from ascs.demo.enterprise_client import EnterpriseClient
from ascs.demo.layout import ENTERPRISES, HOST, PEOPLE, Layout, Person, choose_ports, claim, clear, person
from ascs.demo.parties import Files, OtherCore, OtherSmsc
from ascs.demo.processes import Processes, Wrap
from ascs.demo.regulator import Desk
from ascs.demo.script import Actor, StepFailed, Story
from foundation.tasks import end
from simulators.handsets.client import HandsetClient
from simulators.http_client import ApiError

START_S = 30.0
WATCH_S = 1.0
LOOK_AGAIN_S = 0.05

ENTERPRISE_CHANNELS = ("smpp", "sip", "rtp", "rtcp", "http", "app")
"""What an enterprise receives; each must have carried something before "no number found" means anything."""
STRANGER_CHANNELS = ("smpp", "sip", "http", "app")
"""Enterprise B has no call that is answered."""
TRUST_CHANNELS = ("http",)


class DemoFailed(Exception):
    """The demo did not do what it must; says what."""


class DemoInterrupted(Exception):
    """The demo was told to end before it was up, or before its script was over."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `ascs demo` was asked."""

    data: Path
    once: bool = False
    script: bool = True
    subscribers: int = 0
    smsc: OtherSmsc | None = None
    core: OtherCore | None = None
    unknown_aids: int | None = None
    """As many as an enterprise may name at once; None: as many as elsewhere."""
    wrap: Wrap | None = None


class Demo:
    """One demo in one data folder."""

    def __init__(
        self, options: Options, layout: Layout, people: Sequence[Person], files: Files, claimed: BinaryIO
    ) -> None:
        self._claimed = claimed
        """The data folder is this demo's as long as this is open."""
        self._options = options
        self._layout = layout
        self._people = people
        self._files = files
        self._processes = Processes(options.wrap)
        self._described = False
        self._aids_ready = False
        self._script = Script.RUNNING if options.script else Script.NONE
        ports = layout.ports
        self._handsets = HandsetClient(f"http://{HOST}:{ports.handsets_api}")
        self._actors = [
            Actor(each, EnterpriseClient(f"http://{HOST}:{ports.enterprise_api[each.id]}"))
            for each in ENTERPRISES
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """With `once` returns after the script, else when `stop` is set.

        Raises DemoFailed, ProcessEnded; DemoInterrupted when `stop` is set before the script is over.
        """
        try:
            await _unless(stop, self._start_and_tell())
            if not self._options.once:
                await self._stay(stop)
        except (StepFailed, ApiError) as error:
            self._processes.check()
            raise DemoFailed(str(error)) from error
        finally:
            try:
                if self._script is Script.RUNNING:
                    self._script = Script.FAILED
                if self._described:
                    self._describe(ready=False)
                for actor in self._actors:
                    await actor.client.close()
                await self._handsets.close()
            finally:
                # Whatever went wrong before, no process of the demo outlives it.
                await self._processes.stop()
                self._claimed.close()

    # --- start --------------------------------------------------------------------------------------

    async def _start_and_tell(self) -> None:
        """Start every party; with a script the demo is ready then, without one when the AIDs are there too."""
        await self._start()
        if self._options.script:
            self._describe(ready=True)
            await self._deposit(self._people[len(PEOPLE) :])
            await self._tell()
        else:
            await self._deposit(self._people)
            await self._hand_over()

    async def _start(self) -> None:
        layout, files, start = self._layout, self._files, self._processes.start
        began = time.monotonic()
        await start("trust", "trust", layout.trust, "trust", "run", str(files.trust))
        if self._options.smsc is None:
            await start("smsc", "simulators", layout.simulators, "sim", "smsc", str(files.smsc))
        if self._options.core is None:
            await start("core", "simulators", layout.simulators, "sim", "core", str(files.core))
        await start("handsets", "simulators", layout.simulators, "sim", "handsets", str(files.handsets))
        await start("gateway", "carrier", layout.carrier, "gateway", "run", str(files.gateway))
        for actor in self._actors:
            each = actor.enterprise.id
            await start(
                each, each, layout.enterprise(each), "sim", "enterprise", str(files.enterprises[each])
            )
        await self._until_ready()
        owners = {folder: owner for owner, folder in layout.folders.items()}
        for party, folder in layout.witnesses.items():
            config = str(files.witnesses[party])
            await start(f"witness-{party}", owners[folder], folder, "evidence", "witness", config)
        click.echo(f"all parts are up after {time.monotonic() - began:.1f} s")

    async def _until_ready(self) -> None:
        """Every listener answers: the gateway's health, the fleet's, and each enterprise bound and registered."""
        health = f"http://{HOST}:{self._layout.ports.operations}/health"
        waits_for = ""
        try:
            async with asyncio.timeout(START_S), aiohttp.ClientSession(trust_env=False) as session:
                while True:
                    self._processes.check()
                    waits_for = await self._missing(session, health)
                    if not waits_for:
                        return
                    await asyncio.sleep(LOOK_AGAIN_S)
        except TimeoutError:
            raise DemoFailed(f"not ready after {START_S:.0f} s: {waits_for}") from None

    async def _missing(self, session: aiohttp.ClientSession, health: str) -> str:
        if not await _listens(self._layout.ports.trust):
            return "the trust party does not listen"
        try:
            async with session.get(health) as response:
                parts = (await response.json())["parts"]
        except (aiohttp.ClientError, OSError, ValueError, KeyError):
            return "the gateway does not answer"
        others = self._options.smsc is not None or self._options.core is not None
        wanted = {
            name: state for name, state in parts.items() if name != "smsc" or self._options.smsc is None
        }
        if any(state != "ok" for state in wanted.values()):
            return f"the gateway's parts: {wanted}"
        try:
            fleet = await self._handsets.health()
            if not fleet["ready"] and not others:
                return "the handsets are not attached"
            for actor in self._actors:
                state = await actor.client.health()
                if not state["ready"]:
                    return f"{actor.enterprise.id}: bound {state['bound']}, {state['registration']}"
        except ApiError as error:
            return str(error)
        return ""

    async def _deposit(self, people: Sequence[Person]) -> None:
        """Consents of many at once."""
        if not people:
            return
        began = time.monotonic()
        await asyncio.gather(
            *(
                deposit_all(actor.enterprise.id, actor.client, self._handsets, people)
                for actor in self._actors
            )
        )
        click.echo(
            f"{len(people)} people consented to {len(self._actors)} enterprises each"
            f" in {time.monotonic() - began:.1f} s"
        )

    async def _hand_over(self) -> None:
        """Leave the binds to whoever drives the demo from now on, and say who is behind which AID."""
        await self._processes.stop(*(actor.enterprise.id for actor in self._actors))
        await self._name_people()

    async def _name_people(self) -> None:
        await self._processes.run_once(
            "carrier",
            self._layout.carrier,
            "gateway",
            "people",
            str(self._files.gateway),
            str(self._layout.people_file),
        )
        self._aids_ready = True
        self._describe(ready=True)

    def _describe(self, *, ready: bool) -> None:
        """Write demo.json."""
        self._described = True
        description.write(
            self._layout,
            description.describe(
                self._layout,
                ready=ready,
                aids_ready=self._aids_ready,
                script=self._script,
                smsc=self._options.smsc,
                core=self._options.core,
            ),
        )

    # --- script -------------------------------------------------------------------------------------

    async def _tell(self) -> None:
        a, b = self._actors
        story = Story(a, b, PEOPLE, self._handsets)
        await story.consents()
        await self._name_people()
        await story.message()
        await story.call()
        await story.callback()
        await story.stranger()
        await story.opt_out()
        await story.complaint(Desk(self._layout, self._files))
        story.summary()
        handsets = await self._handsets.handsets()
        await self._hand_over()
        click.echo("")
        await self._search([each[name] for each in handsets for name in ("msisdn", "imsi", "imei")])
        self._script = Script.PASSED
        self._describe(ready=True)

    async def _search(self, numbers: Sequence[str]) -> None:
        """Every byte that enterprises and trust party received, searched for every number."""
        a, b = (actor.enterprise.id for actor in self._actors)
        captures = [
            (a, self._layout.enterprise(a) / "received.capture"),
            (b, self._layout.enterprise(b) / "received.capture"),
            ("trust party", self._layout.trust / "received.capture"),
        ]
        report = await _search_beside(captures, numbers)
        for line in report.lines():
            click.echo(line)
        missing = [
            *report.missing(a, ENTERPRISE_CHANNELS),
            *report.missing(b, STRANGER_CHANNELS),
            *report.missing("trust party", TRUST_CHANNELS),
        ]
        if missing:
            raise DemoFailed(f"nothing was received on {', '.join(missing)}: the search proves nothing there")
        check = leak_search.self_check(numbers[: 3 * len(PEOPLE)])
        click.echo(
            f"planted {check.planted} times, in every encoding: {check.planted - len(check.overlooked)} found"
        )
        if not check.passed:
            raise DemoFailed(f"the search overlooks {', '.join(map(str, check.overlooked[:5]))}")
        if report.found:
            raise DemoFailed(f"{report.found} numbers left the carrier domain")

    # --- stay ---------------------------------------------------------------------------------------

    async def _stay(self, stop: asyncio.Event) -> None:
        ports = self._layout.ports
        click.echo("")
        for each in ENTERPRISES:
            click.echo(
                f"{each.name} ({each.id}): SMPP {HOST}:{ports.smpp} {each.system_id} / {each.smpp_password}"
                f" · SIP {HOST}:{ports.sip_enterprise} {each.sip_user} / {each.sip_password}"
                f" · access number {each.access_number}"
            )
            click.echo(f"  AIDs: {self._layout.enterprise(each.id) / 'aids.csv'}")
        click.echo(f"handsets: http://{HOST}:{ports.handsets_api}   (ascs handset {PEOPLE[0].msisdn} inbox)")
        click.echo(f"gateway:  http://{HOST}:{ports.operations}/health and /metrics")
        click.echo(f"all of it for tools: {self._layout.description}")
        click.echo("Ctrl-C ends the demo.")
        while not stop.is_set():
            self._processes.check()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_S):
                    await stop.wait()


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do `work`, or leave it where it is once `stop` is set. Raises DemoInterrupted and what `work` raises."""
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise DemoInterrupted
        task.result()
    finally:
        await end(task, stopped)


async def _search_beside(
    captures: Sequence[tuple[str, Path]], numbers: Sequence[str]
) -> leak_search.LeakReport:
    """The search in a thread, so that the demo can be ended meanwhile; it ends with whoever waits for it."""
    given_up = threading.Event()

    def go_on() -> None:
        if given_up.is_set():
            raise DemoInterrupted

    try:
        return await asyncio.to_thread(leak_search.search, captures, numbers, go_on)
    except asyncio.CancelledError:
        given_up.set()
        raise


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def prepare(options: Options) -> Demo:
    """Clear the data folder and set up every party. Raises DemoRefused and what the parties' commands raise."""
    root = options.data.resolve()
    claimed = claim(root)
    try:
        clear(root)
        layout = Layout(root, choose_ports())
        people = [*PEOPLE, *(person(100 + number) for number in range(options.subscribers))]
        files = parties.set_up(layout, people, options.smsc, options.core)
        if options.unknown_aids is not None:
            parties.allow_unknown_aids(files, options.unknown_aids)
    except BaseException:
        claimed.close()
        raise
    return Demo(options, layout, people, files, claimed)
