"""What an SMSC took: its name for each message is kept, and a receipt that came before that name finds its message."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.sms import upstream_ids
from gateway.sms.final import FINAL_STATES, Delivery, End, finish_one
from gateway.store import messages
from gateway.store.domain import Domain
from gateway.store.messages import MessageRow, ParkedReceipt
from smpp.receipts import MessageState


class Accepted(NamedTuple):
    """The SMSC answered for a message: its name, and the id that it gave."""

    row: MessageRow
    smsc: str
    upstream_id: str


def upstream_key(smsc: str, key: str) -> str:
    """One column for SMSC and id: ids are unique only within an SMSC."""
    return f"{smsc}/{key}"


def record(
    conn: sqlite3.Connection,
    domain: Domain,
    dialects: Mapping[str, upstream_ids.Dialect],
    accepted: Sequence[Accepted],
    outbox_validity_s: int,
) -> dict[int, list[Delivery]]:
    """Keep under which id each message is known to its SMSC, within a commit. Returns, by message, the receipts for
    the enterprise of those whose outcome was here already."""
    named: list[tuple[Accepted, str]] = []
    nameless: list[int] = []
    rows: list[tuple[int, str, str]] = []
    remember = domain.recent.put
    for each in accepted:
        row, smsc, upstream_id = each
        key = upstream_ids.key(dialects[smsc], upstream_id)
        if not key:
            nameless.append(row.id)
            continue
        key = upstream_key(smsc, key)
        named.append((each, key))
        rows.append((row.id, key, upstream_id))
        remember(key, upstream_key(smsc, upstream_id), row)
    messages.accept(conn, rows)
    messages.accept_nameless(conn, nameless)
    if not domain.recent.may_be_parked:
        return {}
    parked = messages.unpark(conn, [key for _, key in named])
    return _claim(conn, domain, dialects, named, parked, outbox_validity_s) if parked else {}


def _claim(
    conn: sqlite3.Connection,
    domain: Domain,
    dialects: Mapping[str, upstream_ids.Dialect],
    named: list[tuple[Accepted, str]],
    parked: list[ParkedReceipt],
    outbox_validity_s: int,
) -> dict[int, list[Delivery]]:
    """Receipts that came before the response which names their message."""
    by_key: dict[str, list[Accepted]] = {}
    for each, key in named:
        by_key.setdefault(key, []).append(each)
    found: dict[int, list[Delivery]] = {}
    for receipt in parked:
        # The id that reads the same decides; else the one message under the key.
        candidates = by_key.get(receipt.upstream, [])
        chosen = upstream_ids.pick(
            receipt.upstream_id, [(each.upstream_id, each) for each in reversed(candidates)]
        )
        state = MessageState(receipt.message_state)
        if chosen is None or state not in FINAL_STATES or chosen.row.id in found:
            continue
        readings = upstream_ids.keys(dialects[chosen.smsc], receipt.upstream_id)
        messages.forget_parked(
            conn, receipt.upstream_id, [upstream_key(chosen.smsc, each) for each in readings]
        )
        end = End(chosen.row, state, receipt.error)
        found[chosen.row.id] = finish_one(conn, domain, end, outbox_validity_s)
    return found
