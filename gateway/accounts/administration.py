"""What an operator adds to a gateway, running or stopped: enterprises, access numbers, subscribers."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TextIO

from foundation.rows import groups
from gateway.access_number import AccessNumberRow
from gateway.accounts.account_options import (
    AccessNumberOptions,
    AccountOptions,
    check_access_number,
    check_account,
    password_hash,
)
from gateway.accounts.number_plan import check_not_ours, check_place, whole_number
from gateway.store import accounts, edis
from gateway.store.domain import Domain
from gateway.store.subscribers import HoldingLine, import_lines
from interparty.edi import IdType
from masking.resolve import End
from sip.digest import ha1

SUBSCRIBER_COLUMNS = ("msisdn", "id_type", "id", "valid_from", "valid_to")
ENDED_COLUMN = "ended"
"""A sixth column that a subscriber file may have."""
LINES_AT_ONCE = 1_000
"""Lines of a subscriber file in one commit: some 50 ms, for which a running gateway waits."""
ENDS = {"": End.OPEN, "changed": End.CHANGED, "ported_out": End.PORTED_OUT}
"""What it says to how a holding ended; nothing: not told."""

_SHANGHAI = timedelta(hours=8)


class SubscriberLineError(ValueError):
    """A line of the subscriber file is not understood; says which and why, never its values."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line


def add_enterprise(
    conn: sqlite3.Connection,
    *,
    enterprise_id: str,
    name: str,
    system_id: str,
    smpp_password: str,
    max_binds: int,
    sip_username: str,
    sip_password: str,
    realm: str,
    default_access_number: str,
    sip_contact: str | None,
    max_calls: int,
    options: AccountOptions | None = None,
) -> None:
    """An enterprise with one SMPP account and one SIP trunk. Raises AccountExists, ValueError."""
    account = accounts.AccountRow(system_id, enterprise_id, password_hash(smpp_password), max_binds)
    account = check_account(replace(account, **(options or {})))
    accounts.add_enterprise(conn, enterprise_id, name)
    accounts.add_account(conn, account)
    accounts.add_trunk(
        conn,
        accounts.TrunkRow(
            username=sip_username,
            enterprise_id=enterprise_id,
            realm=realm,
            ha1_md5=ha1(sip_username, realm, sip_password, "MD5"),
            ha1_sha256=ha1(sip_username, realm, sip_password, "SHA-256"),
            default_access_number=default_access_number,
            contact=sip_contact,
            max_calls=max_calls,
        ),
    )


def add_access_number(
    conn: sqlite3.Connection,
    *,
    number: str,
    enterprise_id: str,
    sms_account: str | None,
    voice_trunk: str | None,
    confirmation_number: str,
    sub_code: str | None = None,
    options: AccessNumberOptions | None = None,
) -> str:
    """Give an access number, or a sub-code of a shared one, to its one owner; the whole number.

    `confirmation_number` is the carrier's own. Raises AccountExists, UnknownEnterprise, ValueError.
    """
    rows = accounts.load(conn)
    whole = number if sub_code is None else whole_number(rows, number, sub_code)
    check_not_ours(whole, confirmation_number)
    row = AccessNumberRow(whole, enterprise_id, sms_account, voice_trunk)
    accounts.add_access_number(conn, check_place(rows, check_access_number(replace(row, **(options or {})))))
    return whole


def bar_subscribers(
    conn: sqlite3.Connection, domain: Domain, msisdns: Sequence[str], *, lift: bool = False
) -> int:
    """Put subscribers (E.164 digits, + allowed) on the operator's list, or take them off it with `lift`; how many
    were not there, or were. Raises ValueError for what is no number, without repeating it."""
    numbers = [each.removeprefix("+") for each in msisdns]
    for place, number in enumerate(numbers, start=1):
        if not (number.isascii() and number.isdigit() and 5 <= len(number) <= 15):
            raise ValueError(f"number {place} is not E.164 digits")
    changed = 0
    for number in dict.fromkeys(numbers):
        index = domain.vault.find_msisdn(conn, number) if lift else domain.vault.msisdn_index(conn, number)
        if index is None:
            continue  # nothing is about it
        was_barred = (edis.EVERY_ENTERPRISE, index) in edis.blocked_at(conn, [index])
        changed += was_barred is lift
        if lift:
            edis.unbar(conn, index)
        else:
            edis.bar(conn, index, domain.now_ms())
    return changed


