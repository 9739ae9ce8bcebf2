"""Communications on their way from the carrier's store to the evidence log, with both sides going down in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from foundation.seal import Sealer, add_missing_keys
from foundation.store import Store
from gateway.app import MIGRATIONS
from gateway.records.trust_rows import TrustRows
from gateway.store import courier, records
from gateway.store.domain import Domain
from gateway.store.records import CdrRow
from gateway.store.vault import Vault
from gm.keystore import ITERATIONS_MIN, KeyStore
from interparty.client import PeerUnavailable
from tests.trust_party.served import Served, make_pki, served
from tests.trust_party.world import ACCESS_NUMBER, NOW, Party, People, initialise, settings_in
from trust_client.carrier import CarrierClient
from trust_party.settings import TrustSettings

PATIENCE_S = 15.0
COMMUNICATIONS = 7


class LosesAnswers:
    """A carrier's client whose requests arrive and whose answers do not."""

    def __init__(self, client: CarrierClient) -> None:
        self._client = client
        self._sent = 0
        self.twice = asyncio.Event()
        """Everything arrived twice."""

    async def report_texts(self, texts: Sequence[str]) -> int:
        await self._client.report_texts(texts)
        self._sent += len(texts)
        if self._sent >= 2 * COMMUNICATIONS:
            self.twice.set()
        raise PeerUnavailable("the answer was lost")


@asynccontextmanager
async def trust_party(settings: TrustSettings, people: People, pki: Path) -> AsyncIterator[Served]:
    """A trust party in its folder, until it goes down."""
    party = Party(settings, people)
    await party.directory.refresh()
    async with served(party, pki) as running:
        yield running
    await party.store.close()


@asynccontextmanager
async def gateway(folder: Path, vault: Vault, client: Any) -> AsyncIterator[Domain]:
    """What of a gateway reports, until it goes down."""
    domain = Domain(Store.open(folder / "carrier.db", MIGRATIONS), vault, now_ms=lambda: NOW)
    rows = TrustRows(domain.store, client, lambda: "CMCC/sign/1")
    rows.start()
    yield domain
    await rows.stop()
    await domain.store.close()


async def unreported(domain: Domain, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await domain.store.write(records.unreported_count) != count:
            pass  # it waits for the store


async def test_each_communication_is_evidence_once_whoever_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "BACKOFF_MIN_S", 0.01)
    keys = KeyStore.create(tmp_path / "keys.store", "passphrase", iterations=ITERATIONS_MIN)
    add_missing_keys(keys)
    vault, pki, people = Vault(Sealer(keys)), make_pki(tmp_path / "pki"), People()
    settings = settings_in(tmp_path / "trust")
    settings.data_dir.mkdir()
    initialise(settings)
    people.admit(settings)

    async with trust_party(settings, people, pki) as trust:
        aid, consent = await trust.party.active()
        lost = trust.peer()
    edi_id = bytes.fromhex(consent.edi_ids[0])
    cdrs = [
        CdrRow(n, n, "mt", "sms-a", "ent-a", ACCESS_NUMBER, aid, edi_id, NOW + n, None, NOW + n, "DELIVERED")
        for n in range(1, COMMUNICATIONS + 1)
    ]

    # The trust party is down: everything waits.
    async with gateway(tmp_path, vault, CarrierClient(lost)) as domain:
        await domain.store.write(lambda conn: records.put_cdrs(conn, cdrs))
        await unreported(domain, COMMUNICATIONS)
    await lost.close()

    # It is up and takes them, but no answer comes back: the gateway goes down without knowing.
    async with trust_party(settings, people, pki) as trust, trust.peer() as peer:
        client = LosesAnswers(CarrierClient(peer))
        async with gateway(tmp_path, vault, client), asyncio.timeout(PATIENCE_S):
            await client.twice.wait()
        assert len(await trust.party.store.read("SELECT 1 FROM communications")) == COMMUNICATIONS

    # Both are up again.
    async with trust_party(settings, people, pki) as trust, trust.peer() as peer:
        async with gateway(tmp_path, vault, CarrierClient(peer)) as domain:
            await unreported(domain, 0)
        ids = await trust.party.store.write(
            lambda conn: trust.party.evidence.about(conn, int(aid), limit=100)
        )
        bundle = await trust.party.bundles.export(ids)
        assert bundle is not None
        told = [json.loads(record.record) for record in bundle.records]
    reported = [record["report_id"] for record in told if record["kind"] == "COMMUNICATION"]
    assert reported == [f"mt-{n:016x}" for n in range(1, COMMUNICATIONS + 1)]
