"""The gateway as a whole: it listens when everything behind the listeners is there, and stops in order."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from foundation.passwords import hash_password
from foundation.pki import client_context
from foundation.store import Store
from gateway import app
from gateway.accounts import administration
from gateway.app import MIGRATIONS, Gateway, open_domain, run
from gateway.settings import GatewaySettings, HttpSettings
from gateway.sms_settings import SmscSettings
from gateway.store import accounts
from gateway.store.accounts import AccountRow
from gm.keystore import KeyStore
from interparty import key_ledger
from smpp.aio.client import BindRefusedError, open_bound
from smpp.pdu import AlertNotification, BindTransceiver, DeliverSm
from smpp.session import SessionConfig
from tests.gateway.carrier import ENTERPRISE, MSISDN, NUMBER, PATIENCE_S, until
from tests.gateway.installation import FakeTrustParty, make_key_store, settings_in, trust_party
from tests.ports import free_port
from tests.smpp.aio.centre import Centre

PASSWORD = "Sd-2024!"


@pytest.fixture
async def centre() -> AsyncIterator[Centre]:
    async with Centre() as centre:
        yield centre


@pytest.fixture
async def party(tmp_path: Path, certificates: Path) -> AsyncIterator[FakeTrustParty]:
    """A trust party that knows the key of the gateway in `tmp_path`."""
    keys = make_key_store(settings_in(tmp_path, certificates))
    async with trust_party(certificates, keys.current("http").material) as fake:
        yield fake


@pytest.fixture
def settings(tmp_path: Path, certificates: Path, party: FakeTrustParty, centre: Centre) -> GatewaySettings:
    smsc = (SmscSettings(name="main", port=centre.port, system_id="gateway", password="secret08"),)
    api = HttpSettings(port=free_port())
    return settings_in(tmp_path, certificates, trust_port=party.port, smsc=smsc, carrier_api=api)


@pytest.fixture
async def gateway(settings: GatewaySettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateway]:
    monkeypatch.setattr(app, "DIRECTORY_POLL_S", 0.02)
    made = Gateway(settings)
    await made.start()
    yield made
    await made.stop()


async def health(gateway: Gateway) -> tuple[int, Any]:
    url = f"http://127.0.0.1:{gateway.operations.port}/health"
    async with aiohttp.ClientSession(trust_env=False) as session, session.get(url) as response:
        return response.status, await response.json()


async def test_it_is_well_when_trust_party_smsc_and_relay_are_there(gateway: Gateway) -> None:
    await until(lambda: gateway.health().status == "ok")
    parts = {
        "store": "ok",
        "trust": "ok",
        "revocations": "ok",
        "smpp": "ok",
        "smsc": "ok",
        "core": "ok",
        "media": "ok",
    }
    links, core = {"main": "bound"}, {"127.0.0.1:5080": "up"}
    assert await health(gateway) == (
        200,
        {"status": "ok", "parts": parts, "links": links, "core": core},
    )


async def test_a_trust_party_that_is_silent_or_refuses_is_told(
    tmp_path: Path, certificates: Path, centre: Centre
) -> None:
    smsc = (SmscSettings(port=centre.port, system_id="gateway", password="secret08"),)
    settings = settings_in(tmp_path, certificates, smsc=smsc)
    make_key_store(settings)
    gateway = Gateway(settings)
    await gateway.start()
    try:
        await until(lambda: gateway.links.free() > 0)
        status, body = await health(gateway)
        assert (status, body["status"], body["parts"]["trust"]) == (503, "failed", "down")
    finally:
        await gateway.stop()
    # One that knows another key of this carrier answers, but not to it.
    async with trust_party(certificates, bytes(32)) as stranger:
        url = f"https://127.0.0.1:{stranger.port}"
        trust = settings.trust.model_copy(update={"url": url})
        gateway = Gateway(settings.model_copy(update={"trust": trust}))
        try:
            await gateway.trust_watch.look()
            assert gateway.health().parts["trust"] == "refuses"
        finally:
            await gateway.stop()


async def test_an_account_that_is_added_while_it_runs_can_bind(gateway: Gateway) -> None:
    async def bind() -> None:
        bind = BindTransceiver(system_id=b"shunda", password=PASSWORD.encode())
        connection, _ = await open_bound(
            "127.0.0.1", gateway.front.port, bind, lambda *_: None, SessionConfig(), timeout=5.0
        )
        await connection.close(1.0)

    with pytest.raises(BindRefusedError):
        await bind()
    await gateway.domain.store.write(
        lambda conn: administration.add_enterprise(
            conn,
            enterprise_id=ENTERPRISE,
            name="A",
            system_id="shunda",
            smpp_password=PASSWORD,
            max_binds=1,
            sip_username="pbx-a",
            sip_password="secret",
            realm="ascs",
            default_access_number=NUMBER,
            sip_contact=None,
            max_calls=1,
        )
    )
    await until(lambda: gateway.directory.account("shunda") is not None)
    await bind()


async def test_what_the_smsc_brings_is_recorded_before_it_is_answered(
    gateway: Gateway, centre: Centre
) -> None:
    await until(lambda: bool(centre.bound))
    answers: list[Any] = []
    reply = DeliverSm(source_addr=MSISDN.encode(), destination_addr=NUMBER.encode(), short_message=b"hi")
    centre.bound[0].request(reply, answers.append)
    await until(lambda: bool(answers))
    assert answers[0].command_status == 0
    [row] = await gateway.domain.store.read("SELECT access_number FROM inbound")
    assert row[0] == NUMBER


async def test_an_smsc_that_says_that_a_subscriber_is_back_gets_no_answer_and_stays_bound(
    gateway: Gateway, centre: Centre, caplog: pytest.LogCaptureFixture
) -> None:
    """3.4, 4.12: alert_notification has no response, and nothing here waits for one."""
    await until(lambda: bool(centre.bound))
    centre.bound[0].request(AlertNotification(source_addr=MSISDN.encode()))
    answers: list[Any] = []
    reply = DeliverSm(source_addr=MSISDN.encode(), destination_addr=NUMBER.encode(), short_message=b"hi")
    centre.bound[0].request(reply, answers.append)
    await until(lambda: bool(answers))
    assert answers[0].command_status == 0
    assert len(centre.bound) == 1
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


async def test_the_routes_for_other_parties_want_a_certificate(gateway: Gateway, certificates: Path) -> None:
    assert gateway._api is not None
    url = f"https://127.0.0.1:{gateway._api.port}/health"
    own = certificates / "ttp"
    with_certificate = client_context(own / "ca.pem", own / "ttp.pem", own / "ttp.key")
    async with aiohttp.ClientSession(trust_env=False) as session:
        async with session.get(url, ssl=with_certificate) as response:
            assert response.status == 200
        with pytest.raises(aiohttp.ClientError):
            async with session.get(url, ssl=False):
                pass


async def test_a_port_that_is_taken_stops_it_with_everything_it_had_started(
    settings: GatewaySettings, centre: Centre
) -> None:
    taken = settings.operations.model_copy(update={"port": centre.port})
    with pytest.raises(OSError):
        await run(settings.model_copy(update={"operations": taken}), asyncio.Event())
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not names & {"directory-poll", "trust-watch", "confirmation-sweeper", "voice-sweep"}


async def test_run_ends_when_it_is_told_to(settings: GatewaySettings) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, stop))
    stop.set()
    async with asyncio.timeout(20):
        await running
    store = Store.open(settings.database, MIGRATIONS)  # closed in order: it opens again
    assert await store.write(accounts.load) is not None
    await store.close()


async def test_a_hangup_makes_it_look_again_and_ends_nothing(
    settings: GatewaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, stop = asyncio.Event(), asyncio.Event()
    monkeypatch.setattr(Gateway, "reload", lambda _: asked.set())
    running = asyncio.create_task(run(settings, stop))
    await asyncio.sleep(0)  # its first step: from here on the signal is its own
    os.kill(os.getpid(), signal.SIGHUP)
    async with asyncio.timeout(20):
        await asked.wait()
        assert not running.done()
        stop.set()
        await running


async def test_a_reload_brings_a_changed_account_at_once_and_unbinds_what_it_no_longer_allows(
    settings: GatewaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "DIRECTORY_POLL_S", 3_600.0)
    gateway = Gateway(settings)
    account = AccountRow("shunda", ENTERPRISE, hash_password(PASSWORD), 2)

    def add(conn: sqlite3.Connection) -> None:
        accounts.add_enterprise(conn, ENTERPRISE, "A")
        accounts.add_account(conn, account)

    await gateway.domain.store.write(add)
    await gateway.start()
    try:
        bind = BindTransceiver(system_id=b"shunda", password=PASSWORD.encode())
        first, second = [
            (
                await open_bound(
                    "127.0.0.1", gateway.front.port, bind, lambda *_: None, SessionConfig(), timeout=5
                )
            )[0]
            for _ in range(2)
        ]
        changed = replace(account, max_binds=1, window_pdus=7)
        await gateway.domain.store.write(lambda conn: accounts.set_account(conn, changed))
        gateway.reload()
        async with asyncio.timeout(5):
            await second.wait_closed()
        assert first.is_bound
        assert gateway.directory.account("shunda") == changed
        await first.close(1.0)
    finally:
        await gateway.stop()


async def test_a_new_folder_is_made_ready_for_its_owner_alone(tmp_path: Path, certificates: Path) -> None:
    (tmp_path / "etc").mkdir()
    made = settings_in(tmp_path / "etc", certificates)
    settings = made.model_copy(update={"data_dir": tmp_path / "data"})
    domain, keys = open_domain(settings)
    await domain.store.close()
    assert settings.data_dir.stat().st_mode & 0o777 == 0o700
    assert settings.database.exists()
    assert {"sign", "edi", "http"} <= set(keys.purposes())


async def test_a_key_that_a_command_did_not_live_to_record_is_found_while_it_runs(
    gateway: Gateway, settings: GatewaySettings
) -> None:
    before = await gateway.domain.store.write(key_ledger.events)
    KeyStore.open(settings.keystore.path, settings.keystore.passphrase_file.read_text()).add("query", "sm2")

    async def new() -> list[tuple[str, int | None, bool]]:
        events = await gateway.domain.store.write(key_ledger.events)
        return [(event.event, event.version, event.found) for event, _ in events[len(before) :]]

    async with asyncio.timeout(PATIENCE_S):
        while len(await new()) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await new() == [("retired", 1, True), ("made", 2, True)]
