"""Messages are shared by weight within the first priority that can send."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from gateway.sms.smsc_share import in_use, take_turn, take_turns


@dataclass
class Link:
    name: str
    weight: int = 1
    priority: int = 1
    can_send: bool = True
    credit: int = 0


def turns(links: list[Link], count: int) -> str:
    return "".join(take_turn(links).name for _ in range(count))


def test_links_of_one_weight_take_turns() -> None:
    assert turns([Link("a"), Link("b"), Link("c")], 6) == "abcabc"


def test_weights_are_shares_and_the_turns_are_spread() -> None:
    assert turns([Link("a", 5), Link("b", 1), Link("c", 1)], 7) == "aabacaa"


@given(st.lists(st.integers(1, 100), min_size=1, max_size=16))
def test_each_gets_exactly_its_weight_in_each_round(weights: list[int]) -> None:
    links = [Link(str(at), weight) for at, weight in enumerate(weights)]
    total = sum(weights)
    taken = Counter(take_turn(links).name for _ in range(2 * total))
    assert taken == {link.name: 2 * link.weight for link in links}
    assert all(link.credit == 0 for link in links)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.lists(st.integers(0, 40), max_size=5))
def test_many_are_shared_as_if_each_had_its_turn(weights: list[int], lists: list[int]) -> None:
    together = [Link(str(at), weight) for at, weight in enumerate(weights)]
    singly = [Link(str(at), weight) for at, weight in enumerate(weights)]
    for messages in lists:
        shares = {link.name: share for link, share in take_turns(together, messages)}
        assert shares == Counter(take_turn(singly).name for _ in range(messages))
        assert [link.credit for link in together] == [link.credit for link in singly]


def test_a_link_that_was_full_does_not_get_in_bulk_what_it_missed() -> None:
    full, other = Link("a"), Link("b")
    turns([other], 1_000)
    assert turns([full, other], 4) == "abab"


def test_a_later_priority_waits_until_no_link_of_an_earlier_one_can_send() -> None:
    first, second, spare = Link("a"), Link("b"), Link("c", priority=2)
    links = [spare, first, second]
    assert in_use(links) == [first, second]
    first.can_send = False
    assert in_use(links) == [second]
    second.can_send = False
    assert in_use(links) == [spare]
    first.can_send = True
    assert in_use(links) == [first]


def test_none_can_send() -> None:
    assert in_use([Link("a", can_send=False)]) == []
    assert in_use([]) == []
