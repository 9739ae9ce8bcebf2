"""A trust party's parts behind its own listener, and a carrier that asks over loopback."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette

from foundation import pki
from gm.sm2 import PublicKey
from interparty.client import Peer
from interparty.server import Running, serve
from interparty.signed_http import Signer
from tests.trust_party.world import CARRIER, HMAC_KEY, NOW, OTHER_CARRIER, REGULATOR, Party
from trust_party.keys import signer
from trust_party.routes import Routes
from trust_party.verify_stream import PATH, VerifyStreams

PARTIES = ("ttp", CARRIER, OTHER_CARRIER, "ent-a", REGULATOR)


def make_pki(folder: Path) -> Path:
    """Certificates of everyone in PARTIES."""
    pki.make_ca(folder / "ca", "test CA")
    for party in PARTIES:
        pki.make_party(folder / party, folder / "ca", party)
    return folder


def context(folder: Path, party: str, build: Callable[[Path, Path, Path], ssl.SSLContext]) -> ssl.SSLContext:
    mine = folder / party
    return build(mine / "ca.pem", mine / f"{party}.pem", mine / f"{party}.key")


@dataclass
class Keys:
    """What the peers know of the trust party."""

    sign: PublicKey

    def lookup(self, keyid: str) -> bytes | PublicKey | None:
        return {"ttp/sign/1": self.sign, f"{CARRIER}/http/1": HMAC_KEY}.get(keyid)


@dataclass
class Served:
    """What listens, and its clock."""

    party: Party
    folder: Path
    running: Running
    now: int = NOW

    def peer(self, name: str = CARRIER, signer: Signer | None = None) -> Peer:
        return Peer(
            f"https://127.0.0.1:{self.running.port}",
            context(self.folder, name, pki.client_context),
            signer or Signer(f"{CARRIER}/http/1", HMAC_KEY),
            Keys(self.party.keys.current("sign").sm2.public_key),
            party="ttp",
        )


def routes_of(party: Party) -> Routes:
    """The routes of a party's parts."""
    return Routes(
        store=party.store,
        directory=party.directory,
        sequencer=party.sequencer,
        witnesses=party.witnesses,
        deposits=party.deposits,
        verification=party.verification,
        restoration=party.restoration,
        confirmations=party.confirmations,
        cancellations=party.cancellations,
        rotations=party.rotations,
        reports=party.reports,
        feed=party.feed,
        key_exchange=party.key_exchange,
        key_events=party.key_events,
        guesses=party.guesses,
        evidence_queries=party.evidence_queries,
        number_queries=party.number_queries,
    )


@contextlib.asynccontextmanager
async def served(party: Party, folder: Path) -> AsyncIterator[Served]:
    """`folder` is from make_pki. Routes run by the system's clock, the stream by Served.now."""
    made: Served | None = None

    def now_ms() -> int:
        assert made is not None
        return made.now

    app: Starlette = routes_of(party).app()
    await party.sequencer.run()
    await party.feed.load()
    party.feed.start()
    running = await serve(
        app,
        "127.0.0.1",
        0,
        context(folder, "ttp", pki.server_context),
        keys=party.directory,
        signer=signer(party.settings, party.keys),
        streams={PATH: VerifyStreams(party.directory, party.verification, party.feed, now_ms).accept},
    )
    made = Served(party, folder, running)
    try:
        yield made
    finally:
        await running.stop()
        await party.feed.stop()
