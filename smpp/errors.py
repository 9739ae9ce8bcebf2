"""What can be wrong with octets, and with what is to become octets."""

from __future__ import annotations


class PduError(Exception):
    """A PDU that cannot be taken; the session goes on. `status` is the command_status that answers it.

    `sequence_number` and `command_id` are the refused PDU's (0 where its header is not there). The reason
    names fields, never what was in them.
    """

    def __init__(self, status: int, sequence_number: int, command_id: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.sequence_number = sequence_number
        self.command_id = command_id
        self.reason = reason


class FieldError(Exception):
    """A field of a PDU that cannot be taken, before anybody knows whose PDU it is."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class EncodeError(ValueError):
    """A field of a PDU to be sent does not fit its place."""


class FatalError(Exception):
    """The stream is out of step: no later octet of it can be trusted."""


class LocalProtocolError(Exception):
    """We asked for what the session's state does not allow."""


class WindowFull(LocalProtocolError):
    """As many of our requests are unanswered as the window takes."""
