"""What becomes of the carrier's keys: on its audit chain, and in the ledger until the trust party has it."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation import audit, beside
from gateway import keys as own_keys
from gateway.app import open_domain
from gateway.key_exchange import CarrierHouse
from gateway.settings import GatewaySettings
from gateway.store.domain import wall_ms
from gm.keystore import KeyStore
from interparty import key_house, key_ledger
from interparty.key_messages import KeyEvent
from tests.gateway.installation import settings_in

PASSPHRASE = "passphrase"


@pytest.fixture
def settings(tmp_path: Path) -> GatewaySettings:
    made = settings_in(tmp_path, tmp_path / "pki")
    made.keystore.passphrase_file.write_text(PASSPHRASE)
    KeyStore.create(made.keystore.path, PASSPHRASE, iterations=1000)
    return made


async def start(settings: GatewaySettings) -> None:
    """As the gateway and each of its commands begins."""
    domain, _ = open_domain(settings)
    await domain.store.close()


def events(settings: GatewaySettings) -> list[KeyEvent]:
    """What is in the ledger, which the audit chain has too."""
    with beside.transaction(settings.database) as conn:
        assert audit.verify(conn) is None
        audited = conn.execute(
            "SELECT event FROM audit WHERE event LIKE 'key.%' ORDER BY sequence"
        ).fetchall()
        found = [event for event, _ in key_ledger.events(conn)]
    assert [row[0] for row in audited] == [f"key.{event.event}" for event in found]
    return found


def told(found: list[KeyEvent]) -> list[tuple[str, str | None, int | None, bool]]:
    return [(one.event, one.purpose, one.version, one.found) for one in found]


async def test_first_keys_are_on_record_once(settings: GatewaySettings) -> None:
    await start(settings)
    first = events(settings)
    keys = own_keys.open_store(settings)
    assert told(first) == [("made", purpose, 1, False) for purpose in keys.purposes()]
    assert {"sign", "edi", "envelope", "query", "http", "data", "index"} == set(keys.purposes())
    await start(settings)
    assert events(settings) == first


async def test_keys_without_a_database_are_found(settings: GatewaySettings) -> None:
    """Killed at installation, after the key store and before the database."""
    own_keys.create_missing(settings)
    await start(settings)
    found = events(settings)
    assert found
    assert all(one.found for one in found)


async def test_each_step_of_a_key_of_its_own_is_on_record(settings: GatewaySettings) -> None:
    await start(settings)
    before = len(events(settings))
    house = CarrierHouse(settings, own_keys.open_store(settings))
    await key_house.rotate(house, "data", wall_ms)
    assert told(events(settings)[before:]) == [
        ("made", "data", 2, False),
        ("retired", "data", 1, False),
        ("activated", "data", 2, False),
    ]


@contextlib.contextmanager
def database_that_loses_the_commit(house: CarrierHouse) -> Iterator[None]:
    whole = house.transaction

    @contextlib.contextmanager
    def cut() -> Iterator[sqlite3.Connection]:
        with whole() as conn:
            yield conn
            raise sqlite3.OperationalError("disk full")

    house.transaction = cut  # type: ignore[method-assign]
    with contextlib.suppress(sqlite3.OperationalError):
        yield
    house.transaction = whole  # type: ignore[method-assign]


async def test_a_move_whose_record_was_lost_is_found_at_the_next_start(settings: GatewaySettings) -> None:
    await start(settings)
    before = len(events(settings))
    house = CarrierHouse(settings, own_keys.open_store(settings))
    with database_that_loses_the_commit(house):
        key_house.make(house, "query", wall_ms())
    assert len(events(settings)) == before
    await start(settings)
    assert told(events(settings)[before:]) == [("made", "query", 2, True)]


KILLED = """
import os, signal, sys
from pathlib import Path
from gateway import keys as own_keys
from gateway.key_exchange import CarrierHouse
from gateway.store.domain import wall_ms
from gm import keystore
from interparty import key_house
from tests.gateway.installation import settings_in

folder, when = Path(sys.argv[1]), sys.argv[2]
settings = settings_in(folder, folder / "pki")
house = CarrierHouse(settings, own_keys.open_store(settings))
whole = keystore._replace_file

def replace(path, data):
    if when == "after":
        whole(path, data)
    os.kill(os.getpid(), signal.SIGKILL)

keystore._replace_file = replace
key_house.make(house, "query", wall_ms())
"""


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_command_killed_at_the_key_store_leaves_nothing_unrecorded(
    settings: GatewaySettings, tmp_path: Path, when: str
) -> None:
    await start(settings)
    before = len(events(settings))
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", KILLED, str(tmp_path), when]
    done = subprocess.run(  # noqa: ASYNC221
        command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(events(settings)) == before
    await start(settings)
    expected = [("made", "query", 2, True)] if when == "after" else []
    assert told(events(settings)[before:]) == expected
    keys = own_keys.open_store(settings)
    assert len(keys.keys("query")) == 1 + len(expected)


async def test_what_is_not_told_is_no_secret(settings: GatewaySettings) -> None:
    await start(settings)
    keys = own_keys.open_store(settings)
    text = " ".join(one.model_dump_json() for one in events(settings))
    for purpose in keys.purposes():
        assert keys.current(purpose).material.hex() not in text
