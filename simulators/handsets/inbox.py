"""The messages of one handset."""

import time
from dataclasses import dataclass

from simulators.assembly import Assembler
from simulators.journal import Journal
from smpp.pdu import DeliverSm
from smpp.segmentation import UdhError

MESSAGES_MAX = 200
"""Messages that one handset keeps; the oldest is dropped."""
INCOMPLETE_MAX = 8
"""Long messages of which a handset awaits parts; the oldest is given up."""


@dataclass(slots=True)
class Received:
    """A whole message as the person reads it. `at` is milliseconds since the epoch."""

    sender: str
    text: str
    at: int
    parts: int
    data_coding: int
    esm_class: int
    protocol_id: int
    index: int = 0


class Inbox:
    """What came to one handset, long messages put together."""

    __slots__ = ("_assembler", "journal")

    def __init__(self) -> None:
        self.journal: Journal[Received] = Journal(MESSAGES_MAX)
        self._assembler = Assembler(INCOMPLETE_MAX)

    def deliver(self, body: DeliverSm) -> bool:
        """Take one deliver_sm; False when its user data header cannot be read, so that it is refused."""
        try:
            whole = self._assembler.add(body)
        except UdhError:
            return False
        if whole is not None:
            self.journal.put(
                Received(
                    sender=body.source_addr.decode("ascii", "replace"),
                    text=whole.text,
                    at=time.time_ns() // 1_000_000,
                    parts=whole.parts,
                    data_coding=body.data_coding,
                    esm_class=body.esm_class,
                    protocol_id=body.protocol_id,
                )
            )
        return True
