"""Numbers are sealed at rest and found by keyed indexes alone."""

import sqlite3

import pytest

from gateway.store.domain import Domain
from gateway.store.vault import Vault
from gm.errors import DecryptError
from tests.gateway.carrier import IMSI, IMSI_ID, MSISDN, OTHER_MSISDN


def test_a_sealed_number_opens_again_and_shows_nothing(vault: Vault) -> None:
    sealed = vault.seal_msisdn(MSISDN)
    assert vault.open_msisdn(sealed) == MSISDN
    assert MSISDN.encode() not in sealed
    assert vault.seal_msisdn(MSISDN) != sealed, "two rows of one person have nothing in common"


def test_what_was_sealed_for_one_column_does_not_open_in_another(vault: Vault) -> None:
    sealed = vault.seal("message", b"frame")
    assert vault.open("message", sealed) == b"frame"
    with pytest.raises(DecryptError):
        vault.open("enterprise_outbox", sealed)
    with pytest.raises(DecryptError):
        vault.open_msisdn(sealed)


def test_a_changed_octet_is_noticed(vault: Vault) -> None:
    sealed = bytearray(vault.seal_msisdn(MSISDN))
    sealed[-1] ^= 1
    with pytest.raises(DecryptError):
        vault.open_msisdn(bytes(sealed))


async def test_an_index_is_the_same_each_time_and_anothers_is_another(domain: Domain) -> None:
    vault = domain.vault

    def op(conn: sqlite3.Connection) -> None:
        assert vault.find_msisdn(conn, MSISDN) is None
        index = vault.msisdn_index(conn, MSISDN)
        assert vault.msisdn_index(conn, MSISDN) == vault.find_msisdn(conn, MSISDN) == index
        assert len(index) == 16
        assert vault.find_msisdn(conn, OTHER_MSISDN) is None
        assert vault.msisdn_index(conn, OTHER_MSISDN) != index
        imsi = vault.identifier_index(conn, IMSI, IMSI_ID)
        assert vault.find_identifier(conn, IMSI, IMSI_ID) == imsi
        assert vault.find_identifier(conn, IMSI + 1, IMSI_ID) is None
        assert vault.identifier_index(conn, IMSI, MSISDN) != index

    await domain.store.write(op)


def test_a_fingerprint_knows_the_same_octets_under_one_label(vault: Vault) -> None:
    assert vault.fingerprint("part", b"x") == vault.fingerprint("part", b"x")
    assert vault.fingerprint("part", b"x") != vault.fingerprint("part", b"y")
    assert vault.fingerprint("part", b"x") != vault.fingerprint("other", b"x")
