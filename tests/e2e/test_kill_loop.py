"""Gateway, front processes, SMSC and trust party are killed in a loop while messages flow: none that was acknowledged
is lost.

Acknowledged is what the enterprise's client has ESME_ROK for: of a long message for each part, and parts without an
answer are sent again, as its system would. It is accounted for when the handset shows it, the SMSC says that it is
delivered, or the client has a final receipt of it. Twice is allowed, and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import select
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import smpplib.consts
from smpplib.exceptions import ConnectionError as LostConnection
from smpplib.exceptions import PDUError

from ascs.demo import parties
from ascs.demo.layout import HOST, PEOPLE, Layout, Person
from ascs.demo.parties import Files
from simulators.http_client import ApiError, JsonClient
from smpp.constants import CommandStatus
from tests.e2e.esme import Esme, is_receipt
from tests.e2e.fronts import fronts, has_client
from tests.e2e.house import ENT_A, House, free_ports, until

pytestmark = pytest.mark.e2e

SEED = 20_490
SOAK_S = float(os.environ.get("SOAK_SECONDS", "60"))
PERIOD_S = 0.05
"""From one submit_sm to the next."""
FLOW_MAX = 25
"""Acknowledgements between a recovery and the next kill, at most."""
OVERLAP_SHARE = 0.3
"""Of a soak's kills that do not wait until the one before is recovered from."""
OVERLAP_S = 1.0
DOWN_S = 1.0
RECOVERY_S = 30.0
SETTLE_S = 30.0
RECEIPTS_S = 10.0
REBIND_S = 0.1
LOOK_S = 0.25
LIST_MAX = 10_000

KILLED = ("gateway", "smsc", "trust")
FRONT = "front process"
"""Killed too where the gateway has some."""

LONG_EACH, SCHEDULED_EACH = 4, 5
"""Of so many messages one is long, one is for later."""
LATER = "000000000002000R"
"""SMPP 3.4, 7.1.1.2: two seconds from now."""
PART_CHARACTERS = 67
"""Of UCS-2 in 140 octets with a header of six (3GPP TS 23.040, 9.2.3.24.1)."""
PARTS = 3


