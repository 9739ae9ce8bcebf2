"""One carrier domain a test, in a folder of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from foundation.seal import Sealer, add_missing_keys
from foundation.store import Store
from gateway.app import MIGRATIONS
from gateway.store.domain import Domain
from gateway.store.vault import Vault
from gm.keystore import ITERATIONS_MIN, KeyStore
from tests.gateway.carrier import Clock, seed
from tests.gateway.installation import make_certificates


@pytest.fixture(scope="session")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    path = tmp_path_factory.mktemp("keys") / "keys.store"
    keys = KeyStore.create(path, "passphrase", iterations=ITERATIONS_MIN)
    add_missing_keys(keys)
    return Vault(Sealer(keys))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See tests.gateway.installation."""
    folder = tmp_path_factory.mktemp("pki")
    make_certificates(folder)
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def domain(tmp_path: Path, vault: Vault, clock: Clock) -> AsyncIterator[Domain]:
    store = Store.open(tmp_path / "carrier.db", MIGRATIONS)
    yield Domain(store, vault, now_ms=clock)
    await store.close()


@pytest.fixture
async def people(domain: Domain) -> Domain:
    """The domain with the people of tests.gateway.carrier.seed in it."""
    await domain.store.write(seed(domain))
    return domain
