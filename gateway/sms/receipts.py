"""Receipts from the SMSC: to the message they name, in either order, acknowledged after the commit."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from foundation.store import Stage, StoreBusy, StoreUnavailable
from gateway.records import metrics
from gateway.settings import SmsSettings
from gateway.sms import upstream_ids
from gateway.sms.dispatch import upstream_key
from gateway.sms.final import (
    FINAL_STATES,
    INTERMEDIATE_ASKED,
    Delivery,
    End,
    finish_messages,
    put_intermediate,
)
from gateway.store import messages
from gateway.store.domain import Domain
from gateway.store.messages import MessageRow, Named, ParkedReceipt
from smpp.aio.connection import Connection
from smpp.constants import CommandStatus
from smpp.pdu import DataSm, DataSmResp, Pdu
from smpp.receipts import Receipt

RECEIPTS_ORDER = 30

_log = logging.getLogger(__name__)


class _Arrived(NamedTuple):
    """One receipt on its way to its answer. `keys` are the ids it may mean."""

    connection: Connection
    pdu: Pdu
    receipt: Receipt
    upstream_id: str
    keys: tuple[str, ...]


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

    def take(self, smsc: str, connection: Connection, pdu: Pdu, receipt: Receipt) -> None:
        """Commit what the receipt says, then answer it."""
        upstream_id = receipt.message_id.decode("latin-1")
        keys = tuple(upstream_key(smsc, key) for key in upstream_ids.keys(self._dialects[smsc], upstream_id))
        try:
            self._domain.store.put(self._stage, _Arrived(connection, pdu, receipt, upstream_id, keys))
        except (StoreBusy, StoreUnavailable):
            connection.reject(pdu, CommandStatus.ESME_RX_T_APPN)

    def _done(
        self, arrived: list[_Arrived], results: list[list[Delivery]] | None, error: BaseException | None
    ) -> None:
        if results is None:
            if not isinstance(error, StoreBusy | StoreUnavailable):
                _log.error("receipts not stored", exc_info=error)
            for each in arrived:
                each.connection.reject(each.pdu, CommandStatus.ESME_RX_T_APPN)
            return
        for each in arrived:
            if isinstance(each.pdu.body, DataSm):
                each.connection.respond(each.pdu.sequence_number, DataSmResp())
            else:
                each.connection.respond_message(each.pdu.sequence_number)
        self._on_deliveries([delivery for deliveries in results for delivery in deliveries])
        self._on_trust_rows()

    def _commit(self, conn: sqlite3.Connection, arrived: list[_Arrived]) -> list[list[Delivery]]:
        rows = self._correlate(conn, arrived)
        ends: dict[int, tuple[int, End]] = {}
        parked: list[ParkedReceipt] = []
        deliveries: list[list[Delivery]] = [[] for _ in arrived]
        for place, (each, row) in enumerate(zip(arrived, rows, strict=True)):
            state = each.receipt.state
            error = int(each.receipt.error) if each.receipt.error.isdigit() else 0
            if row is None:
                if state in FINAL_STATES and each.keys:
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
                        for key in each.keys
                    )
                else:
                    # It changes nothing, and parked it would stand before the final one.
                    metrics.RECEIPTS.add("intermediate" if each.keys else "nameless")
            elif state not in FINAL_STATES:
                metrics.RECEIPTS.add("intermediate")
                if row.registered_delivery & INTERMEDIATE_ASKED:
                    deliveries[place] = put_intermediate(
                        conn, self._domain, End(row, state), self._settings.outbox_validity_s
                    )
            elif row.id in ends:
                metrics.RECEIPTS.add("again")
            else:
                metrics.RECEIPTS.add("matched")
                ends[row.id] = (place, End(row, state, error))
        messages.park(conn, parked)
        finished = finish_messages(
            conn, self._domain, [end for _, end in ends.values()], self._settings.outbox_validity_s
        )
        if finished:
            # Whose acknowledgement it goes with does not matter: all are in this commit.
            deliveries[next(iter(ends.values()))[0]] += finished
        return deliveries

    def _correlate(self, conn: sqlite3.Connection, arrived: list[_Arrived]) -> list[MessageRow | None]:
        """The message that each receipt names, or None; what is in doubt is nobody's."""
        rows: list[MessageRow | None] = []
        unknown: list[str] = []
        for each in arrived:
            row = next(
                (
                    found
                    for key in each.keys
                    if (found := self._domain.recent.get(key, each.upstream_id)) is not None
                ),
                None,
            )
            rows.append(row)
            if row is None:
                unknown += each.keys
        if not unknown:
            return rows
        by_key: dict[str, list[Named]] = {}
        for named in messages.named(conn, list(dict.fromkeys(unknown))):
            by_key.setdefault(named.upstream, []).append(named)
        for place, each in enumerate(arrived):
            if rows[place] is None:
                candidates = [named for key in each.keys for named in by_key.get(key, ())]
                candidates.sort(key=lambda named: named.row.id, reverse=True)
                rows[place] = upstream_ids.pick(
                    each.upstream_id, [(named.upstream_id, named.row) for named in candidates]
                )
        return rows
