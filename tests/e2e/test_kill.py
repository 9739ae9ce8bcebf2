"""The gateway is killed while messages flow: what it acknowledged is delivered all the same."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest
from smpplib.exceptions import ConnectionError as LostConnection
from smpplib.exceptions import PDUError

from smpp.constants import CommandStatus
from tests.e2e.esme import Esme, is_receipt
from tests.e2e.house import ENT_A, House, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

KILLS = 3
ENOUGH = 12
"""Acknowledged messages after which the gateway is killed: the next ones are on their way."""
WINDOW = 8
PER_KILL_MAX = 50
"""The handset keeps 200 messages; all that the tests send to it must be among them."""


def _flow(esme: Esme, aid: str, round_: int, accepted: dict[str, str], flowing: threading.Event) -> None:
    """Submit with a window until the connection is lost; `accepted` is text to message_id of ESME_ROK."""
    under_way: dict[int, str] = {}

    def collect() -> None:
        for sequence in [each for each in under_way if each in esme.answers]:
            answer, text = esme.answers[sequence], under_way.pop(sequence)
            assert answer.status == CommandStatus.ESME_ROK, hex(answer.status)
            accepted[text] = answer.message_id.decode()
            if len(accepted) >= (round_ + 1) * ENOUGH:
                flowing.set()

    try:
        for number in range(PER_KILL_MAX):
            text = f"第{round_}轮第{number}条"
            under_way[esme.send(aid, text)] = text
            if len(under_way) >= WINDOW:
                esme.read_until(lambda: any(each in esme.answers for each in under_way), "a response")
            collect()
        esme.read_until(lambda: False, "the connection's end")
    except (LostConnection, PDUError, OSError):
        collect()


def _bound_again(port: int) -> Esme:
    return Esme(port, ENT_A).bind()


async def test_what_was_acknowledged_before_a_kill_is_delivered_after_the_restart(house: House) -> None:
    person = house.people[2]
    aid = await house.active_aid(ENT_A, person)
    accepted: dict[str, str] = {}
    receipts: dict[str, bytes] = {}

    def note(esme: Esme) -> None:
        for each in esme.received:
            if is_receipt(each):
                receipts[each.receipted_message_id.rstrip(b"\0").decode()] = each.short_message

    for round_ in range(KILLS):
        esme = await asyncio.to_thread(_bound_again, house.ports.smpp)
        flowing = threading.Event()
        flow = asyncio.create_task(asyncio.to_thread(_flow, esme, aid, round_, accepted, flowing))
        assert await asyncio.to_thread(flowing.wait, 10), "no messages flow"
        await house.kill_gateway()
        await flow
        note(esme)
        with contextlib.suppress(OSError):
            esme.client.disconnect()
        await house.start_gateway()

    async def all_shown() -> bool:
        inbox = await house.handsets.inbox(person.msisdn)
        return set(accepted) <= {each["text"] for each in inbox}

    await until(all_shown, f"the handset shows all {len(accepted)} acknowledged messages", 30)

    esme = await asyncio.to_thread(_bound_again, house.ports.smpp)
    try:

        def complete() -> bool:
            note(esme)
            return set(accepted.values()) <= receipts.keys()

        await asyncio.to_thread(esme.read_until, complete, "a final receipt of each", 30)
    finally:
        await asyncio.to_thread(esme.close)
    assert len(accepted) >= KILLS * ENOUGH
    assert all(b"stat:DELIVRD" in receipts[each] for each in accepted.values())
