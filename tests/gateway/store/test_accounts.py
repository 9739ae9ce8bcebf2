"""Enterprises, accounts, trunks and access numbers as rows."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from gateway.access_number import AccessNumberRow
from gateway.store import accounts
from gateway.store.accounts import AccountExists, AccountRow, TrunkRow, UnknownEnterprise
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


FULL_ACCOUNT = AccountRow(
    "sms-a", "ent-a", "hash", 4, 1, 2, 3, (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")), True,
    ("sha256:" + "ab" * 32, "san:esme.example"), 50.5, 100, 10, 15.0, 600.0, 5.0, True, b"sealed",
    "esme.example:2775", b"sealed too",
)  # fmt: skip
FULL_NUMBER = AccessNumberRow("1069", "ent-a", "sms-a", "pbx-a", 10.0, 20, ("flash", "ports"), 4)


async def test_every_setting_of_an_account_and_of_an_access_number_comes_back(domain: Domain) -> None:
    def op(conn) -> None:
        accounts.add_enterprise(conn, "ent-a", "A")
        accounts.add_account(conn, FULL_ACCOUNT)
        accounts.add_access_number(conn, FULL_NUMBER)

    await domain.store.write(op)
    rows = await domain.store.write(accounts.load)
    assert (rows.accounts, rows.access_numbers) == ((FULL_ACCOUNT,), (FULL_NUMBER,))
    assert rows.access_numbers[0].allow.data_codings > NUMBER.allow.data_codings


async def test_settings_are_changed_and_the_owner_stays(domain: Domain) -> None:
    await fill(domain)
    before = await domain.store.write(accounts.version)

    def op(conn) -> None:
        accounts.set_account(conn, replace(FULL_ACCOUNT, enterprise_id="ent-b"))
        accounts.set_access_number(conn, replace(FULL_NUMBER, enterprise_id="ent-b"))

    await domain.store.write(op)
    rows = await domain.store.write(accounts.load)
    assert rows.version == before + 2
    assert (rows.accounts, rows.access_numbers) == ((FULL_ACCOUNT,), (FULL_NUMBER,))


async def test_an_account_is_removed(domain: Domain) -> None:
    await fill(domain)
    await domain.store.write(lambda conn: accounts.remove_account(conn, "sms-a"))
    assert (await domain.store.write(accounts.load)).accounts == ()
    with pytest.raises(UnknownEnterprise):
        await domain.store.write(lambda conn: accounts.remove_account(conn, "sms-a"))
    with pytest.raises(UnknownEnterprise):
        await domain.store.write(lambda conn: accounts.set_account(conn, ACCOUNT))


async def test_shared_numbers_come_and_go(domain: Domain) -> None:
    before = await domain.store.write(accounts.version)
    await domain.store.write(lambda conn: accounts.add_shared_number(conn, "106988"))
    rows = await domain.store.write(accounts.load)
    assert (rows.shared_numbers, rows.version) == (("106988",), before + 1)
    with pytest.raises(AccountExists):
        await domain.store.write(lambda conn: accounts.add_shared_number(conn, "106988"))
    await domain.store.write(lambda conn: accounts.remove_shared_number(conn, "106988"))
    with pytest.raises(UnknownEnterprise):
        await domain.store.write(lambda conn: accounts.remove_shared_number(conn, "106988"))


async def test_an_access_number_is_taken_away(domain: Domain) -> None:
    await fill(domain)
    await domain.store.write(lambda conn: accounts.remove_access_number(conn, "1069"))
    assert (await domain.store.write(accounts.load)).access_numbers == ()
    with pytest.raises(UnknownEnterprise):
        await domain.store.write(lambda conn: accounts.remove_access_number(conn, "1069"))


async def test_a_content_option_of_another_version_allows_nothing(domain: Domain) -> None:
    await fill(domain)
    await domain.store.write(lambda conn: conn.execute("UPDATE access_number SET sms_content = 'flash new'"))
    [number] = (await domain.store.write(accounts.load)).access_numbers
    assert number.sms_content == ("flash",)
