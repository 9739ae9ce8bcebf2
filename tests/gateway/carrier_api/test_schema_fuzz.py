"""The carrier's routes answer as their OpenAPI document says, whatever it allows or forbids is sent."""

import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from foundation.pki import make_party
from gateway import keys as own_keys
from gateway.app import Gateway
from gateway.settings import ConfirmSettings
from interparty import openapi
from interparty.carrier_routes import OPERATIONS
from interparty.signed_http import Signer
from tests import schema_fuzz
from tests.gateway.carrier import CODE_NUMBER
from tests.gateway.installation import TRUST_KEY, make_certificates, make_key_store, settings_in
from tests.schema_fuzz import Caller, Signed, Tally, operations

DOCUMENT = openapi.carrier()


@dataclass
class World:
    """A gateway that listens, and who asks it."""

    port: int
    callers: dict[str, Caller]

    def fuzz(self, method: str, path: str, role: str, **options: int) -> Tally:
        return schema_fuzz.fuzz(
            DOCUMENT, self.port, method, path, self.callers[role], lambda path, body: None, **options
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    certificates, folder = tmp_path_factory.mktemp("pki"), tmp_path_factory.mktemp("gateway")
    make_certificates(certificates)
    make_party(certificates / "network", certificates / "ca", "network")
    settings = settings_in(
        folder,
        certificates,
        confirm=ConfirmSettings(access_number=CODE_NUMBER, network_peers=("network",)),
    )
    keys = make_key_store(settings)
    network = keys.current(own_keys.NETWORK_PURPOSE + "network").material

    @contextlib.asynccontextmanager
    async def served() -> AsyncIterator[int]:
        gateway = Gateway(settings)
        try:
            await gateway.start()
            assert gateway._api is not None
            yield gateway._api.port
        finally:
            await gateway.stop()

    ttp = Caller("trust party", certificates / "ttp", "ttp", Signer("ttp/sign/1", TRUST_KEY))
    peer = Caller("network peer", certificates / "network", "network", Signer("network/http/1", network))
    with schema_fuzz.in_thread(served) as port:
        yield World(port, {"trust party": ttp, "network peer": peer, "": ttp})


@pytest.mark.parametrize(("method", "path", "role"), operations(DOCUMENT))
def test_it_answers_as_described(world: World, method: str, path: str, role: str) -> None:
    # No envelope that is drawn by chance opens.
    assert world.fuzz(method, path, role).taken or path == "/v1/keys"


def test_every_route_asks_for_a_signature_of_the_certificates_party(world: World) -> None:
    peer, other = world.callers["network peer"], world.callers["trust party"]
    with peer.session() as session:
        for operation in OPERATIONS:
            if operation.signed:
                url = f"https://127.0.0.1:{world.port}{operation.path}"
                assert session.request(operation.method, url).status_code == 401, operation.id
                answer = session.request(operation.method, url, auth=Signed(other.signer))
                assert answer.status_code == 403, operation.id


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("method", "path", "role"), operations(DOCUMENT))
def test_it_answers_as_described_for_long(world: World, method: str, path: str, role: str) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}: {world.fuzz(method, path, role, examples=schema_fuzz.SOAK_EXAMPLES, start=seed)}")
