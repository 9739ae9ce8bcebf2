"""A process killed at each point of a message's way: what was accepted is sent or final after the restart."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from foundation.seal import Sealer
from foundation.store import Store
from gateway.app import MIGRATIONS
from gateway.store.domain import Domain
from gateway.store.messages import State
from gateway.store.vault import Vault
from gm.keystore import KeyStore
from tests.gateway.carrier import Clock, rows, until
from tests.gateway.sms.desk import Desk

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
from foundation.seal import Sealer, add_missing_keys
from foundation.store import Stage, Store
from gateway.app import MIGRATIONS
from gateway.store.domain import Domain
from gateway.store.vault import Vault
from gm.keystore import ITERATIONS_MIN, KeyStore
from smpp.constants import EsmClass
from tests.gateway.carrier import Clock, seed, settled, until
from tests.gateway.sms.desk import Desk

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Session:
    def respond_messages(self, answers):
        for _, message_id in answers:
            print(message_id.decode(), flush=True)

async def main(folder, point):
    keys = KeyStore.create(folder / "keys.store", "passphrase", iterations=ITERATIONS_MIN)
    add_missing_keys(keys)
    store = Store.open(folder / "carrier.db", MIGRATIONS)
    clock = Clock()
    domain = Domain(store, Vault(Sealer(keys)), now_ms=clock)
    await store.write(seed(domain))
    desk = Desk(domain, clock)
    desk.session = Session()
    submit, smsc = desk.submit, desk.smsc
    if point == "in a long message":
        submit(text=b"\\x05\\x00\\x03\\x07\\x02\\x01one", esm_class=EsmClass.UDHI)
        await settled(domain)
        die()
    for number in range(3):
        submit(text=b"%d" % number)
    await until(lambda: len(smsc.sent) == 3)
    smsc.answer(b"7")
    smsc.answer(status=0x0B)
    await settled(domain)
    if point == "before commit":
        submit(text=b"3")
        store.put(Stage(lambda conn, items: die(), lambda *_: None, order=1_000), None)
        await asyncio.sleep(60)
    if point == "before response":
        store.submit(lambda conn: None, lambda *_: die())
        submit(text=b"3")
        await asyncio.sleep(60)
    submit(text=b"3")
    await until(lambda: len(smsc.sent) == 4)
    die()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


async def killed(folder: Path, point: str) -> set[int]:
    """Run a gateway until it is killed at `point`; the ids that the enterprise got."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(folder), point, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == -9
    return {int(line, 16) for line in out.split()}


@asynccontextmanager
async def restarted(folder: Path) -> AsyncIterator[Desk]:
    keys = KeyStore.open(folder / "keys.store", "passphrase")
    store = Store.open(folder / "carrier.db", MIGRATIONS)
    clock = Clock()
    desk = Desk(Domain(store, Vault(Sealer(keys)), now_ms=clock), clock)
    yield desk
    await desk.dispatcher.stop()
    await store.close()


@pytest.mark.parametrize(
    ("point", "acknowledged", "queued"),
    [("before commit", 3, 1), ("before response", 3, 2), ("after response", 4, 2)],
)
async def test_every_accepted_message_is_sent_or_final(
    tmp_path: Path, point: str, acknowledged: int, queued: int
) -> None:
    accepted = await killed(tmp_path, point)
    assert len(accepted) == acknowledged
    async with restarted(tmp_path) as desk:
        kept = {row["id"]: row["state"] for row in await rows(desk.domain, "message")}
        [ended] = await rows(desk.domain, "cdr")
        assert accepted <= kept.keys() | {ended["id"]}
        # The SMSC's answers of before are known.
        assert sorted(kept.values()) == [State.QUEUED] * queued + [State.ACCEPTED]
        assert (ended["result"], ended["id"] in kept) == ("REJECTED", False)
        desk.dispatcher.start()
        await until(lambda: len(desk.smsc.sent) == queued)


async def test_a_part_that_was_accepted_waits_for_the_others(tmp_path: Path) -> None:
    [first] = await killed(tmp_path, "in a long message")
    async with restarted(tmp_path) as desk:
        assert await desk.state(first) == State.HELD
        second = await desk.accepted(text=b"\x05\x00\x03\x07\x02\x02two", esm_class=0x40)
        assert [await desk.state(each) for each in (first, second)] == [State.QUEUED] * 2
        assert [text[-3:] for text in desk.texts()] == [b"one", b"two"]
