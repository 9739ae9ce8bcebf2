"""A process killed at each point of a message's way: what was accepted is sent or final after the restart."""

import asyncio
import sys
from pathlib import Path

import pytest

from foundation.seal import Sealer
from foundation.store import Store
from gateway.app import MIGRATIONS
from gateway.settings import SmsSettings
from gateway.sms.dispatch import Dispatcher
from gateway.store.domain import Domain
from gateway.store.vault import Vault
from gm.keystore import KeyStore
from tests.gateway.carrier import Clock, FakeSender, FakeVerifier, rows, until

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from foundation.seal import Sealer, add_missing_keys
from foundation.store import Store
from gateway.app import MIGRATIONS
from gateway.settings import SmsSettings
from gateway.sms.dispatch import Dispatcher
from gateway.sms.intake import Intake
from gateway.store.domain import Domain
from gateway.store.vault import Vault
from gm.keystore import ITERATIONS_MIN, KeyStore
from smpp.codec import encode
from smpp.pdu import Pdu, SubmitSm
from tests.gateway.carrier import *

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Connection:
    def respond(self, sequence, body, status=0):
        print(body.message_id.decode(), flush=True)

async def main(folder, point):
    keys = KeyStore.create(folder / "keys.store", "passphrase", iterations=ITERATIONS_MIN)
    add_missing_keys(keys)
    store = Store.open(folder / "carrier.db", MIGRATIONS)
    domain = Domain(store, Vault(Sealer(keys)), now_ms=Clock())
    await store.write(seed(domain))
    sender = FakeSender()
    dispatcher = Dispatcher(domain, FakeVerifier(), sender, SmsSettings(), lambda _: None, lambda: None)
    intake = Intake(domain, directory(), FakeVerifier(), dispatcher, SmsSettings())

    def submit(sequence):
        pdu = Pdu(SubmitSm(source_addr=NUMBER.encode(), destination_addr=AID.encode(),
                           short_message=b"%d" % sequence), sequence)
        intake.submit(Connection(), ACCOUNT, pdu, encode(pdu))

    for sequence in range(3):
        submit(sequence)
    await until(lambda: len(sender.sent) == 3)
    sender.answer(b"7")
    sender.answer(status=0x0B)
    await settled(domain)
    if point == "before commit":
        store.submit(lambda conn: die(), lambda *_: None)
        submit(3)
        await asyncio.sleep(60)
    if point == "before response":
        store.submit(lambda conn: None, lambda *_: die())
        submit(3)
        await asyncio.sleep(60)
    submit(3)
    await until(lambda: len(sender.sent) == 4)
    die()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("point", "acknowledged"), [("before commit", 3), ("before response", 3), ("after response", 4)]
)
async def test_every_accepted_message_is_sent_or_final(tmp_path: Path, point: str, acknowledged: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(tmp_path), point, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == -9
    accepted = {int(line, 16) for line in out.split()}
    assert len(accepted) == acknowledged

    keys = KeyStore.open(tmp_path / "keys.store", "passphrase")
    store = Store.open(tmp_path / "carrier.db", MIGRATIONS)
    domain = Domain(store, Vault(Sealer(keys)), now_ms=Clock())
    kept = {row["id"]: row for row in await rows(domain, "message")}
    assert accepted <= kept.keys()
    states = sorted(row["state"] for row in kept.values())
    queued = states.count(1)
    assert (states.count(2), states.count(3)) == (1, 1)  # the SMSC's answers of before are known
    sender = FakeSender()
    dispatcher = Dispatcher(domain, FakeVerifier(), sender, SmsSettings(), lambda _: None, lambda: None)
    dispatcher.start()
    await until(lambda: len(sender.sent) == queued)
    await dispatcher.stop()
    await store.close()
