"""Every key is rotated while verifications and deposits go on: nothing is refused, nothing is lost.

A trust party and a gateway as they run, over loopback with mutual TLS; what the operators' commands do is done beside
them, on the same files.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from foundation import beside, pki
from foundation.tasks import end
from gateway import app as gateway_app
from gateway import keys as carrier_keys
from gateway.app import Gateway
from gateway.key_exchange import CarrierHouse
from gateway.settings import GatewaySettings
from gm.sm2 import PrivateKey, PublicKey
from interparty import custody, key_house, key_ledger
from interparty.client import Peer
from interparty.deposit_messages import Deposit
from interparty.edi import IdType
from interparty.messages import Confirmation
from interparty.party_link import PeerKeys
from interparty.signed_http import Signer
from interparty.statements import consent_sm3
from interparty.verify_messages import VerifyItem
from tests.gateway.installation import make_key_store
from tests.gateway.installation import settings_in as gateway_settings_in
from tests.trust_party.world import ACCESS_NUMBER, deposit_now, initialise
from tests.trust_party.world import settings_in as trust_settings_in
from trust_client.answers import Grant
from trust_client.app import seal_identifier
from trust_client.enterprise import EnterpriseClient
from trust_client.evidence import EvidenceClient
from trust_party import admission, directory
from trust_party.app import TrustParty, started
from trust_party.clock import now_ms
from trust_party.key_operations import TrustHouse, open_house
from trust_party.settings import TrustSettings

pytestmark = pytest.mark.timeout(180)

CARRIER = "CMCC"


@dataclass
class Load:
    """Verifications and deposits without a pause; what went wrong."""

    world: "World"
    granted: int = 0
    deposited: int = 0
    failures: list[str] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def verify(self) -> None:
        turn = 0
        while True:
            aids = self.world.aids
            item = VerifyItem(
                aid=aids[turn % len(aids)], enterprise="ent-a", channel="sms", access_number=ACCESS_NUMBER
            )
            turn += 1
            outcome = await self.world.gateway.verifier.verify(item)
            if isinstance(outcome, Grant):
                self.granted += 1
            else:
                self.failures.append(f"verification: {outcome}")
            await asyncio.sleep(0)

    async def deposit(self) -> None:
        while True:
            try:
                (result,) = await self.world.enterprise.deposit([self.world.consent()])
            except Exception as error:
                self.failures.append(f"deposit: {error!r}")
                continue
            if result.aid is None:
                self.failures.append(f"deposit: {result.error}")
            else:
                self.deposited += 1

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self.verify()) for _ in range(4)]
        self._tasks.append(asyncio.create_task(self.deposit()))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def goes_on(self) -> None:
        """Until some more of each was done, all of it well."""
        granted, deposited = self.granted + 50, self.deposited + 2
        async with asyncio.timeout(30):
            while self.granted < granted or self.deposited < deposited:
                assert self.failures == []
                await asyncio.sleep(0.01)
        assert self.failures == []


@dataclass
class World:
    trust_settings: TrustSettings
    gateway_settings: GatewaySettings
    trust: TrustParty
    gateway: Gateway
    enterprise: EnterpriseClient
    edi_key: PublicKey
    edi_key_id: str = "K001"
    aids: list[str] = field(default_factory=list)

    def consent(self) -> Deposit:
        nonce = secrets.token_bytes(16)
        edi = seal_identifier(
            self.edi_key,
            carrier=CARRIER,
            carrier_key_id=self.edi_key_id,
            id_type=IdType.IMSI,
            identifier="460001234567890",
            enterprise="ent-a",
            consent_nonce=nonce,
        )
        return deposit_now(edi, nonce)

    async def activate(self, count: int) -> None:
        """So many more AIDs that the carrier's subscribers confirmed."""
        deposits = [self.consent() for _ in range(count)]
        results = await self.enterprise.deposit(deposits)
        confirmations = [
            Confirmation(
                carrier=CARRIER,
                enterprise="ent-a",
                consent_sm3=consent_sm3(deposit.consent).hex(),
                edi_id=deposit.consent.edi_ids[0],
                method="network",
                confirmed_at=now_ms(),
            )
            for deposit in deposits
        ]
        confirmed = await self.gateway.trust.confirm(confirmations)
        assert [one.status for one in confirmed] == ["ACTIVE"] * count
        self.aids += [result.aid or "" for result in results]

    @contextlib.asynccontextmanager
    async def carrier_house(self) -> AsyncIterator[CarrierHouse]:
        house = CarrierHouse(self.gateway_settings, carrier_keys.open_store(self.gateway_settings))
        try:
            yield house
        finally:
            await house.close()

    def trust_house(self) -> contextlib.AbstractAsyncContextManager[TrustHouse]:
        return open_house(self.trust_settings)


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(gateway_app, "DIRECTORY_POLL_S", 0.05)
    monkeypatch.setattr(directory, "POLL_SECONDS", 0.05)
    pki.make_ca(tmp_path / "ca", "Test CA")
    for party in (CARRIER, "ttp", "ent-a"):
        pki.make_party(tmp_path / party, tmp_path / "ca", party)
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "pki").symlink_to(tmp_path / "ttp")
    trust_settings = trust_settings_in(tmp_path / "trust")
    initialise(trust_settings)
    enterprise_key = PrivateKey.generate()
    admission.admit_enterprise(trust_settings, "ent-a", "Enterprise", enterprise_key.public_key.to_pem())
    sign = PublicKey.from_pem((trust_settings.public_folder / "sign-1.pem").read_bytes())
    async with started(trust_settings) as trust:
        (tmp_path / "gateway").mkdir()
        gateway_settings = gateway_settings_in(tmp_path / "gateway", tmp_path, trust_port=trust.port)
        gateway_settings.trust.sign_public_key.write_bytes(sign.to_pem())
        keys = make_key_store(gateway_settings)
        gateway = Gateway(gateway_settings)
        await gateway.start()
        assert gateway._api is not None
        admission.admit_carrier(
            trust_settings,
            CARRIER,
            "Carrier",
            f"https://127.0.0.1:{gateway._api.port}",
            edi_key_id="K001",
            edi_public_pem=keys.current(carrier_keys.EDI).public.to_pem(),
            sign_public_pem=keys.current(carrier_keys.SIGN).public.to_pem(),
            hmac_key=keys.current(carrier_keys.HTTP).material,
        )
        folder = tmp_path / "ent-a"
        peer = Peer(
            f"https://127.0.0.1:{trust.port}",
            pki.client_context(folder / "ca.pem", folder / "ent-a.pem", folder / "ent-a.key"),
            Signer("ent-a/sign/1", enterprise_key),
            PeerKeys({"ttp/sign/1": sign}, "ttp"),
            party="ttp",
        )
        world = World(
            trust_settings,
            gateway_settings,
            trust,
            gateway,
            EnterpriseClient(peer, enterprise_key),
            keys.current(carrier_keys.EDI).public,
        )
        await until(lambda: CARRIER in trust.directory.carriers)
        await world.activate(5)
        yield world
        await peer.close()
        await gateway.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_every_key_is_rotated_under_load(world: World) -> None:
    load = Load(world)
    load.start()
    try:
        await until(lambda: world.gateway.feed.lease_holds)
        await load.goes_on()
        for purpose in ("sign", "log", "agreement", "envelope", "data", "index", "aid/ent-a"):
            async with world.trust_house() as house:
                rotated = await key_house.rotate(house, purpose, now_ms)
            assert (rotated.key.version, rotated.key.state, rotated.undelivered) == (2, "active", {}), purpose
            await until(lambda purpose=purpose: world.trust.keys.current(purpose).version == 2)
            await load.goes_on()
        for purpose, key_id in (
            ("http", ""),
            ("sign", ""),
            ("edi", "K002"),
            ("data", ""),
            ("query", ""),
            ("index", ""),
            ("envelope", ""),
        ):
            async with world.carrier_house() as house:
                rotated = await key_house.rotate(house, purpose, now_ms, id=key_id)
            assert (rotated.key.version, rotated.key.state, rotated.undelivered) == (2, "active", {}), purpose
            await until(lambda purpose=purpose: world.gateway.keys.current(purpose).version == 2)
            await load.goes_on()
        # EDIs sealed to the new key are taken, those to the old one still are.
        await world.activate(1)
        keys = carrier_keys.open_store(world.gateway_settings)
        world.edi_key, world.edi_key_id = keys.current(carrier_keys.EDI).public, "K002"
        await world.activate(1)
        await load.goes_on()
    finally:
        await load.stop()
    assert load.failures == []
    await every_step_is_evidence(world)


