"""Mistakes that are allowed, and when they are too many."""

from foundation.allowance import ALERT_SECONDS, Allowance

A, B = ("ent-a",), ("ent-b",)


def test_so_many_at_once_and_so_many_a_minute() -> None:
    allowance = Allowance(60, 10)
    assert not allowance.is_over(A, 0.0)
    allowance.spend(A, 9, 0.0)
    assert not allowance.is_over(A, 0.0)
    allowance.spend(A, 1, 0.0)
    assert allowance.is_over(A, 0.0)
    assert allowance.is_over(A, 0.9)
    assert not allowance.is_over(A, 1.0)


def test_each_has_an_allowance_of_its_own() -> None:
    allowance = Allowance(60, 10)
    allowance.spend(A, 10, 0.0)
    assert allowance.is_over(A, 0.0)
    assert not allowance.is_over(B, 0.0)


def test_what_was_under_way_is_a_debt_with_an_end() -> None:
    allowance = Allowance(60, 10)
    allowance.spend(A, 1_000_000, 0.0)
    assert allowance.is_over(A, 10.9)
    assert not allowance.is_over(A, 11.0)


def test_it_comes_back_up_to_the_burst() -> None:
    allowance = Allowance(60, 10)
    allowance.spend(A, 1, 0.0)
    allowance.spend(A, 10, 10_000.0)
    assert allowance.is_over(A, 10_000.0)


def test_one_alert_when_it_is_over_and_another_after_a_while() -> None:
    allowance = Allowance(60, 10)
    assert not allowance.spend(A, 9, 0.0)
    assert allowance.spend(A, 5, 0.0)
    assert not allowance.spend(A, 5, ALERT_SECONDS - 0.1)
    assert allowance.spend(A, 60, ALERT_SECONDS)


def test_so_many_are_remembered() -> None:
    allowance = Allowance(60, 10, holders_max=2)
    for number in range(5):
        allowance.spend((str(number),), 10, 0.0)
    assert len(allowance) == 2
    assert not allowance.is_over(("0",), 0.0)
    assert allowance.is_over(("4",), 0.0)
