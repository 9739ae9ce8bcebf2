"""Evidence for the carrier itself: a number is looked up inside, the trust party is asked by edi_id."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway import keys as own_keys
from gateway.accounts import evidence
from gateway.settings import GatewaySettings
from gateway.store import edis
from gateway.store.domain import Domain
from gm.sm2 import PublicKey
from interparty.client import PeerProblem
from tests.gateway.carrier import AID, EDI_ID, MSISDN, NOW_MS, OTHER_MSISDN, edi_row
from tests.gateway.installation import FakeTrustParty, make_key_store, settings_in, trust_party

VECTOR = json.loads((Path(__file__).parents[2] / "trust_client" / "data" / "bundle.json").read_text())
LOG_KEY = PublicKey.from_bytes(bytes.fromhex(VECTOR["bundle"]["log"]["public_key"]))
PAGE = {"aids": [AID], "enterprise": "ent-a", "status": "ACTIVE", "bundle": VECTOR["bundle"], "more": False}
PERIOD = (NOW_MS - 1000, NOW_MS)


@pytest.fixture
def settings(tmp_path: Path, certificates: Path) -> GatewaySettings:
    made = settings_in(tmp_path, certificates)
    make_key_store(made)
    return made


@asynccontextmanager
async def asked(
    settings: GatewaySettings, certificates: Path, page: Any
) -> AsyncIterator[tuple[GatewaySettings, FakeTrustParty]]:
    key = own_keys.open_store(settings).current(own_keys.HTTP).material
    async with trust_party(certificates, key) as party:
        if page is not None:
            party.routes["/v1/evidence/queries"] = lambda _: page
        url = f"https://127.0.0.1:{party.port}"
        yield settings.model_copy(update={"trust": settings.trust.model_copy(update={"url": url})}), party


async def test_a_number_is_asked_about_by_the_edi_ids_of_its_holder(
    settings: GatewaySettings, people: Domain, certificates: Path
) -> None:
    second = bytes.fromhex("55" * 16)
    row = await people.store.write(lambda conn: edi_row(conn, people.vault, second, enterprise_id="ent-b"))
    await people.store.write(lambda conn: edis.insert(conn, row))
    async with asked(settings, certificates, PAGE) as (here, party):
        found = await evidence.of_number(here, people, [LOG_KEY], MSISDN, *PERIOD)
        assert [each.aids for each in found] == [[AID]]  # one consent, however many EDIs lead to it
        bodies = [body for _, body in party.asked]
    assert [body["edi_id"] for body in bodies] == [EDI_ID.hex(), second.hex()]
    assert MSISDN not in json.dumps(bodies)


async def test_what_the_trust_party_does_not_show_is_left_out(
    settings: GatewaySettings, people: Domain, certificates: Path
) -> None:
    async with asked(settings, certificates, None) as (here, _):
        assert await evidence.of_number(here, people, [LOG_KEY], OTHER_MSISDN, *PERIOD) == []
        assert await evidence.of_number(here, people, [LOG_KEY], "8613899999999", *PERIOD) == []


async def test_an_aid_is_asked_about_as_it_is(settings: GatewaySettings, certificates: Path) -> None:
    async with asked(settings, certificates, PAGE) as (here, party):
        assert (await evidence.of_aid(here, [LOG_KEY], AID)).aids == [AID]
        assert party.asked[0][1] == {"aid": AID}
    async with asked(settings, certificates, None) as (here, _):
        with pytest.raises(PeerProblem):
            await evidence.of_aid(here, [LOG_KEY], AID)


async def test_too_many_consents_are_for_a_shorter_period(
    settings: GatewaySettings, people: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "CONSENTS_MAX", 0)
    with pytest.raises(ValueError, match="shorter period"):
        await evidence.of_number(settings, people, [LOG_KEY], MSISDN, *PERIOD)
