"""The commit of messages: whom they may reach, what the SMSC will get, and the rows, for many at once.

Runs in the store's transaction. A refusal by the trust party and one decided here do the same work.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gateway.policy.decision import Ask, decide_contacts, find_subscribers
from gateway.policy.refusal import Refusal
from gateway.policy.text import TEXT_REFUSED_ERROR
from gateway.policy.text_rules import TextRules
from gateway.sms.account_keys import AccountKeys
from gateway.sms.final import INTERMEDIATE_ASKED, Delivery, End, finish_messages
from gateway.sms.outgoing import SEAL_MESSAGE, Outgoing, open_outgoing
from gateway.sms.question import digest_of
from gateway.sms.submission import Submission
from gateway.sms_settings import SmsSettings
from gateway.store import long_messages, messages, records
from gateway.store.domain import Domain
from gateway.store.ids import text_of
from gateway.store.long_messages import LongRow
from gateway.store.messages import MessageRow, State, Stored
from gateway.store.subscriber_cache import Resolved
from interparty.content_digest import content_digest
from masking.smpp_leg import towards_smsc
from smpp.codec import decode
from smpp.constants import MessageState
from smpp.pdu import SubmitSm
from smpp.segmentation import payload_of, user_data

REPLACED_MAX = 100
"""Messages that one replace_if_present_flag takes the place of."""
_QUEUED = State.QUEUED


class Accepted(NamedTuple):
    """Committed, with something beside. `ready` may be sent now: a message, or all parts of a long one that is whole
    now."""

    ready: tuple[Outgoing, ...]
    is_set_whole: bool = False
    replaced: tuple[int, ...] = ()
    deliveries: tuple[Delivery, ...] = ()


class NoSuchSet(NamedTuple):
    """A further part of a long message that is not open any more."""


class DuplicatePart(NamedTuple):
    """A part that came before: `same` is the public id of the one with the same content, None when it differs."""

    same: int | None


Committed = Outgoing | Accepted | Refusal | NoSuchSet | DuplicatePart
"""Of most messages that they may be sent now, and no more."""


class Committer:
    """What the intake's stage does in a commit."""

    def __init__(
        self,
        domain: Domain,
        settings: SmsSettings,
        account_key: Callable[[str], bytes | None],
        take_back: Callable[[int], bool],
        texts: TextRules,
    ) -> None:
        """`account_key`: an account's key by its name, None without one. `take_back`: have the dispatcher send
        a message no more, False when it is too late. Both are called within the commit."""
        self._domain = domain
        self._settings = settings
        self._take_back = take_back
        self._texts = texts
        self._keys = AccountKeys(account_key)

    def run(self, conn: sqlite3.Connection, submissions: list[Submission]) -> list[Committed]:
        """One outcome for each."""
        now = self._domain.now_ms()
        singles = [each for each in submissions if each.part is None]
        if len(singles) == len(submissions):
            return self._run_singles(conn, submissions, now)
        outcomes = dict(zip(map(id, singles), self._run_singles(conn, singles, now), strict=True))
        for each in submissions:
            if each.part is not None:
                outcomes[id(each)] = self._run_part(conn, each, now)
        return [outcomes[id(each)] for each in submissions]

    # --- whole messages -------------------------------------------------------------------------------

    def _run_singles(
        self, conn: sqlite3.Connection, submissions: list[Submission], now: int
    ) -> list[Committed]:
        people = self._decide(conn, submissions, now)
        outcomes: list[Committed] = []
        rows: list[tuple[MessageRow, State, bytes]] = []
        refused = []
        for submission, person in zip(submissions, people, strict=True):
            if isinstance(person, Refusal):
                refused.append(self._refusal(submission, person, now))
                outcomes.append(person)
                continue
            frame = self._frame(submission, person)
            digest = digest_of(submission, self._keys)
            row = _row(submission, person, now, digest)
            replaced: list[Stored] = []
            if submission.replaces:
                # Those before it in this commit may be among them.
                messages.insert(conn, rows)
                rows.clear()
                replaced = self._replaced(conn, row, submission.body.service_type)
            deliveries = (
                finish_messages(
                    conn,
                    self._domain,
                    [End(each.row, MessageState.DELETED) for each in replaced],
                    self._settings.outbox_validity_s,
                )
                if replaced
                else []
            )
            rows.append((row, _QUEUED, self._domain.vault.seal(SEAL_MESSAGE, frame)))
            ready = Outgoing(row, frame)
            outcomes.append(
                Accepted((ready,), False, tuple(each.row.id for each in replaced), tuple(deliveries))
                if replaced
                else ready
            )
        messages.insert(conn, rows)
        records.put_refusals(conn, refused)
        return outcomes

    def _replaced(self, conn: sqlite3.Connection, row: MessageRow, service_type: bytes) -> list[Stored]:
        """3.4, 5.2.18: a message to the same destination from the same source with the same service type that
        has not been sent."""
        earlier = messages.queued_to(conn, row.account, row.access_number, row.aid, REPLACED_MAX)
        return [
            each
            for each in earlier
            if each.row.long_id is None
            and self._service_type(each) == service_type
            and self._take_back(each.row.id)
        ]

    def _service_type(self, stored: Stored) -> bytes:
        body = decode(open_outgoing(self._domain, stored).frame).body
        assert isinstance(body, SubmitSm)
        return body.service_type

    def _decide(
        self, conn: sqlite3.Connection, submissions: Sequence[Submission], now: int
    ) -> list[Resolved | Refusal]:
        asks = [
            Ask(each.grant, each.account.enterprise_id, each.access_number.number, each.not_before)
            for each in submissions
        ]
        return decide_contacts(conn, self._domain, asks, now)

    # --- parts of long messages -----------------------------------------------------------------------

    def _run_part(self, conn: sqlite3.Connection, submission: Submission, now: int) -> Committed:
        account, number, part = submission.account, submission.source, submission.part
        assert part is not None
        long = long_messages.open_one(
            conn, account.system_id, number, submission.aid, part.reference, part.total
        )
        parts = [] if long is None else long_messages.parts(conn, long.id)
        if not parts and submission.follows:
            return NoSuchSet()
        if parts and (submission.follows or submission.grant is not None):
            # Authorized, and counted, with the part that came first; whether the person may be reached is
            # asked again. After a restart the trust party was asked again as well, and its no counts.
            person = find_subscribers(
                conn, self._domain, [(parts[0].row.edi_id, account.enterprise_id)], now
            )[0]
        else:
            person = self._decide(conn, [submission], now)[0]
        if isinstance(person, Refusal):
            records.put_refusals(conn, [self._refusal(submission, person, now)])
            return person
        mark = self._mark(submission.body)
        same = next((each for each in parts if each.row.part == part.sequence), None)
        if same is not None:
            return DuplicatePart(same.row.public_id if same.row.digest == mark else None)
        frame = self._frame(submission, person)
        if long is None or not parts:
            long = LongRow(
                submission.id, account.system_id, number, submission.aid, part.reference, part.total,
                int(account.aggregate_receipts), long_messages.State.OPEN, now, 0, None,
            )  # fmt: skip
            long_messages.insert(conn, long)
        row = _row(submission, person, now, mark, long.id, part.sequence)
        messages.insert(conn, [(row, State.HELD, self._domain.vault.seal(SEAL_MESSAGE, frame))])
        if len(parts) + 1 < long.total:
            return Accepted(())
        return self._complete(conn, submission, long)

    def _complete(self, conn: sqlite3.Connection, submission: Submission, long: LongRow) -> Accepted:
        """The set is whole: its digest, and its parts on their way."""
        parts = long_messages.parts(conn, long.id)
        # A part that was cancelled while it was held has its outcome and goes nowhere.
        whole = [open_outgoing(self._domain, each) for each in parts if each.sealed is not None]
        bodies = []
        coding = submission.data_coding
        for each in whole:
            body = decode(each.frame).body
            assert isinstance(body, SubmitSm)
            bodies.append(body)
            if each.row.part == 1:
                coding = body.data_coding
        text = b"".join(user_data(body)[1] for body in bodies)
        key = self._keys.get(submission.account.system_id)
        came_first = next(each.row for each in parts if each.row.id == long.id)
        digest = None if key is None else content_digest(key, text_of(came_first.public_id), coding, text)
        long_messages.complete(conn, long.id, len(text), digest)
        refusal = self._texts.refusal_of(submission.access_number, bodies)
        if refusal is None:
            return Accepted(tuple(whole), is_set_whole=True)
        # Its parts were acknowledged before the text could be read: their receipts say it.
        now = self._domain.now_ms()
        records.put_refusals(conn, [self._refusal(submission, refusal, now)])
        ends = [End(each.row, MessageState.REJECTED, TEXT_REFUSED_ERROR) for each in whole]
        deliveries = finish_messages(conn, self._domain, ends, self._settings.outbox_validity_s)
        return Accepted((), is_set_whole=True, deliveries=tuple(deliveries))

    def _mark(self, body: SubmitSm) -> bytes:
        """By which a part that comes again is known: its text and how to read it, whatever its times."""
        return self._domain.vault.fingerprint(
            "part", bytes((body.esm_class, body.data_coding)) + payload_of(body)
        )

    # --- what both need -------------------------------------------------------------------------------

    def _frame(self, submission: Submission, person: Resolved) -> bytes:
        return towards_smsc(
            submission.frame,
            msisdn=person.msisdn,
            source=submission.source,
            sequence_number=0,
            registered_delivery=1 | (submission.registered_delivery & INTERMEDIATE_ASKED),
            schedule=b"",
            validity=submission.validity,
            allow=submission.access_number.allow,
        )

    def _refusal(self, submission: Submission, refusal: Refusal, now: int) -> records.RefusalRow:
        return records.RefusalRow(
            self._domain.ids.next(), now, submission.account.enterprise_id, "sms",
            submission.access_number.number, submission.aid, submission.reason or refusal.cause,
        )  # fmt: skip


def _row(
    submission: Submission,
    person: Resolved,
    now: int,
    digest: bytes | None,
    long_id: int | None = None,
    part: int = 0,
) -> MessageRow:
    return MessageRow(
        submission.id, submission.public_id, messages.ENTERPRISE, submission.account.system_id,
        submission.account.enterprise_id, submission.source, submission.aid, person.edi_id,
        submission.registered_delivery, submission.priority_flag, len(submission.text), digest, long_id, part, now,
        submission.not_before, submission.expires_at,
    )  # fmt: skip
