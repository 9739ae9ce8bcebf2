"""query_sm, cancel_sm and replace_sm: what an account may ask and change of its own messages (3.4, 4.8 to 4.10)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple, Protocol, TypeVar

from foundation.store import StoreBusy, StoreUnavailable
from gateway.accounts.directory import Directory
from gateway.policy.text_rules import TextRules
from gateway.sms.dispatch import Dispatcher
from gateway.sms.esme_session import EsmeSession
from gateway.sms.final import Delivery, End, finish_messages, finish_one
from gateway.sms.outgoing import SEAL_MESSAGE, open_outgoing
from gateway.sms.replacement import Replacement, Replacements
from gateway.sms_settings import SmsSettings
from gateway.store import messages, records
from gateway.store.accounts import AccountRow
from gateway.store.domain import Domain
from gateway.store.ids import id_of, text_of
from gateway.store.messages import State, Stored
from smpp.aio.connection import Done, RequestFailed
from smpp.codec import decode
from smpp.constants import VERSION_5_0, CommandStatus, MessageState, Tag
from smpp.pdu import (
    CancelSm,
    CancelSmResp,
    Pdu,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    ReplaceSmResp,
    SubmitSm,
)
from smpp.times import format_absolute

CANCELLED_MAX: Final = 1_000
"""Messages that one cancel_sm without a message id ends."""
MULTI_MAX: Final = 255
"""Destinations of a submit_multi, whose messages share an id (3.4, 4.5.1; 5.0: 255)."""

R = TypeVar("R")

_FAILURES = (StoreBusy, StoreUnavailable)


class Upstream(Protocol):
    """What the SMSC side does about messages that an SMSC has: SmscLinks."""

    def cancel(self, name: str, upstream_id: str, source: str, destination: str, done: Done) -> bool: ...

    def replace(self, name: str, upstream_id: str, source: str, body: ReplaceSm, done: Done) -> bool: ...


class _Told(NamedTuple):
    """What query_sm answers."""

    state: MessageState
    final_at: int | None
    error: int


class Services:
    """Answers after the store has: what is reported is committed, and what was changed too."""

    def __init__(
        self,
        domain: Domain,
        directory: Directory,
        dispatcher: Dispatcher,
        upstream: Upstream,
        settings: SmsSettings,
        texts: TextRules,
        on_deliveries: Callable[[Sequence[Delivery]], None],
        on_trust_rows: Callable[[], None],
    ) -> None:
        self._domain = domain
        self._directory = directory
        self._dispatcher = dispatcher
        self._upstream = upstream
        self._settings = settings
        self._replacements = Replacements(domain, directory, texts, settings)
        self._on_deliveries = on_deliveries
        self._on_trust_rows = on_trust_rows

    # --- query_sm -------------------------------------------------------------------------------------

    def query(self, session: EsmeSession, account: AccountRow, pdu: Pdu) -> None:
        """State, final date and error of a message; of a submit_multi those of the one that is furthest behind."""
        body = pdu.body
        assert isinstance(body, QuerySm)
        message_id = _id(body.message_id)
        if message_id is None:
            session.reject(pdu, CommandStatus.ESME_RINVMSGID)
            return
        is_5_0 = session.version >= VERSION_5_0

        def op(conn: sqlite3.Connection) -> _Told | None:
            return self._look(conn, account, message_id, _number(body.source_addr), is_5_0)

        def done(told: _Told | None, error: BaseException | None) -> None:
            if error is not None:
                session.reject(pdu, CommandStatus.ESME_RTHROTTLED)
            elif told is None:
                session.reject(pdu, CommandStatus.ESME_RQUERYFAIL)
            else:
                final = b""
                if told.final_at is not None:
                    final = format_absolute(datetime.fromtimestamp(told.final_at / 1000, UTC))
                session.respond(
                    pdu.sequence_number,
                    QuerySmResp(
                        message_id=text_of(message_id).encode(),
                        final_date=final,
                        message_state=told.state,
                        error_code=min(told.error, 255),
                    ),
                )

        self._submit(session, pdu, op, done)

    def _look(
        self, conn: sqlite3.Connection, account: AccountRow, message_id: int, source: str, is_5_0: bool
    ) -> _Told | None:
        now = self._domain.now_ms()
        told = [
            _pending(each, now, is_5_0)
            for each in self._own(conn, account, message_id)
            if source in ("", each.row.access_number)
        ]
        told += (
            _Told(MessageState[cdr.result], cdr.ended_at, cdr.error)
            for cdr in records.cdrs(conn, message_id, message_id + MULTI_MAX)
            if cdr.kind == "mt"
            and cdr.account == account.system_id
            and source in ("", cdr.access_number)
            and (cdr.id == message_id or cdr.public_id == message_id)
        )
        return min(told, key=lambda each: each.final_at is not None, default=None)

    def _own(self, conn: sqlite3.Connection, account: AccountRow, message_id: int) -> list[Stored]:
        found = messages.of_public_id(conn, message_id, message_id, message_id + MULTI_MAX)
        return [each for each in found if each.row.account == account.system_id]

    # --- cancel_sm ------------------------------------------------------------------------------------

    def cancel(self, session: EsmeSession, account: AccountRow, pdu: Pdu) -> None:
        """End what was not delivered: one message by id, or all that wait between two addresses (3.4, 4.9).

        What the SMSC has already is cancelled there, and its answer decides.
        """
        body = pdu.body
        assert isinstance(body, CancelSm)
        message_id = _id(body.message_id) if body.message_id.strip(b"\0") else 0
        if message_id is None:
            session.reject(pdu, CommandStatus.ESME_RINVMSGID)
            return
        source, aid = _number(body.source_addr), _number(body.destination_addr)

        def op(conn: sqlite3.Connection) -> list[Stored]:
            if not message_id:
                found = self._directory.source_of(account, source)
                if found is None:
                    return []
                waiting = messages.queued_to(conn, account.system_id, found[0], aid, CANCELLED_MAX)
                # 3.4, 4.9.1: where it names a service, the messages of that service.
                return [
                    each
                    for each in waiting
                    if body.service_type in (b"", service_type_of(self._domain, each))
                ]
            return [
                each
                for each in self._own(conn, account, message_id)
                if each.state != State.FINAL
                and source in ("", each.row.access_number)
                and aid in ("", each.row.aid)
            ]

        def done(found: list[Stored] | None, error: BaseException | None) -> None:
            if error is not None:
                session.reject(pdu, CommandStatus.ESME_RTHROTTLED)
            elif not found:
                session.reject(pdu, CommandStatus.ESME_RCANCELFAIL)
            else:
                self._cancel(session, pdu, found, is_one=bool(message_id))

        self._submit(session, pdu, op, done)

    def _cancel(self, session: EsmeSession, pdu: Pdu, found: Sequence[Stored], *, is_one: bool) -> None:
        """All that one id names, or ESME_RCANCELFAIL: what could be deleted is deleted then too, and its receipt
        says so. Between two addresses what does not wait here any more is left."""
        here = [
            each for each in found if each.state < State.ACCEPTED and self._dispatcher.withdraw(each.row.id)
        ]
        there = [each for each in found if each.state == State.ACCEPTED]
        waiting = len(there) + (1 if here else 0)
        status = int(CommandStatus.ESME_ROK)
        if not waiting or (is_one and len(here) + len(there) < len(found)):
            status = CommandStatus.ESME_RCANCELFAIL  # between here and an SMSC

        def answered(fault: int) -> None:
            nonlocal waiting, status
            waiting -= 1
            status = status or fault
            if waiting > 0:
                return
            if status:
                session.reject(pdu, status)
            else:
                session.respond(pdu.sequence_number, CancelSmResp())

        if not waiting:
            answered(status)
        if here:
            self._end(partial(self._delete, here), answered)
        for each in there:
            self._cancel_upstream(each, answered)

    def _delete(self, here: Sequence[Stored], conn: sqlite3.Connection) -> list[Delivery]:
        ends = []
        for each in here:
            now = messages.get(conn, each.row.id)
            if now is not None and now.state < State.ACCEPTED:
                ends.append(End(each.row, MessageState.DELETED))
        if not ends:
            raise LookupError("nothing of it waits any more")
        return finish_messages(conn, self._domain, ends, self._settings.outbox_validity_s)

    def _cancel_upstream(self, stored: Stored, answered: Callable[[int], None]) -> None:
        end = End(stored.row, MessageState.DELETED)

        def told(answer: Pdu | RequestFailed) -> None:
            if isinstance(answer, RequestFailed) or answer.command_status != CommandStatus.ESME_ROK:
                answered(CommandStatus.ESME_RCANCELFAIL)
                return
            self._end(
                lambda conn: finish_one(conn, self._domain, end, self._settings.outbox_validity_s), answered
            )

        if not cancel_upstream(self._domain, self._upstream, stored, told):
            answered(CommandStatus.ESME_RCANCELFAIL)

    def _end(
        self, op: Callable[[sqlite3.Connection], list[Delivery]], answered: Callable[[int], None]
    ) -> None:
        def done(deliveries: list[Delivery] | None, error: BaseException | None) -> None:
            if deliveries is None:
                is_late = isinstance(error, LookupError)
                answered(CommandStatus.ESME_RCANCELFAIL if is_late else CommandStatus.ESME_RTHROTTLED)
                return
            answered(CommandStatus.ESME_ROK)
            self._on_deliveries(deliveries)
            self._on_trust_rows()

        try:
            self._domain.store.submit(op, done)
        except _FAILURES:
            answered(CommandStatus.ESME_RTHROTTLED)

    # --- replace_sm -----------------------------------------------------------------------------------

    def replace(self, session: EsmeSession, account: AccountRow, pdu: Pdu) -> None:
        """Another text, and other times, for a message that was not delivered (3.4, 4.10). What the SMSC has is
        replaced there, and its answer decides."""
        body = pdu.body
        assert isinstance(body, ReplaceSm)
        message_id = _id(body.message_id)
        if message_id is None:
            session.reject(pdu, CommandStatus.ESME_RINVMSGID)
            return

        def find(conn: sqlite3.Connection) -> Stored | None:
            return self._replaceable(conn, account, body, message_id)

        def found(mine: Stored | None, error: BaseException | None) -> None:
            if error is not None:
                session.reject(pdu, CommandStatus.ESME_RTHROTTLED)
            elif mine is not None and mine.state == State.ACCEPTED:
                self._replace_upstream(session, pdu, account, mine)
            elif mine is None or not self._dispatcher.withdraw(message_id):
                session.reject(pdu, CommandStatus.ESME_RREPLACEFAIL)
            else:
                self._submit(session, pdu, change, changed)

        def change(conn: sqlite3.Connection) -> int:
            stored = self._replaceable(conn, account, body, message_id)
            if stored is None or stored.state != State.QUEUED:
                return CommandStatus.ESME_RREPLACEFAIL
            made = self._replacements.make(account, stored, body)
            return self._put(conn, made, State.QUEUED) if isinstance(made, Replacement) else made

        def changed(status: int | None, error: BaseException | None) -> None:
            if error is not None or status is None:
                session.reject(pdu, CommandStatus.ESME_RTHROTTLED)
            elif status:
                session.reject(pdu, status)
            else:
                session.respond(pdu.sequence_number, ReplaceSmResp())

        self._submit(session, pdu, find, found)

    def _replace_upstream(self, session: EsmeSession, pdu: Pdu, account: AccountRow, stored: Stored) -> None:
        body = pdu.body
        assert isinstance(body, ReplaceSm)
        if body.schedule_delivery_time or stored.upstream is None or stored.upstream_id is None:
            # It has been sent: when is settled.
            session.reject(pdu, CommandStatus.ESME_RREPLACEFAIL)
            return
        made = self._replacements.make(account, stored, body)
        if not isinstance(made, Replacement):
            session.reject(pdu, made)
            return
        replacement = made

        def told(answer: Pdu | RequestFailed) -> None:
            if isinstance(answer, RequestFailed) or answer.command_status != CommandStatus.ESME_ROK:
                session.reject(pdu, CommandStatus.ESME_RREPLACEFAIL)
            else:
                self._submit(session, pdu, put, done)

        def put(conn: sqlite3.Connection) -> int:
            return self._put(conn, replacement, State.ACCEPTED)

        def done(_status: int | None, error: BaseException | None) -> None:
            # Also when its receipt came meanwhile: the SMSC has said that it replaced it.
            if error is not None:
                session.reject(pdu, CommandStatus.ESME_RTHROTTLED)
            else:
                session.respond(pdu.sequence_number, ReplaceSmResp())

        smsc = stored.upstream.partition("/")[0]
        there = ReplaceSm(
            validity_period=replacement.validity,
            registered_delivery=replacement.submit.registered_delivery,
            sm_default_msg_id=replacement.submit.sm_default_msg_id,
            short_message=replacement.submit.short_message,
            tlvs=[each for each in replacement.submit.tlvs if each[0] == Tag.MESSAGE_PAYLOAD],
        )
        if not self._upstream.replace(smsc, stored.upstream_id, stored.row.access_number, there, told):
            session.reject(pdu, CommandStatus.ESME_RREPLACEFAIL)

    def _put(self, conn: sqlite3.Connection, made: Replacement, state: State) -> int:
        # What is remembered of it says what it was.
        self._domain.recent.remove(made.row.id)
        sealed = self._domain.vault.seal(SEAL_MESSAGE, made.frame)
        done = messages.replace(conn, made.row, sealed, state)
        return CommandStatus.ESME_ROK if done else CommandStatus.ESME_RREPLACEFAIL

    @staticmethod
    def _replaceable(
        conn: sqlite3.Connection, account: AccountRow, body: ReplaceSm, message_id: int
    ) -> Stored | None:
        """The account's own whole message that has no outcome; a part of a long one has no text of its own, and
        an id that the messages of a submit_multi share names none of them."""
        stored = messages.get(conn, message_id)
        if (
            stored is None
            or stored.state not in (State.QUEUED, State.ACCEPTED)
            or stored.row.account != account.system_id
            or stored.row.long_id is not None
            or stored.row.public_id != stored.row.id
            or _number(body.source_addr) not in ("", stored.row.access_number)
            or _is_shared(conn, message_id)
        ):
            return None
        return stored

    # --- all three ------------------------------------------------------------------------------------

    def _submit(
        self,
        session: EsmeSession,
        pdu: Pdu,
        op: Callable[[sqlite3.Connection], R],
        done: Callable[[R | None, BaseException | None], None],
    ) -> None:
        try:
            self._domain.store.submit(op, done)
        except _FAILURES:
            session.reject(pdu, CommandStatus.ESME_RTHROTTLED)


def service_type_of(domain: Domain, stored: Stored) -> bytes:
    """Of the submit_sm that waits."""
    sent = decode(open_outgoing(domain, stored).frame).body
    assert isinstance(sent, SubmitSm)
    return sent.service_type


def cancel_upstream(domain: Domain, upstream: Upstream, stored: Stored, done: Done) -> bool:
    """Ask the SMSC that has the message to delete it; False when that cannot be asked."""
    if stored.upstream is None or stored.upstream_id is None or stored.sealed is None:
        return False
    smsc = stored.upstream.partition("/")[0]
    sent = decode(open_outgoing(domain, stored).frame).body
    assert isinstance(sent, SubmitSm)
    destination = sent.destination_addr.decode("ascii")
    return upstream.cancel(smsc, stored.upstream_id, stored.row.access_number, destination, done)


def _pending(stored: Stored, now: int, is_5_0: bool) -> _Told:
    if stored.state == State.FINAL:
        return _Told(MessageState(stored.outcome or 0), stored.done_at, stored.error or 0)
    # SCHEDULED is 5.0's (4.7.15); to 3.4 a message that waits is on its way.
    scheduled = is_5_0 and stored.state == State.QUEUED and stored.row.not_before > now
    return _Told(MessageState.SCHEDULED if scheduled else MessageState.ENROUTE, None, 0)


def _is_shared(conn: sqlite3.Connection, message_id: int) -> bool:
    """Whether other messages, pending or with their outcome, have the same public id."""
    first, last = message_id + 1, message_id + MULTI_MAX
    return bool(messages.of_public_id(conn, message_id, first, last)) or any(
        cdr.public_id == message_id for cdr in records.cdrs(conn, first, last)
    )


def _id(raw: bytes) -> int | None:
    return id_of(raw.decode("latin-1").lower())


def _number(raw: bytes) -> str:
    return raw.decode("latin-1")
