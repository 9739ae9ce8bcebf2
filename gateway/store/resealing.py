"""Which columns of the carrier's database are sealed under its data key, and how they are sealed anew."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Final

from foundation import resealing
from foundation.resealing import Column
from foundation.seal import Sealer
from foundation.store import LOCK_WAIT_S
from gateway.settings import GatewaySettings
from gateway.store import blind_index
from gateway.store.accounts import SEAL_ACCOUNT_KEY, SEAL_OUTBIND


def _labelled(table: str, key: str, sealed: str, label: str, where: str = "1") -> Column:
    """A column of `Vault.seal`."""
    return Column(table, key, sealed, lambda _: label.encode("ascii"), where)


COLUMNS: Final = (
    Column("blind_index", "tag", "sealed", lambda name: blind_index.SEAL + bytes(name), bound_to="name"),
    _labelled("account", "system_id", "key_sealed", SEAL_ACCOUNT_KEY),
    _labelled("account", "system_id", "outbind_sealed", SEAL_OUTBIND, "length(outbind_sealed) > 0"),
    _labelled("holding", "id", "msisdn_sealed", "msisdn"),
    _labelled("edi", "edi_id", "msisdn_sealed", "msisdn"),
    _labelled("message", "id", "sealed", "message", "sealed IS NOT NULL"),
    _labelled("inbound", "id", "sealed", "inbound"),
    _labelled("enterprise_outbox", "id", "body", "enterprise_outbox", "is_sealed = 1"),
    _labelled("confirmation", "id", "sealed", "confirmation"),
    _labelled("call", "id", "sealed", "call"),
    _labelled("number_query", "sealed_sm3", "number_sealed", "number_query.number"),
)


def reseal(settings: GatewaySettings, sealer: Sealer) -> dict[str, int]:
    """Seal anew whatever is not under the current data key, beside a running gateway or without one; how many values of
    each column. May be repeated, and goes on where it was ended. Raises as foundation.resealing.reseal."""
    with closing(sqlite3.connect(settings.database, timeout=LOCK_WAIT_S, isolation_level=None)) as conn:
        conn.execute("PRAGMA synchronous=FULL")
        done = resealing.reseal(conn, COLUMNS, sealer)
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return done
