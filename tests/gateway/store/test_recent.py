"""Messages that the SMSC took lately: the very one that a receipt names, or the store is asked."""

import pytest

from gateway.store import recent
from gateway.store.recent import RecentMessages
from tests.gateway.carrier import message_row


@pytest.fixture
def remembered() -> RecentMessages:
    return RecentMessages()


def put(to: RecentMessages, message_id: int, key: str, name: str | None = None) -> None:
    to.put(key, key if name is None else name, message_row(message_id))


def test_a_message_is_found_by_its_id_as_the_smsc_wrote_it(remembered: RecentMessages) -> None:
    put(remembered, 1, "a/ab", "a/00AB")
    assert remembered.get("a/00AB") == message_row(1)


def test_an_id_that_reads_otherwise_is_for_the_store_to_decide(remembered: RecentMessages) -> None:
    put(remembered, 1, "a/ab", "a/00AB")
    assert remembered.get("a/ab") is None


def test_what_is_not_known_is_for_the_store(remembered: RecentMessages) -> None:
    assert remembered.get("a/7") is None


def test_the_same_id_of_another_smsc_is_another_message(remembered: RecentMessages) -> None:
    put(remembered, 1, "a/7")
    put(remembered, 2, "b/7")
    assert remembered.get("a/7") == message_row(1)
    assert remembered.get("b/7") == message_row(2)


def test_two_messages_under_one_key_are_for_the_store_to_tell_apart(remembered: RecentMessages) -> None:
    put(remembered, 1, "a/7")
    put(remembered, 2, "a/7")
    assert remembered.get("a/7") is None


def test_a_message_that_ended_is_forgotten(remembered: RecentMessages) -> None:
    put(remembered, 1, "a/7")
    remembered.remove(1)
    remembered.remove(1)
    assert remembered.get("a/7") is None
    put(remembered, 2, "a/7")
    assert remembered.get("a/7") == message_row(2)


def test_all_are_forgotten_at_once(remembered: RecentMessages) -> None:
    put(remembered, 1, "a/7")
    remembered.clear()
    assert remembered.get("a/7") is None


def test_beyond_the_cap_the_first_goes_first(
    remembered: RecentMessages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "RECENT_MAX", 2)
    for message_id in (1, 2, 3):
        put(remembered, message_id, f"a/{message_id}")
    assert [remembered.get(f"a/{each}") for each in (1, 2, 3)] == [None, message_row(2), message_row(3)]


def test_a_message_that_was_taken_twice_is_for_the_store_to_find(remembered: RecentMessages) -> None:
    """The store knows it by the first id; nothing is left here that its end would not remove."""
    put(remembered, 1, "a/7")
    put(remembered, 1, "a/8")
    assert remembered.get("a/7") is None
    assert remembered.get("a/8") is None
