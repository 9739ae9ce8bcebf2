"""Numbers are sealed at rest and found by keyed indexes alone."""

import pytest

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


def test_an_index_is_the_same_each_time_and_anothers_is_another(vault: Vault) -> None:
    assert vault.msisdn_index(MSISDN) == vault.msisdn_index(MSISDN)
    assert len(vault.msisdn_index(MSISDN)) == 16
    assert vault.msisdn_index(MSISDN) != vault.msisdn_index(OTHER_MSISDN)
    assert vault.identifier_index(IMSI, IMSI_ID) != vault.identifier_index(IMSI + 1, IMSI_ID)
    assert vault.identifier_index(IMSI, MSISDN) != vault.msisdn_index(MSISDN)


def test_a_fingerprint_knows_the_same_octets_under_one_label(vault: Vault) -> None:
    assert vault.fingerprint("part", b"x") == vault.fingerprint("part", b"x")
    assert vault.fingerprint("part", b"x") != vault.fingerprint("part", b"y")
    assert vault.fingerprint("part", b"x") != vault.fingerprint("other", b"x")
