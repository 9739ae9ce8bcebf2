"""The demo's data folder, and what of it may be cleared."""

import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest

from ascs.demo.layout import (
    DESCRIPTION,
    ENTERPRISES,
    DemoRefused,
    Ports,
    choose_ports,
    claim,
    clear,
    luhn,
    person,
)

USUAL = (2775, 2776, 5060, 5070, 5080, 5090, 8071, 8080, 8081, 8082, 8443, 8444)


@pytest.mark.parametrize("exists", [True, False])
def test_an_empty_folder_is_taken_and_one_of_an_earlier_demo_is_cleared(tmp_path: Path, exists: bool) -> None:
    root = tmp_path if exists else tmp_path / "new" / "folder"
    claim(root).close()
    clear(root)
    left = [root / "carrier", *(root / f"enterprise-{each.id}" for each in ENTERPRISES)]
    for folder in left:
        (folder / "logs").mkdir(parents=True)
    (root / DESCRIPTION).write_text('{"ready": true}')
    (root / "mine.txt").write_text("not the demo's")
    claim(root).close()
    clear(root)
    assert not any(each.exists() for each in (*left, root / DESCRIPTION))
    assert (root / "mine.txt").exists()
    claim(root).close()


def test_a_demo_that_ended_before_it_was_up_is_cleared_too(tmp_path: Path) -> None:
    claim(tmp_path).close()
    (tmp_path / "trust").mkdir()
    claim(tmp_path).close()
    clear(tmp_path)
    assert not (tmp_path / "trust").exists()


def test_another_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "carrier").mkdir()
    with pytest.raises(DemoRefused, match="not empty"):
        claim(tmp_path)
    assert (tmp_path / "carrier").exists()


def test_a_folder_has_one_demo_at_a_time(tmp_path: Path) -> None:
    with claim(tmp_path), pytest.raises(DemoRefused, match="a demo runs in"):
        claim(tmp_path)
    claim(tmp_path).close()


def test_only_one_demo_at_a_time_takes_the_usual_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first, second = ports_of(choose_ports()), ports_of(choose_ports())
    assert len(first) == len(second) == len(set(first)) == len(set(second)) == 12
    assert not set(second) & set(USUAL)


def ports_of(ports: Ports) -> list[int]:
    """What listens; the range of the media is the relay's own to share."""
    own = [value for name, value in asdict(ports).items() if isinstance(value, int) and "media" not in name]
    return [*own, *ports.enterprise_api.values()]


def test_people_are_the_same_each_time_and_no_two_share_an_identifier() -> None:
    assert luhn("49015420323751") == "8"  # 3GPP TS 23.003, annex B
    people = [person(number) for number in (*range(1, 200), 500_000)]
    assert people == [person(number) for number in (*range(1, 200), 500_000)]
    for of in (lambda each: each.msisdn, lambda each: each.imsi, lambda each: each.imei):
        assert len({of(each) for each in people}) == len(people)
    assert all(len(each.imsi) == len(each.imei) == 15 for each in people)
