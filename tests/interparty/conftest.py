"""Two parties on loopback with their own certificates and keys, made once for all tests."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import pytest_asyncio

from foundation import pki
from gm.sm2 import PrivateKey
from interparty import server
from interparty.client import Peer
from interparty.signed_http import Signer
from tests.interparty.exchange import APP

HMAC_KEY = b"an HMAC key that two parties share"
SIGN_KEYS = {party: PrivateKey.generate() for party in ("ttp", "CMCC", "ent-a")}


class Keys:
    """What every party here knows of the others."""

    def lookup(self, keyid):
        party = keyid.split("/")[0]
        if keyid == "CMCC/hmac/1":
            return HMAC_KEY
        if keyid.endswith("/sign/1") and party in SIGN_KEYS:
            return SIGN_KEYS[party].public_key
        return None


def signer_of(party: str, kind: str = "sign") -> Signer:
    return Signer(f"{party}/{kind}/1", HMAC_KEY if kind == "hmac" else SIGN_KEYS[party])


@pytest.fixture(scope="session")
def pki_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    pki.make_ca(folder / "ca", "test CA")
    for party in SIGN_KEYS:
        pki.make_party(folder / party, folder / "ca", party)
    return folder


@pytest.fixture(scope="session")
def context_of(pki_folder) -> Callable[[str, str], ssl.SSLContext]:
    def make(party: str, side: str) -> ssl.SSLContext:
        folder = pki_folder / party
        build = pki.server_context if side == "server" else pki.client_context
        return build(folder / "ca.pem", folder / f"{party}.pem", folder / f"{party}.key")

    return make


@pytest.fixture
def peer_to(context_of):
    def make(port: int, signer: Signer, *, certificate: str | None = None, **options) -> Peer:
        options = {"party": "ttp"} | options
        context = context_of(certificate or signer.party, "client")
        return Peer(f"https://127.0.0.1:{port}", context, signer, Keys(), **options)

    return make


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def listening(context_of):
    """One server for all tests: what it captured belongs to the test that runs."""
    captured = bytearray()
    started = await server.serve(
        APP,
        "127.0.0.1",
        0,
        context_of("ttp", "server"),
        keys=Keys(),
        signer=signer_of("ttp"),
        capture=captured.extend,
    )
    started.captured = captured
    yield started
    await started.stop()


@pytest.fixture
def running(listening):
    listening.captured.clear()
    return listening


@pytest_asyncio.fixture(params=["hmac", "sign"], loop_scope="module")
async def peer(request, running, peer_to):
    async with peer_to(running.port, signer_of("CMCC", request.param)) as made:
        yield made
