"""Enterprises, accounts, trunks and access numbers as rows."""

import pytest

from gateway.store import accounts
from gateway.store.accounts import AccessNumberRow, AccountExists, AccountRow, TrunkRow, UnknownEnterprise
from gateway.store.domain import Domain

ACCOUNT = AccountRow("sms-a", "ent-a", "hash", 2)
TRUNK = TrunkRow("pbx-a", "ent-a", "ascs", "md5", "sha256", "1069", None, 10)
NUMBER = AccessNumberRow("1069", "ent-a", "sms-a", "pbx-a")


async def fill(domain: Domain) -> None:
    def op(conn) -> None:
        accounts.add_enterprise(conn, "ent-a", "A")
        accounts.add_account(conn, ACCOUNT)
        accounts.add_trunk(conn, TRUNK)
        accounts.add_access_number(conn, NUMBER)

    await domain.store.write(op)


async def test_what_was_added_is_loaded_and_each_change_is_a_new_version(domain: Domain) -> None:
    before = await domain.store.write(accounts.version)
    await fill(domain)
    rows = await domain.store.write(accounts.load)
    assert rows.version == before + 4
    assert rows.enterprises == {"ent-a": "A"}
    assert (rows.accounts, rows.trunks, rows.access_numbers) == ((ACCOUNT,), (TRUNK,), (NUMBER,))


@pytest.mark.parametrize(
    ("add", "row"),
    [
        (accounts.add_account, ACCOUNT),
        (accounts.add_trunk, TRUNK),
        (accounts.add_access_number, NUMBER),
    ],
)
async def test_each_has_one_owner(domain: Domain, add, row) -> None:
    with pytest.raises(UnknownEnterprise):
        await domain.store.write(lambda conn: add(conn, row))
    await fill(domain)
    version = await domain.store.write(accounts.version)
    with pytest.raises(AccountExists):
        await domain.store.write(lambda conn: add(conn, row))
    assert await domain.store.write(accounts.version) == version


async def test_an_enterprise_is_added_once(domain: Domain) -> None:
    await fill(domain)
    with pytest.raises(AccountExists):
        await domain.store.write(lambda conn: accounts.add_enterprise(conn, "ent-a", "again"))
