"""A trust party that can show two faces, over real HTTP, and witnesses of it."""

import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from starlette.types import Receive, Scope, Send

from evidence.checkpoint import log_id
from foundation import pki
from gm.sm2 import PrivateKey, PublicKey
from interparty import key_house
from interparty.client import Peer
from interparty.messages import CheckpointBody
from interparty.server import Running, serve
from interparty.signed_http import Signer
from tests.trust_party.served import Keys, context, routes_of
from tests.trust_party.world import CARRIER, NOW, REGULATOR, Party, People, initialise, settings_in
from trust_client.mirror import Mirror
from trust_client.witness import Witness
from trust_client.witness_store import WitnessStore
from trust_party.clock import now_ms
from trust_party.key_operations import TrustHouse
from trust_party.keys import open_store, signer
from trust_party.witnesses import Witnesses

ALL = (CARRIER, "ent-a", REGULATOR)


async def recorded(party: Party, count: int = 1) -> CheckpointBody:
    await party.store.write(lambda conn: party.evidence.append(conn, [{"kind": "TEST"}] * count, NOW))
    await party.sequencer.run()
    assert party.sequencer.newest is not None
    return party.sequencer.newest


class Faces:
    """One listener that shows each party the face that was chosen for it."""

    def __init__(self, faces: dict[str, Party]) -> None:
        self.apps = {name: routes_of(party).app() for name, party in faces.items()}
        self.shown: dict[str, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        face = self.shown.get(scope["state"]["party"], next(iter(self.apps)))
        await self.apps[face](scope, receive, send)


@dataclass
class Scene:
    faces: dict[str, Party]
    shown: Faces
    running: Running
    folder: Path
    data: Path
    log_key: PublicKey
    """The one that witnesses are given."""

    @property
    def party(self) -> Party:
        return next(iter(self.faces.values()))

    def key_of(self, name: str) -> PrivateKey:
        people = self.party.people
        return (people.carriers | people.enterprises | people.regulators)[name]

    def peer(self, name: str) -> Peer:
        return Peer(
            f"https://127.0.0.1:{self.running.port}",
            context(self.folder, name, pki.client_context),
            Signer(f"{name}/sign/1", self.key_of(name)),
            Keys(self.party.keys.current("sign").sm2.public_key),
            party="ttp",
        )

    async def renew_log_key(self) -> None:
        """As `ascs trust key rotate CONFIG log` does beside a running trust party."""
        await key_house.rotate(
            TrustHouse(self.party.settings, open_store(self.party.settings), None), "log", now_ms
        )
        self.party.keys.refresh()

    def store(self, name: str) -> WitnessStore:
        return WitnessStore.open(self.data / name / "witness.db", log_id(self.log_key))

    @contextlib.asynccontextmanager
    async def witness(
        self, name: str, log_key: PublicKey | None = None, *, mirror: bool = False
    ) -> AsyncIterator[Witness]:
        store = self.store(name)
        copy = Mirror.open(self.data / name / "mirror.db") if mirror else None
        async with self.peer(name) as peer:
            yield Witness(
                peer,
                party=name,
                sign_key=self.key_of(name),
                log_key=log_key or self.log_key,
                store=store,
                others={other: [self.key_of(other).public_key] for other in ALL},
                now_ms=lambda: NOW,
                mirror=copy,
            )
        store.close()
        if copy is not None:
            copy.close()


@contextlib.asynccontextmanager
async def two_faces(tmp_path: Path, people: People, certificates: Path) -> AsyncIterator[Scene]:
    """A trust party with two faces: two stores under one set of keys. Everyone is shown the first at the beginning."""
    settings = settings_in(tmp_path / "one")
    (tmp_path / "one").mkdir()
    initialise(settings)
    people.admit(settings)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    faces = {name: Party(settings_in(tmp_path / name), people) for name in ("one", "two")}
    for party in faces.values():
        await party.directory.refresh()
        await party.sequencer.run()
        # The newest is always the candidate.
        party.witnesses = Witnesses(party.store, party.evidence, party.sequencer, 0)
    shown = Faces(faces)
    first = faces["one"]
    running = await serve(
        shown,
        "127.0.0.1",
        0,
        context(certificates, "ttp", pki.server_context),
        keys=first.directory,
        signer=signer(first.settings, first.keys),
    )
    yield Scene(faces, shown, running, certificates, tmp_path, first.evidence.log.public_key)
    await running.stop()
    for party in faces.values():
        await party.store.close()