def read_subscribers(file: TextIO) -> Iterator[HoldingLine]:
    """Lines of a CSV with the header msisdn,id_type,id,valid_from,valid_to or the same and ended.

    msisdn: E.164 digits, + allowed. id_type: IMEI, IMSI, OAID, IDFA, ZHUOXIN, CARRIER_NETWORK or its
    number. Dates: YYYY-MM-DD (midnight in Asia/Shanghai) or ISO 8601 with an offset; valid_to is not
    included and may be empty. ended, only with valid_to: changed, ported_out or empty. Raises
    SubscriberLineError.
    """
    reader = csv.DictReader(file)
    columns = tuple(reader.fieldnames or ())
    if columns not in (SUBSCRIBER_COLUMNS, (*SUBSCRIBER_COLUMNS, ENDED_COLUMN)):
        raise SubscriberLineError(1, f"the header must be {','.join(SUBSCRIBER_COLUMNS)} (,{ENDED_COLUMN})")
    for row in reader:
        line = reader.line_num
        if None in row or None in row.values():
            raise SubscriberLineError(line, f"does not have {len(columns)} columns")
        msisdn = (row["msisdn"] or "").removeprefix("+")
        if not (msisdn.isascii() and msisdn.isdigit() and 5 <= len(msisdn) <= 15):
            raise SubscriberLineError(line, "msisdn is not E.164 digits")
        if not row["id"]:
            raise SubscriberLineError(line, "id is empty")
        valid_from = _when(row["valid_from"], line, "valid_from")
        valid_to = _when(row["valid_to"], line, "valid_to") if row["valid_to"] else None
        if valid_to is not None and valid_to <= valid_from:
            raise SubscriberLineError(line, "valid_to is not after valid_from")
        ended = row.get(ENDED_COLUMN, "")
        if ended not in ENDS:
            raise SubscriberLineError(line, f"{ENDED_COLUMN} is not one of changed, ported_out")
        if ended and valid_to is None:
            raise SubscriberLineError(line, f"{ENDED_COLUMN} without valid_to")
        yield HoldingLine(
            msisdn, _id_type(row["id_type"], line), row["id"], valid_from, valid_to, ENDS[ended]
        )


def _id_type(text: str, line: int) -> int:
    try:
        return int(IdType[text.upper()]) if not text.isdigit() else int(IdType(int(text)))
    except (KeyError, ValueError):
        raise SubscriberLineError(line, "id_type is not one of the EDI's") from None


def _when(text: str, line: int, column: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SubscriberLineError(line, f"{column} is not a date") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC) - _SHANGHAI
    return int(moment.timestamp() * 1000)


async def import_subscribers(domain: Domain, path: Path) -> int:
    """Import a subscriber file; nothing of it when a line is wrong. Returns lines that were new or changed.

    It goes in steps, subscriptions first, so that a running gateway does not wait for all of it. One that sees a part
    of a move, from one person to another, finds nobody or two, and refuses. What was interrupted is imported again:
    what is there already is not new. Raises SubscriberLineError, StoreBusy, StoreUnavailable, OSError.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = sorted(read_subscribers(file), key=lambda line: line.id_type != IdType.IMSI)
    now, new = domain.now_ms(), 0
    for some in groups(lines, LINES_AT_ONCE):
        new += await domain.store.write(partial(import_lines, vault=domain.vault, lines=some, now_ms=now))
    return new
