"""Our gateway with a trust party of other hands, made from the OpenAPI document alone: whole processes on loopback."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from click.testing import CliRunner

from ascs.commands.asker import AskerSettings
from ascs.commands.common import load_settings
from ascs.demo import parties
from ascs.demo.layout import APPROVERS, CARRIER, ENTERPRISES, HOST, REGULATOR, TRUST, Layout, Person, person
from ascs.demo.parties import Files
from ascs.main import main
from gateway import keys as gateway_keys
from gateway.settings import GatewaySettings
from gm.sm2 import PrivateKey
from interparty.party_link import connect
from simulators.http_client import ApiError
from smpp.constants import CommandStatus
from smpp.pdu import DeliverSm
from tests.e2e.bound import BoundHouse
from tests.e2e.house import ENT_A, ENT_B, free_ports, until
from tests.interop.foreign_server import Party
from tests.interop.foreign_signatures import Sm2Key, public_hex_of
from tests.interop.small_trust_party import SmallTrustParty
from trust_client import regulator
from trust_client.evidence import EvidenceClient

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

OK = int(CommandStatus.ESME_ROK)
REFUSED = int(CommandStatus.ESME_RINVDSTADR)
NOT_AVAILABLE = int(CommandStatus.ESME_RTHROTTLED)
ANSWER_S = 10.0
PEOPLE = [person(number) for number in range(1, 8)]


class ForeignHouse(BoundHouse):
    """A house whose trust party is the small one, inside the test. Nobody calls in it."""

    without = frozenset({"core"})

    def __init__(self, layout: Layout, files: Files, trust: SmallTrustParty) -> None:
        super().__init__(layout, files, PEOPLE)
        self.trust = trust
        self._runner: web.AppRunner | None = None

    async def start_trust(self) -> None:
        pki = self.layout.trust / "pki"
        self._runner = await self.trust.serve(
            pki / f"{TRUST}.pem", pki / f"{TRUST}.key", pki / "ca.pem", self.ports.trust
        )

    async def stop(self) -> None:
        await super().stop()
        await self.trust.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def submit(self, aid: str, text: str) -> int:
        """The command_status of one message that asks for a receipt."""
        return await self.submit_text(aid, text.encode(), registered_delivery=1)

    async def start_witness(self, party: str) -> None:
        """`ascs evidence witness` of a party."""
        folder, file = self.layout.witnesses[party], self.files.witnesses[party]
        await self._processes.start("witness", f"witness-{party}", folder, "evidence", "witness", str(file))

    async def own_aid(self, person: Person) -> str:
        """An AID of this person's own, ACTIVE by the code that the person returned."""
        aid = await self.active_aid(ENT_A, person)
        assert self.trust.authorizations[aid].status == "ACTIVE"
        return aid

    async def heard_from(self, aid: str, said: bytes) -> DeliverSm:
        """What the enterprise got from an AID that says this."""

        async def ask() -> DeliverSm | None:
            mine = [each for each in self.delivered if each.source_addr.decode() == aid]
            return next((each for each in mine if said in each.short_message), None)

        found: DeliverSm = await until(ask, f"{said!r} from the AID")
        return found

    def forget(self, aid: str) -> None:
        """An AID that is no test's any more."""
        self._aids = {key: each for key, each in self._aids.items() if each != aid}

    async def cancel(self, aid: str) -> None:
        """The enterprise cancels."""
        _, backend = self._backends[ENT_A.id]
        self.forget(aid)
        assert (await backend.cancel(aid)).status == "REVOKED"

    async def has_no_lease(self) -> bool:
        return not await self.lease()

    async def lease(self) -> bool:
        """Whether the gateway holds one."""
        try:
            return bool((await self._operations.get("/health"))["parts"]["revocations"] == "ok")
        except ApiError:
            return False


def _introduce(layout: Layout, files: Files) -> SmallTrustParty:
    """What operators hand each other as files: public keys, and the carrier's card."""
    trust = SmallTrustParty(TRUST, {})
    sign, envelope = trust.sign_key.to_pem(), trust.envelope_key.to_pem()
    (layout.carrier / "trust-sign.pem").write_bytes(sign)
    (layout.carrier / "trust-envelope.pem").write_bytes(envelope)
    for folder in (layout.regulator, *layout.witnesses.values()):
        (folder / "trust-sign.pem").write_bytes(sign)
        (folder / "trust-log.pem").write_bytes(trust.log.key.to_pem())
    key = public_hex_of((layout.regulator / "sign.pem").read_text())
    trust.parties[REGULATOR] = Party("regulator", {f"{REGULATOR}/sign/1": key})
    for each in ENTERPRISES:
        folder = layout.enterprise(each.id)
        (folder / "trust-sign.pem").write_bytes(sign)
        key = public_hex_of((folder / "sign.pem").read_text())
        trust.parties[each.id] = Party("enterprise", {f"{each.id}/sign/1": key}, name=each.name)
    gateway_keys.create_missing(load_settings(files.gateway, GatewaySettings))  # writes the card anew
    card = json.loads((layout.carrier / "public" / "carrier.json").read_text())
    trust.admit_carrier(card, f"https://{HOST}:{layout.ports.carrier_api}")
    return trust


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ForeignHouse]:
    layout = Layout(tmp_path_factory.mktemp("interop") / "house", free_ports())
    layout.root.mkdir()
    files = await asyncio.to_thread(parties.set_up, layout, PEOPLE, None, None)
    text = files.gateway.read_text().replace("\n[voice]\n", "\n[voice]\ncore_probe_s = 0\n")
    files.gateway.write_text(text)
    running = ForeignHouse(layout, files, await asyncio.to_thread(_introduce, layout, files))
    try:
        await running.start()
        await running.bind()
        await until(running.lease, "the lease")
        yield running
        output = (layout.carrier / "logs" / "gateway.out").read_text()
        assert output.count("does not hold") == 1  # in the one test that makes it so
        assert "broken off" not in output
    finally:
        await running.stop()


