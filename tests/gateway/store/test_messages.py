"""Messages and their receipts: what is found again, receipts that come first, what is due and what is overdue.

Which of several messages a receipt names is decided by gateway.sms.upstream_ids; here is what it gets to see.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.store import messages
from gateway.store.domain import Domain
from gateway.store.messages import Kind, ParkedReceipt, State
from tests.gateway.carrier import EDI_BLOCKED, EDI_ID, NOW_MS, add_message, message_row, put_message

DELIVERED = 2
REJECTED = 8


def pending_count(conn: sqlite3.Connection) -> int:
    return int(conn.execute("SELECT count(*) FROM message WHERE state < 3").fetchone()[0])


async def put(domain: Domain, message_id: int, upstream: str | None = None, **fields: Any) -> None:
    """A message, QUEUED, or ACCEPTED under `upstream`, which is its id at the SMSC too."""
    state = fields.pop("state", State.QUEUED)
    await add_message(domain, message_row(message_id, **fields), b"frame", state=state)
    if upstream is not None:
        await accept(domain, message_id, upstream, upstream)


async def accept(domain: Domain, message_id: int, key: str, upstream_id: str) -> None:
    await domain.store.write(lambda conn: messages.accept(conn, [(message_id, key, upstream_id)]))


async def named(domain: Domain, *keys: str) -> list[tuple[int, str]]:
    found = await domain.store.write(lambda conn: messages.named(conn, keys))
    return sorted((each.row.id, each.upstream_id) for each in found)


async def get(domain: Domain, message_id: int) -> messages.Stored:
    found = await domain.store.write(lambda conn: messages.get(conn, message_id))
    assert found is not None
    return found


async def test_a_row_comes_back_as_it_went_in(domain: Domain) -> None:
    row = message_row(1, public_id=7, kind=Kind.CARRIER, edi_id=None, priority=3, octets=140, digest=None)
    await add_message(domain, row, b"frame")
    got = await get(domain, 1)
    assert got.row == row
    assert domain.vault.open("message", got.sealed or b"") == b"frame"
    assert (got.state, got.upstream, got.outcome) == (State.QUEUED, None, None)
    assert await domain.store.write(lambda conn: messages.get(conn, 2)) is None


async def test_its_frame_is_not_readable_in_the_store(domain: Domain) -> None:
    await put(domain, 1)
    assert b"frame" not in ((await get(domain, 1)).sealed or b"")


async def test_many_go_in_at_once_each_with_its_own_state(domain: Domain) -> None:
    states = [State.QUEUED, State.HELD] * 150
    rows = [(message_row(number), state, b"sealed") for number, state in enumerate(states, 1)]
    await domain.store.write(lambda conn: messages.insert(conn, rows))
    kept = await domain.store.read("SELECT id, state FROM message ORDER BY id")
    assert [tuple(row) for row in kept] == [(number, int(state)) for number, state in enumerate(states, 1)]


class TestUpstreamIds:
    """Whom a receipt may mean: the ACCEPTED messages under its keys."""

    async def test_a_key_finds_its_message_with_the_id_as_the_smsc_wrote_it(self, domain: Domain) -> None:
        await put(domain, 1)
        await accept(domain, 1, "a/171", "00AB")
        [found] = await domain.store.write(lambda conn: messages.named(conn, ["a/171"]))
        assert found == (message_row(1), "a/171", "00AB")

    async def test_several_keys_at_once(self, domain: Domain) -> None:
        for number in range(1, 201):
            await put(domain, number, f"a/{number}")
        keys = [f"a/{number}" for number in range(1, 301)]
        assert await named(domain, *keys) == [(number, f"a/{number}") for number in range(1, 201)]

    async def test_the_same_id_of_another_smsc_is_another_message(self, domain: Domain) -> None:
        await put(domain, 1, "a/7")
        await put(domain, 2, "b/7")
        assert await named(domain, "b/7") == [(2, "b/7")]
        assert await named(domain, "c/7") == []

    async def test_all_under_one_key_are_found(self, domain: Domain) -> None:
        await put(domain, 1)
        await put(domain, 2)
        await accept(domain, 1, "a/ab", "00ab")
        await accept(domain, 2, "a/ab", "0ab")
        assert await named(domain, "a/ab") == [(1, "00ab"), (2, "0ab")]

    async def test_a_message_with_its_outcome_leaves_the_key_to_the_other(self, domain: Domain) -> None:
        await put(domain, 1, "a/7")
        await put(domain, 2, "a/7", long_id=2, part=1)
        await put(domain, 3, "a/7")
        assert await domain.store.write(lambda conn: messages.remove(conn, [1])) == 1
        assert await domain.store.write(lambda conn: messages.close_part(conn, 2, DELIVERED, 0, NOW_MS))
        assert await named(domain, "a/7") == [(3, "a/7")]

    async def test_without_an_id_no_receipt_can_name_it(self, domain: Domain) -> None:
        await put(domain, 1)
        await domain.store.write(lambda conn: messages.accept_nameless(conn, [1]))
        got = await get(domain, 1)
        assert (got.state, got.upstream, got.upstream_id) == (State.ACCEPTED, None, None)
        assert await named(domain, "", "a/") == []

    async def test_a_late_answer_changes_no_message_that_is_not_queued(self, domain: Domain) -> None:
        await put(domain, 1, long_id=1, part=1)
        await domain.store.write(lambda conn: messages.close_part(conn, 1, 3, 0, NOW_MS))
        await put(domain, 2, "a/2")
        for message_id in (1, 2, 3):
            await accept(domain, message_id, "a/7", "7")
        await domain.store.write(lambda conn: messages.accept_nameless(conn, [1]))
        assert (await get(domain, 1)).state == State.FINAL
        assert (await get(domain, 2)).upstream_id == "a/2"
        assert await named(domain, "a/7") == []


class TestParkedReceipts:
    """A receipt that came before the response which names its message."""

    async def park(self, domain: Domain, *receipts: ParkedReceipt) -> None:
        await domain.store.write(lambda conn: messages.park(conn, receipts))

    def receipt(self, row_id: int, key: str = "a/7", at: int = NOW_MS) -> ParkedReceipt:
        return ParkedReceipt(row_id, key, "07", at, DELIVERED, 99)

    async def test_it_is_taken_out_once_as_it_went_in(self, domain: Domain) -> None:
        await self.park(domain, self.receipt(1))
        assert await domain.store.write(lambda conn: messages.unpark(conn, ["a/7"])) == [self.receipt(1)]
        assert await domain.store.write(lambda conn: messages.unpark(conn, ["a/7"])) == []

    async def test_those_of_another_smsc_stay(self, domain: Domain) -> None:
        await self.park(domain, self.receipt(1))
        assert await domain.store.write(lambda conn: messages.unpark(conn, ["b/7", "7"])) == []
        assert len(await domain.store.write(lambda conn: messages.unpark(conn, ["a/7"]))) == 1

    async def test_the_oldest_come_first_whatever_the_order_of_the_keys(self, domain: Domain) -> None:
        await self.park(domain, self.receipt(3, "a/8"), self.receipt(1, "a/7"), self.receipt(2, "a/8"))
        taken = await domain.store.write(lambda conn: messages.unpark(conn, ["a/8", "a/7"]))
        assert [each.id for each in taken] == [1, 2, 3]

    async def test_those_that_nobody_claimed_are_forgotten(self, domain: Domain) -> None:
        await self.park(domain, self.receipt(1, at=NOW_MS - 1), self.receipt(2))
        assert await domain.store.write(lambda conn: messages.trim_parked(conn, NOW_MS)) == 1
        taken = await domain.store.write(lambda conn: messages.unpark(conn, ["a/7"]))
        assert [each.id for each in taken] == [2]

    async def test_a_receipt_that_found_its_message_is_kept_under_none_of_its_keys(
        self, domain: Domain
    ) -> None:
        another = self.receipt(3)._replace(upstream_id="7")
        await self.park(domain, self.receipt(1), self.receipt(2, "a/07"), another, self.receipt(4, "b/7"))
        await domain.store.write(lambda conn: messages.forget_parked(conn, "07", ["a/07", "a/7"]))
        left = await domain.store.write(lambda conn: messages.unpark(conn, ["a/07", "a/7", "b/7"]))
        assert [each.id for each in left] == [3, 4]

    async def test_beyond_the_cap_the_oldest_go(
        self, domain: Domain, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(messages, "PARKED_MAX", 2)
        await self.park(domain, *(self.receipt(number) for number in (1, 2, 3, 4)))
        assert await domain.store.write(lambda conn: messages.trim_parked(conn, 0)) == 2
        taken = await domain.store.write(lambda conn: messages.unpark(conn, ["a/7"]))
        assert [each.id for each in taken] == [3, 4]


async def test_due_are_queued_messages_whose_time_has_come_oldest_first(domain: Domain) -> None:
    await put(domain, 3)
    await put(domain, 1)
    await put(domain, 2, not_before=NOW_MS + 1)
    await put(domain, 4, "a/7")
    await put(domain, 5, state=State.HELD)

    async def due(now: int, held: tuple[int, ...] = (), limit: int = 10) -> list[int]:
        found = await domain.store.write(lambda conn: messages.due(conn, now, held, limit))
        return [each.row.id for each in found]

    assert await due(NOW_MS) == [1, 3]
    assert await due(NOW_MS + 1) == [1, 3, 2]  # the longest waiting first
    assert await due(NOW_MS + 1, held=(1,), limit=1) == [3]
    await domain.store.write(lambda conn: messages.postpone(conn, 1, NOW_MS + 10))
    assert await due(NOW_MS + 1) == [3, 2]


async def test_postponing_is_for_what_is_queued(domain: Domain) -> None:
    await put(domain, 1, "a/7")
    await domain.store.write(lambda conn: messages.postpone(conn, 1, NOW_MS + 10))
    assert (await get(domain, 1)).row.not_before == NOW_MS


async def test_overdue_by_validity_or_by_a_receipt_that_never_came(domain: Domain) -> None:
    await put(domain, 1, expires_at=100)
    await put(domain, 2, "a/7", expires_at=100)
    await put(domain, 3, expires_at=101, state=State.HELD)
    await put(domain, 4, expires_at=1, long_id=4, part=1)
    await domain.store.write(lambda conn: messages.close_part(conn, 4, DELIVERED, 0, 1))

    async def overdue(now: int, receipt_wait: int) -> list[int]:
        found = await domain.store.write(lambda conn: messages.overdue(conn, now, receipt_wait, 10))
        return [row.id for row in found]

    assert await overdue(100, 0) == []
    assert await overdue(101, 1) == [1]
    assert await overdue(101, 0) == [1, 2]
    assert await overdue(102, 2) == [1, 3]


async def test_a_whole_message_goes_with_its_outcome_and_once(domain: Domain) -> None:
    await put(domain, 1)
    assert await domain.store.write(pending_count) == 1
    assert await domain.store.write(lambda conn: messages.remove(conn, [1, 2])) == 1
    assert await domain.store.write(lambda conn: messages.remove(conn, [1, 2])) == 0
    assert await domain.store.write(pending_count) == 0


async def test_a_part_ends_once_and_its_text_goes(domain: Domain) -> None:
    await put(domain, 1, "a/7", long_id=1, part=1)
    assert await domain.store.write(lambda conn: messages.close_part(conn, 1, DELIVERED, 0, NOW_MS)) is True
    assert await domain.store.write(lambda conn: messages.close_part(conn, 1, 5, 1, NOW_MS + 1)) is False
    got = await get(domain, 1)
    assert (got.state, got.sealed, got.outcome, got.error) == (State.FINAL, None, DELIVERED, 0)
    assert got.done_at == NOW_MS
    assert await domain.store.write(pending_count) == 0


async def test_the_parts_of_a_long_message_are_in_their_order(domain: Domain) -> None:
    await put(domain, 1, long_id=1, part=2)
    await put(domain, 2, long_id=1, part=1)
    await put(domain, 3, long_id=3, part=1)
    parts = await domain.store.write(lambda conn: messages.of_long(conn, 1))
    assert [each.row.id for each in parts] == [2, 1]


async def test_the_messages_of_one_submit_multi_share_a_public_id(domain: Domain) -> None:
    for message_id, public_id in ((1, 1), (2, 2), (3, 2), (4, 4)):
        await put(domain, message_id, public_id=public_id)
    found = await domain.store.write(lambda conn: messages.of_public_id(conn, 2, 2, 4))
    assert [each.row.id for each in found] == [2, 3]


class TestReplacing:
    """replace_sm and replace_if_present_flag: only what has not gone to the SMSC."""

    async def test_what_is_queued_to_an_aid(self, domain: Domain) -> None:
        await put(domain, 2)
        await put(domain, 1)
        await put(domain, 3, "a/7")
        await put(domain, 4, account="sms-b")
        await put(domain, 5, access_number="1069000999")
        await put(domain, 6, aid="888100000000000009")
        row = message_row(1)

        async def queued(limit: int) -> list[int]:
            found = await domain.store.write(
                lambda conn: messages.queued_to(conn, row.account, row.access_number, row.aid, limit)
            )
            return [each.row.id for each in found]

        assert await queued(10) == [1, 2]
        assert await queued(1) == [1]

    async def test_another_text_and_other_times(self, domain: Domain) -> None:
        await put(domain, 1)
        row = message_row(
            1, registered_delivery=0, octets=9, digest=b"d" * 32, not_before=NOW_MS + 1, expires_at=NOW_MS + 2
        )
        sealed = domain.vault.seal("message", b"other")
        assert await domain.store.write(lambda conn: messages.replace(conn, row, sealed))
        got = await get(domain, 1)
        assert (got.row, got.sealed) == (row, sealed)

    async def test_not_of_a_message_that_the_smsc_has(self, domain: Domain) -> None:
        await put(domain, 1, "a/7")
        assert not await domain.store.write(lambda conn: messages.replace(conn, message_row(1), b"other"))
        assert not await domain.store.write(lambda conn: messages.replace(conn, message_row(2), b"other"))
        assert (await get(domain, 1)).sealed != b"other"


class TestUnderEdis:
    """The pending messages under EDIs that were revoked, found without an index, some rows at a time."""

    async def walk(self, domain: Domain, wanted: Sequence[bytes], rows_read: int) -> list[list[int]]:
        def op(conn: sqlite3.Connection) -> list[list[int]]:
            after: int | None = 0
            steps = []
            while after is not None:
                found, after = messages.under_edis(conn, wanted, (), after, rows_read)
                steps.append([each.row.id for each in found])
            return steps

        return await domain.store.write(op)

    @pytest.fixture
    async def filled(self, domain: Domain) -> Domain:
        def op(conn: sqlite3.Connection) -> None:
            for number in range(1, 8):
                edi_id = EDI_ID if number % 2 else EDI_BLOCKED
                put_message(conn, domain.vault, message_row(number, edi_id=edi_id, long_id=1, part=number))
            messages.close_part(conn, 3, REJECTED, 0, NOW_MS)

        await domain.store.write(op)
        return domain

    async def test_all_of_them_and_none_that_has_its_outcome(self, filled: Domain) -> None:
        assert await self.walk(filled, [EDI_ID], 100) == [[1, 5, 7]]
        assert await self.walk(filled, [EDI_ID, EDI_BLOCKED], 100) == [[1, 2, 4, 5, 6, 7]]
        assert await self.walk(filled, [bytes(16)], 100) == [[]]

    async def test_some_rows_at_a_time(self, filled: Domain) -> None:
        assert await self.walk(filled, [EDI_ID], 3) == [[1], [5], [7]]

    async def test_nothing_there(self, domain: Domain) -> None:
        assert await self.walk(domain, [EDI_ID], 3) == [[]]


async def test_the_backlog_is_what_is_queued_and_due_by_then(domain: Domain) -> None:
    for message_id, not_before in ((1, NOW_MS), (2, NOW_MS + 5), (3, NOW_MS + 6)):
        await add_message(domain, message_row(message_id, not_before=not_before))
    await add_message(domain, message_row(4), state=messages.State.ACCEPTED)
    for until_ms, limit, count in (
        (NOW_MS, 9, 1),
        (NOW_MS + 5, 9, 2),
        (NOW_MS + 6, 2, 2),
        (NOW_MS - 1, 9, 0),
    ):
        found = await domain.store.write(
            lambda conn, until_ms=until_ms, limit=limit: messages.backlog(conn, until_ms, limit)
        )
        assert found == count


async def test_accepted_messages_whose_validity_ended_without_a_receipt(domain: Domain) -> None:
    for message_id, expires_at in ((1, NOW_MS + 3), (2, NOW_MS + 1), (3, NOW_MS), (4, NOW_MS + 9)):
        await put(domain, message_id, f"smsc/{message_id}", expires_at=expires_at)
    await put(domain, 5, expires_at=NOW_MS + 1)  # the SMSC has not answered for it
    for skip, limit, found in (((), 9, [2, 1]), ((2,), 9, [1]), ((), 1, [2])):
        stored = await domain.store.write(
            lambda conn, skip=skip, limit=limit: messages.unreceipted(
                conn, NOW_MS + 1, NOW_MS + 9, skip, limit
            )
        )
        assert sorted(each.row.id for each in stored) == sorted(found)
