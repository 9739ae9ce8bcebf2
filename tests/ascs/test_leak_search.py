"""The search over what a party received."""

import random
from pathlib import Path

import pytest

from ascs.leak_search import CHUNK_OCTETS, SelfCheck, search, self_check
from foundation.capture import Capture
from masking.needles import needles

NUMBERS = ["8613812345678", "460001234567895", "352099001761481"]
AID = b"888112345678901234"


def capture(path: Path, *frames: tuple[str, bytes]) -> Path:
    written = Capture(path)
    for channel, data in frames:
        written.record(channel, data)
    written.close()
    return path


def test_octets_are_counted_a_channel_and_nothing_is_found_in_masked_traffic(tmp_path: Path) -> None:
    path = capture(tmp_path / "a", ("smpp", AID * 3), ("sip", b"sip:" + AID), ("smpp", b"x"))
    report = search([("ent-a", path)], NUMBERS)
    assert [(each.party, each.channel, each.octets) for each in report.channels] == [
        ("ent-a", "smpp", 55),
        ("ent-a", "sip", 22),
    ]
    assert (report.octets, report.found, report.numbers) == (77, 0, 3)
    assert report.missing("ent-a", ["smpp", "sip", "rtp"]) == ["rtp"]


def test_a_number_split_between_two_frames_is_found(tmp_path: Path) -> None:
    path = capture(tmp_path / "a", ("http", b"tel 86138123"), ("smpp", b"other"), ("http", b"45678."))
    report = search([("ttp", path)], NUMBERS)
    assert report.found == 1
    assert report.channels[0].hits[0].index == 0
    assert "as ascii" in report.lines()[-1]
    assert not any("13812345678" in line for line in report.lines())


def test_a_number_across_two_chunks_is_found_once(tmp_path: Path) -> None:
    frames = [("rtp", b"\xaa" * (CHUNK_OCTETS - 7) + b"8613812"), ("rtp", b"345678" + b"\xaa" * CHUNK_OCTETS)]
    report = search([("ent-a", capture(tmp_path / "a", *frames))], NUMBERS)
    assert report.found == 1
    assert report.octets == 2 * CHUNK_OCTETS + 6


def test_a_number_in_the_overlap_is_counted_once(tmp_path: Path) -> None:
    filler = b"\xaa" * CHUNK_OCTETS
    frames = [("rtp", filler + b"8613812345678" + b"\xaa" * 50), ("rtp", filler)]
    assert search([("ent-a", capture(tmp_path / "a", *frames))], NUMBERS).found == 1


def test_a_search_that_nobody_waits_for_ends_at_the_next_chunk(tmp_path: Path) -> None:
    path = capture(tmp_path / "a", *[("rtp", b"\xaa" * CHUNK_OCTETS)] * 3)
    chunks = iter(range(2))

    class GivenUp(Exception):
        pass

    def go_on() -> None:
        if next(chunks):
            raise GivenUp

    with pytest.raises(GivenUp):
        search([("ent-a", path)], NUMBERS, go_on)


def test_every_encoding_is_found_in_a_capture(tmp_path: Path) -> None:
    planted = needles(NUMBERS[0])
    for place, needle in enumerate(planted):
        path = capture(tmp_path / str(place), ("smpp", b"\x00\x05" + AID), ("smpp", needle.data))
        assert search([("ent-a", path)], NUMBERS).found >= 1, needle.encoding


def test_the_search_shows_that_it_would_find_them() -> None:
    check = self_check(NUMBERS, random.Random(1).randbytes(500) + AID + b"SIP/2.0 200 OK\r\n" * 20)
    assert check.overlooked == ()
    assert check.passed
    assert check.planted > 150
    assert not SelfCheck(0, ()).passed


def test_what_is_no_number_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        search([("ent-a", capture(tmp_path / "a", ("sip", b"")))], ["abc"])
