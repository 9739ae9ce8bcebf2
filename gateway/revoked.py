"""What the trust party revokes, taken in: pending messages and ringing calls of it end, durably and once."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Protocol

from gateway.store import revocations
from gateway.store.domain import Domain
from interparty.verify_messages import Revocation
from trust_client.revocation_feed import Position


class Stops(Protocol):
    """Ends what was on its way; called after the commit."""

    def revoked(self, edi_ids: Sequence[bytes]) -> None:
        """These EDIs authorize nothing any more."""

    def suspended(self, enterprise_id: str) -> None:
        """Nobody may be contacted for this enterprise."""


class RevokedByTrust:
    """The carrier's follower of the trust party's feed (trust_client.revocation_feed)."""

    def __init__(self, domain: Domain, stops: Sequence[Stops]) -> None:
        self._domain = domain
        self._stops = stops

    async def position(self) -> Position | None:
        """Raises StoreBusy, StoreUnavailable."""
        found = await self._domain.store.write(revocations.position)
        return None if found is None else Position._make(found)

    async def apply(self, position: Position, revoked: Sequence[Revocation]) -> None:
        """Commit what is to be stopped with the position, then stop it. Raises StoreBusy, StoreUnavailable.

        An AID that was ROTATED is only refused from now on: the consent goes on under another AID, and what was sent
        under the old one was consented to. What was RESUMED may go on.
        """
        ended = [
            (each.enterprise, None if each.edi_id is None else bytes.fromhex(each.edi_id))
            for each in revoked
            if each.cause in ("REVOKED", "SUSPENDED")
        ]

        def op(conn: sqlite3.Connection) -> None:
            for enterprise, edi_id in ended:
                revocations.put(conn, self._domain.ids, enterprise, [edi_id])
            revocations.set_position(conn, *position)

        await self._domain.store.write(op)
        edi_ids = [edi_id for _, edi_id in ended if edi_id is not None]
        for stop in self._stops:
            if edi_ids:
                stop.revoked(edi_ids)
            for enterprise, edi_id in ended:
                if edi_id is None:
                    stop.suspended(enterprise)
