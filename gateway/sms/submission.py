"""One message of an enterprise on its way from the wire to its response."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from gateway.store.accounts import AccessNumberRow, AccountRow
from smpp.aio.connection import Connection
from smpp.pdu import SubmitSm
from smpp.segmentation import PartInfo
from trust_client.verifier import Grant

SCHEDULE_LATE: Final = timedelta(minutes=5)
"""A schedule so far in the past means now: a sender's clock may be behind. Beyond it is a mistake."""


@dataclass(slots=True)
class Submission:
    """A submit_sm, a data_sm brought to its form, or one destination of a submit_multi."""

    id: int
    public_id: int
    account: AccountRow
    access_number: AccessNumberRow
    source: str
    """What the message shows as its source: the access number and what the enterprise appended to it."""
    aid: str
    body: SubmitSm
    frame: bytes
    part: PartInfo | None
    not_before: int
    expires_at: int
    validity: bytes
    """What the SMSC is told: empty when the enterprise named no validity period."""
    arrived: float
    """Monotonic seconds."""
    connection: Connection
    sequence_number: int
    command_id: int
    """Of the request that is answered."""
    answer: Callable[[Submission, int], None] | None = None
    """Of one of several messages in a request: takes the command_status, once; for success after the commit."""
    follows: bool = False
    """A further part of a long message whose first part was authorized."""
    grant: Grant | None = None
    reason: str | None = None
    """Why the trust party refused; stays inside the carrier."""
    digest: bytes | None = None
    """Of a whole message's content, once it was made (gateway.sms.question)."""

    @property
    def set_key(self) -> tuple[str, str, str, int, int]:
        """What parts of one long message have in common."""
        assert self.part is not None
        return (
            self.account.system_id,
            self.source,
            self.aid,
            self.part.reference,
            self.part.total,
        )
