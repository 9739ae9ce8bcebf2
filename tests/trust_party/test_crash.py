"""Kill the trust party's process at random points: what it answered is what it knows after the restart."""

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from evidence.checkpoint import log_id
from foundation import pki
from gm.sm2 import PublicKey
from interparty.client import Peer, PeerUnavailable
from interparty.deposit_messages import Deposit
from interparty.edi import date_in_shanghai
from interparty.messages import Cancellation, CheckpointBody
from interparty.signed_http import Signer
from tests.ports import free_port
from tests.trust_party.test_app import Keys
from tests.trust_party.world import CARRIER, HMAC_KEY, People, deposit_of, initialise, settings_in
from trust_client.carrier import CarrierClient
from trust_client.enterprise import EnterpriseClient
from trust_client.witness import Witness
from trust_client.witness_store import WitnessStore
from trust_party.clock import DAY_MS, now_ms
from trust_party.settings import TrustSettings

PROGRAM = """
import sys
from foundation.loop import run
from trust_party.app import run as serve
from trust_party.settings import TrustSettings
from tests.ports import free_port
settings = TrustSettings.model_validate_json(sys.argv[1])
run(lambda stop: serve(settings, stop, lambda port: print("ready", flush=True)))
"""
KILLS = 3


@contextlib.asynccontextmanager
async def process(settings: TrustSettings) -> AsyncIterator[asyncio.subprocess.Process]:
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        settings.model_dump_json(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert running.stdout is not None
    try:
        async with asyncio.timeout(30):
            while (line := await running.stdout.readline()) != b"ready\n":
                assert line, "the trust party did not start"
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.wait()


def fresh_deposit(people: People) -> Deposit:
    now = now_ms()
    nonce = random.randbytes(16)
    edi = people.seal(nonce, as_of=date_in_shanghai(now))
    times = {"term_from": now, "term_to": now + DAY_MS, "collected_at": now}
    return deposit_of(people, edis_of=[edi], nonce=nonce.hex(), **times)


@pytest.mark.e2e
async def test_what_was_answered_survives_kill_9(tmp_path: Path, people: People) -> None:
    port = free_port()
    folder = tmp_path / "trust"
    folder.mkdir()
    settings = settings_in(folder).model_copy(update={"port": port, "witness_seconds": 0.02})
    initialise(settings)
    people.admit(settings)
    pki.make_ca(tmp_path / "ca", "Test CA")
    pki.make_party(folder / "pki", tmp_path / "ca", "ttp")
    keys = Keys({"ttp/sign/1": PublicKey.from_pem((settings.public_folder / "sign-1.pem").read_bytes())})
    peers: list[Peer] = []
    for name, signer in (
        ("ent-a", Signer("ent-a/sign/1", people.enterprises["ent-a"])),
        (CARRIER, Signer(f"{CARRIER}/http/1", HMAC_KEY)),
    ):
        own = tmp_path / name
        pki.make_party(own, tmp_path / "ca", name)
        context = pki.client_context(own / "ca.pem", own / f"{name}.pem", own / f"{name}.key")
        peers.append(Peer(f"https://127.0.0.1:{port}", context, signer, keys, party="ttp"))
    enterprise = EnterpriseClient(peers[0], people.enterprises["ent-a"])
    carrier = CarrierClient(peers[1], people.carriers[CARRIER])
    answered: dict[str, str] = {}
    proved: list[CheckpointBody] = []
    log_key = PublicKey.from_pem((settings.public_folder / "log-1.pem").read_bytes())
    store = WitnessStore.open(tmp_path / "witness.db", log_id(log_key))
    witness = Witness(
        peers[0],
        party="ent-a",
        sign_key=people.enterprises["ent-a"],
        log_key=log_key,
        store=store,
        others={},
        now_ms=now_ms,
    )

    async def watch() -> None:
        """A log that forgot anything that it signed is Misbehaviour."""
        while True:
            await witness.step()
            await asyncio.sleep(0.01)

    async def live() -> None:
        """Deposit, confirm and cancel, noting each answer, until the trust party is gone."""
        while True:
            deposit = fresh_deposit(people)
            result = (await enterprise.deposit([deposit]))[0]
            assert result.aid is not None, result.error
            answered[result.aid] = "PENDING"
            assert result.inclusion is not None
            assert result.inclusion.checkpoint is not None
            proved.append(result.inclusion.checkpoint)
            confirmation = people.confirmation(deposit.consent, confirmed_at=now_ms())
            assert (await carrier.confirm([confirmation]))[0].status == "ACTIVE"
            answered[result.aid] = "ACTIVE"
            if random.random() < 0.5:
                cancellation = Cancellation(enterprise="ent-a", aid=result.aid, cause="USER", at=now_ms())
                assert (await enterprise.cancel([cancellation]))[0].status == "REVOKED"
                answered[result.aid] = "REVOKED"

    later = {"PENDING": {"PENDING", "ACTIVE"}, "ACTIVE": {"ACTIVE", "REVOKED"}, "REVOKED": {"REVOKED"}}
    for _ in range(KILLS):
        async with process(settings) as running:
            for one in await enterprise.statuses(list(answered)) if answered else []:
                assert one.status in later[answered[one.aid]]
            lives = [asyncio.create_task(each) for each in (*(live() for _ in range(4)), watch())]
            before = len(answered)
            async with asyncio.timeout(30):
                while len(answered) < before + random.randint(5, 30):  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
            running.kill()
            ended = await asyncio.gather(*lives, return_exceptions=True)
            assert all(isinstance(one, PeerUnavailable) for one in ended), ended
    async with process(settings):
        found = await enterprise.statuses(list(answered))
        assert all(one.status in later[answered[one.aid]] for one in found)
        await witness.step()
        # Every proof that was answered is of the log that goes on.
        for checkpoint in proved:
            await witness.compare(checkpoint)
    store.close()
    for peer in peers:
        await peer.close()
