"""A trust party's or carrier's signed routes for tests: real mutual TLS and signatures, canned answers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from foundation.pki import make_ca, make_party, server_context
from gm.sm2 import PrivateKey, PublicKey
from interparty.party_link import PartyLinkSettings
from interparty.server import Running, serve
from interparty.signed_http import Signer

Handler = Callable[[Request], Awaitable[Response]]
HMAC_KEY = bytes(range(32))


@dataclass
class Party:
    """The other party, listening, and how `client` reaches it."""

    running: Running
    link: PartyLinkSettings
    client_key: PrivateKey


class _Keys:
    def __init__(self, keys: dict[str, bytes | PublicKey]) -> None:
        self._keys = keys

    def lookup(self, keyid: str) -> bytes | PublicKey | None:
        return self._keys.get(keyid)


async def start(
    folder: Path, party: str, client: str, routes: Mapping[str, Handler], *, use_hmac: bool = False
) -> Party:
    """Serve `routes` (path to POST handler) as `party` to `client`."""
    make_ca(folder / "ca", "Test CA")
    for name in (party, client):
        make_party(folder / name, folder / "ca", name)
    server_key, client_key = PrivateKey.generate(), PrivateKey.generate()
    client_keyid = f"{client}/sign/1"
    known: bytes | PublicKey = HMAC_KEY if use_hmac else client_key.public_key
    home = folder / party
    app = Starlette(routes=[Route(path, handler, methods=["POST"]) for path, handler in routes.items()])
    running = await serve(
        app,
        "127.0.0.1",
        0,
        server_context(home / "ca.pem", home / f"{party}.pem", home / f"{party}.key"),
        keys=_Keys({client_keyid: known}),
        signer=Signer(f"{party}/sign/1", server_key),
    )
    own = folder / client
    (own / "sign.key").write_bytes(client_key.to_pem())
    (own / "peer.pem").write_bytes(server_key.public_key.to_pem())
    (own / "hmac.key").write_text(HMAC_KEY.hex())
    link = PartyLinkSettings(
        url=f"https://127.0.0.1:{running.port}",
        party=party,
        ca=own / "ca.pem",
        cert=own / f"{client}.pem",
        key=own / f"{client}.key",
        sign_key_id=client_keyid,
        sign_key=None if use_hmac else own / "sign.key",
        hmac_key=own / "hmac.key" if use_hmac else None,
        peer_keys={f"{party}/sign/1": own / "peer.pem"},
    )
    return Party(running, link, client_key)
