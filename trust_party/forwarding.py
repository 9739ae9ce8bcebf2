"""Deposits on their way to the carriers that are to have them confirmed.

The outbox is a table, filled in the deposit's commit; a row leaves it only when its carrier has taken
it. One worker a carrier, so that a carrier that is away holds up nobody else's.
"""

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import Callable
from typing import Final, Protocol

from foundation.logs import get_logger
from foundation.store import Store
from foundation.tasks import end
from interparty.carrier_messages import ConfirmationRequest, ConfirmationRequests
from interparty.client import PeerProblem, PeerUnavailable
from interparty.edi import to_text
from interparty.messages import ITEMS_MAX, Accepted, Consent
from trust_party.aids import State
from trust_party.clock import now_ms
from trust_party.data_keys import DataKeys
from trust_party.deposits import CONSENT_AAD
from trust_party.directory import Carrier, Directory
from trust_party.store.rows import padded, read_in

BATCH_MAX: Final = ITEMS_MAX
"""Deposits in one request to a carrier."""
BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MAX_S: Final = 30.0
"""Between tries while a carrier does not answer: doubled from the first to this, and spread by half."""
IDLE_S: Final = 5.0
"""How often an empty outbox is looked at, beside being told."""
POISON_STATUSES: Final = frozenset({400, 413, 422})
"""What a carrier answers to a request that it will never take, however often it comes."""

_OUTBOX: Final = (
    "SELECT o.id, o.deposit_id, o.aid, a.state, a.pending_until, a.enterprise, a.consent_sm3,"
    " a.consent_sealed, k.sealed AS data_key FROM confirmation_outbox o JOIN authorizations a ON a.aid = o.aid"
    " JOIN data_keys k ON k.id = a.data_key_id"
    # Nobody is asked to confirm a consent to an enterprise that is suspended.
    " JOIN enterprises n ON n.id = a.enterprise AND n.state = 'ADMITTED'"
    " WHERE o.carrier = ? ORDER BY o.id LIMIT ?"
)
_EDIS: Final = "SELECT aid, carrier, edi FROM edis WHERE aid IN ({}) ORDER BY aid, position"

_log = get_logger(__name__)


class CarrierRoutes(Protocol):
    """The carrier's routes, as interparty.client.Peer offers them."""

    async def request(
        self, method: str, path: str, message: ConfirmationRequests, answer: type[Accepted]
    ) -> Accepted:
        """Raises PeerUnavailable, PeerProblem."""

    async def close(self) -> None:
        """Close the connections."""


class Forwarder:
    """Drains the outbox to every admitted carrier. `connect` makes the routes of one."""

    def __init__(
        self,
        store: Store,
        data_keys: DataKeys,
        directory: Directory,
        connect: Callable[[Carrier], CarrierRoutes],
    ) -> None:
        self._store = store
        self._data_keys = data_keys
        self._directory = directory
        self._connect = connect
        self._wake: dict[str, asyncio.Event] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}

    def deposited(self, carriers: set[str]) -> None:
        """There is something new for these carriers."""
        for carrier in carriers:
            if (wake := self._wake.get(carrier)) is not None:
                wake.set()

    def start(self) -> None:
        """Start a worker for each carrier that has none; call again after admissions."""
        for carrier_id in self._directory.carriers:
            if carrier_id not in self._workers:
                self._wake[carrier_id] = asyncio.Event()
                self._workers[carrier_id] = asyncio.create_task(
                    self._work(carrier_id), name=f"forward:{carrier_id}"
                )

    async def stop(self) -> None:
        """Stop the workers; what is in the outbox stays for the next start."""
        await end(*self._workers.values())
        self._workers.clear()

    async def _work(self, carrier_id: str) -> None:
        wake = self._wake[carrier_id]
        carrier = self._directory.carriers[carrier_id]
        routes = self._connect(carrier)
        pause = 0.0
        size = BATCH_MAX
        try:
            while True:
                if pause:
                    await asyncio.sleep(pause * random.uniform(0.75, 1.25))
                admitted = self._directory.carriers[carrier_id]
                if admitted.url != carrier.url:
                    await routes.close()
                    carrier, routes = admitted, self._connect(admitted)
                wake.clear()
                try:
                    sent = await self._drain(carrier_id, routes, size)
                except PeerProblem as problem:
                    # Halve until the one deposit that the carrier will not take stands alone.
                    if problem.status in POISON_STATUSES and size > 1:
                        size //= 2
                        continue
                    pause = self._longer(carrier_id, pause, str(problem))
                except PeerUnavailable as error:
                    pause = self._longer(carrier_id, pause, str(error))
                except Exception:
                    _log.exception("outbox could not be drained", carrier=carrier_id)
                    pause = self._longer(carrier_id, pause, "internal error")
                else:
                    pause = 0.0
                    size = min(BATCH_MAX, size * 2)
                    if not sent:
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(IDLE_S):
                                await wake.wait()
        finally:
            await routes.close()

    def _longer(self, carrier_id: str, pause: float, reason: str) -> float:
        pause = min(BACKOFF_MAX_S, pause * 2 or BACKOFF_FIRST_S)
        _log.warning("carrier does not take deposits", carrier=carrier_id, reason=reason, wait_s=pause)
        return pause

    async def _drain(self, carrier_id: str, routes: CarrierRoutes, size: int) -> int:
        """Hand over at most `size` deposits, oldest first; how many left the outbox."""
        rows = await self._store.read(_OUTBOX, (carrier_id, size))
        if not rows:
            return 0
        now = now_ms()
        waiting = [row for row in rows if row["state"] == State.PENDING and row["pending_until"] > now]
        if waiting:
            requests = await self._requests(carrier_id, waiting)
            try:
                await routes.request(
                    "POST", "/v1/confirmation-requests", ConfirmationRequests(requests=requests), Accepted
                )
            except PeerProblem as problem:
                if problem.status not in POISON_STATUSES or len(rows) > 1:
                    raise
                # It stays PENDING and will expire, as one that nobody confirms.
                _log.error("carrier refused a deposit", carrier=carrier_id, status=problem.status)
        taken = [row["id"] for row in rows]
        await self._store.write(lambda conn: _remove(conn, taken))
        return len(taken)

    async def _requests(self, carrier_id: str, rows: list[sqlite3.Row]) -> list[ConfirmationRequest]:
        edis: dict[int, list[str]] = {}
        for row in await read_in(self._store, _EDIS, [row["aid"] for row in rows]):
            if row["carrier"] == carrier_id:
                edis.setdefault(row["aid"], []).append(to_text(row["edi"]))
        requests: list[ConfirmationRequest] = []
        for row in rows:
            enterprise = self._directory.enterprises[row["enterprise"]]
            key = self._data_keys.opened(row["data_key"])
            consent = key.open(row["consent_sealed"], CONSENT_AAD + row["consent_sm3"])
            requests.append(
                ConfirmationRequest(
                    deposit_id=row["deposit_id"],
                    consent=Consent.model_validate_json(consent),
                    enterprise_name=enterprise.name,
                    edis=edis[row["aid"]],
                )
            )
        return requests


def _remove(conn: sqlite3.Connection, ids: list[int]) -> None:
    marks, params = padded(ids)
    conn.execute(f"DELETE FROM confirmation_outbox WHERE id IN ({marks})", params)  # noqa: S608
