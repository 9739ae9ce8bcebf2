"""Receipts from the SMSC: to the message they name, in either order, acknowledged after the commit."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

from foundation.store import Stage, StoreBusy, StoreUnavailable
from gateway.records import metrics
from gateway.sms import upstream_ids
from gateway.sms.accepted import upstream_key
from gateway.sms.final import (
    FINAL_STATES,
    INTERMEDIATE_ASKED,
    Delivery,
    End,
    finish_messages,
    put_intermediate,
)
from gateway.sms_settings import SmsSettings
from gateway.store import messages
from gateway.store.domain import Domain
from gateway.store.messages import MessageRow, Named, ParkedReceipt
from smpp.aio.connection import Connection
from smpp.constants import CommandId, CommandStatus, MessageState
from smpp.pdu import DataSmResp
from smpp.receipts import Outcome

RECEIPTS_ORDER = 30

_log = logging.getLogger(__name__)
_DELIVER_SM: Final = int(CommandId.DELIVER_SM)


Asked = tuple[int, int, Outcome]
"""A receipt: sequence number, command_id (deliver_sm or data_sm), what it says."""


class _Arrived(NamedTuple):
    """One receipt on its way to its answer."""

    connection: Connection
    sequence_number: int
    command_id: int
    smsc: str
    upstream_id: str
    state: MessageState
    error: str


class Receipts:
    """Takes every receipt; what names no message yet is parked until the response that does."""

    def __init__(
        self,
        domain: Domain,
        settings: SmsSettings,
        dialects: Mapping[str, upstream_ids.Dialect],
        on_deliveries: Callable[[Sequence[Delivery]], None],
        on_trust_rows: Callable[[], None],
    ) -> None:
        """`dialects`: how each SMSC, by name, writes the ids of messages."""
        self._domain = domain
        self._settings = settings
        self._dialects = dialects
        self._on_deliveries = on_deliveries
        self._on_trust_rows = on_trust_rows
        self._stage: Stage[_Arrived, list[Delivery]] = Stage(self._commit, self._done, order=RECEIPTS_ORDER)

    def take(self, smsc: str, connection: Connection, asked: Sequence[Asked]) -> None:
        """Commit what receipts say, then answer them."""
        arrived = [
            _Arrived(connection, number, command_id, smsc, message_id.decode("latin-1"), state, error)
            for number, command_id, (message_id, state, error) in asked
        ]
        try:
            self._domain.store.put_all(self._stage, arrived)
        except (StoreBusy, StoreUnavailable):
            _reject(arrived)

    def _done(
        self, arrived: list[_Arrived], results: list[list[Delivery]] | None, error: BaseException | None
    ) -> None:
        if results is None:
            if not isinstance(error, StoreBusy | StoreUnavailable):
                _log.error("receipts not stored", exc_info=error)
            _reject(arrived)
            return
        by_connection: dict[Connection, list[tuple[int, bytes]]] = {}
        for each in arrived:
            if each.command_id == _DELIVER_SM:
                by_connection.setdefault(each.connection, []).append((each.sequence_number, b""))
            else:
                each.connection.respond(each.sequence_number, DataSmResp())
        for connection, answers in by_connection.items():
            connection.respond_messages(answers)
        self._on_deliveries([delivery for deliveries in results for delivery in deliveries])
        self._on_trust_rows()

    def _commit(self, conn: sqlite3.Connection, arrived: list[_Arrived]) -> list[list[Delivery]]:
        ends: dict[int, End] = {}
        parked: list[ParkedReceipt] = []
        deliveries: list[Delivery] = []
        for each, row in zip(arrived, self._correlate(conn, arrived), strict=True):
            state = each.state
            error = int(each.error) if each.error.isdigit() else 0
            if row is None:
                keys = self._keys(each)
                if state in FINAL_STATES and keys:
                    metrics.RECEIPTS.add("parked")
                    parked += (
                        ParkedReceipt(
                            self._domain.ids.next(),
                            key,
                            each.upstream_id,
                            self._domain.now_ms(),
                            state,
                            error,
                        )
                        for key in keys
                    )
                else:
                    # It changes nothing, and parked it would stand before the final one.
                    metrics.RECEIPTS.add("intermediate" if keys else "nameless")
            elif state not in FINAL_STATES:
                metrics.RECEIPTS.add("intermediate")
                if row.registered_delivery & INTERMEDIATE_ASKED:
                    deliveries += put_intermediate(
                        conn, self._domain, End(row, state), self._settings.outbox_validity_s
                    )
            elif row.id in ends:
                metrics.RECEIPTS.add("again")
            else:
                ends[row.id] = End(row, state, error)
        metrics.RECEIPTS.add("matched", n=len(ends))
        if parked:
            self._domain.recent.may_be_parked = True
            messages.park(conn, parked)
        deliveries += finish_messages(
            conn, self._domain, list(ends.values()), self._settings.outbox_validity_s
        )
        # Whose acknowledgement they go with does not matter: all are in this commit.
        results: list[list[Delivery]] = [_NONE] * len(arrived)
        results[0] = deliveries
        return results

    def _keys(self, each: _Arrived) -> list[str]:
        """The upstream keys of the messages that a receipt may mean."""
        return [
            upstream_key(each.smsc, key)
            for key in upstream_ids.keys(self._dialects[each.smsc], each.upstream_id)
        ]

    def _correlate(self, conn: sqlite3.Connection, arrived: list[_Arrived]) -> list[MessageRow | None]:
        """The message that each receipt names, or None; what is in doubt is nobody's."""
        recent = self._domain.recent.get
        rows = [recent(upstream_key(each.smsc, each.upstream_id)) for each in arrived]
        if None not in rows:
            return rows
        keys = {place: self._keys(arrived[place]) for place, row in enumerate(rows) if row is None}
        by_key: dict[str, list[Named]] = {}
        for named in messages.named(conn, list(dict.fromkeys(chain.from_iterable(keys.values())))):
            by_key.setdefault(named.upstream, []).append(named)
        for place, own in keys.items():
            candidates = [named for key in own for named in by_key.get(key, ())]
            candidates.sort(key=lambda named: named.row.id, reverse=True)
            rows[place] = upstream_ids.pick(
                arrived[place].upstream_id, [(named.upstream_id, named.row) for named in candidates]
            )
        return rows


_NONE: Final[list[Delivery]] = []


def _reject(arrived: Sequence[_Arrived]) -> None:
    for each in arrived:
        each.connection.reject_request(each.sequence_number, each.command_id, CommandStatus.ESME_RX_T_APPN)
