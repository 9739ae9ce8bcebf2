"""What the trust party revokes, taken in: pending messages and ringing calls of it end, durably and once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from gateway.store import revocations
from gateway.store.domain import Domain
from interparty.messages import Revocation
from trust_client.revocation_feed import Position

OnRevoked = Callable[[Sequence[bytes]], None]
"""Takes the edi_ids of what was revoked, after the commit."""


class RevokedByTrust:
    """The carrier's follower of the trust party's feed (trust_client.revocation_feed)."""

    def __init__(self, domain: Domain, on_revoked: Sequence[OnRevoked]) -> None:
        self._domain = domain
        self._on_revoked = on_revoked

    async def position(self) -> Position | None:
        """Raises StoreBusy, StoreUnavailable."""
        found = await self._domain.store.write(revocations.position)
        return None if found is None else Position._make(found)

    async def apply(self, position: Position, revoked: Sequence[Revocation]) -> None:
        """Commit what is to be stopped with the position, then stop it. Raises StoreBusy, StoreUnavailable.

        An AID that was ROTATED is only refused from now on: the consent goes on under another AID, and what was sent
        under the old one was consented to.
        """
        ended = [each for each in revoked if each.cause == "REVOKED"]

        def op(conn: sqlite3.Connection) -> None:
            for each in ended:
                revocations.put(conn, self._domain.ids, each.enterprise, [bytes.fromhex(each.edi_id)])
            revocations.set_position(conn, *position)

        await self._domain.store.write(op)
        edi_ids = [bytes.fromhex(each.edi_id) for each in ended]
        if edi_ids:
            for tell in self._on_revoked:
                tell(edi_ids)
