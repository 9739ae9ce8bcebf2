"""Long lists go out in pieces of the size that routes take, and answers are matched by position."""

import pytest

from interparty.client import PeerUnavailable
from trust_client.batches import matched, pieces


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (3, [3]), (4, [3, 1]), (6, [3, 3]), (7, [3, 3, 1])]
)
def test_a_list_is_cut_in_order_and_nothing_is_lost(count, sizes):
    cut = list(pieces(range(count), 3))
    assert [len(piece) for piece in cut] == sizes
    assert [item for piece in cut for item in piece] == list(range(count))


def test_as_many_answers_as_questions():
    assert matched(["a", "b"], [1, 2]) == [1, 2]


@pytest.mark.parametrize("answers", [[], [1], [1, 2, 3]])
def test_another_number_answers_nothing(answers):
    with pytest.raises(PeerUnavailable):
        matched(["a", "b"], answers)
