"""Orders of the trust party's operator: put beside a running one, which carries them out.

Each is a statement signed with the trust party's own SM2 key. A cancellation takes the way of every other, so that
evidence, audit and the carriers' revocations are the same; an unlinking erases the consent of an AID that is over. An
order that was put while nothing ran is carried out at the next start.
"""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from foundation.logs import get_logger
from foundation.store import Store
from gm.keystore import KeyProvider
from interparty import statements
from interparty.messages import Cancellation, SignedCancellation, Unlinking
from trust_party.admission import transaction
from trust_party.cancellations import Cancellations
from trust_party.clock import now_ms
from trust_party.directory import Caller
from trust_party.erasure import UNKNOWN, Erasure
from trust_party.keys import SIGN, open_store, sign_key
from trust_party.settings import TrustSettings

POLL_SECONDS: Final = 0.5
"""How often orders are looked for."""
ORDERS_READ: Final = 100
"""Orders carried out in one commit."""

Kind = Literal["cancel", "unlink"]
TAGS: Final[Mapping[Kind, str]] = {"cancel": statements.CANCEL, "unlink": statements.UNLINK}

# What was unlinked must not be linked by its order.
_DONE: Final = (
    "UPDATE orders SET result = :result, aid = CASE :result WHEN 'UNLINKED' THEN 0 ELSE aid END,"
    " statement = CASE :result WHEN 'UNLINKED' THEN '' ELSE statement END WHERE id = :id"
)

_log = get_logger(__name__)


def put(settings: TrustSettings, kind: Kind, enterprise: str, aids: Sequence[str], order: str) -> list[int]:
    """Put an order for each AID of an enterprise; the numbers under which `results` tells what came of them.

    `order` is the order's own number, 1 to 64 of letters, digits and . _ : -. Raises ValueError for what is no AID or
    no order number, KeyStoreError, OSError, sqlite3.Error, MigrationError.
    """
    key = sign_key(open_store(settings))
    made = [_statement(kind, enterprise, aid, order) for aid in aids]
    numbers: list[int] = []
    with transaction(settings) as conn:
        for aid, statement in zip(aids, made, strict=True):
            row = conn.execute(
                "INSERT INTO orders (tag, aid, statement, signature) VALUES (?, ?, ?, ?) RETURNING id",
                (
                    TAGS[kind],
                    int(aid),
                    statement.model_dump_json(exclude_none=True),
                    statements.sign(key, TAGS[kind], statement),
                ),
            ).fetchone()
            numbers.append(int(row[0]))
    return numbers


def _statement(kind: Kind, enterprise: str, aid: str, order: str) -> Cancellation | Unlinking:
    if kind == "cancel":
        return Cancellation(enterprise=enterprise, aid=aid, cause="TRUST_PARTY", order=order, at=now_ms())
    return Unlinking(enterprise=enterprise, aid=aid, order=order, at=now_ms())


def results(settings: TrustSettings, numbers: Sequence[int]) -> list[str | None]:
    """What came of orders: REVOKED, UNLINKED, UNKNOWN, LIVE (not over, so not unlinked), or None for one that is not
    carried out yet. Raises sqlite3.Error."""
    conn = sqlite3.connect(f"{settings.database.resolve().as_uri()}?mode=ro", uri=True)
    try:
        return [
            conn.execute("SELECT result FROM orders WHERE id = ?", (number,)).fetchone()[0]
            for number in numbers
        ]
    finally:
        conn.close()


class Orders:
    """Carries out what was put. `party` is the trust party's own id."""

    def __init__(
        self, store: Store, keys: KeyProvider, cancellations: Cancellations, erasure: Erasure, party: str
    ) -> None:
        self._store = store
        self._keys = keys
        self._cancellations = cancellations
        self._erasure = erasure
        self._party = party

    async def run(self) -> None:
        """Carry out for ever."""
        while True:
            try:
                while await self.carry_out(now_ms()) == ORDERS_READ:
                    pass
            except Exception:  # the store may be busy; the next round tries again
                _log.exception("orders wait")
            await asyncio.sleep(POLL_SECONDS)

    async def carry_out(self, now: int) -> int:
        """Carry out the oldest that wait; how many. Raises StoreBusy, StoreUnavailable."""
        rows = await self._store.read(
            "SELECT id, tag, statement, signature FROM orders WHERE result IS NULL ORDER BY id LIMIT ?",
            (ORDERS_READ,),
        )
        if not rows:
            return 0
        keys = {
            str(key.version): key.sm2.public_key for key in self._keys.keys(SIGN) if key.state != "destroyed"
        }
        caller = Caller(self._party, "trust party", keys)
        told = [{"result": await self._carry_out(caller, row, now), "id": row["id"]} for row in rows]
        await self._store.write(lambda conn: conn.executemany(_DONE, told).rowcount)
        _log.info("orders carried out", count=len(rows))
        return len(rows)

    async def _carry_out(self, caller: Caller, row: sqlite3.Row, now: int) -> str:
        if row["tag"] == statements.CANCEL:
            cancellation = Cancellation.model_validate_json(row["statement"])
            signed = SignedCancellation(statement=cancellation, signature=row["signature"])
            return (await self._cancellations.cancel(caller, [signed], now))[0].status
        unlinking = Unlinking.model_validate_json(row["statement"])
        if not any(
            statements.verify(key, statements.UNLINK, unlinking, row["signature"])
            for key in caller.sign_keys.values()
        ):
            return UNKNOWN
        return await self._erasure.unlink(int(unlinking.aid), unlinking.enterprise, unlinking.order, now)
