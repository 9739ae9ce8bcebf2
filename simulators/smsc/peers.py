"""One account while the SMSC runs: its dialect, its rate and what waits for it."""

from simulators.smsc.dialect import Dialect
from simulators.smsc.queues import PeerQueue
from simulators.smsc.receipts import ReceiptWriter
from simulators.smsc.settings import Account, Behaviour
from simulators.smsc.throttle import Bucket


class Peer:
    """An account at run time."""

    __slots__ = ("account", "bucket", "dialect", "is_receipt_first", "queue", "writer")

    queue: PeerQueue

    def __init__(self, account: Account, dialect: Dialect) -> None:
        self.account = account
        self.dialect = dialect
        self.writer = ReceiptWriter(dialect)
        self.is_receipt_first = dialect.order == "receipt_first"
        self.bucket: Bucket | None = None

    def set_rate(self, behaviour: Behaviour, now_ms: int) -> None:
        """Limit it to its own rate, or to everyone's; the radio side is never limited."""
        rate = self.account.rate_max if self.account.rate_max is not None else behaviour.rate_max
        if not rate or self.account.kind == "handsets":
            self.bucket = None
        elif self.bucket is None or (self.bucket.rate, self.bucket.burst) != (
            rate,
            float(behaviour.rate_burst or rate),
        ):
            self.bucket = Bucket(rate, behaviour.rate_burst, now_ms)
