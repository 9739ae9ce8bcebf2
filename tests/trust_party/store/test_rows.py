"""Queries over many keys: a handful of statements for every number of them."""

import pytest

from tests.trust_party.world import Party
from trust_party.store.rows import KEYS_MAX, padded, read_in


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (KEYS_MAX, KEYS_MAX)])
def test_keys_are_filled_up_to_a_power_of_two_by_the_last(count: int, size: int) -> None:
    marks, params = padded(range(count))
    assert marks.count("?") == len(params) == size
    assert params[:count] == list(range(count))
    assert set(params[count:]) <= {count - 1}


@pytest.mark.parametrize("count", [0, KEYS_MAX + 1])
def test_none_and_too_many_are_refused(count: int) -> None:
    with pytest.raises(ValueError):
        padded(range(count))


async def test_each_row_is_found_once(party: Party) -> None:
    sql = "SELECT id FROM (SELECT 1 AS id UNION SELECT 2 UNION SELECT 3) WHERE id IN ({}) ORDER BY id"
    assert [row[0] for row in await read_in(party.store, sql, [3, 1, 9])] == [1, 3]
