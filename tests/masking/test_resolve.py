"""Who a sealed identifier reaches, and when nobody: each outcome by its own case."""

import pytest

from masking.resolve import (
    End,
    Holding,
    Outcome,
    Resolution,
    as_of_allowed,
    day_window,
    decide,
    decide_deposit,
)

IMEI, IMSI = 1, 2
DAY = 20251124
START, END = day_window(DAY)
NOW = END + 30 * 86_400_000
HOUR = 3_600_000

# Person 1 holds number N with SIM and device since long ago.
SIM = Holding(1, "N", IMSI, "sim1", 0, None, 0, None)
DEVICE = Holding(1, "N", IMEI, "dev", 0, None, 0, None)


def of_device(*rows: Holding, now: int = NOW, known_at: int | None = None) -> Resolution:
    return decide(rows, id_type=IMEI, identifier="dev", as_of=DAY, now=now, known_at=known_at)


def test_the_holder_of_that_day_who_still_holds_the_number() -> None:
    assert of_device(SIM, DEVICE) == Resolution(Outcome.RESOLVED, 1, "N")


def test_a_device_put_away_still_names_the_person_who_kept_the_number() -> None:
    assert of_device(SIM, DEVICE._replace(valid_to=END + 1)).outcome is Outcome.RESOLVED


def test_a_second_hand_device_names_its_holder_of_that_day_alone() -> None:
    sold = DEVICE._replace(valid_to=START)
    bought = Holding(2, "M", IMEI, "dev", START, None, 0, None)
    assert of_device(SIM, sold, bought) == Resolution(Outcome.RESOLVED, 2, "M")


def test_another_identifier_of_the_number_does_not_stand_in() -> None:
    """The device came to the number after that day: whoever held the number then is not meant."""
    later = Holding(2, "N", IMEI, "dev", END, None, 0, None)
    before = Holding(1, "N", IMSI, "sim1", 0, END, 0, None)
    assert of_device(before, later).outcome is Outcome.UNKNOWN


def test_the_same_value_of_another_type_is_another_identifier() -> None:
    assert of_device(DEVICE._replace(id_type=IMSI)).outcome is Outcome.UNKNOWN


def test_nobody_on_that_day() -> None:
    assert of_device().outcome is Outcome.UNKNOWN
    assert of_device(DEVICE._replace(valid_to=START)).outcome is Outcome.UNKNOWN
    assert of_device(DEVICE._replace(valid_from=END)).outcome is Outcome.UNKNOWN


def test_validity_is_half_open() -> None:
    """[from, to): the day's last millisecond counts, the first of the next does not."""
    assert of_device(SIM, DEVICE._replace(valid_from=END - 1)).outcome is Outcome.RESOLVED
    assert of_device(SIM, DEVICE._replace(valid_to=START + 1)).outcome is Outcome.RESOLVED


def test_two_holders_on_that_day_are_ambiguous() -> None:
    noon = START + 12 * HOUR
    first = DEVICE._replace(valid_to=noon)
    second = Holding(2, "M", IMEI, "dev", noon, None, 0, None)
    assert of_device(SIM, first, second) == Resolution(Outcome.AMBIGUOUS, candidates=(1, 2))


def test_a_device_with_two_sims_is_ambiguous() -> None:
    second = Holding(2, "M", IMEI, "dev", 0, None, 0, None)
    assert of_device(SIM, DEVICE, second) == Resolution(Outcome.AMBIGUOUS, candidates=(1, 2))


def test_a_number_given_to_another() -> None:
    left = DEVICE._replace(valid_to=END)
    other = Holding(2, "N", IMSI, "sim2", END + HOUR, None, 0, None)
    assert of_device(left, other).outcome is Outcome.SUBSCRIBER_CHANGED


def test_a_number_given_up_and_held_by_nobody() -> None:
    assert of_device(DEVICE._replace(valid_to=END)).outcome is Outcome.SUBSCRIBER_CHANGED


