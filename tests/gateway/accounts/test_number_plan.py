"""One owner for each access number, and for every address at most one answer."""

from dataclasses import replace

import pytest

from gateway.access_number import AccessNumberRow
from gateway.accounts.account_options import change_access_number
from gateway.accounts.administration import add_access_number
from gateway.accounts.number_plan import (
    check_digits,
    check_not_ours,
    check_place,
    share,
    shared_by,
    unshare,
    whole_number,
)
from gateway.store import accounts
from gateway.store.accounts import AccountExists, DirectoryRows, UnknownEnterprise
from gateway.store.domain import Domain
from tests.gateway.carrier import CODE_NUMBER

SHARED = "106988"
MINE = AccessNumberRow("10698801", "ent-a", "sms-a", None)
ROWS = DirectoryRows(1, {}, (), (MINE,), (), (SHARED,))


def row(number: str, enterprise: str = "ent-b", sms: str | None = "sms-b", voice: str | None = None):
    return AccessNumberRow(number, enterprise, sms, voice)


@pytest.mark.parametrize("number", ["10698802", "1069881", "10700001"])
def test_what_may_stand_beside_a_sub_code(number: str) -> None:
    assert check_place(ROWS, row(number)) == row(number)


def test_a_shared_number_itself_has_no_owner() -> None:
    with pytest.raises(ValueError, match="is shared"):
        check_place(ROWS, row(SHARED))
    with pytest.raises(ValueError, match="the shared number 106988 begins with 1069"):
        check_place(ROWS, row("1069"))


@pytest.mark.parametrize("number", ["106988011", "1069880"])
def test_no_sub_code_is_the_beginning_of_another(number: str) -> None:
    with pytest.raises(ValueError, match="a reply could be to either"):
        check_place(ROWS, row(number))
    # Also while nobody sends from one of them.
    with pytest.raises(ValueError, match="a reply could be to either"):
        check_place(ROWS, row(number, sms=None))


def test_a_sub_code_is_for_messages_alone() -> None:
    with pytest.raises(ValueError, match="messages alone"):
        check_place(ROWS, row("10698802", voice="pbx-b"))
    with pytest.raises(ValueError, match="messages alone"):
        check_place(ROWS, replace(MINE, voice_trunk="pbx-a"))


def test_numbers_of_their_own_may_overlap_only_where_one_has_no_texts() -> None:
    rows = DirectoryRows(1, {}, (), (row("4008", sms=None, voice="pbx-b"), row("1001")), ())
    assert check_place(rows, row("40081"))
    with pytest.raises(ValueError, match=r"10011 begins with 1001 \(of ent-b\)"):
        check_place(rows, row("10011", "ent-a"))
    assert check_place(rows, row("10011", "ent-a", None, "pbx-a"))


def test_the_longest_shared_number_counts() -> None:
    rows = DirectoryRows(1, {}, (), (), (), ("1069", SHARED))
    assert shared_by(rows, "10698801") == SHARED
    assert shared_by(rows, "10690001") == "1069"
    assert shared_by(rows, SHARED) == "1069"
    assert shared_by(rows, "1070") is None


@pytest.mark.parametrize(
    ("number", "code"), [("1070", "01"), (SHARED, ""), (SHARED, "x1"), (SHARED, "1" * 15)]
)
def test_a_sub_code_that_cannot_be(number: str, code: str) -> None:
    with pytest.raises(ValueError):
        whole_number(ROWS, number, code)


@pytest.mark.parametrize("number", ["1069999", "106999", "10699990"])
def test_no_enterprise_has_the_carriers_own_number_or_one_that_begins_alike(number: str) -> None:
    """With a digit appended its messages would come from there."""
    with pytest.raises(ValueError, match="the carrier's own number 1069999"):
        check_not_ours(number, "1069999")
    check_not_ours("1069998", "1069999")


@pytest.mark.parametrize("number", ["", "12", "1" * 21, "+861069", "1069a", "１０６９"])
def test_an_access_number_has_3_to_20_digits(number: str) -> None:
    with pytest.raises(ValueError, match="3 to 20 digits"):
        check_digits(number)


@pytest.fixture
async def filled(domain: Domain) -> Domain:
    def op(conn) -> None:
        for each in ("ent-a", "ent-b"):
            accounts.add_enterprise(conn, each, each)
        share(conn, SHARED)
        add_access_number(
            conn,
            number=SHARED,
            sub_code="01",
            enterprise_id="ent-a",
            sms_account="sms-a",
            voice_trunk=None,
            confirmation_number=CODE_NUMBER,
        )

    await domain.store.write(op)
    return domain


async def test_a_sub_code_is_added_as_the_whole_number(filled: Domain) -> None:
    rows = await filled.store.write(accounts.load)
    assert (rows.shared_numbers, rows.access_numbers) == ((SHARED,), (MINE,))


async def test_a_change_is_held_against_the_others_too(filled: Domain) -> None:
    with pytest.raises(ValueError, match="messages alone"):
        await filled.store.write(lambda conn: change_access_number(conn, MINE.number, {"voice_trunk": "pbx"}))
    with pytest.raises(ValueError, match="20 digits at most"):
        await filled.store.write(
            lambda conn: change_access_number(conn, MINE.number, {"extension_digits": 13})
        )


async def test_what_has_an_owner_is_not_shared_and_a_shared_one_stays_while_it_is_used(
    filled: Domain,
) -> None:
    for number, error in ((MINE.number, ValueError), ("106988011", ValueError), (SHARED, AccountExists)):
        with pytest.raises(error):
            await filled.store.write(lambda conn, number=number: share(conn, number))
    with pytest.raises(ValueError, match="is a sub-code of it"):
        await filled.store.write(lambda conn: unshare(conn, SHARED))
    await filled.store.write(lambda conn: accounts.remove_access_number(conn, MINE.number))
    await filled.store.write(lambda conn: unshare(conn, SHARED))
    with pytest.raises(UnknownEnterprise):
        await filled.store.write(lambda conn: unshare(conn, SHARED))


async def test_a_number_with_calls_does_not_become_a_sub_code(domain: Domain) -> None:
    def op(conn) -> None:
        accounts.add_enterprise(conn, "ent-a", "A")
        accounts.add_access_number(conn, AccessNumberRow("10699901", "ent-a", None, "pbx-a"))
        share(conn, "106999")

    with pytest.raises(ValueError, match="it has calls"):
        await domain.store.write(op)
