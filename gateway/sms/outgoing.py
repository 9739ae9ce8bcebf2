"""A committed message with its frame in clear."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.store.domain import Domain
from gateway.store.messages import MessageRow, Stored

SEAL_MESSAGE: Final = "message"


class Outgoing(NamedTuple):
    """A message that may be sent: its row, and the submit_sm for the SMSC."""

    row: MessageRow
    frame: bytes


def open_outgoing(domain: Domain, stored: Stored) -> Outgoing:
    """What waits in the store, as it will be sent. Only a message without outcome has a frame."""
    assert stored.sealed is not None
    return Outgoing(stored.row, domain.vault.open(SEAL_MESSAGE, stored.sealed))