async def test_a_message_goes_and_receipt_and_reply_come_back(house: ForeignHouse) -> None:
    person = PEOPLE[0]
    aid = await house.own_aid(person)
    assert await house.submit(aid, "your parcel is here") == OK
    await house.message(person, lambda each: each["text"] == "your parcel is here", "the message")
    receipt = await house.heard_from(aid, b"stat:DELIVRD")
    assert receipt.destination_addr.decode() == ENT_A.access_number

    await house.handsets.reply(person.msisdn, "thank you", ENT_A.access_number)
    await house.heard_from(aid, b"thank you")

    async def reported() -> bool:
        mine = house.trust.authorizations[aid].edi_ids[CARRIER]
        told = {each["direction"] for each in house.trust.reports.values() if each["edi_id"] == mine}
        return told == {"mt", "mo"}

    await until(reported, "both are reported to the trust party")


async def test_the_carrier_reports_what_became_of_its_keys(house: ForeignHouse) -> None:
    async def reported() -> set[str]:
        return {each["statement"]["event"] for each in house.trust.key_events.values()}

    assert "made" in await until(reported, "events of the carrier's keys")


async def test_a_cached_grant_is_used_again_until_the_aid_is_revoked(house: ForeignHouse) -> None:
    aid = await house.own_aid(PEOPLE[1])
    assert [await house.submit(aid, f"message {at}") for at in range(3)] == [OK, OK, OK]
    assert len([each for each in house.trust.asked if each["aid"] == aid]) < 3
    await house.cancel(aid)
    assert await house.submit(aid, "too late") == REFUSED


async def test_a_subscriber_opts_out_through_the_carrier(house: ForeignHouse) -> None:
    person = PEOPLE[2]
    aid = await house.own_aid(person)
    assert await house.submit(aid, "an offer") == OK
    await house.message(person, lambda each: each["text"] == "an offer", "the message")
    await house.handsets.reply(person.msisdn, "TD", ENT_A.access_number)

    async def revoked() -> bool:
        return house.trust.authorizations[aid].status == "REVOKED"

    await until(revoked, "the carrier cancels by edi_id")
    assert await house.submit(aid, "another offer") == REFUSED


async def test_the_lease_runs_out_with_a_frozen_stream_and_heals(house: ForeignHouse) -> None:
    aid, other = await house.own_aid(PEOPLE[3]), await house.own_aid(PEOPLE[4])
    assert [await house.submit(each, "before") for each in (aid, other)] == [OK, OK]
    house.trust.streams_frozen = True
    try:
        await until(house.has_no_lease, "the lease runs out")
        # No cached grant is used: each is asked about, in a request.
        asked = len(house.trust.asked)
        assert await house.submit(other, "meanwhile") == OK
        assert len(house.trust.asked) > asked
        await house.cancel(aid)
        assert await house.submit(aid, "meanwhile") == REFUSED
        # What it does not stand by is no answer, and the operator is told.
        honest, house.trust.batch_key = house.trust.batch_key, Sm2Key.make()
        assert await house.submit(other, "meanwhile") == NOT_AVAILABLE
        house.trust.batch_key = honest
        assert await house.submit(other, "meanwhile") == OK
    finally:
        house.trust.streams_frozen = False
    await until(house.lease, "the lease is back")
    assert await house.submit(other, "after") == OK
    assert await house.submit(aid, "after") == REFUSED


async def test_an_aid_that_nobody_has_and_one_of_another_enterprise_are_refused(house: ForeignHouse) -> None:
    theirs = await house.active_aid(ENT_B, PEOPLE[5])
    nobodys = house.trust.new_aid()
    assert [await house.submit(each, "hello") for each in (theirs, nobodys)] == [REFUSED, REFUSED]


