"""Names of numbers: found under every index key that is left, renewed in steps, the same for good."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation.migrate import upgrade
from foundation.seal import INDEX_PURPOSE, Sealer, add_missing_keys, version_prefix
from gateway.app import MIGRATIONS
from gateway.store import blind_index
from gm.keystore import ITERATIONS_MIN, KeyStore

NUMBERS = [f"86138000{n:05}".encode() for n in range(20)]
LABEL = "msisdn"


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    made = KeyStore.create(tmp_path / "keys.store", "passphrase", iterations=ITERATIONS_MIN)
    add_missing_keys(made)
    return made


@pytest.fixture
def sealer(keys: KeyStore) -> Sealer:
    return Sealer(keys)


@pytest.fixture
def other(tmp_path: Path, keys: KeyStore) -> KeyStore:
    """The same keys in another process, which has not looked since."""
    return KeyStore.open(tmp_path / "keys.store", "passphrase")


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    upgrade(tmp_path / "gateway.db", MIGRATIONS)
    made = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    made.execute("PRAGMA synchronous=OFF")
    yield made
    made.close()


def named(conn: sqlite3.Connection, sealer: Sealer) -> list[bytes]:
    return blind_index.names_of(conn, sealer, [(LABEL, number) for number in NUMBERS])


def found(conn: sqlite3.Connection, sealer: Sealer) -> list[bytes | None]:
    return [blind_index.find(conn, sealer, LABEL, number) for number in NUMBERS]


def test_a_name_is_random_and_the_number_is_not_to_be_seen(conn: sqlite3.Connection, sealer: Sealer) -> None:
    names = named(conn, sealer)
    assert len(set(names)) == len(NUMBERS)
    assert {len(name) for name in names} == {blind_index.NAME_SIZE}
    assert found(conn, sealer) == names == named(conn, sealer)
    assert blind_index.find(conn, sealer, "identifier-2", NUMBERS[0]) is None
    kept = b"".join(b"".join(row) for row in conn.execute("SELECT tag, name, sealed FROM blind_index"))
    assert not any(number in kept for number in NUMBERS)


def test_each_is_found_at_every_step_of_a_renewal(
    conn: sqlite3.Connection, keys: KeyStore, sealer: Sealer
) -> None:
    names = named(conn, sealer)
    keys.add(INDEX_PURPOSE, "hmac-sm3")
    assert found(conn, sealer) == names
    assert blind_index.is_stale(conn, sealer)
    left = len(NUMBERS)
    while count := blind_index.renew(conn, sealer, 7):
        assert count == min(7, left)
        left -= count
        assert found(conn, sealer) == names
        assert (blind_index.count_under(conn, 1), blind_index.count_under(conn, 2)) == (left, 20 - left)
    assert left == 0
    assert not blind_index.is_stale(conn, sealer)
    keys.set_state(INDEX_PURPOSE, 1, "destroyed")
    assert found(conn, sealer) == names == named(conn, sealer)


def test_what_is_new_meanwhile_is_under_the_current_key(
    conn: sqlite3.Connection, keys: KeyStore, sealer: Sealer
) -> None:
    names = named(conn, sealer)
    keys.add(INDEX_PURPOSE, "hmac-sm3")
    new = blind_index.names_of(conn, sealer, [(LABEL, b"8613900000000")])[0]
    assert new not in names
    assert blind_index.count_under(conn, 2) == 1


def test_nothing_of_it_can_be_told_with_the_key_of_before(
    conn: sqlite3.Connection, keys: KeyStore, sealer: Sealer
) -> None:
    """Whoever got hold of the old key and of the database finds nobody."""
    named(conn, sealer)
    stolen = [sealer.tags(LABEL, number)[0] for number in NUMBERS]
    keys.add(INDEX_PURPOSE, "hmac-sm3")
    while blind_index.renew(conn, sealer, 7):
        pass
    kept = b"".join(b"".join(row) for row in conn.execute("SELECT tag, name, sealed FROM blind_index"))
    assert not any(tag[len(version_prefix(1)) :] in kept for tag in stolen)


def test_a_process_that_has_not_seen_the_new_key_finds_what_another_renewed(
    conn: sqlite3.Connection, keys: KeyStore, sealer: Sealer, other: KeyStore
) -> None:
    names = named(conn, sealer)
    behind = Sealer(other)
    keys.add(INDEX_PURPOSE, "hmac-sm3")
    while blind_index.renew(conn, sealer, 7):
        pass
    # Not a second name for one person: an opt-out under the one would not be seen under the other.
    assert named(conn, behind) == names
    assert blind_index.count_under(conn, 1) == 0


def test_a_process_that_has_not_seen_it_renews_under_it(
    conn: sqlite3.Connection, keys: KeyStore, sealer: Sealer, other: KeyStore
) -> None:
    names = named(conn, sealer)
    keys.add(INDEX_PURPOSE, "hmac-sm3")
    assert blind_index.renew(conn, Sealer(other), 100) == len(NUMBERS)
    assert found(conn, sealer) == names


def test_two_rotations_before_a_renewal_was_over(
    conn: sqlite3.Connection, keys: KeyStore, sealer: Sealer
) -> None:
    names = named(conn, sealer)
    keys.add(INDEX_PURPOSE, "hmac-sm3")
    blind_index.renew(conn, sealer, 5)
    keys.add(INDEX_PURPOSE, "hmac-sm3")
    assert found(conn, sealer) == names
    while blind_index.renew(conn, sealer, 5):
        assert found(conn, sealer) == names
    assert blind_index.count_under(conn, 3) == len(NUMBERS)


def test_a_key_store_from_a_backup_gets_its_rows_back(
    tmp_path: Path, conn: sqlite3.Connection, keys: KeyStore, sealer: Sealer
) -> None:
    backup = (tmp_path / "keys.store").read_bytes()
    names = named(conn, sealer)
    keys.add(INDEX_PURPOSE, "hmac-sm3")
    blind_index.renew(conn, sealer, 100)
    (tmp_path / "keys.store").write_bytes(backup)
    assert blind_index.renew(conn, sealer, 100) == len(NUMBERS)
    assert found(conn, sealer) == names


def test_a_value_that_is_named_twice_at_once_has_one_name(conn: sqlite3.Connection, sealer: Sealer) -> None:
    first, other, again = blind_index.names_of(
        conn, sealer, [(LABEL, b"1"), ("identifier-2", b"1"), (LABEL, b"1")]
    )
    assert first == again != other
