"""Who holds which handset."""

from pathlib import Path

import pytest

from simulators.handsets.subscribers import (
    SubscriberFileError,
    generate,
    luhn_digit,
    normalise_msisdn,
    read_csv,
    write_csv,
)


def test_luhn_digit_of_a_known_imei() -> None:
    assert luhn_digit("49015420323751") == "8"


def test_generated_subscribers_are_the_same_each_time_and_all_different() -> None:
    made = generate(1000)
    assert made == generate(1000)
    assert made[0].msisdn == "8613800000001"
    for field in ("msisdn", "imsi", "imei"):
        values = {getattr(one, field) for one in made}
        assert len(values) == 1000
    assert all(len(one.imsi) == len(one.imei) == 15 for one in made)
    assert all(luhn_digit(one.imei[:14]) == one.imei[14] for one in made)


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = generate(3)
    write_csv(tmp_path / "people.csv", made)
    assert read_csv(tmp_path / "people.csv") == made


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("number,imsi,imei\n", 1),
        ("msisdn,imsi,imei\n86138,460009100000001\n", 2),
        ("msisdn,imsi,imei\n86138x,460009100000001,867530900000019\n", 2),
        ("msisdn,imsi,imei\n86138,46000910000000,867530900000019\n", 2),
        (
            "msisdn,imsi,imei\n86138,460009100000001,867530900000019\n86138,460009100000001,867530900000019\n",
            3,
        ),
    ],
)
def test_a_faulty_file_is_refused_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "people.csv"
    path.write_text(text)
    with pytest.raises(SubscriberFileError, match=rf"people\.csv:{line}:"):
        read_csv(path)


@pytest.mark.parametrize("text", ["8613800000001", "+8613800000001", "008613800000001", "+86 138-0000-0001"])
def test_a_number_is_found_however_it_was_written(text: str) -> None:
    assert normalise_msisdn(text) == "8613800000001"
