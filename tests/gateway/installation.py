"""A gateway's folder as its operator would make it, and a trust party on loopback that answers as told."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from foundation.key_provider import KeyStoreSettings
from foundation.pki import make_ca, make_party, server_context
from gateway import keys as own_keys
from gateway.settings import (
    CarrierSettings,
    ConfirmSettings,
    GatewaySettings,
    HttpSettings,
    SipSideSettings,
    TlsSettings,
    TrustSettings,
    VoiceSettings,
)
from gateway.sms_settings import SmppSettings, SmscSettings
from gm.keystore import ITERATIONS_MIN, KeyStore
from gm.sm2 import PrivateKey, PublicKey
from interparty.server import serve
from interparty.signed_http import Signer, VerifiedRequest
from interparty.stream import Channel
from interparty.verify_messages import Heartbeat, HeartbeatBody, LeaseNonce
from tests.gateway.carrier import CODE_NUMBER

TRUST_KEY = PrivateKey.generate()
Handler = Callable[[Any], Awaitable[Any] | Any]


def make_certificates(folder: Path) -> None:
    """Certificates for carrier and trust party, under one authority; slow enough to be made once."""
    make_ca(folder / "ca", "Test CA")
    for party in ("CMCC", "ttp"):
        make_party(folder / party, folder / "ca", party)


def settings_in(folder: Path, certificates: Path, *, trust_port: int = 1, **fields: Any) -> GatewaySettings:
    """Settings of a gateway whose data is in `folder`; every listener takes a free port."""
    sign_key = folder / "trust-sign.pem"
    sign_key.write_bytes(TRUST_KEY.public_key.to_pem())
    own = certificates / "CMCC"
    loopback = SipSideSettings(port=0)
    values: dict[str, Any] = {
        "data_dir": folder,
        "carrier": CarrierSettings(id="CMCC"),
        "keystore": KeyStoreSettings(path=folder / "keys.store", passphrase_file=folder / "passphrase"),
        "tls": TlsSettings(ca=own / "ca.pem", cert=own / "CMCC.pem", key=own / "CMCC.key"),
        "trust": TrustSettings(url=f"https://127.0.0.1:{trust_port}", sign_public_key=sign_key),
        "carrier_api": HttpSettings(port=0),
        "operations": HttpSettings(port=0),
        "smpp": SmppSettings(port=0),
        "smsc": (SmscSettings(port=1, system_id="gateway", password="secret08"),),
        "voice": VoiceSettings(enterprise=loopback, core_side=loopback),
        "confirm": ConfirmSettings(access_number=CODE_NUMBER),
    }
    return GatewaySettings(**(values | fields))


def make_key_store(settings: GatewaySettings) -> KeyStore:
    """As `init` makes it, with the fewest rounds of PBKDF2 that a key store takes."""
    settings.keystore.passphrase_file.write_text("passphrase")
    KeyStore.create(settings.keystore.path, "passphrase", iterations=ITERATIONS_MIN)
    return own_keys.create_missing(settings)[0]


@dataclass
class FakeTrustParty:
    """Answers each route (method and path) with what the test registered; remembers what it was asked."""

    routes: dict[str, Handler] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    port: int = 0

    async def answer(self, request: Request) -> Response:
        raw = await request.body()
        body = None if not raw else await request.json()
        self.asked.append((request.url.path, body))
        handler = self.routes.get(request.url.path)
        if handler is None:
            return JSONResponse({"title": "nothing there"}, status_code=404)
        return JSONResponse(handler(body))


EPOCH = "0a" * 16


class FakeStream:
    """Answers what keeps a lease; a question ends it, so that it is asked in a request."""

    def __init__(self, channel: Channel, _request: VerifiedRequest) -> None:
        self._channel = channel

    def received(self, payload: bytes) -> None:
        if payload.startswith(b'{"lease"'):
            body = HeartbeatBody(epoch=EPOCH, sequence=0, nonce=LeaseNonce.model_validate_json(payload).lease)
            self._channel.send(Heartbeat(heartbeat=body).model_dump_json().encode())
        else:
            self._channel.close()

    def closing(self) -> None:
        pass

    def lost(self, reason: str) -> None:
        pass


@asynccontextmanager
async def trust_party(certificates: Path, http_key: bytes) -> AsyncIterator[FakeTrustParty]:
    """A trust party that listens, with real mutual TLS and signatures; `http_key` is the carrier's."""

    class Keys:
        def lookup(self, keyid: str) -> bytes | PublicKey | None:
            return http_key if keyid == "CMCC/http/1" else None

    fake = FakeTrustParty()
    fake.routes["/v1/revocations"] = lambda _: {"epoch": EPOCH, "newest": 0, "revoked": []}
    home = certificates / "ttp"
    running = await serve(
        Starlette(routes=[Route("/{rest:path}", fake.answer, methods=["GET", "POST"])]),
        "127.0.0.1",
        0,
        server_context(home / "ca.pem", home / "ttp.pem", home / "ttp.key"),
        keys=Keys(),
        signer=Signer("ttp/sign/1", TRUST_KEY),
        streams={"/v1/verifications/stream": FakeStream},
    )
    fake.port = running.port
    yield fake
    await running.stop()
