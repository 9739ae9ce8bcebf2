"""From a cancellation to the refusal at the gateway, with the feed up and with what carries it standing still.

Real processes, and a real broker where the feed goes over MQTT. The bounds are of safety: how long a revoked AID may
still be contacted. What was sent is audited at the end against what the SMSC has on its disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from ascs.commands.common import load_settings
from ascs.demo import parties
from ascs.demo.layout import HOST, PEOPLE, TRUST, Layout, Person, person
from ascs.demo.parties import Files
from bench import seed
from foundation import pki
from gm.sm2 import PrivateKey
from simulators.http_client import ApiError
from smpp.codec import decode
from smpp.constants import CommandStatus
from smpp.pdu import SubmitSm
from tests.e2e.bound import ANSWER_S, BoundHouse
from tests.e2e.house import ENT_A, free_ports, until
from tests.mosquitto import Mosquitto
from tests.ports import free_port
from trust_party.admission import resume_enterprise, suspend_enterprise
from trust_party.settings import TrustSettings

pytestmark = pytest.mark.e2e

REVOKED_FAST = 120
"""So many that their 99th percentile is not the greatest."""
AIDS = REVOKED_FAST + 18
FEED_BOUND_S = 0.250
FROZEN_BOUND_S = 4.0
PERIOD_S = 0.01
OK = int(CommandStatus.ESME_ROK)
REFUSED = int(CommandStatus.ESME_RINVDSTADR)


class Sent(NamedTuple):
    """One message that was submitted."""

    aid: str
    text: bytes
    began: float
    status: int


class Watched(BoundHouse):
    """A house of its own, whose trust party can stand still. Remembers what was sent and what was cancelled."""

    def __init__(self, layout: Layout, files: Files, people: list[Person], broker: Mosquitto | None) -> None:
        super().__init__(layout, files, people)
        self.broker = broker
        self.aids: list[str] = []
        self.sent: list[Sent] = []
        self.over: dict[str, float] = {}
        """By AID, from when on nothing may have been sent to it, by the monotonic clock."""

    async def reply_of(self, aid: str, text: str) -> str:
        """Under which AID the enterprise gets what the person behind an AID replies."""
        person = self.people[len(PEOPLE) + self.aids.index(aid)]
        await self.handsets.reply(person.msisdn, text, ENT_A.access_number)

        async def came() -> list[str]:
            return [
                each.source_addr.decode() for each in self.delivered if text.encode() in each.short_message
            ]

        found: list[str] = await until(came, "the reply")
        return found[0]

    async def submit(self, aid: str) -> int:
        """The command_status of one message to an AID."""
        text = f"message {len(self.sent)}".encode()
        began = time.monotonic()
        status = await self.submit_text(aid, text)
        self.sent.append(Sent(aid, text, began, status))
        return status

    async def cancel(self, aid: str, bound: float) -> float:
        """The enterprise cancels; when it was told so, by the monotonic clock. `bound`: how long after that a
        message may still be accepted."""
        _, backend = self._backends[ENT_A.id]
        assert (await backend.cancel(aid)).status == "REVOKED"
        self.over[aid] = time.monotonic() + bound
        return time.monotonic()

    async def rotate(self, aid: str) -> tuple[str, float]:
        """The enterprise has an AID replaced: the new one, and when it was told so."""
        _, backend = self._backends[ENT_A.id]
        result = await backend.rotate(aid)
        assert result.aid is not None
        self.over[aid] = time.monotonic() + FEED_BOUND_S
        return result.aid, time.monotonic()

    async def decide(self, decision: Callable[[TrustSettings, str, str], None]) -> float:
        """The trust party's operator suspends or resumes the enterprise, beside the running trust party."""
        settings = load_settings(self.files.trust, TrustSettings)
        await asyncio.to_thread(decision, settings, ENT_A.id, "a test")
        return time.monotonic()

    def at_the_smsc(self) -> set[bytes]:
        """The texts of all that the SMSC ever took."""
        file = self.layout.simulators / "smsc" / "smsc.db"
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as conn:
            frames = [row[0] for row in conn.execute("SELECT pdu FROM message WHERE mobile_originated = 0")]
        bodies = [decode(bytes(frame)).body for frame in frames]
        return {body.short_message for body in bodies if isinstance(body, SubmitSm)}

    async def refused_after(self, aid: str, since: float) -> float:
        """Seconds from `since` until the first message that is not accepted; the one after it is not either."""
        async with asyncio.timeout(ANSWER_S):
            while await self.submit(aid) == OK:  # noqa: ASYNC110  # another process changes its mind
                await asyncio.sleep(PERIOD_S)
        took = time.monotonic() - since
        assert await self.submit(aid) != OK
        return took

    async def lease_holds(self) -> bool:
        try:
            return bool((await self._operations.get("/health"))["parts"]["revocations"] == "ok")
        except ApiError:  # 503: it does not know yet that the trust party is back
            return False

    def signal_trust(self, number: signal.Signals) -> None:
        os.kill(int((self._pids / "trust").read_text()), number)


