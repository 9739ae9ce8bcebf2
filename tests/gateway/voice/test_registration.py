"""Trunks register by digest, under their own name, and callbacks go where they registered."""

from dataclasses import replace

import pytest

from gateway.store import edis
from sip.digest import Credentials
from sip.events import IncomingCall, ResponseReceived
from sip.flow import Flow
from sip.headers import NameAddr
from sip.uri import SipUri
from tests.gateway.voice.conftest import DOMAIN, EDI_ID, MSISDN, NOW_MS, NUMBER, World


async def test_a_trunk_registers_and_is_told_its_contact(world: World) -> None:
    assert await world.register() == 200


@pytest.mark.parametrize(("username", "password"), [("pbx-a", "wrong"), ("nobody", "open sesame")])
async def test_wrong_user_or_password_is_401_then_403(world: World, username: str, password: str) -> None:
    aor = NameAddr(SipUri(username, DOMAIN))
    world.phone.agent.send_request(
        "REGISTER", SipUri(None, DOMAIN), to=aor, from_=aor, flow=world.gateway, now=world.phone.now()
    )
    assert (await world.phone.next(ResponseReceived)).response.status == 401
    assert await world.register(username, password) == 403


async def test_a_trunk_registers_nobody_else(world: World) -> None:
    other = NameAddr(SipUri("pbx-b", DOMAIN))
    world.phone.agent.send_request(
        "REGISTER",
        SipUri(None, DOMAIN),
        to=other,
        from_=other,
        flow=world.gateway,
        now=world.phone.now(),
        credentials=Credentials("pbx-a", "open sesame"),
    )
    assert (await world.phone.next(ResponseReceived)).response.status == 403


async def test_the_cores_side_takes_no_registration(world: World) -> None:
    aor = NameAddr(SipUri("pbx-a", DOMAIN))
    world.core.agent.send_request(
        "REGISTER",
        SipUri(None, DOMAIN),
        to=aor,
        from_=aor,
        flow=Flow("UDP", *world.service.core_address),
        now=world.core.now(),
    )
    assert (await world.core.next(ResponseReceived)).response.status == 405


async def test_a_trunk_with_a_configured_contact_needs_no_registration(world: World) -> None:
    trunks = world.directory.current.trunks
    host, port = world.phone.endpoint.local
    trunks["pbx-a"] = replace(trunks["pbx-a"], contact=f"sip:desk@{host}:{port}")
    index = world.domain.vault.msisdn_index(MSISDN)
    await world.domain.store.write(lambda conn: edis.touch_contacts(conn, [(index, NUMBER, EDI_ID, NOW_MS)]))
    world.call_back()
    assert str((await world.phone.next(IncomingCall)).request.uri) == f"sip:desk@{host}:{port}"
