"""Every refusal of an AID takes the same way: verify's answer, one write with the same look-ups, one answer.

Shown by construction, since a clock shows it only for the machine at hand (bench/refusals.py measures that).
"""

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from foundation.store import Stage
from gateway.store import edis
from gateway.store.domain import Domain
from gateway.store.subscribers import HoldingLine, import_lines
from masking.resolve import End
from smpp.constants import CommandStatus
from tests.gateway.carrier import (
    AS_OF,
    EDI_BLOCKED,
    IMSI,
    LONG_AGO,
    NOW_MS,
    Clock,
    edi_row,
    grant,
    rows,
    until,
)
from tests.gateway.sms.desk import Desk
from trust_client.verifier import Grant, Refused, Unavailable

Answer = Grant | Refused | Unavailable
AID = "888132341582397708"
EDI_MOVED, EDI_PORTED, EDI_STRANGERS, EDI_PENDING = (bytes([each]) * 16 for each in range(1, 5))
NOBODYS_EDI = b"\xff" * 16

CAUSES: dict[str, Answer] = {
    "UNKNOWN": Refused("UNKNOWN"),
    "NOT_YOURS": Refused("NOT_YOURS"),
    "PENDING": Refused("PENDING"),
    "EXPIRED": Refused("EXPIRED"),
    "REVOKED": Refused("REVOKED"),
    "OPTED_OUT": grant(EDI_BLOCKED),
    "SUBSCRIBER_CHANGED": grant(EDI_MOVED),
    "PORTED_OUT": grant(EDI_PORTED),
    "NOT_CONFIRMED_HERE": grant(EDI_PENDING),
    "EDI_UNKNOWN": grant(NOBODYS_EDI),
}
"""Cause on record to what the trust party answers."""

_VERB = re.compile(r"\s*(\w+)")
_TABLE = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE)\s+(\w+)")


class RecordingStore:
    """The store; notes what is handed to it and the tables that each run of a stage touches."""

    def __init__(self, store: Any, steps: list[Any]) -> None:
        self._store = store
        self._steps = steps
        self.on_undone = store.on_undone

    def put_all(self, stage: Stage[Any, Any], items: Sequence[Any]) -> None:
        self._steps.append("handed to the store")
        self._store.put_all(Stage(partial(self._run, stage), stage.done, order=stage.order), items)

    def _run(self, stage: Stage[Any, Any], conn: sqlite3.Connection, items: list[Any]) -> list[Any]:
        touched: list[str] = []
        conn.set_trace_callback(
            lambda sql: touched.append(" ".join([*_VERB.findall(sql)[:1], *_TABLE.findall(sql)]))
        )
        try:
            return stage.run(conn, items)
        finally:
            conn.set_trace_callback(None)
            self._steps.append(tuple(touched))


@pytest.fixture
async def carrier(people: Domain) -> Domain:
    """Beside the people: a number that another holds now, one that was ported out, a consent nobody confirmed."""

    def op(conn: sqlite3.Connection) -> None:
        import_lines(
            conn,
            people.vault,
            [
                HoldingLine("8613800000011", IMSI, "460000000000011", LONG_AGO, NOW_MS - 1),
                HoldingLine("8613800000011", IMSI, "460000000000099", NOW_MS - 1, None),
                HoldingLine("8613800000012", IMSI, "460000000000012", LONG_AGO, NOW_MS - 1, End.PORTED_OUT),
                HoldingLine("8613800000013", IMSI, "460000000000013", LONG_AGO, None),
            ],
            LONG_AGO,
        )
        for edi_id, last, confirmed_at in ((EDI_MOVED, 1, 1), (EDI_PORTED, 2, 1), (EDI_PENDING, 3, None)):
            row = edi_row(
                conn,
                people.vault,
                edi_id,
                f"861380000001{last}",
                identifier=f"46000000000001{last}",
                as_of=AS_OF,
                confirmed_at=confirmed_at,
            )
            edis.insert(conn, row)

    await people.store.write(op)
    return people


