"""Trunks register by digest, under their own name, and callbacks go where they registered."""

from dataclasses import replace

import pytest

from gateway.accounts.directory import Directory
from gateway.store import edis
from gateway.store.accounts import TrunkRow
from gateway.voice import probes
from gateway.voice.admission import Admission
from gateway.voice.probes import PROBES_MISSED
from gateway.voice.registration import Registrations
from sip.aio.resolver import Resolver, Target
from sip.digest import Credentials
from sip.events import IncomingCall, RequestReceived, ResponseReceived
from sip.flow import Flow
from sip.headers import NameAddr
from sip.uri import SipUri
from tests.gateway.voice.conftest import DOMAIN, EDI_ID, MSISDN, NOW_MS, NUMBER, World, until


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
    index = await world.domain.store.write(lambda conn: world.domain.vault.msisdn_index(conn, MSISDN))
    await world.domain.store.write(lambda conn: edis.touch_contacts(conn, [(index, NUMBER, EDI_ID, NOW_MS)]))
    world.call_back()
    assert str((await world.phone.next(IncomingCall)).request.uri) == f"sip:desk@{host}:{port}"


class Names(Resolver):
    """Knows one host, or none."""

    def __init__(self) -> None:
        super().__init__()
        self.known = True
        self.asked: list[tuple[str, int | None, str | None, bool]] = []

    async def targets(
        self, host: str, port: int | None = None, transport: str | None = None, *, secure: bool = False
    ) -> list[Target]:
        self.asked.append((host, port, transport, secure))
        if not self.known:
            raise OSError("no such name")
        return [Target(Flow("TCP", "192.0.2.1", 5062)), Target(Flow("TCP", "192.0.2.2", 5062), 1)]


async def test_a_configured_contact_with_a_name_is_where_dns_says(caplog: pytest.LogCaptureFixture) -> None:
    names = Names()
    registrations = Registrations(Admission(Directory(), "ascs", DOMAIN), names)
    trunk = TrunkRow("pbx-a", "ent-a", "ascs", "", "", NUMBER, "sip:desk@pbx.example;transport=tcp", 1)
    assert registrations.targets(trunk, 0.0) == []
    await registrations.locate([trunk])
    assert names.asked == [("pbx.example", None, "TCP", False)]
    flows = [Flow("TCP", "192.0.2.1", 5062), Flow("TCP", "192.0.2.2", 5062)]
    assert [flow for _, flow in registrations.targets(trunk, 0.0)] == flows
    # When DNS is gone it stays where it was, and that is said once.
    names.known = False
    for _ in range(2):
        await registrations.locate([trunk])
        assert [flow for _, flow in registrations.targets(trunk, 0.0)] == flows
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("contact", "flow"),
    [
        ("sip:desk@192.0.2.7", Flow("UDP", "192.0.2.7", 5060)),
        ("sip:192.0.2.7:5070;transport=tcp", Flow("TCP", "192.0.2.7", 5070)),
        ("sip:desk@[2001:db8::7]", Flow("UDP", "2001:db8::7", 5060)),
        ("sips:desk@192.0.2.7", Flow("TLS", "192.0.2.7", 5061)),
    ],
)
async def test_a_configured_contact_with_an_address_is_not_looked_up(contact: str, flow: Flow) -> None:
    names = Names()
    registrations = Registrations(Admission(Directory(), "ascs", DOMAIN), names)
    trunk = TrunkRow("pbx-a", "ent-a", "ascs", "", "", NUMBER, contact, 1)
    await registrations.locate([trunk])
    assert names.asked == []
    assert [place for _, place in registrations.targets(trunk, 0.0)] == [flow]


async def test_a_contact_that_answers_no_options_is_tried_last() -> None:
    registrations = Registrations(Admission(Directory(), "ascs", DOMAIN), Names())
    trunk = TrunkRow("pbx-a", "ent-a", "ascs", "", "", NUMBER, "sip:desk@192.0.2.7", 1)
    flow = Flow("UDP", "192.0.2.7", 5060)
    other = Flow("UDP", "192.0.2.8", 5060)
    registrations._places_of = lambda trunk, uri: [flow, other]  # type: ignore[method-assign]
    assert registrations.is_reachable(trunk, 0.0)
    for _ in range(PROBES_MISSED):
        for probed in registrations.probed([trunk]):
            if probed.flow == flow:
                probed.missed()
    assert [place for _, place in registrations.targets(trunk, 0.0)] == [other, flow]
    assert registrations.is_reachable(trunk, 0.0)
    for _ in range(PROBES_MISSED):
        registrations.probed([trunk])[1].missed()
    # A probe may be wrong: both are still tried.
    assert [place for _, place in registrations.targets(trunk, 0.0)] == [flow, other]
    assert not registrations.is_reachable(trunk, 0.0)
    assert "trunk pbx-a" in registrations.probed([trunk])[0].name


async def test_a_configured_contact_is_asked_whether_it_is_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "PROBE_S", 0.02)
    world.set_trunk(contact=f"sip:desk@127.0.0.1:{world.phone.flow.port}")
    await world.restart(contact_probe_s=0.03)
    options = await world.phone.next(RequestReceived)
    assert options.request.method == "OPTIONS"
    trunk = world.directory.current.trunks["pbx-a"]
    world.phone.agent.answer_options(options.transaction, world.phone.now())
    registrations = world.service._registrations
    assert registrations.is_reachable(trunk, world.phone.now())
    world.phone.endpoint.close()
    await until(lambda: not registrations.is_reachable(trunk, 0.0))