async def every_step_is_evidence(world: World) -> None:
    """What is in the log of the carrier's keys is all that its own ledger has, from the first keys on."""
    async with asyncio.timeout(30):
        while True:
            with beside.transaction(world.gateway_settings.database) as conn:
                ledger = key_ledger.events(conn)
            if all(told for _, told in ledger):
                break
            # A look keeps the gateway from writing, which is to tell the rest.
            await asyncio.sleep(0.1)
    log_key = PublicKey.from_pem((world.trust_settings.public_folder / "log-1.pem").read_bytes())
    bundles = await EvidenceClient(world.gateway._peer, [log_key]).of_keys()
    records = [json.loads(record.record) for bundle in bundles for record in bundle.records]
    assert [one["statement"] for one in records if "statement" in one] == [
        event.fields() for event, _ in ledger
    ]
    seen = {(one.purpose, one.version, one.state_to) for one, _ in ledger}
    keys = carrier_keys.open_store(world.gateway_settings)
    for purpose in keys.purposes():
        assert {(purpose, key.version, key.state) for key in keys.keys(purpose)} <= seen


async def test_a_stream_under_a_key_that_is_destroyed_loses_no_question(world: World) -> None:
    load = Load(world)
    load.start()
    try:
        await load.goes_on()
        async with world.carrier_house() as house:
            await key_house.rotate(house, "http", now_ms)
        # The stream stays under the first key; requests are signed under the second once the gateway has seen it.
        await until(lambda: world.gateway.keys.current(carrier_keys.HTTP).version == 2)
        await destroy_first_shared_key(world)
        await until(lambda: len(world.trust.directory.shared_keys(CARRIER)) == 1)
        await load.goes_on()
        await load.goes_on()
    finally:
        await load.stop()
    assert load.failures == []


async def test_a_request_under_a_key_that_is_gone_is_signed_anew_with_the_one_after_it(world: World) -> None:
    """The gateway has not looked into its key store since another process changed it."""
    await end(world.gateway._poller)
    async with world.carrier_house() as house:
        await key_house.rotate(house, "http", now_ms)
    await destroy_first_shared_key(world)
    await until(lambda: len(world.trust.directory.shared_keys(CARRIER)) == 1)
    assert world.gateway.keys.current(carrier_keys.HTTP).version == 1
    await world.gateway.trust.ping()
    assert world.gateway.keys.current(carrier_keys.HTTP).version == 2


async def destroy_first_shared_key(world: World) -> None:
    """At the trust party, by two of its people."""
    people = {name: PrivateKey.generate() for name in ("li", "wang")}
    async with world.trust_house() as house:
        with house.transaction() as conn:
            for name, key in people.items():
                custody.enrol_first(conn, name, name, key.public_key, now_ms())
        order = custody.draw_up("ttp", "destroy", now_ms(), purpose=f"http/{CARRIER}", version=1)
        approvals = [custody.approve(order, name, key, now_ms()) for name, key in people.items()]
        key_house.carry_out(house, order, approvals, now_ms())
