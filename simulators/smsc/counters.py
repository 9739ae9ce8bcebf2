"""What an SMSC counts for whoever judges a run."""

from dataclasses import asdict, dataclass, field

from smpp.constants import MessageState


@dataclass(slots=True)
class Counters:
    """Counts since the start of the process."""

    binds: int = 0
    binds_refused: int = 0
    submits: int = 0
    """submit_sm, data_sm and submit_multi that came from ESMEs."""
    accepted: int = 0
    """MTs that were stored; each destination of a submit_multi is one."""
    refused: int = 0
    throttled: int = 0
    """Refused because of the rate, too; they are in `refused` as well."""
    finals: list[int] = field(default_factory=lambda: [0] * len(MessageState))
    """MTs that ended, by message_state."""
    receipts_sent: int = 0
    receipts_answered: int = 0
    receipts_refused: int = 0
    """The ESME answered that it will never take it."""
    receipts_given_up: int = 0
    """Nobody took it for as long as a message may live."""
    notices: int = 0
    mo_accepted: int = 0
    mo_answered: int = 0
    retries: int = 0
    """Deliveries, receipts and MOs that were put off after a failure."""
    hangs: int = 0
    disconnects: int = 0

    def told(self) -> dict[str, object]:
        """All of them as JSON has them; states by name, those that occurred."""
        told = asdict(self)
        told["finals"] = {state.name: self.finals[state] for state in MessageState if self.finals[state]}
        return told
