"""Puts the log's newest checkpoint down at an anchor from time to time. What fails is tried again."""

import asyncio

from evidence.anchor import AnchorError, EvidenceAnchor
from evidence.checkpoint import Checkpoint
from evidence.log import SignedCheckpoint
from foundation.logs import get_logger
from interparty.text import b64url_decode
from trust_party.sequencer import Sequencer

_log = get_logger(__name__)


class Anchoring:
    """Anchors what `sequencer` signed."""

    def __init__(self, anchor: EvidenceAnchor, sequencer: Sequencer) -> None:
        self._anchor = anchor
        self._sequencer = sequencer

    async def run(self, every_seconds: float) -> None:
        """Anchor for ever."""
        while True:
            try:
                await self.step()
            except AnchorError as error:
                _log.error("checkpoint not anchored", error=str(error))
            except Exception:  # an anchor is others' code; the log goes on without it
                _log.exception("checkpoint not anchored")
            await asyncio.sleep(every_seconds)

    async def step(self) -> str | None:
        """Put the newest checkpoint down unless the anchor has it; where it is. Raises AnchorError."""
        newest = self._sequencer.newest
        if newest is None:
            return None
        signed = SignedCheckpoint(
            Checkpoint(bytes.fromhex(newest.log_id), newest.size, newest.time_ms, bytes.fromhex(newest.root)),
            b64url_decode(newest.signature),
        )
        if await asyncio.to_thread(self._anchor.newest) == signed:
            return None
        where = await asyncio.to_thread(self._anchor.anchor, signed)
        _log.info("checkpoint anchored", size=newest.size, at=where)
        return where
