"""AIDs that a bench seeds are granted and resolve as those that people gave."""

import asyncio

from ascs.commands.common import load_settings
from ascs.demo.layout import CARRIER, person
from bench.house import ENTERPRISE, FIRST_PERSON, House
from foundation.store import Store
from gateway import app as gateway_app
from gateway.policy.decision import find_subscribers
from gateway.settings import GatewaySettings
from gateway.store.subscriber_cache import Resolved
from interparty.hot_messages import asked_question
from interparty.verify_messages import VerifyItem, VerifyResponse
from trust_party.clock import now_ms
from trust_party.directory import Directory
from trust_party.guesses import Guesses
from trust_party.keys import open_store
from trust_party.settings import TrustSettings
from trust_party.store import MIGRATIONS
from trust_party.verification import LiveIndex, Verification


async def answers(built: House, aids: list[str], at: int) -> VerifyResponse:
    settings = load_settings(built.trust, TrustSettings)
    store = Store.open(settings.database, MIGRATIONS)
    try:
        live = LiveIndex(settings.live_max)
        await live.load(store)
        keys = open_store(settings)
        directory = Directory(store, keys)
        verification = Verification(
            store,
            live,
            keys,
            directory,
            Guesses(store, directory, 60, 1000),
        )
        items = [
            VerifyItem(
                aid=aid, enterprise=ENTERPRISE.id, channel="sms", access_number=ENTERPRISE.access_number
            )
            for aid in aids
        ]
        return VerifyResponse.model_validate_json(
            await verification.verify(CARRIER, [asked_question(item) for item in items], at)
        )
    finally:
        await store.close()


async def resolved(built: House, edi_ids: list[str], at: int) -> list[str]:
    domain, _ = gateway_app.open_domain(load_settings(built.gateway, GatewaySettings))
    try:
        found = []
        for edi_id in edi_ids:
            subscriber = await domain.store.write(
                lambda conn, edi_id=edi_id: find_subscribers(
                    conn, domain, [(bytes.fromhex(edi_id), ENTERPRISE.id)], at
                )[0]
            )
            assert isinstance(subscriber, Resolved), subscriber
            found.append(subscriber.msisdn)
        return found
    finally:
        await domain.store.close()


def test_the_trust_party_grants_and_the_carrier_finds_the_person(built: House) -> None:
    aids = built.aids_file.read_text().split()
    assert len(set(aids)) == 3
    assert built.evidence_records() == 0  # nobody has been contacted
    at = now_ms()
    response = asyncio.run(answers(built, aids, at))
    grants = [answer.grant for answer in response.answers]
    assert all(grant is not None for grant in grants)
    found = asyncio.run(resolved(built, [grant.edi_id for grant in grants if grant is not None], at))
    assert found == [person(FIRST_PERSON + number).msisdn for number in range(3)]
