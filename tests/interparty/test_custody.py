"""Nobody exports, destroys, enrols or dismisses alone."""

import sqlite3
from typing import Any

import pytest

from gm.sm2 import PrivateKey
from interparty import custody
from interparty.custody import CustodyError
from interparty.key_messages import KeyOrder, SignedKeyApproval

NOW = 1_790_000_000_000
PEOPLE = {name: PrivateKey.generate() for name in ("li", "wang", "zhao", "stranger")}


@pytest.fixture
def conn() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:")
    for statement in custody.SCHEMA:
        made.execute(statement)
    for name in ("li", "wang"):
        custody.enrol_first(made, name, name.title(), PEOPLE[name].public_key, NOW)
    return made


def order(operation: str = "destroy", **fields: Any) -> KeyOrder:
    return custody.draw_up("ttp", operation, NOW, **(fields or {"purpose": "sign", "version": 1}))


def word(given: KeyOrder, *names: str, at: int = NOW) -> list[SignedKeyApproval]:
    return [custody.approve(given, name, PEOPLE[name], at) for name in names]


def settle(
    conn: sqlite3.Connection, given: KeyOrder, said: list[SignedKeyApproval], now: int = NOW
) -> list[str]:
    return custody.settle(conn, "ttp", given, said, now)


def test_two_different_custodians_are_enough(conn: sqlite3.Connection) -> None:
    given = order()
    assert settle(conn, given, word(given, "wang", "li")) == ["li", "wang"]


@pytest.mark.parametrize("names", [(), ("li",), ("li", "li")])
def test_one_is_not(conn: sqlite3.Connection, names: tuple[str, ...]) -> None:
    given = order()
    with pytest.raises(CustodyError, match="2 different custodians"):
        settle(conn, given, word(given, *names))


def test_one_who_is_not_enrolled_counts_for_nothing(conn: sqlite3.Connection) -> None:
    given = order()
    with pytest.raises(CustodyError, match="stranger is not enrolled"):
        settle(conn, given, word(given, "li", "stranger"))
    forged = custody.approve(given, "wang", PEOPLE["stranger"], NOW)
    with pytest.raises(CustodyError, match="wang does not verify"):
        settle(conn, given, [*word(given, "li"), forged])


def test_an_approval_is_of_one_order_alone(conn: sqlite3.Connection) -> None:
    given, other = order(), order()
    with pytest.raises(CustodyError, match="another order"):
        settle(conn, given, [*word(given, "li"), *word(other, "wang")])
    with pytest.raises(CustodyError, match="keys of ttp"):
        custody.settle(conn, "CMCC", given, word(given, "li", "wang"), NOW)


def test_an_order_is_carried_out_once(conn: sqlite3.Connection) -> None:
    given = order()
    settle(conn, given, word(given, "li", "wang"))
    with pytest.raises(CustodyError, match="before"):
        settle(conn, given, word(given, "li", "wang"))


def test_orders_and_approvals_do_not_keep(conn: sqlite3.Connection) -> None:
    given = order()
    later = NOW + custody.AGE_MAX_MS + 1
    with pytest.raises(CustodyError, match="order is too old"):
        settle(conn, given, word(given, "li", "wang", at=later), later)
    with pytest.raises(CustodyError, match="approval of li"):
        settle(conn, given, word(given, "li", "wang", at=NOW + custody.AHEAD_MS + 1))


def test_a_third_needs_the_word_of_two(conn: sqlite3.Connection) -> None:
    zhao = PEOPLE["zhao"].public_key
    with pytest.raises(CustodyError, match="needs their approval"):
        custody.enrol_first(conn, "zhao", "Zhao", zhao, NOW)
    given = order("enrol", custodian="zhao", name="Zhao", custodian_key=zhao.to_bytes().hex())
    settle(conn, given, word(given, "li", "wang"))
    assert [each.id for each in custody.custodians(conn)] == ["li", "wang", "zhao"]
    again = order("enrol", custodian="qian", name="Qian", custodian_key=zhao.to_bytes().hex())
    with pytest.raises(CustodyError, match="enrolled already"):
        settle(conn, again, word(again, "li", "wang"))


def test_one_is_dismissed_while_two_remain(conn: sqlite3.Connection) -> None:
    given = order("dismiss", custodian="li")
    with pytest.raises(CustodyError, match="nothing could be approved"):
        settle(conn, given, word(given, "li", "wang"))
    zhao = PEOPLE["zhao"].public_key.to_bytes().hex()
    enrol = order("enrol", custodian="zhao", name="Zhao", custodian_key=zhao)
    settle(conn, enrol, word(enrol, "li", "wang"))
    dismiss = order("dismiss", custodian="li")
    settle(conn, dismiss, word(dismiss, "zhao", "wang"))
    assert [each.id for each in custody.custodians(conn)] == ["wang", "zhao"]


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        ("destroy", {"purpose": "sign"}),
        ("dismiss", {"custodian": "li", "name": "Li"}),
        ("print", {"purpose": "x"}),
    ],
)
def test_an_order_names_what_it_needs_and_no_more(operation: str, fields: dict[str, Any]) -> None:
    with pytest.raises(CustodyError):
        order(operation, **fields)
