"""Row ids grow with time and with each id."""

import pytest

from gateway.store import ids
from gateway.store.domain import Domain
from gateway.store.ids import IdSource, highest, id_of, text_of
from tests.gateway.carrier import add_message, message_row


def test_ids_grow_also_when_the_clock_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 2_000_000_000
    monkeypatch.setattr(ids.time, "time_ns", lambda: now)
    source = IdSource()
    first = source.next()
    now = 1_000_000_000
    second = source.next()
    now = 3_000_000_000
    third = source.next()
    assert first < second < third
    assert first >> 20 == 2000
    assert third >> 20 == 3000


def test_a_block_is_of_ids_that_follow_each_other_and_the_next_comes_after_it() -> None:
    source = IdSource()
    before = source.next()
    first = source.block(100)
    assert before < first
    assert source.next() > first + 99
    assert source.block(1) < source.next()


def test_the_ids_of_this_century_are_ids_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    end_of_2099 = 4_102_444_800
    monkeypatch.setattr(ids.time, "time_ns", lambda: end_of_2099 * 1_000_000_000)
    row_id = IdSource().next()
    assert id_of(text_of(row_id)) == row_id


def test_ids_fit_63_bits() -> None:
    assert 0 < IdSource().next() < 2**63


def test_the_text_is_16_hexadecimal_digits() -> None:
    assert text_of(255) == "00000000000000ff"
    assert id_of("00000000000000ff") == 255


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ff",
        "0" * 17,
        "not hexadecimal!",
        "-0000000000000ff",
        "0x000000000000ff",
        "00000000000000_1",
        "7" + "f" * 15,
        "f" * 16,
    ],
)
def test_what_is_no_id_of_ours(text: str) -> None:
    assert id_of(text) is None


async def test_a_clock_that_was_set_back_while_the_gateway_was_down_repeats_no_id(domain: Domain) -> None:
    assert await domain.store.write(highest) == 0
    ahead = IdSource().next() + (3_600_000 << 20)
    await add_message(domain, message_row(ahead))
    source = IdSource()
    source.begin_after(await domain.store.write(highest))
    assert source.next() == ahead + 1
    source.begin_after(5)
    assert source.next() == ahead + 2


async def test_every_table_with_such_ids_is_looked_at(domain: Domain) -> None:
    """Those whose id is not given by hand or by SQLite itself."""
    tables = await domain.store.read(
        "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c ON c.name = 'id' AND c.type = 'INTEGER'"
        " WHERE m.type = 'table'"
    )
    others = {"directory_version", "holding", "holding_version", "revocation_position", "report_position"}
    assert {row[0] for row in tables} - others == set(ids._TABLES)
