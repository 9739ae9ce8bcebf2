from pathlib import Path

import pytest

from foundation.seal import add_missing_keys
from gm.keystore import ITERATIONS_MIN, KeyStore


@pytest.fixture
def keystore(tmp_path: Path) -> KeyStore:
    store = KeyStore.create(tmp_path / "keys.store", "passphrase", iterations=ITERATIONS_MIN)
    add_missing_keys(store)
    return store