class Victims(House):
    """A house of its own for a test that kills its processes."""

    def __init__(self, layout: Layout, files: Files, people: Sequence[Person], smsc_api: int) -> None:
        super().__init__(layout, files, people)
        self.smsc = JsonClient(f"http://{HOST}:{smsc_api}")
        self._commands = {
            "gateway": ("carrier", layout.carrier, ("gateway", "run", str(files.gateway))),
            "smsc": ("simulators", layout.simulators, ("sim", "smsc", str(files.smsc))),
            "trust": ("trust", layout.trust, ("trust", "run", str(files.trust))),
        }

    def _wrap(self, owner: str, command: Sequence[str]) -> Sequence[str]:
        # The configuration file names the process; its owner may have several.
        return super()._wrap(Path(command[-1]).stem, command)

    async def stop(self) -> None:
        await self.smsc.close()
        await super().stop()

    async def kill_process(self, name: str) -> None:
        """SIGKILL; returns when it is gone."""
        file = self._pids / name

        async def pid() -> int:
            return int(file.read_text().strip() or 0) if file.exists() else 0

        os.kill(await until(pid, f"{name} has a pid"), signal.SIGKILL)
        file.unlink()
        await self._processes.stop(name)

    async def start_process(self, name: str) -> None:
        """Returns at once."""
        owner, folder, arguments = self._commands[name]
        await self._processes.start(name, owner, folder, *arguments)

    def kill_front(self, port: int) -> None:
        """SIGKILL the gateway's front process that has the client with that port, or one of them; the gateway starts
        another."""
        file = self._pids / "gateway"
        pids = fronts(int(file.read_text().strip() or 0)) if file.exists() else []
        for pid in [pid for pid in pids if has_client(pid, port)] or pids[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def is_well(self) -> bool:
        """Raises ProcessEnded when one ended by itself."""
        return await self._trust_listens() and await self._fleet_ready() and await self._gateway_ready()


class Sender:
    """The enterprise's client, in a thread: submits, binds again whenever the connection is lost, and keeps count."""

    def __init__(self, port: int, aid: str) -> None:
        self._port = port
        self._aid = aid
        self._finished = threading.Event()
        self._sends = True
        self._under_way: dict[int, tuple[str, int]] = {}
        """By sequence number: the text and which part, 0 for a whole message."""
        self._again: deque[tuple[str, int]] = deque()
        """Parts to send again."""
        self._parts_taken: dict[str, dict[int, str]] = {}
        """Text to message_ids of its parts, until there is one of each."""
        self.submitted = 0
        self.accepted: dict[str, str] = {}
        """Text to message_id of what got ESME_ROK; of a long message, that of its first part."""
        self.long = self.scheduled = 0
        self.refused: Counter[str] = Counter()
        self.binds = 0
        self.local_port = 0
        """Of the session that is, or was last."""
        self.receipts: Counter[str] = Counter()
        """Receipts by message_id."""
        self.stats: Counter[str] = Counter()

    def run(self) -> None:
        while not self._finished.is_set():
            esme = Esme(self._port, ENT_A)
            try:
                with contextlib.suppress(LostConnection, PDUError, OSError):
                    esme.bind()
                    self.local_port = esme.client._socket.getsockname()[1]
                    self.binds += 1
                    self._serve(esme)
            finally:
                self._collect(esme)
                self._again += (each for each in self._under_way.values() if each[1])
                self._under_way.clear()
                with contextlib.suppress(OSError):
                    esme.client.disconnect()
            self._finished.wait(REBIND_S)

    def send_no_more(self) -> None:
        """Receipts are still taken."""
        self._sends = False

    async def is_answered(self) -> bool:
        return not (self._under_way or self._again)

    def finish(self) -> None:
        self._finished.set()

    def _serve(self, esme: Esme) -> None:
        due = time.monotonic()
        while not self._finished.is_set():
            if (self._sends or self._again) and time.monotonic() >= due:
                due = max(due + PERIOD_S, time.monotonic() - PERIOD_S)
                for _ in range(min(len(self._again), PARTS)):
                    self._send(esme, *self._again.popleft())
                if self._sends:
                    self._submit(esme)
            select.select([esme.client._socket], [], [], PERIOD_S / 2)
            esme.client.poll(auto_send_enquire_link=False)
            self._collect(esme)

    def _submit(self, esme: Esme) -> None:
        number = self.submitted
        self.submitted += 1
        text = f"第{number}条"
        if number % LONG_EACH == 1:
            self.long += 1
            text = text.ljust(PART_CHARACTERS * PARTS - 1, "长")
            for part in range(1, PARTS + 1):
                self._send(esme, text, part)
        else:
            self._send(esme, text, 0, scheduled=number % SCHEDULED_EACH == 2)

    def _send(self, esme: Esme, text: str, part: int, scheduled: bool = False) -> None:
        fields: dict[str, Any] = {}
        octets = text.encode("utf-16-be")
        if part:
            size = PART_CHARACTERS * 2
            header = bytes((5, 0, 3, sum(octets) & 0xFF, PARTS, part))
            octets = header + octets[(part - 1) * size : part * size]
            fields["esm_class"] = smpplib.consts.SMPP_GSMFEAT_UDHI
        if scheduled:
            self.scheduled += 1
            fields["schedule_delivery_time"] = LATER
        self._under_way[esme.send(self._aid, octets, **fields)] = (text, part)

    def _collect(self, esme: Esme) -> None:
        for sequence in [each for each in self._under_way if each in esme.answers]:
            answer, (text, part) = esme.answers.pop(sequence), self._under_way.pop(sequence)
            if answer.status != CommandStatus.ESME_ROK:
                self.refused[f"0x{answer.status:08X}"] += 1
                if part:
                    self._again.append((text, part))
            elif not part:
                self.accepted[text] = answer.message_id.decode()
            else:
                taken = self._parts_taken.setdefault(text, {})
                taken[part] = answer.message_id.decode()
                if len(taken) == PARTS:
                    self.accepted[text] = self._parts_taken.pop(text)[1]
        received, esme.received = esme.received, []
        for each in received:
            if is_receipt(each):
                self.receipts[each.receipted_message_id.rstrip(b"\0").decode()] += 1
                self.stats[each.short_message.decode("latin-1").partition("stat:")[2][:7]] += 1


class Watch:
    """What the handset showed and what the SMSC took, by text. Both keep only the latest, so it looks often."""

    def __init__(self, house: Victims, person: Person) -> None:
        self._house = house
        self._person = person
        self._shown_to = 0
        self._taken_to = 0
        self.shown: Counter[str] = Counter()
        self.taken: dict[str, list[int]] = {}
        """Serials that the SMSC gave."""

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        for each in await self._house.handsets.inbox(self._person.msisdn, after=self._shown_to):
            self._shown_to = each["index"]
            self.shown[each["text"]] += 1
        with contextlib.suppress(ApiError):  # it is down, or not up again
            answer = await self._house.smsc.get(f"/accepted?after={self._taken_to}&limit={LIST_MAX}")
            self._taken_to = answer["last"]
            for each in answer["messages"]:
                if each["direction"] == "mt":
                    self.taken.setdefault(each["text"], []).append(each["serial"])

    async def delivered_by_smsc(self, texts: Iterable[str]) -> set[str]:
        """Those of which the SMSC says so itself."""
        found = set()
        for text in texts:
            for serial in self.taken.get(text, ()):
                with contextlib.suppress(ApiError):
                    told: dict[str, Any] = await self._house.smsc.get(f"/messages/{serial}")
                    if told["state"] == "DELIVERED":
                        found.add(text)
        return found


@contextlib.asynccontextmanager
async def _victims(root: Path, workers: int) -> AsyncIterator[Victims]:
    layout = Layout(root, free_ports())
    files = await asyncio.to_thread(parties.set_up, layout, PEOPLE, None, None)
    # No enterprise's system runs here, so that its port is free for the SMSC's control API.
    smsc_api = layout.ports.enterprise_api[ENT_A.id]
    files.smsc.write_text(f'store = "disk"\napi_port = {smsc_api}\n{files.smsc.read_text()}')
    # A link that is down is tried again soon, or the test would only wait.
    gateway = files.gateway.read_text()
    assert '\nname = "smsc"\n' in gateway
    gateway = gateway.replace('\nname = "smsc"\n', '\nname = "smsc"\nbackoff_max_s = 1.0\n')
    assert "\n[smpp]\n" in gateway
    files.gateway.write_text(gateway.replace("\n[smpp]\n", f"\n[smpp]\nworkers = {workers}\n"))
    house = Victims(layout, files, PEOPLE, smsc_api)
    try:
        await house.start()
        yield house
    finally:
        await house.stop()


async def _flows(sender: Sender, count: int) -> None:
    """Returns when `count` more messages are acknowledged."""
    enough = len(sender.accepted) + count

    async def ask() -> bool:
        return len(sender.accepted) >= enough

    await until(ask, f"{count} messages are acknowledged", RECOVERY_S)


async def _kill_each(
    house: Victims, sender: Sender, source: random.Random, overlap_share: float, names: Sequence[str]
) -> Counter[str]:
    kills: Counter[str] = Counter()
    for name in source.sample(names, len(names)):
        flow, down = source.randint(1, FLOW_MAX), source.uniform(0, DOWN_S)
        if source.random() < overlap_share:
            await asyncio.sleep(source.uniform(0, OVERLAP_S))
        else:
            await until(house.is_well, "all is well again", RECOVERY_S)
            await _flows(sender, flow)
        kills[name] += 1
        if name == FRONT:
            house.kill_front(sender.local_port)
            continue
        await house.kill_process(name)
        await asyncio.sleep(down)
        await house.start_process(name)
    return kills


async def _loop(root: Path, seed: int, seconds: float, overlap_share: float, workers: int) -> None:
    """Kill each once and go on for `seconds`; then account for every message."""
    names = KILLED if workers == 1 else (*KILLED, FRONT)
    source = random.Random(seed)
    kills: Counter[str] = Counter()
    async with _victims(root, workers) as house:
        person = house.people[0]
        aid = await house.active_aid(ENT_A, person)
        sender, watch = Sender(house.ports.smpp, aid), Watch(house, person)
        sending = asyncio.create_task(asyncio.to_thread(sender.run))
        watching = asyncio.create_task(watch.run())
        try:
            end = time.monotonic() + seconds
            while not kills or time.monotonic() < end:
                kills += await _kill_each(house, sender, source, overlap_share, names)
            await until(house.is_well, "all is well at the end", RECOVERY_S)
            await _flows(sender, 1)
            sender.send_no_more()
            await until(sender.is_answered, "what was submitted last is answered", RECOVERY_S)
            watching.cancel()
            await asyncio.wait([watching])
            if not watching.cancelled():
                watching.result()
            lost = await _lost(sender, watch)
            without = await _without_receipt(sender)
        finally:
            watching.cancel()
            sender.finish()
            await asyncio.wait([sending, watching])
        sending.result()
    twice = sum(count > 1 for count in watch.shown.values())
    sent_twice = sum(len(serials) > 1 for serials in watch.taken.values())
    print(
        f"\nseed {seed}, {workers} workers: kills {dict(kills)}; submitted {sender.submitted} "
        f"(long {sender.long}, for later {sender.scheduled}), acknowledged {len(sender.accepted)}, "
        f"refused {dict(sender.refused)}, binds {sender.binds}\n"
        f"twice on the handset {twice}, twice at the SMSC {sent_twice}, "
        f"receipts {dict(sender.stats)}, twice {sum(count > 1 for count in sender.receipts.values())}, "
        f"acknowledged without a receipt so far {len(without)}, lost {len(lost)}"
    )
    assert len(set(sender.accepted.values())) == len(sender.accepted), (
        f"seed {seed}: a message_id given twice"
    )
    assert not lost, f"seed {seed}: acknowledged and lost: {sorted(lost)[:20]}"
    assert set(kills) == set(names)
    assert any(len(text) > PART_CHARACTERS for text in sender.accepted), "no long message was acknowledged"


async def _lost(sender: Sender, watch: Watch) -> set[str]:
    """What is acknowledged and, after a while, neither delivered nor given a final receipt."""
    end = time.monotonic() + SETTLE_S
    while True:
        await watch.look()
        lost = {
            text
            for text, message_id in sender.accepted.items()
            if not watch.shown[text] and not sender.receipts[message_id]
        }
        lost -= await watch.delivered_by_smsc(lost)
        if not lost or time.monotonic() > end:
            return lost
        await asyncio.sleep(LOOK_S)


async def _without_receipt(sender: Sender) -> set[str]:
    """message_ids whose final receipt is still to come after a short wait."""

    async def all_came() -> bool:
        return sender.receipts.keys() >= set(sender.accepted.values())

    with contextlib.suppress(AssertionError):
        await until(all_came, "a receipt of each", RECEIPTS_S)
    return set(sender.accepted.values()) - sender.receipts.keys()


async def test_each_killed_once_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    await _loop(tmp_path, SEED, 0, 0, workers=2)


@pytest.mark.soak
@pytest.mark.timeout(SOAK_S * 2 + 240)
async def test_kills_for_long_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")  # shown when it fails
    await _loop(tmp_path, seed, SOAK_S, OVERLAP_SHARE, workers=1 + seed % 2)
