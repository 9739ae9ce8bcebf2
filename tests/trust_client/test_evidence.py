"""What a client makes of evidence: it believes what the log's key proves, and nothing else."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gm.sm2 import PrivateKey
from interparty.client import Peer, PeerProblem
from interparty.query_messages import EvidencePage
from interparty.signed_http import Signer
from tests.trust_party.served import Served, make_pki, served
from tests.trust_party.test_number_queries import FakeCarrier, ask_message
from tests.trust_party.test_reports import report
from tests.trust_party.world import CARRIER, NOW, REGULATOR, Party, People, initialise, settings_in
from trust_client.evidence import EvidenceClient, EvidenceFault
from trust_party import evidence_queries
from trust_party.keys import LOG


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def trust(tmp_path: Path, pki: Path) -> AsyncIterator[Served]:
    """A real trust party over loopback, with real certificates."""
    settings = settings_in(tmp_path)
    initialise(settings)
    people = People()
    people.admit(settings)
    party = Party(settings, people)
    await party.directory.refresh()
    async with served(party, pki) as running:
        yield running
    await party.store.close()


def peer(trust: Served, name: str) -> Peer:
    people = trust.party.people
    if name == CARRIER:
        return trust.peer()
    key = {**people.enterprises, **people.regulators}[name]
    return trust.peer(name, Signer(f"{name}/sign/1", key))


def client(trust: Served, connection: Any) -> EvidenceClient:
    return EvidenceClient(connection, [trust.party.keys.current(LOG).sm2.public_key])


async def test_all_pages_of_a_consent_come_as_one(trust: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_queries, "PAGE_MAX", 2)
    aid, consent = await trust.party.active()
    await trust.party.reports.report(CARRIER, [report(consent.edi_ids[0], f"r-{n}") for n in range(3)], NOW)
    async with peer(trust, "ent-a") as connection:
        found = await client(trust, connection).of_aid(aid)
    assert (found.aids, found.enterprise) == ([aid], "ent-a")
    assert [len(bundle.records) for bundle in found.bundles] == [2, 2, 1]
    assert [record["kind"] for record in found.records] == [
        "DEPOSIT", "CONFIRMATION", "COMMUNICATION", "COMMUNICATION", "COMMUNICATION",
    ]  # fmt: skip


async def test_a_carrier_asks_by_edi_id(trust: Served) -> None:
    aid, consent = await trust.party.active()
    async with peer(trust, CARRIER) as connection:
        assert (await client(trust, connection).of_edi(consent.edi_ids[0])).aids == [aid]
        with pytest.raises(PeerProblem) as refused:
            await client(trust, connection).of_edi("00" * 16)
    assert refused.value.status == 404


async def test_a_regulator_names_the_case(trust: Served) -> None:
    aid, _ = await trust.party.active()
    async with peer(trust, REGULATOR) as connection:
        assert (await client(trust, connection).of_aid(aid, "case-1")).aids == [aid]
        with pytest.raises(PeerProblem) as refused:
            await client(trust, connection).of_aid(aid)
    assert refused.value.status == 422


async def test_by_number_is_for_regulators(trust: Served) -> None:
    aid, consent = await trust.party.active()
    fake = FakeCarrier(trust.party.people.carriers[CARRIER], [consent.edi_ids[0]])
    trust.party.asked_carriers[CARRIER] = fake
    async with peer(trust, REGULATOR) as connection:
        assert (await client(trust, connection).by_number(ask_message())).aids == [aid]
    for name in ("ent-a", CARRIER):
        async with peer(trust, name) as connection:
            with pytest.raises(PeerProblem) as refused:
                await client(trust, connection).by_number(ask_message())
            assert refused.value.status == 403
    assert len(fake.asked) == 1


class Altered:
    """The trust party's answers with something changed on the way."""

    def __init__(self, connection: Peer, change: Any) -> None:
        self._connection = connection
        self._change = change

    async def request(self, method: str, path: str, message: Any, answer: Any) -> Any:
        page = await self._connection.request(method, path, message, answer)
        body = page.model_dump(mode="json", exclude_none=True)
        self._change(body)
        return EvidencePage.model_validate_json(json.dumps(body))


def other_record(body: Any) -> None:
    record = body["bundle"]["records"][0]
    record["record"] = record["record"].replace("Delivery notices", "Delivery notes")


def other_salt(body: Any) -> None:
    body["bundle"]["records"][0]["salt"] = "00" * 32


def other_head(body: Any) -> None:
    body["bundle"]["checkpoint"]["time_ms"] += 1


def other_aid(body: Any) -> None:
    body["aids"] = ["888132341582397708"]


def endless(body: Any) -> None:
    body["more"] = True
    body.pop("bundle")


@pytest.mark.parametrize("change", [other_record, other_salt, other_head, other_aid, endless])
async def test_what_was_altered_is_not_believed(trust: Served, change: Any) -> None:
    aid, _ = await trust.party.active()
    async with peer(trust, "ent-a") as connection:
        with pytest.raises(EvidenceFault):
            await client(trust, Altered(connection, change)).of_aid(aid)


async def test_another_logs_key_proves_nothing(trust: Served) -> None:
    aid, _ = await trust.party.active()
    async with peer(trust, "ent-a") as connection:
        with pytest.raises(EvidenceFault, match="not signed by a log"):
            await EvidenceClient(connection, [PrivateKey.generate().public_key]).of_aid(aid)


async def test_who_asks_too_often_or_names_too_many_of_others_is_told_to_wait(trust: Served) -> None:
    aid, _ = await trust.party.active(enterprise="ent-b")
    trust.party.guesses.count("ent-a", "ent-a", trust.party.settings.unknown_aids_burst - 1)
    async with peer(trust, "ent-a") as connection:
        statuses = []
        for _ in range(2):
            with pytest.raises(PeerProblem) as refused:
                await client(trust, connection).of_aid(aid)
            statuses.append(refused.value.status)
    assert statuses == [404, 429]
    while trust.party.evidence_queries.take(REGULATOR):
        pass
    async with peer(trust, REGULATOR) as connection:
        for ask in (
            client(trust, connection).of_aid(aid, "c"),
            client(trust, connection).by_number(ask_message()),
        ):
            with pytest.raises(PeerProblem) as refused:
                await ask
            assert refused.value.status == 429
