"""Calls over each transport and family, on both sides, as a carrier would configure them."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from foundation.identities import party_urn
from foundation.pki import make_ca, make_party
from gateway.settings import CoreSettings, SipSideSettings, SipTlsSettings
from gateway.store import edis
from sip.aio.endpoint import Listener, Transport
from sip.call import Call
from sip.digest import Credentials
from sip.events import CallAnswered, CallEnded, CallFailed, IncomingCall, ResponseReceived
from sip.flow import Flow
from sip.headers import NameAddr
from sip.sdp import make_offer
from sip.uri import SipUri
from tests.gateway.voice.conftest import (
    AID,
    DOMAIN,
    EDI_ID,
    MSISDN,
    NOW_MS,
    NUMBER,
    PASSWORD,
    Party,
    World,
    answer,
)

TRANSPORTS: tuple[Transport, ...] = ("UDP", "TCP", "TLS")
HOSTS = ("127.0.0.1", "::1")
EVERY = [(transport, host) for transport in TRANSPORTS for host in HOSTS]


class Certificates:
    """One authority, and a certificate of each party for its loopback addresses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_ca(folder / "ca", "test")
        for name in ("gateway", "core", "pbx"):
            make_party(folder / name, folder / "ca", name, hosts=HOSTS)
        self.ca = folder / "ca" / "ca.pem"

    def settings(self, **more: object) -> SipTlsSettings:
        cert, key = self.pair("gateway")
        return SipTlsSettings(port=0, cert=cert, key=key, client_ca=self.ca, **more)  # type: ignore[arg-type]

    def renew(self, name: str) -> None:
        make_party(self._folder / name, self._folder / "ca", name, hosts=HOSTS)

    def pair(self, name: str) -> tuple[Path, Path]:
        return self._folder / name / f"{name}.pem", self._folder / name / f"{name}.key"

    def server(self, name: str) -> ssl.SSLContext:
        """That asks for the gateway's certificate and must get it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.pair(name))
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, name: str | None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca)
        context.minimum_version = context.maximum_version = version
        if name is not None:
            context.load_cert_chain(*self.pair(name))
        return context


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "pki")


def side(certificates: Certificates, **tls: object) -> SipSideSettings:
    return SipSideSettings(host=HOSTS[0], further_hosts=HOSTS[1:], port=0, tls=certificates.settings(**tls))


async def open_party(certificates: Certificates, name: str, transport: Transport, host: str) -> Party:
    tls = certificates.server(name) if transport == "TLS" else None
    return await Party.open([Listener(transport, host, 0, tls=tls)], client_tls=certificates.client(name))


def gateway_flow(world: World, side: str, transport: str, host: str) -> Flow:
    """Where the gateway listens on a side for a transport and family."""
    bound = world.service._bridges.endpoints[side].bound
    return next(flow for flow in bound if flow.transport == transport and flow.is_ipv6 == (":" in host))


def call(phone: Party, gateway: Flow, **options: object) -> Call:
    target = NameAddr(SipUri(AID, DOMAIN))
    options.setdefault("credentials", Credentials("pbx-a", PASSWORD))
    return phone.agent.invite(
        target.uri,
        to=target,
        from_=NameAddr(SipUri(NUMBER, DOMAIN)),
        flow=gateway,
        now=phone.now(),
        body=make_offer("127.0.0.1", 40000, session_id=7).to_bytes(),
        **options,  # type: ignore[arg-type]
    )


async def test_every_transport_and_family_meets_every_other(world: World, certificates: Certificates) -> None:
    """Each enterprise's way in meets each way to the core, and back."""
    index = await world.domain.store.write(lambda conn: world.domain.vault.msisdn_index(conn, MSISDN))
    await world.domain.store.write(lambda conn: edis.touch_contacts(conn, [(index, NUMBER, EDI_ID, NOW_MS)]))
    phones = {each: await open_party(certificates, "pbx", *each) for each in EVERY}
    cores = {each: await open_party(certificates, "core", *each) for each in EVERY}
    peers = [
        CoreSettings(
            host=host,
            port=core.flow.port,
            transport=transport,
            tls_ca=certificates.ca if transport == "TLS" else None,
        )
        for (transport, host), core in cores.items()
    ]
    await world.restart(enterprise=side(certificates), core_side=side(certificates), core=tuple(peers))
    addresses = [flow for endpoint in world.service._bridges.endpoints.values() for flow in endpoint.bound]
    assert len(addresses) == 2 * len(EVERY)
    try:
        # Both lists turned against each other: each transport and family comes once on each side.
        for (way_in, phone), (way_out, core) in zip(
            phones.items(), [*cores.items()][2:] + [*cores.items()][:2], strict=True
        ):
            prefer(world, way_out)
            out = call(phone, gateway_flow(world, "a", *way_in))
            arrived = await core.next(IncomingCall)
            assert arrived.request.top_via.transport == way_out[0]
            arrived.call.answer(answer(arrived.request.body), core.now())
            answered = await phone.next(CallAnswered)
            assert (answered.response.contacts[0].uri.param("transport") or "udp").upper() == way_in[0]
            # The ACK and the BYE go the same way, or the other end would never see them.
            out.hangup(phone.now())
            await core.next(CallEnded)
            await register(phone, gateway_flow(world, "a", *way_in))
            await called_back(world, core, way_out, phone)
    finally:
        for party in (*phones.values(), *cores.values()):
            party.endpoint.close()
    assert await world.results(2 * len(EVERY)) == ["ANSWERED"] * 2 * len(EVERY)


