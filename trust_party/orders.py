"""Orders of the trust party's operator that authorizations end: put beside a running one, which carries them out.

Each is a cancellation signed with the trust party's own SM2 key. It takes the way of every other cancellation, so that
evidence, audit and the carriers' revocations are the same. An order that was put while nothing ran is carried out at
the next start.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from foundation.logs import get_logger
from foundation.store import Store
from gm.keystore import KeyStore
from interparty import statements
from interparty.messages import Cancellation, SignedCancellation
from trust_party.admission import Caller, transaction
from trust_party.cancellations import Cancellations
from trust_party.clock import now_ms
from trust_party.keys import SIGN, open_store, sign_key
from trust_party.settings import TrustSettings

POLL_SECONDS: Final = 0.5
"""How often orders are looked for."""
ORDERS_READ: Final = 100
"""Orders carried out in one commit."""

_log = get_logger(__name__)


def put(settings: TrustSettings, enterprise: str, aids: Sequence[str], order: str) -> list[int]:
    """Put an order for each AID of an enterprise; the numbers under which `results` tells what came of them.

    `order` is the order's own number, 1 to 64 of letters, digits and . _ : -. Raises ValueError for what is no AID or
    no order number, KeyStoreError, OSError, sqlite3.Error, MigrationError.
    """
    key = sign_key(open_store(settings))
    made = [
        Cancellation(enterprise=enterprise, aid=aid, cause="TRUST_PARTY", order=order, at=now_ms())
        for aid in aids
    ]
    numbers: list[int] = []
    with transaction(settings) as conn:
        for statement in made:
            row = conn.execute(
                "INSERT INTO orders (statement, signature) VALUES (?, ?) RETURNING id",
                (
                    statement.model_dump_json(exclude_none=True),
                    statements.sign(key, statements.CANCEL, statement),
                ),
            ).fetchone()
            numbers.append(int(row[0]))
    return numbers


def results(settings: TrustSettings, numbers: Sequence[int]) -> list[str | None]:
    """What came of orders: REVOKED, UNKNOWN, or None for one that is not carried out yet. Raises as `put`."""
    with transaction(settings) as conn:
        return [
            conn.execute("SELECT result FROM orders WHERE id = ?", (number,)).fetchone()[0]
            for number in numbers
        ]


class Orders:
    """Carries out what was put. `party` is the trust party's own id."""

    def __init__(self, store: Store, keys: KeyStore, cancellations: Cancellations, party: str) -> None:
        self._store = store
        self._keys = keys
        self._cancellations = cancellations
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
            "SELECT id, statement, signature FROM orders WHERE result IS NULL ORDER BY id LIMIT ?",
            (ORDERS_READ,),
        )
        if not rows:
            return 0
        keys = {
            str(key.version): key.sm2.public_key for key in self._keys.keys(SIGN) if key.state != "destroyed"
        }
        signed = [
            SignedCancellation(
                statement=Cancellation.model_validate_json(row["statement"]), signature=row["signature"]
            )
            for row in rows
        ]
        done = await self._cancellations.cancel(Caller(self._party, "trust party", keys), signed, now)
        told = [(result.status, row["id"]) for result, row in zip(done, rows, strict=True)]
        await self._store.write(
            lambda conn: conn.executemany("UPDATE orders SET result = ? WHERE id = ?", told).rowcount
        )
        _log.info("orders carried out", count=len(rows))
        return len(rows)