def test_a_number_taken_to_another_carrier() -> None:
    left = DEVICE._replace(valid_to=END, end=End.PORTED_OUT)
    assert of_device(left).outcome is Outcome.PORTED_OUT
    back = Holding(2, "N", IMSI, "sim2", END + HOUR, None, 0, None)
    assert of_device(left, back).outcome is Outcome.SUBSCRIBER_CHANGED


def test_a_number_that_two_hold_now_is_ambiguous() -> None:
    other = Holding(2, "N", IMSI, "sim2", END, None, 0, None)
    assert of_device(DEVICE, other) == Resolution(Outcome.AMBIGUOUS, candidates=(1, 2))


def test_what_was_on_record_is_asked_by_recorded_time() -> None:
    """A correction recorded today does not change what was known yesterday."""
    wrong = DEVICE._replace(recorded_to=NOW)
    right = Holding(2, "M", IMEI, "dev", 0, None, NOW, None)
    assert of_device(wrong, right, now=NOW) == Resolution(Outcome.RESOLVED, 2, "M")
    assert of_device(wrong, right, now=NOW, known_at=NOW - 1) == Resolution(Outcome.RESOLVED, 1, "N")


ONE = Resolution(Outcome.RESOLVED, 1, "N")
TWO = Resolution(Outcome.RESOLVED, 2, "M")
EITHER = Resolution(Outcome.AMBIGUOUS, candidates=(1, 2))
PORTED = Resolution(Outcome.PORTED_OUT)


@pytest.mark.parametrize(
    ("resolutions", "outcome"),
    [
        ([ONE], ONE),
        ([ONE, ONE], ONE),
        ([PORTED], PORTED),
        ([EITHER, EITHER], EITHER),
        ([ONE, TWO], EITHER),
        ([TWO, EITHER], EITHER),
        ([EITHER, Resolution(Outcome.RESOLVED, 3, "K")], Resolution(Outcome.AMBIGUOUS, candidates=(1, 2, 3))),
        ([ONE, Resolution(Outcome.UNKNOWN)], Resolution(Outcome.AMBIGUOUS)),
        ([EITHER, PORTED], Resolution(Outcome.AMBIGUOUS)),
        ([], Resolution(Outcome.UNKNOWN)),
    ],
)
def test_all_identifiers_of_a_deposit_come_to_one_person(
    resolutions: list[Resolution], outcome: Resolution
) -> None:
    assert decide_deposit(resolutions) == outcome


def test_one_line_that_says_ported_out_is_enough_among_those_that_ended_last() -> None:
    ended = SIM._replace(valid_to=END + 1, end=End.PORTED_OUT)
    device = DEVICE._replace(valid_to=END + 1)
    assert of_device(device, ended).outcome is Outcome.PORTED_OUT
    assert of_device(ended, device).outcome is Outcome.PORTED_OUT
    later = Holding(1, "N", IMSI, "sim9", END + 1, END + 2, 0, None, End.CHANGED)
    assert of_device(ended, device, later).outcome is Outcome.SUBSCRIBER_CHANGED


def test_a_day_is_a_day_in_shanghai() -> None:
    assert (START, END) == (1763913600_000, 1764000000_000)  # 2025-11-23T16:00Z
    with pytest.raises(ValueError):
        day_window(20251301)


@pytest.mark.parametrize(
    ("as_of", "allowed"),
    [(20251124, True), (20251123, True), (20251122, False), (20251125, False), (0, False), (99999999, False)],
)
def test_the_as_of_date_is_the_deposits_day_or_the_day_before(as_of: int, allowed: bool) -> None:
    assert as_of_allowed(as_of, START) is allowed
    assert as_of_allowed(as_of, END - 1) is allowed


def test_the_bound_on_the_as_of_date_is_configurable() -> None:
    assert as_of_allowed(20251122, START, days_back=2)
    assert not as_of_allowed(20251123, START, days_back=0)
