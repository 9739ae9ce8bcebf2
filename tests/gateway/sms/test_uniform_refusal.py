"""Every refusal of an AID takes the same way: verify's answer, one write with the same look-ups, one answer.

Shown by construction, since a clock shows it only for the machine at hand (bench/refusals.py measures that).
"""

import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.settings import SmsSettings
from gateway.sms.intake import Intake
from gateway.store import edis
from gateway.store.domain import Domain
from gateway.store.subscribers import HoldingLine, import_lines
from interparty.messages import VerifyItem
from masking.resolve import End
from smpp.codec import encode
from smpp.constants import CommandStatus
from smpp.pdu import Pdu, SubmitSm
from tests.gateway.carrier import (
    ACCOUNT,
    AS_OF,
    EDI_BLOCKED,
    IMSI,
    LONG_AGO,
    NOW_MS,
    NUMBER,
    FakeConnection,
    directory,
    edi_row,
    grant,
    rows,
)
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
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+(\w+)")


class RecordingStore:
    """The store; notes each write and the tables that it touches."""

    def __init__(self, store: Any, steps: list[Any]) -> None:
        self._store = store
        self._steps = steps

    def submit(self, op: Callable[[sqlite3.Connection], Any], done: Callable[..., None]) -> None:
        touched: list[str] = []
        self._steps.append("handed to the store")

        def traced(conn: sqlite3.Connection) -> Any:
            conn.set_trace_callback(
                lambda sql: touched.append(" ".join([*_VERB.findall(sql)[:1], *_TABLE.findall(sql)]))
            )
            try:
                return op(conn)
            finally:
                conn.set_trace_callback(None)

        def told(outcome: Any, error: BaseException | None) -> None:
            self._steps.append(tuple(touched))
            done(outcome, error)

        self._store.submit(traced, told)


class HeldVerifier:
    """Keeps a question until the test answers it."""

    def __init__(self, steps: list[Any]) -> None:
        self._steps = steps
        self.waiting: list[Callable[[Any], None]] = []

    def submit(self, _: VerifyItem, done: Callable[[Any], None]) -> None:
        self._steps.append("asked")
        self.waiting.append(done)

    def answer(self, answer: Answer) -> None:
        self._steps.append("answered")
        self.waiting.pop()(answer)


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


async def refused(carrier: Domain, answer: Answer) -> list[Any]:
    """The steps from a submit_sm to its refusal."""
    steps: list[Any] = []
    domain = replace(carrier, store=RecordingStore(carrier.store, steps))  # type: ignore[arg-type]
    verifier: Any = HeldVerifier(steps)
    connection: Any = FakeConnection()
    dispatcher: Any = SimpleNamespace(offer=lambda outgoing: steps.append("offered"))
    intake = Intake(domain, directory(), verifier, dispatcher, SmsSettings())
    pdu = Pdu(SubmitSm(source_addr=NUMBER.encode(), destination_addr=AID.encode(), short_message=b"?"), 1)
    intake.submit(connection, ACCOUNT, pdu, encode(pdu))
    # A local block or a failed resolve shortens nothing: until the trust party has answered, nothing is told.
    assert (steps, connection.answers) == (["asked"], [])
    verifier.answer(answer)
    assert connection.answers == []
    assert await connection.answer() == (1, CommandStatus.ESME_RINVDSTADR, None)
    return steps


@pytest.mark.parametrize("cause", CAUSES)
async def test_a_refusal_waits_for_verify_and_for_one_write_whatever_its_cause(
    carrier: Domain, cause: str
) -> None:
    steps = await refused(carrier, CAUSES[cause])
    assert steps[:3] == ["asked", "answered", "handed to the store"]
    touched = steps[3]
    assert len(steps) == 4
    assert touched == (
        "SELECT edi",
        "SELECT holding holding",
        "SELECT block",
        "INSERT refusal",
    )
    assert [row["cause"] for row in await rows(carrier, "refusal")] == [cause]


async def test_the_terms_of_a_consent_are_judged_after_the_same_look_ups(carrier: Domain) -> None:
    """Outside the hours or over the frequency: the enterprise agreed to both and knows them."""
    outside = await refused(carrier, grant(hours="00:00-00:01"))
    assert outside[3][:3] == ("SELECT edi", "SELECT holding holding", "SELECT block")
    assert outside[:3] == ["asked", "answered", "handed to the store"]