async def test_the_commands_ask_it_all_that_it_has(house: ForeignHouse, tmp_path: Path) -> None:
    """As a carrier, an enterprise and a regulator would, each with its own configuration."""
    aid = await house.own_aid(PEOPLE[0])
    found = house.trust.authorizations[aid]
    enterprise, carrier = house.files.enterprises[ENT_A.id], house.files.gateway

    async def ask(config: Path, *arguments: str) -> Any:
        return json.loads(await run("trust", "ask", arguments[0], str(config), *arguments[1:]))

    assert (await ask(carrier, "convert", f"aid={aid}", f"enterprise={ENT_A.id}"))["edi"] == found.edis[
        CARRIER
    ]
    assert (await ask(enterprise, "aid-status", f"aid={aid}"))["status"] == "ACTIVE"
    assert (await ask(enterprise, "aid-statuses", f"aids={aid}"))["statuses"][0]["aid"] == aid
    assert len((await ask(enterprise, "public-keys"))["keys"]) == 3
    assert len((await ask(enterprise, "log-keys"))["keys"]) == 1
    size = (await ask(enterprise, "checkpoint"))["checkpoint"]["size"]
    assert (await ask(enterprise, "inclusion", "index=0", f"size={size}"))["size"] == size
    assert (await ask(enterprise, "consistency", "first=1", f"second={size}"))["second"] == size
    assert (await ask(enterprise, "leaves", "start=0", f"count={size}"))["start"] == 0
    assert await ask(enterprise, "health") == {"status": "ok"}
    assert "heartbeat" in await run("trust", "feed", str(carrier), "--seconds", "0.3")

    await run("evidence", "query", str(house.files.regulator), "--case", "C-1", "--out", str(tmp_path), aid)
    bundle = tmp_path / f"{aid}-1.json"
    log_key, keys = house.layout.regulator / "trust-log.pem", house.layout.enterprise(ENT_A.id) / "sign.pem"
    carrier_key = house.layout.regulator / f"{CARRIER}.pem"
    said = await run(
        "evidence", "verify", str(bundle), "--log-key", str(log_key),
        "--key", f"{ENT_A.id}={keys}", "--key", f"{CARRIER}={carrier_key}", status=3,
    )  # fmt: skip
    assert f"{ENT_A.id} signed this consent" in said
    assert f"{CARRIER} signed at" in said
    assert "reported a text to the person" in said

    new = await run("trust", "aid", "rotate", str(enterprise), aid)
    house.forget(aid)
    assert house.trust.authorizations[aid].status == "ROTATED"
    assert await house.submit(new.split()[-1], "under another AID") == OK
    assert await house.submit(aid, "under the old one") == REFUSED


async def test_a_number_under_complaint_leads_to_the_enterprises_aid(house: ForeignHouse) -> None:
    aid = await house.own_aid(PEOPLE[4])
    settings = load_settings(house.files.regulator, AskerSettings)
    now = time.time_ns() // 1_000_000
    draft = regulator.draft(
        settings.carrier_keys(),
        requester=REGULATOR,
        number=PEOPLE[4].msisdn,
        enterprise=ENT_A.id,
        period_from=now - 86_400_000,
        period_to=now + 86_400_000,
        case="C-2",
    )
    keys = {each: (house.layout.regulator / f"{each}.key").read_bytes() for each in APPROVERS}
    approvals = [regulator.approve(draft, each, PrivateKey.from_pem(pem), now) for each, pem in keys.items()]
    async with connect(settings.trust) as peer:
        client = EvidenceClient(peer, settings.log_public_keys())
        answer = await client.by_number(regulator.request(draft, approvals))
    assert answer.aids == [aid]
    [outcome] = answer.outcomes
    assert (outcome.carrier, outcome.outcome) == (CARRIER, "ANSWERED")
    # What the carrier sealed to the regulator is what the trust party joined: nothing was left out.
    assert regulator.found_by(draft, answer) == {CARRIER: answer.joined}


async def test_a_witness_follows_its_log_and_cosigns(house: ForeignHouse) -> None:
    await house.start_witness(ENT_A.id)

    for count in (1, 2):

        async def cosigned(count: int = count) -> bool:
            return len(house.trust.cosigned) >= count

        await until(cosigned, "the candidate is cosigned")
        await house.deposit(ENT_B, PEOPLE[5])  # so that there is another
    views = house.trust.views(REGULATOR, {})["views"]
    assert [each["cosignatures"][0]["statement"]["witness"] for each in views] == [ENT_A.id]


async def test_its_next_sign_key_is_taken_over_the_wire(house: ForeignHouse) -> None:
    before = house.trust.sign_key
    await house.trust.renew_sign_key([CARRIER])
    assert house.trust.sign_key is not before
    aid = await house.own_aid(PEOPLE[6])  # the carrier is asked under it, and so is the enterprise answered
    assert await house.submit(aid, "under another key") == OK
    # The next one is not delivered: the gateway asks for it when it meets what is signed under it.
    await house.trust.renew_sign_key([])
    await house.cancel(aid)
    assert await house.submit(aid, "and revoked under another still") == REFUSED
    assert await house.submit(await house.own_aid(PEOPLE[4]), "the other way") == OK


async def run(*arguments: str, status: int = 0) -> str:
    """What `ascs ARGUMENTS` prints."""
    result = await asyncio.to_thread(CliRunner().invoke, main, list(arguments))
    assert result.exit_code == status, result.output
    return str(result.output)
