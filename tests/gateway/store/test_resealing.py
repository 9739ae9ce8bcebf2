"""After a rotation of the data key everything sealed is sealed anew, and the key before can be destroyed."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

import foundation.resealing
from foundation.beside import transaction
from foundation.resealing import Column, sealed_under
from foundation.seal import Sealer
from gateway import keys as own_keys
from gateway.app import open_domain
from gateway.confirm.confirmations import SEAL_CONFIRMATION
from gateway.key_exchange import CarrierHouse
from gateway.settings import GatewaySettings
from gateway.sms.final import SEAL_OUTBOX
from gateway.sms.inbound import SEAL_INBOUND
from gateway.sms.outgoing import SEAL_MESSAGE
from gateway.store import number_queries
from gateway.store.accounts import SEAL_ACCOUNT_KEY, SEAL_OUTBIND
from gateway.store.domain import Domain, wall_ms
from gateway.store.resealing import COLUMNS, reseal
from gateway.voice.call_record import SEAL_CALL
from gm.sm2 import PrivateKey
from interparty import custody, key_house
from interparty.key_house import HouseError
from tests.gateway.installation import make_key_store, settings_in

NUMBER = "8613800000001"
LABELS: Final = {
    "account.key_sealed": SEAL_ACCOUNT_KEY,
    "account.outbind_sealed": SEAL_OUTBIND,
    "message.sealed": SEAL_MESSAGE,
    "inbound.sealed": SEAL_INBOUND,
    "enterprise_outbox.body": SEAL_OUTBOX,
    "confirmation.sealed": SEAL_CONFIRMATION,
    "call.sealed": SEAL_CALL,
    "number_query.number_sealed": number_queries._SEAL,
}
"""As those who seal call them."""
ROWS = 5


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GatewaySettings:
    monkeypatch.setattr(foundation.resealing, "ROWS_MAX", 2)
    made = settings_in(tmp_path, tmp_path / "pki")
    make_key_store(made)
    return made


@pytest.fixture
async def domain(settings: GatewaySettings) -> AsyncIterator[Domain]:
    domain, _ = open_domain(settings)
    yield domain
    await domain.store.close()


def columns_of(conn: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    return [(row[1], row[2]) for row in conn.execute(f"PRAGMA table_info({table})")]


def test_every_sealed_column_of_the_schema_is_in_it(settings: GatewaySettings, domain: Domain) -> None:
    with transaction(settings.database) as conn:
        tables = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        sealed = {
            f"{table}.{name}"
            for table in tables
            for name, _ in columns_of(conn, table)
            if (name == "sealed" or name.endswith("_sealed")) and name != "is_sealed"
        }
    assert {column.name for column in COLUMNS} == sealed | {"enterprise_outbox.body"}
    assert "is_sealed" in next(each.where for each in COLUMNS if each.table == "enterprise_outbox")


def plaintext(column: Column) -> bytes:
    return NUMBER.encode() if column.sealed in ("msisdn_sealed", "number_sealed") else b"what is sealed"


def seal(domain: Domain, column: Column) -> bytes:
    if column.sealed == "msisdn_sealed":
        return domain.vault.seal_msisdn(NUMBER)
    return domain.vault.seal(LABELS[column.name], plaintext(column))


def fill(conn: sqlite3.Connection, domain: Domain) -> None:
    """Some rows in each table, with something in every column."""
    for table in dict.fromkeys(column.table for column in COLUMNS if column.table != "blind_index"):
        own = {column.sealed: column for column in COLUMNS if column.table == table}
        for row in range(1, ROWS + 1):
            values: dict[str, Any] = {}
            for name, kind in columns_of(conn, table):
                if name in own:
                    values[name] = seal(domain, own[name])
                elif kind == "INTEGER":
                    values[name] = 1 if name == "is_sealed" else row
                else:
                    values[name] = f"{name}-{row}" if kind == "TEXT" else f"{name}-{row}".encode()
            marks = ", ".join("?" * len(values))
            conn.execute(
                f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})",
                list(values.values()),
            )
    for row in range(ROWS):
        domain.vault.msisdn_index(conn, f"86138{row:08}")


def opened(conn: sqlite3.Connection, domain: Domain) -> None:
    """Everything opens as those who sealed it open it."""
    for column in COLUMNS:
        if column.table == "blind_index":
            continue
        rows = conn.execute(f"SELECT {column.sealed} FROM {column.table}").fetchall()
        assert len(rows) == ROWS, column.name
        for row in rows:
            if column.sealed == "msisdn_sealed":
                assert domain.vault.open_msisdn(row[0]) == NUMBER
            else:
                assert domain.vault.open(LABELS[column.name], row[0]) == plaintext(column)


async def test_everything_opens_after_the_earlier_key_is_destroyed(
    domain: Domain, settings: GatewaySettings
) -> None:
    await domain.store.write(lambda conn: fill(conn, domain))
    names = await domain.store.write(lambda conn: domain.vault.msisdn_index(conn, "8613800000000"))
    house = CarrierHouse(settings, own_keys.open_store(settings))
    people = {name: PrivateKey.generate() for name in ("li", "wang")}
    for name, key in people.items():
        key_house.enrol_first(house, name, name, key.public_key, wall_ms())
    await key_house.rotate(house, "data", wall_ms)
    order = custody.draw_up("CMCC", "destroy", wall_ms(), purpose="data", version=1)
    approvals = [custody.approve(order, name, key, wall_ms()) for name, key in people.items()]
    everything = ROWS * len(COLUMNS)
    with pytest.raises(HouseError, match=f"{everything} values are sealed under data/1: ascs gateway reseal"):
        key_house.carry_out(house, order, approvals, wall_ms())

    # The gateway's own process has not seen the new key: what it opens meanwhile it opens under both.
    assert reseal(settings, Sealer(own_keys.open_store(settings))) == {
        column.name: ROWS for column in COLUMNS
    }
    assert not any(reseal(settings, Sealer(own_keys.open_store(settings))).values())
    assert await domain.store.write(lambda conn: sealed_under(conn, COLUMNS, 1)) == 0
    key_house.carry_out(house, order, approvals, wall_ms())
    await domain.store.write(lambda conn: opened(conn, domain))
    # The names of numbers are found by a renewal of their index, too.
    await key_house.rotate(house, "index", wall_ms)
    await domain.store.write(lambda conn: domain.vault.renew_indexes(conn, 100))
    assert await domain.store.write(lambda conn: domain.vault.find_msisdn(conn, "8613800000000")) == names


async def test_what_was_ended_in_the_middle_is_done_by_the_next_run(
    domain: Domain, settings: GatewaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await domain.store.write(lambda conn: fill(conn, domain))
    await key_house.rotate(CarrierHouse(settings, own_keys.open_store(settings)), "data", wall_ms)
    sealer = Sealer(own_keys.open_store(settings))
    left = 7

    def killed(plaintext: bytes, aad: bytes) -> bytes:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return Sealer.seal(sealer, plaintext, aad)

    monkeypatch.setattr(sealer, "seal", killed)
    with pytest.raises(KeyboardInterrupt):
        reseal(settings, sealer)
    done = await domain.store.write(lambda conn: sealed_under(conn, COLUMNS, 2))
    assert 0 < done <= 7
    rest = reseal(settings, Sealer(own_keys.open_store(settings)))
    assert sum(rest.values()) == ROWS * len(COLUMNS) - done
    domain.vault.open_msisdn(domain.vault.seal_msisdn(NUMBER))
