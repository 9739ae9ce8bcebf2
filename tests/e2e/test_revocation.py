"""From a cancellation to the refusal at the gateway, with the feed up and with what carries it standing still.

Real processes, and a real broker where the feed goes over MQTT. The bounds are of safety: how long a revoked AID may
still be contacted.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ascs.demo import parties
from ascs.demo.layout import HOST, PEOPLE, TRUST, Layout, Person, person
from ascs.demo.parties import Files
from bench import seed
from foundation import pki
from gm.sm2 import PrivateKey
from smpp.aio.client import open_bound
from smpp.aio.connection import Connection, RequestFailed
from smpp.constants import CommandStatus
from smpp.pdu import BindTransceiver, Pdu, SubmitSm
from smpp.session import SessionConfig
from tests.e2e.house import ENT_A, House, free_ports, until
from tests.mosquitto import Mosquitto, free_port

pytestmark = pytest.mark.e2e

AIDS = 48
REVOKED_FAST = 30
FEED_BOUND_S = 0.250
FROZEN_BOUND_S = 4.0
ANSWER_S = 10.0
PERIOD_S = 0.01
OK = int(CommandStatus.ESME_ROK)
REFUSED = int(CommandStatus.ESME_RINVDSTADR)


class Watched(House):
    """A house of its own, whose trust party can stand still."""

    def __init__(self, layout: Layout, files: Files, people: list[Person], broker: Mosquitto | None) -> None:
        super().__init__(layout, files, people)
        self.broker = broker
        self.connection: Connection
        self.aids: list[str] = []

    async def bind(self) -> None:
        self.connection, _ = await open_bound(
            HOST,
            self.ports.smpp,
            BindTransceiver(system_id=ENT_A.system_id.encode(), password=ENT_A.smpp_password.encode()),
            lambda *_: None,
            SessionConfig(),
            timeout=ANSWER_S,
        )

    async def submit(self, aid: str) -> int:
        """The command_status of one message to an AID."""
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def done(given: Pdu | RequestFailed) -> None:
            answer.set_result(-1 if isinstance(given, RequestFailed) else given.command_status)

        body = SubmitSm(
            source_addr=ENT_A.access_number.encode(), destination_addr=aid.encode(), short_message=b"hello"
        )
        self.connection.request(body, done)
        async with asyncio.timeout(ANSWER_S):
            return await answer

    async def cancel(self, aid: str) -> float:
        """The enterprise cancels; when it was told so, by the monotonic clock."""
        _, backend = self._backends[ENT_A.id]
        assert (await backend.cancel(aid)).status == "REVOKED"
        return time.monotonic()

    async def refused_after(self, aid: str, since: float) -> float:
        """Seconds from `since` until the first message that is not accepted; the one after it is not either."""
        async with asyncio.timeout(ANSWER_S):
            while await self.submit(aid) == OK:  # noqa: ASYNC110  # another process changes its mind
                await asyncio.sleep(PERIOD_S)
        took = time.monotonic() - since
        assert await self.submit(aid) != OK
        return took

    async def lease_holds(self) -> bool:
        return bool((await self._operations.get("/health"))["parts"]["revocations"] == "ok")

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
    took = []
    for aid in fast:
        took.append(await watched.refused_after(aid, await watched.cancel(aid)))
    print(
        f"revoke to refusal: median {sorted(took)[len(took) // 2] * 1000:.0f} ms, most {max(took) * 1000:.0f} ms"
    )
    # The 99th percentile of so few is the greatest.
    assert max(took) < FEED_BOUND_S

    if watched.broker is not None:
        # The broker stands still: no lease, and each message is asked about.
        watched.broker.freeze()
        aid = left.pop()
        assert await watched.refused_after(aid, await watched.cancel(aid)) < FROZEN_BOUND_S
        assert await watched.submit(left[0]) == OK
        aid = left.pop()
        assert await watched.refused_after(aid, await watched.cancel(aid)) < FEED_BOUND_S

    # Nobody answers: everything is refused.
    aid = left.pop()
    await watched.cancel(aid)
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
    async def is_accepted() -> bool:
        return await watched.submit(left[0]) == OK

    await until(is_accepted, "messages are accepted again", 20)
    await until(watched.lease_holds, "the lease")
    revoked = [each for each in watched.aids if each not in left]
    assert {await watched.submit(each) for each in revoked} == {REFUSED}
