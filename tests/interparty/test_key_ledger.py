"""The states of keys as they are on record, held against the key store."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gm.keystore import ITERATIONS_MIN, KeyStore
from gm.sm3 import sm3
from interparty import key_ledger
from interparty.key_ledger import Author
from interparty.key_messages import KeyEvent

AUTHOR = Author("CMCC", "ops", 1_790_000_000_000)


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    return KeyStore.create(tmp_path / "keys.store", "passphrase", iterations=ITERATIONS_MIN)


@pytest.fixture
def conn() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    for statement in key_ledger.SCHEMA:
        made.execute(statement)
    yield made
    made.close()


def told(events: list[KeyEvent]) -> list[tuple[str, str | None, int | None, str | None, str | None]]:
    return [(one.event, one.purpose, one.version, one.state_from, one.state_to) for one in events]


def test_first_keys_are_events(conn: sqlite3.Connection, keys: KeyStore) -> None:
    sign = keys.add("sign", "sm2")
    keys.add("data", "sm4")
    events = key_ledger.settle(conn, keys, AUTHOR)
    assert told(events) == [
        ("made", "data", 1, None, "active"),
        ("made", "sign", 1, None, "active"),
    ]
    assert [one.sequence for one in events] == [1, 2]
    assert {(one.party, one.by, one.at, one.found) for one in events} == {("CMCC", "ops", AUTHOR.at, False)}
    assert events[1].public_sm3 == sm3(sign.public.to_bytes()).hex()
    assert key_ledger.settle(conn, keys, AUTHOR) == []


def test_every_move_is_an_event_whoever_made_it(conn: sqlite3.Connection, keys: KeyStore) -> None:
    keys.add("sign", "sm2")
    key_ledger.settle(conn, keys, AUTHOR)
    keys.add("sign", "sm2", state="pre-active")
    assert told(key_ledger.settle(conn, keys, AUTHOR)) == [("made", "sign", 2, None, "pre-active")]
    keys.set_state("sign", 2, "active")
    assert told(key_ledger.settle(conn, keys, AUTHOR)) == [
        ("retired", "sign", 1, "active", "retired"),
        ("activated", "sign", 2, "pre-active", "active"),
    ]
    keys.set_state("sign", 1, "destroyed")
    assert told(key_ledger.settle(conn, keys, AUTHOR)) == [("destroyed", "sign", 1, "retired", "destroyed")]
    assert key_ledger.settle(conn, keys, AUTHOR) == []


def test_what_was_just_made_is_not_found(conn: sqlite3.Connection, keys: KeyStore) -> None:
    keys.add("sign", "sm2")
    keys.add("network/gw", "hmac-sm3")
    events = key_ledger.settle(conn, keys, AUTHOR, found=True, made=[("network/gw", 1)])
    assert {one.purpose: one.found for one in events} == {"sign": True, "network/gw": False}


def test_what_happened_twice_unseen_is_one_move(conn: sqlite3.Connection, keys: KeyStore) -> None:
    keys.add("sign", "sm2", state="pre-active")
    key_ledger.settle(conn, keys, AUTHOR)
    keys.set_state("sign", 1, "active")
    keys.add("sign", "sm2")
    assert told(key_ledger.settle(conn, keys, AUTHOR, found=True)) == [
        ("retired", "sign", 1, "pre-active", "retired"),
        ("made", "sign", 2, None, "active"),
    ]


def test_a_change_by_another_process_is_seen(
    tmp_path: Path, conn: sqlite3.Connection, keys: KeyStore
) -> None:
    KeyStore.open(tmp_path / "keys.store", "passphrase").add("sign", "sm2")
    assert told(key_ledger.settle(conn, keys, AUTHOR)) == [("made", "sign", 1, None, "active")]


def test_a_store_from_a_backup_is_told(tmp_path: Path, conn: sqlite3.Connection, keys: KeyStore) -> None:
    file = tmp_path / "keys.store"
    keys.add("sign", "sm2")
    backup = file.read_bytes()
    keys.add("sign", "sm2")
    key_ledger.settle(conn, keys, AUTHOR)
    file.write_bytes(backup)
    events = key_ledger.settle(conn, keys, AUTHOR)
    assert told(events) == [
        ("restored", "sign", 1, "retired", "active"),
        ("missing", "sign", 2, "active", "missing"),
    ]
    assert events[1].found
    assert key_ledger.settle(conn, keys, AUTHOR) == []
    keys.add("sign", "sm2")
    assert told(key_ledger.settle(conn, keys, AUTHOR)) == [
        ("retired", "sign", 1, "active", "retired"),
        ("restored", "sign", 2, "missing", "active"),
    ]


def test_another_key_under_a_known_name_is_told(
    tmp_path: Path, conn: sqlite3.Connection, keys: KeyStore
) -> None:
    keys.add("sign", "sm2")
    (first,) = key_ledger.settle(conn, keys, AUTHOR)
    (tmp_path / "keys.store").unlink()
    again = KeyStore.create(tmp_path / "keys.store", "passphrase", iterations=ITERATIONS_MIN)
    again.add("sign", "sm2")
    (event,) = key_ledger.settle(conn, again, AUTHOR)
    assert (event.event, event.state_from, event.state_to, event.found) == (
        "restored",
        "active",
        "active",
        True,
    )
    assert event.public_sm3 != first.public_sm3


def test_no_event_holds_a_secret(conn: sqlite3.Connection, keys: KeyStore) -> None:
    made = [keys.add(name, algorithm) for name, algorithm in (("a", "sm2"), ("b", "sm4"), ("c", "hmac-sm3"))]  # type: ignore[arg-type]
    events = key_ledger.settle(conn, keys, AUTHOR)
    text = " ".join(one.model_dump_json() for one in events)
    for key in made:
        assert key.material.hex() not in text
        assert sm3(key.material).hex() not in text
    assert [one.public_sm3 is not None for one in events] == [True, False, False]


def test_a_destruction_can_be_on_record_before_it_is_done(conn: sqlite3.Connection, keys: KeyStore) -> None:
    key = keys.add("query", "sm2", state="pre-active")
    key_ledger.settle(conn, keys, AUTHOR)
    event = key_ledger.moved(
        conn, key, AUTHOR, was=key.state, now="destroyed", approved_by=["li", "wang"], order_sm3="ab" * 32
    )
    assert (event.event, event.approved_by) == ("destroyed", ["li", "wang"])
    keys.set_state("query", 1, "destroyed")
    assert key_ledger.settle(conn, keys, AUTHOR) == []
    assert key_ledger.last(conn, "query", 1) == event


def test_events_wait_until_they_are_told(conn: sqlite3.Connection, keys: KeyStore) -> None:
    keys.add("sign", "sm2")
    keys.add("data", "sm4")
    events = key_ledger.settle(conn, keys, AUTHOR)
    assert key_ledger.untold(conn, 1) == events[:1]
    key_ledger.tell(conn, events[:1])
    assert key_ledger.untold(conn, 10) == events[1:]
    assert key_ledger.events(conn) == [(events[0], True), (events[1], False)]