async def refused(carrier: Domain, clock: Clock, answer: Answer) -> list[Any]:
    """What the store was handed and did, from the trust party's answer to the refusal."""
    steps: list[Any] = []
    desk = Desk(replace(carrier, store=RecordingStore(carrier.store, steps)), clock)  # type: ignore[arg-type]
    desk.verifier.held = True
    desk.verifier.answers[AID] = answer
    desk.submit()
    # A local block or a failed resolve shortens nothing: until the trust party has answered, nothing is told.
    assert (desk.verifier.waiting, steps, desk.session.answers) == (1, [], [])
    desk.verifier.release()
    assert (steps, desk.session.answers) == (["handed to the store"], [])
    assert await desk.session.answer() == (1, CommandStatus.ESME_RINVDSTADR, None)
    assert (desk.smsc.sent, desk.intake.pending) == ([], 0)
    return steps


LOOK_UPS = (
    "SELECT holding_version",
    "SELECT edi",
    "SELECT contact_window",
    "WITH v holding n holding",
    "SELECT block",
)


@pytest.mark.parametrize("cause", CAUSES)
async def test_a_refusal_waits_for_verify_and_for_one_write_whatever_its_cause(
    carrier: Domain, clock: Clock, cause: str
) -> None:
    steps = await refused(carrier, clock, CAUSES[cause])
    assert steps == ["handed to the store", (*LOOK_UPS, "INSERT refusal")]
    assert [row["cause"] for row in await rows(carrier, "refusal")] == [cause]


@pytest.mark.parametrize("cause", CAUSES)
async def test_refused_again_it_is_the_same_work(carrier: Domain, clock: Clock, cause: str) -> None:
    """Also when the person is remembered: what the memory saves is done all the same."""
    await refused(carrier, clock, CAUSES[cause])
    steps = await refused(carrier, clock, CAUSES[cause])
    assert steps[0] == "handed to the store"
    assert sorted(steps[1]) == sorted((*LOOK_UPS, "INSERT refusal"))
    assert [row["cause"] for row in await rows(carrier, "refusal")] == [cause, cause]


async def test_refusals_of_one_commit_are_told_apart_by_nothing(carrier: Domain, clock: Clock) -> None:
    steps: list[Any] = []
    desk = Desk(replace(carrier, store=RecordingStore(carrier.store, steps)), clock)  # type: ignore[arg-type]
    aids = [f"{AID[:-2]}{place:02}" for place in range(len(CAUSES))]
    desk.verifier.answers = dict(zip(aids, CAUSES.values(), strict=True))
    for aid in aids:
        desk.submit(aid)
    answers = [await desk.session.answer() for _ in aids]
    assert answers == [(place + 1, CommandStatus.ESME_RINVDSTADR, None) for place in range(len(aids))]
    assert [row["cause"] for row in await rows(carrier, "refusal")] == list(CAUSES)


async def test_the_terms_of_a_consent_are_judged_after_the_same_look_ups(
    carrier: Domain, clock: Clock
) -> None:
    """Outside the hours or over the frequency: the enterprise agreed to both and knows them."""
    steps = await refused(carrier, clock, grant(hours="00:00-00:01"))
    assert steps[0] == "handed to the store"
    assert steps[1][: len(LOOK_UPS)] == LOOK_UPS


async def test_a_cached_grant_that_is_refused_here_asks_all_the_same(carrier: Domain, clock: Clock) -> None:
    """Else the refusal of a person who opted out would come faster than that of a stranger's AID."""
    desk = Desk(carrier, clock)
    desk.verifier.answers[AID] = replace(grant(EDI_BLOCKED), is_cached=True)
    desk.submit()
    await until(lambda: len(desk.verifier.asked) == 2)
    assert await desk.session.answer() == (1, CommandStatus.ESME_RINVDSTADR, None)
    assert [each.aid for each in desk.verifier.asked] == [AID, AID]