def prefer(world: World, way: tuple[str, str]) -> None:
    """Calls go by this peer of the core alone."""
    for peer in world.service._core.peers:
        mine = (peer.flow.transport, peer.flow.is_ipv6) == (way[0], ":" in way[1])
        peer.priority = (0 if mine else 1, 0)


async def register(phone: Party, gateway: Flow) -> None:
    aor = NameAddr(SipUri("pbx-a", DOMAIN))
    contact = phone.agent.contact("line1", gateway)
    remove = [("Contact", "*"), ("Expires", 0)]
    for headers in (remove, [("Contact", contact)]):
        phone.agent.send_request(
            "REGISTER",
            SipUri(None, DOMAIN),
            to=aor,
            from_=aor,
            flow=gateway,
            now=phone.now(),
            headers=headers,
            credentials=Credentials("pbx-a", PASSWORD),
        )
        assert (await phone.next(ResponseReceived)).response.status == 200


async def called_back(world: World, core: Party, way: tuple[str, str], phone: Party) -> None:
    gateway = gateway_flow(world, "b", *way)
    uri = SipUri(NUMBER, "gateway.example")
    back = core.agent.invite(
        uri,
        to=NameAddr(uri),
        from_=NameAddr(SipUri("anonymous", "core.example")),
        flow=gateway,
        now=core.now(),
        body=make_offer("127.0.0.1", 41000, session_id=7).to_bytes(),
        headers=[("P-Asserted-Identity", f"<sip:+{MSISDN}@core.example>")],
    )
    arrived = await phone.next(IncomingCall)
    arrived.call.answer(answer(arrived.request.body), phone.now())
    await core.next(CallAnswered)
    back.hangup(core.now())
    await phone.next(CallEnded)


class TestTls:
    async def phone(self, world: World, client: ssl.SSLContext, **tls: object) -> Party:
        await world.restart(enterprise=side(self.certificates, **tls))
        return await Party.open([Listener("TCP", "127.0.0.1", 0)], client_tls=client)

    @pytest.fixture(autouse=True)
    def _certificates(self, certificates: Certificates) -> None:
        self.certificates = certificates

    async def test_a_trunk_may_be_known_by_its_certificate(self, world: World) -> None:
        world.set_trunk(certificates=(f"san:{party_urn('pbx')}",))
        phone = await self.phone(world, self.certificates.client("pbx"))
        call(phone, gateway_flow(world, "a", "TLS", "127.0.0.1"), credentials=None)
        await world.core.next(IncomingCall)
        phone.endpoint.close()

    async def test_without_the_certificate_the_password_decides(self, world: World) -> None:
        phone = await self.phone(world, self.certificates.client(None))
        gateway = gateway_flow(world, "a", "TLS", "127.0.0.1")
        call(phone, gateway, credentials=None)
        assert (await phone.next(CallFailed)).status == 401
        call(phone, gateway)
        await world.core.next(IncomingCall)
        phone.endpoint.close()

    async def test_where_one_is_required_nobody_speaks_without(self, world: World) -> None:
        phone = await self.phone(world, self.certificates.client(None), client_required=True)
        call(phone, gateway_flow(world, "a", "TLS", "127.0.0.1"))
        assert (await phone.next(CallFailed)).status == 503
        phone.endpoint.close()

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    async def test_below_1_2_nobody_is_spoken_to(self, world: World) -> None:
        client = self.certificates.client("pbx", ssl.TLSVersion.TLSv1_1)
        client.set_ciphers("ALL:@SECLEVEL=0")
        phone = await self.phone(world, client)
        call(phone, gateway_flow(world, "a", "TLS", "127.0.0.1"))
        assert (await phone.next(CallFailed)).status == 503
        phone.endpoint.close()

    async def test_a_configured_contact_over_tls_proves_its_name(self, world: World) -> None:
        index = await world.domain.store.write(lambda conn: world.domain.vault.msisdn_index(conn, MSISDN))
        await world.domain.store.write(
            lambda conn: edis.touch_contacts(conn, [(index, NUMBER, EDI_ID, NOW_MS)])
        )
        phone = await open_party(self.certificates, "pbx", "TLS", "127.0.0.1")
        world.set_trunk(contact=f"sip:line1@127.0.0.1:{phone.flow.port};transport=tls")
        await world.restart(enterprise=side(self.certificates, contact_ca=self.certificates.ca))
        world.call_back()
        await phone.next(IncomingCall)
        await world.restart(enterprise=side(self.certificates))
        assert (await world.core.next(CallFailed)).status == 503  # the gateway was stopped
        world.call_back()
        assert (await world.core.next(CallFailed)).status == 480
        phone.endpoint.close()

    async def test_a_renewed_certificate_is_shown_without_a_restart(self, world: World) -> None:
        phone = await self.phone(world, self.certificates.client("pbx"))
        host, port = world.service._bridges.endpoints["a"].local_of("TLS")
        before = await shown(host, port, self.certificates.client("pbx"))
        self.certificates.renew("gateway")
        world.service.reload_certificates()
        after = await shown(host, port, self.certificates.client("pbx"))
        assert after != before
        cert, _ = self.certificates.pair("gateway")
        cert.write_text("no certificate")
        world.service.reload_certificates()
        assert await shown(host, port, self.certificates.client("pbx")) == after
        phone.endpoint.close()


async def shown(host: str, port: int, client: ssl.SSLContext) -> bytes | None:
    """The certificate that a new connection is shown."""
    _, writer = await asyncio.open_connection(host, port, ssl=client)
    certificate: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return certificate