@pytest.fixture(params=["stream", pytest.param("mqtt", marks=pytest.mark.peer("mosquitto"))])
async def watched(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Watched]:
    people = [*PEOPLE, *(person(number) for number in range(100, 100 + AIDS))]
    layout = Layout(tmp_path / "house", free_ports())
    layout.root.mkdir()
    files = await asyncio.to_thread(parties.set_up, layout, people, None, None)
    broker = None
    if request.param == "mqtt":
        broker = await _with_broker(layout, files, tmp_path)
    key = PrivateKey.from_pem((layout.enterprise(ENT_A.id) / "sign.key").read_bytes())
    house = Watched(layout, files, people, broker)
    house.aids = await seed.seed(files.trust, files.gateway, key, ENT_A, people[len(PEOPLE) :])
    try:
        await house.start()
        await house.bind()
        await until(house.lease_holds, "the lease")
        yield house
    finally:
        if broker is not None:
            await broker.stop()
        await house.stop()


async def _with_broker(layout: Layout, files: Files, tmp_path: Path) -> Mosquitto:
    """The demo's authority is gone once its certificates are made: broker and parties get another."""
    authority = tmp_path / "ca"
    pki.make_ca(authority, "broker CA")
    broker = Mosquitto(tmp_path / "broker", free_port())
    pki.make_party(broker.folder, authority, "broker")
    await broker.start()
    for file, party, folder, table in (
        (files.trust, TRUST, layout.trust, "mqtt"),
        (files.gateway, "CMCC", layout.carrier, "trust.mqtt"),
    ):
        pki.make_party(folder / "broker-pki", authority, party)
        home = folder / "broker-pki"
        with file.open("a") as text:
            text.write(f'\n[{table}]\nhost = "{HOST}"\nport = {broker.port}\n')
            text.write(f'ca = "{home}/ca.pem"\ncert = "{home}/{party}.pem"\nkey = "{home}/{party}.key"\n')
    return broker


async def test_a_revoked_aid_is_refused_at_once_and_when_things_stand_still(watched: Watched) -> None:
    fast, left = watched.aids[:REVOKED_FAST], watched.aids[REVOKED_FAST:]
    for aid in watched.aids:
        assert [await watched.submit(aid), await watched.submit(aid)] == [OK, OK]  # the second one is cached
    took = sorted(
        [await watched.refused_after(aid, await watched.cancel(aid, FROZEN_BOUND_S)) for aid in fast]
    )
    p99 = took[math.ceil(len(took) * 0.99) - 1]
    print(
        f"revoke to refusal, {len(took)} times: median {took[len(took) // 2] * 1000:.0f} ms,"
        f" p99 {p99 * 1000:.0f} ms, most {took[-1] * 1000:.0f} ms"
    )
    assert p99 < FEED_BOUND_S

    # An AID that is replaced: the old one is refused as fast, the new one needs no confirmation, and what the person
    # replies comes from the new one.
    old = left.pop()
    assert await watched.reply_of(old, "before") == old
    new, since = await watched.rotate(old)
    assert await watched.submit(new) == OK
    assert await watched.refused_after(old, since) < FEED_BOUND_S
    assert await watched.reply_of(old, "after") == new

    # The enterprise is suspended: everything is refused, and goes on when that ends.
    since = await watched.decide(suspend_enterprise)
    assert await watched.refused_after(new, since) < FROZEN_BOUND_S
    assert {await watched.submit(each) for each in (new, left[0])} == {REFUSED}
    await watched.decide(resume_enterprise)

    async def is_accepted() -> bool:
        return await watched.submit(left[0]) == OK

    await until(is_accepted, "messages are accepted after the suspension", 20)

    if watched.broker is not None:
        # The broker stands still: no lease, and each message is asked about.
        watched.broker.freeze()
        aid = left.pop()
        assert await watched.refused_after(aid, await watched.cancel(aid, FROZEN_BOUND_S)) < FROZEN_BOUND_S
        assert await watched.submit(left[0]) == OK
        aid = left.pop()
        assert await watched.refused_after(aid, await watched.cancel(aid, FEED_BOUND_S)) < FEED_BOUND_S

    # Nobody answers: everything is refused.
    aid = left.pop()
    await watched.cancel(aid, FROZEN_BOUND_S)
    watched.signal_trust(signal.SIGSTOP)
    since = time.monotonic()
    try:
        assert await watched.refused_after(left[0], since) < FROZEN_BOUND_S + 3.0
        answers = {await watched.submit(each) for each in (aid, left[1])}
        assert answers.isdisjoint({OK})
    finally:
        watched.signal_trust(signal.SIGCONT)
        if watched.broker is not None:
            watched.broker.thaw()

    # All heal unaided, and what was revoked stays so.
    await until(is_accepted, "messages are accepted again", 20)
    await until(watched.lease_holds, "the lease")
    assert {await watched.submit(each) for each in watched.over} == {REFUSED}

    # Everything that was accepted has gone, or was stopped; nothing went to who was over by then.
    accepted = {each.text for each in watched.sent if each.status == OK}
    last = watched.sent[-1].text
    assert await watched.submit(left[0]) == OK
    final = watched.sent[-1].text

    async def has_settled() -> bool:
        return final in await asyncio.to_thread(watched.at_the_smsc)

    await until(has_settled, "the SMSC has the last message")
    taken = await asyncio.to_thread(watched.at_the_smsc)
    assert last not in taken
    assert taken & {each.text for each in watched.sent} <= accepted | {final}
    late = [
        each
        for each in watched.sent
        if each.text in taken and each.began > watched.over.get(each.aid, math.inf)
    ]
    assert late == []
