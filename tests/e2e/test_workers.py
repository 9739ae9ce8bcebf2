"""Two front processes before one store process: as enterprises see them, and what of it is left when one is killed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from smpplib.exceptions import ConnectionError as LostConnection
from smpplib.exceptions import PDUError

from ascs.demo import parties
from ascs.demo.layout import HOST, PEOPLE, Layout
from smpp.constants import CommandStatus
from tests.e2e.esme import Esme, is_receipt, status_of_bind
from tests.e2e.fronts import fronts, has_client
from tests.e2e.house import ENT_A, House, free_ports, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

FLOW = 20
"""Messages acknowledged before a kill."""
BINDS = 16
"""That the account of the demo may have."""
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    layout = Layout(tmp_path_factory.mktemp("workers"), free_ports())
    files = await asyncio.to_thread(parties.set_up, layout, PEOPLE, None, None)
    text = files.gateway.read_text()
    assert "\n[smpp]\n" in text
    files.gateway.write_text(text.replace("\n[smpp]\n", "\n[smpp]\nworkers = 2\ndrain_s = 1.0\n"))
    running = House(layout, files, PEOPLE)
    try:
        await running.start()
        yield running
    finally:
        await running.stop()


def gateway_pid(house: House) -> int:
    return int((house.layout.root / "pids" / "carrier").read_text())


def sessions(house: House) -> dict[str, int]:
    """Open connections by front process, as /metrics tells them."""
    with urllib.request.urlopen(f"http://{HOST}:{house.ports.operations}/metrics", timeout=5) as answer:
        told = answer.read().decode()
    return {
        name: int(float(count))
        for name, count in re.findall(r'^ascs_front_sessions\{worker="([^"]+)"\} (\S+)$', told, re.M)
    }


def memory_has(pid: int, *needles: bytes) -> bool:
    """Whether one of them is in what the process can write to. Skips where the kernel lets nobody look."""
    try:
        Path(f"/proc/{pid}/mem").open("rb").close()
    except PermissionError:
        pytest.skip("this kernel shows no process the memory of its own children (kernel.yama.ptrace_scope)")
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            found = MAPPING.match(line)
            if found is None:
                continue
            start, end = (int(each, 16) for each in found.groups())
            try:
                memory.seek(start)
                octets = memory.read(end - start)
            except (OSError, ValueError):
                continue  # what the kernel shows to nobody
            if any(needle in octets for needle in needles):
                return True
    return False


def forms(msisdn: str) -> tuple[bytes, ...]:
    return msisdn.encode(), msisdn.encode("utf-16-be"), msisdn.encode("utf-16-le")


async def bound(house: House, count: int) -> list[Esme]:
    return [await asyncio.to_thread(Esme(house.ports.smpp, ENT_A).bind) for _ in range(count)]


async def close(*esmes: Esme) -> None:
    for esme in esmes:
        await asyncio.to_thread(esme.close)


async def test_clients_land_on_both_and_limits_hold_over_both(house: House) -> None:
    aid = await house.active_aid(ENT_A, house.people[0])
    esmes = await bound(house, 2)

    async def one_each() -> bool:
        return await asyncio.to_thread(sessions, house) == {"front-1": 1, "front-2": 1}

    await until(one_each, "a session in each")
    try:
        for number, esme in enumerate(esmes):
            status, _ = await asyncio.to_thread(esme.submit, aid, f"经{number}")
            assert status == CommandStatus.ESME_ROK
        for number, esme in enumerate(esmes, start=1):
            part = bytes((5, 0, 3, 77, 2, number)) + "各半".encode("utf-16-be")
            sequence = await asyncio.to_thread(esme.send, aid, part, esm_class=0x40)
            assert (await asyncio.to_thread(esme.answer, sequence)).status == CommandStatus.ESME_ROK
        await house.message(
            house.people[0],
            lambda each: each["text"] == "各半各半",
            "a long message whose parts came over each",
        )
        esmes += await bound(house, BINDS - 2)
        refused = await asyncio.to_thread(status_of_bind, house.ports.smpp, ENT_A)
        assert refused == CommandStatus.ESME_RALYBND, "of all, over both"
    finally:
        await close(*esmes)


async def test_no_number_and_no_passphrase_is_ever_in_a_front_process(house: House) -> None:
    person = house.people[1]
    aid = await house.active_aid(ENT_A, person)
    esmes = await bound(house, 2)
    try:
        for esme in esmes:
            assert (await asyncio.to_thread(esme.submit, aid, "有回执"))[0] == CommandStatus.ESME_ROK
        await house.message(person, lambda each: each["text"] == "有回执", "the text")
        await house.handsets.reply(person.msisdn, "收到", ENT_A.access_number)

        def all_came() -> bool:
            receipts = [each for esme in esmes for each in esme.received if is_receipt(each)]
            replies = [each for esme in esmes for each in esme.received if not is_receipt(each)]
            return len(receipts) >= 2 and len(replies) >= 1

        await asyncio.to_thread(_read_all, esmes, all_came)
        parent = gateway_pid(house)
        passphrase = (house.layout.carrier / "passphrase").read_bytes().strip()
        needles = [*forms(person.msisdn), *forms(person.msisdn.removeprefix("86")), passphrase]
        for pid in fronts(parent):
            assert await asyncio.to_thread(memory_has, pid, aid.encode()), "it can be searched"
            assert not await asyncio.to_thread(memory_has, pid, *needles)
        assert await asyncio.to_thread(memory_has, parent, *forms(person.msisdn.removeprefix("86")))
    finally:
        await close(*esmes)


def _read_all(esmes: list[Esme], done: object) -> None:
    assert callable(done)
    for _ in range(100):
        if done():
            return
        for esme in esmes:
            try:
                esme.read_until(lambda: False, "", 0.1)
            except AssertionError:
                continue
    raise AssertionError("receipts and the reply did not come")


async def test_what_a_killed_front_process_had_handed_over_is_delivered_and_receipted_elsewhere(
    house: House,
) -> None:
    person = house.people[2]
    aid = await house.active_aid(ENT_A, person)
    parent = gateway_pid(house)
    first, second = await bound(house, 2)
    accepted: dict[str, str] = {}
    flowing = threading.Event()

    def flow() -> None:
        try:
            for number in range(500):
                text = f"断{number}"
                status, message_id = first.submit(aid, text)
                assert status == CommandStatus.ESME_ROK
                accepted[text] = message_id
                if len(accepted) >= FLOW:
                    flowing.set()
        except (LostConnection, PDUError, OSError):
            return

    receipts: dict[str, int] = {}

    def note() -> None:
        for each in (*first.received, *second.received):
            if is_receipt(each):
                receipts[each.receipted_message_id.rstrip(b"\0").decode()] = 1

    def complete() -> bool:
        note()
        return set(accepted.values()) <= receipts.keys()

    before = fronts(parent)
    sending = asyncio.create_task(asyncio.to_thread(flow))
    assert await asyncio.to_thread(flowing.wait, 10), "no messages flow"
    # Which of the two has the first client is the port's to say.
    victim = next(pid for pid in before if has_client(pid, first.client._socket.getsockname()[1]))
    os.kill(victim, signal.SIGKILL)
    await sending
    await asyncio.to_thread(second.read_until, complete, "a receipt of each", 30)
    shown = {each["text"] for each in await house.handsets.inbox(person.msisdn)}
    assert set(accepted) <= shown

    async def both_again() -> bool:
        return len(fronts(parent)) == 2 and await house._gateway_ready()

    await until(both_again, "another front process")
    assert victim not in fronts(parent)
    first.client.disconnect()
    again = await asyncio.to_thread(Esme(house.ports.smpp, ENT_A).bind)
    assert (await asyncio.to_thread(again.submit, aid, "再来"))[0] == CommandStatus.ESME_ROK
    await close(second, again)


async def test_sessions_outlive_a_reload(house: House) -> None:
    aid = await house.active_aid(ENT_A, house.people[0])
    esmes = await bound(house, 2)
    house.hang_up_gateway()
    for esme in esmes:
        assert (await asyncio.to_thread(esme.submit, aid, "还在"))[0] == CommandStatus.ESME_ROK
    await close(*esmes)


async def test_the_end_of_the_store_process_is_the_end_of_all_whether_in_order_or_not(house: House) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        parent = gateway_pid(house)
        assert len(fronts(parent)) == 2
        pids = fronts(parent)
        esmes = await bound(house, 2)
        os.kill(parent, number)

        async def all_gone(pids: list[int] = pids) -> bool:
            return not any(os.path.exists(f"/proc/{pid}") for pid in pids)  # noqa: ASYNC240 - the kernel answers

        reading = [asyncio.create_task(asyncio.to_thread(_to_the_end, esme)) for esme in esmes]
        await until(all_gone, "the front processes are gone", 10)
        for each in reading:
            await each
        with pytest.raises(OSError):
            await asyncio.open_connection(HOST, house.ports.smpp)
        for esme in esmes:
            esme.client.disconnect()
        await house._processes.stop("gateway")
        if number == signal.SIGTERM:
            await house.start_gateway()


def _to_the_end(esme: Esme) -> None:
    try:
        esme.read_until(lambda: False, "the connection's end", 10)
    except (LostConnection, PDUError, OSError):
        return
