"""One message of an enterprise on its way from the wire to its response."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.access_number import AccessNumberRow
from gateway.sms.esme_session import EsmeSession
from gateway.store.accounts import AccountRow
from smpp.codec import decode
from smpp.pdu import SubmitSm
from smpp.segmentation import PartInfo
from trust_client.verifier import Grant


@dataclass(slots=True)
class Submission:
    """A submit_sm, a data_sm brought to its form, or one destination of a submit_multi."""

    id: int
    public_id: int
    account: AccountRow
    # What gateway.sms.check.Checked has, in its order.
    access_number: AccessNumberRow
    source: str
    aid: str
    frame: bytes
    part: PartInfo | None
    registered_delivery: int
    priority_flag: int
    replaces: bool
    data_coding: int
    text: bytes
    not_before: int
    expires_at: int
    validity: bytes
    arrived: float
    """Monotonic seconds."""
    session: EsmeSession
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
    def body(self) -> SubmitSm:
        """The message in full, read anew: what most need is in the fields."""
        body = decode(self.frame).body
        assert isinstance(body, SubmitSm)
        return body

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
