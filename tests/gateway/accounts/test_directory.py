"""Which access number a message or call may come from."""

from dataclasses import replace

from gateway.access_number import AccessNumberRow
from gateway.accounts.directory import Directory, Snapshot, snapshot
from gateway.store.accounts import SEAL_ACCOUNT_KEY, SEAL_OUTBIND, AccountRow, DirectoryRows, TrunkRow
from gateway.store.domain import Domain

ACCOUNT = AccountRow("sms-a", "ent-a", "", 1)
TRUNK = TrunkRow("pbx-a", "ent-a", "ascs", "", "", "1069", None, 1)


def of(*numbers: AccessNumberRow) -> Directory:
    return Directory(Snapshot(access_numbers={row.number: row for row in numbers}))


MINE = AccessNumberRow("1069", "ent-a", "sms-a", "pbx-a")
TEXTS = AccessNumberRow("1070", "ent-a", "sms-a", None)
THEIRS = AccessNumberRow("1071", "ent-b", "sms-b", "pbx-b")


def test_a_text_is_looked_up_by_the_rules_of_access_numbers() -> None:
    directory = of(MINE, THEIRS)
    assert directory.source_of(ACCOUNT, "") == ("1069", MINE)
    assert directory.source_of(ACCOUNT, "1071") is None
    assert directory.sms_number("10693") == MINE
    assert directory.access_number_of("10693") == "1069"
    assert directory.access_number_of("1070") == "1070"


def test_a_call_shows_a_number_that_the_enterprise_owns_for_voice() -> None:
    other = AccessNumberRow("1072", "ent-a", None, "pbx-2")
    directory = of(MINE, TEXTS, THEIRS, other)
    assert directory.caller_of(TRUNK, "1072").number == "1072"
    for from_user in ("1070", "1071", "1099", None):
        assert directory.caller_of(TRUNK, from_user).number == "1069"
    assert of(THEIRS).caller_of(TRUNK, "1071") is None


async def test_an_account_key_is_sealed_in_the_row_and_open_in_the_directory(domain: Domain) -> None:
    key = bytes(range(32))
    keyed = replace(ACCOUNT, key_sealed=domain.vault.seal(SEAL_ACCOUNT_KEY, key))
    without = replace(ACCOUNT, system_id="sms-b")
    assert key not in keyed.key_sealed
    directory = Directory(snapshot(DirectoryRows(1, {}, (keyed, without), (), ()), domain.vault))
    assert directory.account_key("sms-a") == key
    assert directory.account_key("sms-b") is None
    assert repr(key) not in repr(directory.current)


async def test_who_waits_for_outbind_and_what_it_is_told(domain: Domain) -> None:
    called = replace(ACCOUNT, outbind="esme:1", outbind_sealed=domain.vault.seal(SEAL_OUTBIND, b"outbind"))
    rows = (called, replace(ACCOUNT, system_id="sms-b"))
    directory = Directory(snapshot(DirectoryRows(1, {}, rows, (), ()), domain.vault))
    assert directory.outbind_accounts == [called]
    assert directory.outbind_password("sms-a") == b"outbind"
    assert directory.outbind_password("sms-b") == b""
    assert "b'outbind'" not in repr(directory.current)
