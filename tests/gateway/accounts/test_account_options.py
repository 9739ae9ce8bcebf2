"""What an operator sets for an account or an access number, in the store."""

from dataclasses import replace

import pytest

from foundation.passwords import verify
from gateway.access_number import AccessNumberRow
from gateway.accounts.account_options import (
    KEY_OCTETS,
    change_access_number,
    change_account,
    check_access_number,
    check_account,
    find_account,
    host_and_port,
    make_key,
    password_hash,
    seal_outbind,
)
from gateway.store import accounts
from gateway.store.accounts import SEAL_ACCOUNT_KEY, SEAL_OUTBIND, AccountRow, UnknownEnterprise
from gateway.store.domain import Domain
from masking.smpp_options import UnknownOption

ACCOUNT = AccountRow("sms-a", "ent-a", "hash", 2, rate=5.0)
NUMBER = AccessNumberRow("1069", "ent-a", "sms-a", None, burst=7)


@pytest.fixture
async def filled(domain: Domain) -> Domain:
    def op(conn) -> None:
        accounts.add_enterprise(conn, "ent-a", "A")
        accounts.add_account(conn, ACCOUNT)
        accounts.add_access_number(conn, NUMBER)

    await domain.store.write(op)
    return domain


async def test_what_is_named_changes_and_the_rest_stays(filled: Domain) -> None:
    changed = await filled.store.write(lambda conn: change_account(conn, "sms-a", {"max_binds": 9}))
    assert changed == replace(ACCOUNT, max_binds=9)
    assert await filled.store.write(lambda conn: find_account(conn, "sms-a")) == changed
    number = await filled.store.write(
        lambda conn: change_access_number(conn, "1069", {"sms_content": ("flash",), "rate": 3.0})
    )
    assert number == replace(NUMBER, sms_content=("flash",), rate=3.0)


async def test_a_new_password_is_the_accounts(filled: Domain) -> None:
    changed = await filled.store.write(lambda conn: change_account(conn, "sms-a", {}, "new-pass"))
    assert replace(changed, password_hash="hash") == ACCOUNT
    assert await verify(changed.password_hash, "new-pass")


async def test_what_cannot_be_changes_nothing_and_is_no_new_version(filled: Domain) -> None:
    before = await filled.store.write(accounts.load)
    for change in (
        lambda conn: change_account(conn, "sms-a", {"max_binds": -1}),
        lambda conn: change_account(conn, "sms-a", {}, ""),
        lambda conn: change_account(conn, "sms-b", {"max_binds": 1}),
        lambda conn: change_access_number(conn, "1069", {"sms_content": ("flush",)}),
        lambda conn: change_access_number(conn, "1070", {"rate": 1.0}),
    ):
        with pytest.raises(ValueError):
            await filled.store.write(change)
    assert await filled.store.write(accounts.load) == before


async def test_what_is_not_there_is_unknown(filled: Domain) -> None:
    with pytest.raises(UnknownEnterprise, match="sms-b"):
        await filled.store.write(lambda conn: find_account(conn, "sms-b"))


def test_a_key_is_random_and_sealed(domain: Domain) -> None:
    (key, sealed), (other, _) = make_key(domain.vault), make_key(domain.vault)
    assert len(key) == KEY_OCTETS
    assert key != other
    assert key not in sealed
    assert domain.vault.open(SEAL_ACCOUNT_KEY, sealed) == key


@pytest.mark.parametrize("system_id", ["", "x" * 16])
def test_a_system_id_has_1_to_15_characters(system_id: str) -> None:
    with pytest.raises(ValueError, match="1 to 15"):
        check_account(replace(ACCOUNT, system_id=system_id))


@pytest.mark.parametrize("password", ["", "9octets99"])
def test_an_smpp_password_has_1_to_8_characters(password: str) -> None:
    with pytest.raises(ValueError, match="1 to 8"):
        password_hash(password)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_binds": -1},
        {"max_receivers": -1},
        {"rate": -0.1},
        {"rate": float("nan")},
        {"rate": float("inf")},
        {"burst": 0},
        {"window_pdus": 0},
        {"window_pdus": 10_001},
        {"enquire_link_s": float("nan")},
        {"inactivity_s": 86_401.0},
        {"response_s": 0.0},
    ],
)
def test_numbers_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        check_account(replace(ACCOUNT, **wrong))


@pytest.mark.parametrize("number", ["", "12", "1" * 21, "+861069", "1069a", "１０６９"])
def test_an_access_number_has_3_to_20_digits(number: str) -> None:
    with pytest.raises(ValueError, match="3 to 20 digits"):
        check_access_number(replace(NUMBER, number=number))


def test_a_content_option_must_be_one_that_is() -> None:
    with pytest.raises(UnknownOption):
        check_access_number(replace(NUMBER, sms_content=("flush",)))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("esme.example:2775", ("esme.example", 2775)),
        ("192.0.2.1:1", ("192.0.2.1", 1)),
        ("[2001:db8::1]:9", ("2001:db8::1", 9)),
    ],
)
def test_where_an_esme_waits_for_outbind(text: str, place: tuple[str, int]) -> None:
    assert host_and_port(text) == place
    assert check_account(replace(ACCOUNT, outbind=text)).outbind == text


@pytest.mark.parametrize("text", ["", "esme", ":2775", "a b:1", "esme:0", "esme:65536", "esme:x"])
def test_where_nobody_can_wait(text: str) -> None:
    with pytest.raises(ValueError, match=r"HOST:PORT|65535"):
        check_account(replace(ACCOUNT, outbind=text))


def test_an_account_of_tls_is_not_called() -> None:
    with pytest.raises(ValueError, match="outbind has no TLS"):
        check_account(replace(ACCOUNT, outbind="esme:1", tls=True))


def test_an_outbind_password_is_sealed(domain: Domain) -> None:
    sealed = seal_outbind(domain.vault, "outbind")
    assert b"outbind" not in sealed
    assert domain.vault.open(SEAL_OUTBIND, sealed) == b"outbind"
    assert seal_outbind(domain.vault, "") == b""
    with pytest.raises(ValueError, match="at most 8"):
        seal_outbind(domain.vault, "ninechars")
