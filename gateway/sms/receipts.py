"""Receipts from the SMSC: to the message they name, in either order, acknowledged after the commit."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable

from foundation.store import StoreBusy, StoreUnavailable
from gateway.records import metrics
from gateway.settings import SmsSettings
from gateway.sms.final import FINAL_STATES, Delivery, finish_message
from gateway.store import messages
from gateway.store.domain import Domain
from smpp.aio.connection import Connection
from smpp.constants import CommandStatus
from smpp.pdu import DataSm, DataSmResp, DeliverSmResp, Pdu
from smpp.receipts import Receipt, id_forms

_log = logging.getLogger(__name__)


class Receipts:
    """Takes every receipt; what names no message yet is parked until the response that does."""

    def __init__(
        self,
        domain: Domain,
        settings: SmsSettings,
        on_delivery: Callable[[Delivery], None],
        on_trust_rows: Callable[[], None],
    ) -> None:
        self._domain = domain
        self._settings = settings
        self._on_delivery = on_delivery
        self._on_trust_rows = on_trust_rows

    def take(self, link: str, connection: Connection, pdu: Pdu, receipt: Receipt) -> None:
        """Commit what the receipt says, then answer it."""

        def done(delivery: Delivery | None, error: BaseException | None) -> None:
            if error is not None:
                if not isinstance(error, StoreBusy | StoreUnavailable):
                    _log.error("receipt not stored", exc_info=error)
                connection.reject(pdu, CommandStatus.ESME_RX_T_APPN)
                return
            if delivery is not None:
                self._on_delivery(delivery)
            self._on_trust_rows()
            resp = DataSmResp() if isinstance(pdu.body, DataSm) else DeliverSmResp()
            connection.respond(pdu.sequence_number, resp)

        try:
            self._domain.store.submit(lambda conn: self._commit(conn, link, receipt), done)
        except (StoreBusy, StoreUnavailable):
            connection.reject(pdu, CommandStatus.ESME_RX_T_APPN)

    def _commit(self, conn: sqlite3.Connection, link: str, receipt: Receipt) -> Delivery | None:
        if receipt.state not in FINAL_STATES:
            # It changes nothing, and parked it would stand before the final one.
            metrics.RECEIPTS.labels("intermediate").inc()
            return None
        forms = [form.decode("latin-1") for form in id_forms(receipt.message_id)]
        row = messages.correlate(conn, link, forms)
        if row is None:
            metrics.RECEIPTS.labels("parked").inc()
            messages.park(
                conn,
                self._domain.ids.next(),
                link,
                forms[0],
                self._domain.now_ms(),
                int(receipt.state),
                receipt.error,
            )
            return None
        metrics.RECEIPTS.labels("matched").inc()
        error = int(receipt.error) if receipt.error.isdigit() else 0
        return finish_message(conn, self._domain, row, receipt.state, error, self._settings.outbox_validity_s)
