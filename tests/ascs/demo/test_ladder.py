"""The ladder that the demo prints: lanes stay where they are, whatever is written between them."""

from io import StringIO

import pytest

from ascs.demo.ladder import LANE_WIDTH, Ladder, width

LANES = ["顺达快递", "trust party", "gateway", "张三's phone"]
BARS = [2 + place * LANE_WIDTH for place in range(len(LANES))]


def told(*steps: tuple[str, tuple[int | str, ...]]) -> list[str]:
    out = StringIO()
    ladder = Ladder(LANES, out)
    for name, arguments in steps:
        getattr(ladder, name)(*arguments)
    return out.getvalue().splitlines()


def columns(row: str, char: str) -> list[int]:
    """The terminal columns of a character."""
    return [width(row[:place]) for place, each in enumerate(row) if each == char]


def test_a_chinese_character_takes_two_columns() -> None:
    assert (width("AID"), width("取件码"), width("，")) == (3, 6, 2)


def test_a_title_names_every_lane_over_its_bar() -> None:
    _, title, names, bars = told(("title", ("A writes",)))
    assert title == "■ A writes"
    assert [width(names[: names.index(lane)]) for lane in LANES] == BARS
    assert columns(bars, "│") == BARS


@pytest.mark.parametrize(("source", "target"), [(0, 1), (1, 0), (0, 3), (3, 0), (2, 3)])
def test_an_arrow_goes_from_bar_to_bar_and_points_at_its_target(source: int, target: int) -> None:
    text, shaft = told(("arrow", (source, target, "submit_sm")))
    assert " submit_sm" in text
    left, right = BARS[min(source, target)], BARS[max(source, target)]
    assert columns(shaft, "▶" if source < target else "◀") == [right - 1 if source < target else left + 1]
    assert columns(shaft, "─")
    assert {left, right} <= set(columns(shaft, "│"))
    assert all(left < column < right for column in columns(shaft, "─"))
    # Lanes that the arrow passes are covered, all others stay.
    assert columns(shaft, "│") == [bar for bar in BARS if not left < bar < right]


def test_a_text_is_whole_and_hides_only_the_bars_it_covers() -> None:
    long = "您的快件已到小区驿站，取件码 6-2-8801。请带上本人证件。"
    (row,) = told(("note", (0, long)))
    assert f" • {long}" in row
    end = BARS[0] + 1 + width(f" • {long}")
    assert columns(row, "│") == [BARS[0], *(bar for bar in BARS[1:] if bar > end)]


def test_a_note_of_the_last_lane_runs_on_to_the_right() -> None:
    (row,) = told(("note", (3, "x" * 100)))
    assert columns(row, "│") == BARS
    assert row.endswith("x" * 100)


def test_a_lane_with_a_long_name_is_cut_before_the_next() -> None:
    out = StringIO()
    Ladder(["很长很长很长很长很长很长很长的企业名称", "gateway"], out).title("x")
    names = out.getvalue().splitlines()[2]
    assert "…" in names
    assert columns(names, "g")[0] == BARS[1]
