"""The enterprise's SMPP client: it sends texts to AIDs and collects receipts and replies."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simulators.assembly import Assembler
from simulators.enterprise.settings import SmppSettings
from simulators.journal import Journal
from smpp import receipts
from smpp.aio.connection import Connection, RequestFailed
from smpp.aio.link import Link, LinkConfig
from smpp.constants import CommandStatus, RegisteredDelivery
from smpp.events import Event, RequestReceived
from smpp.pdu import BindTransceiver, DeliverSm, DeliverSmResp, Pdu, SubmitSm, SubmitSmResp
from smpp.segmentation import UdhError, split
from smpp.session import LocalProtocolError, SessionConfig, WindowFull

RECEIPTS_MAX = 100_000
"""Receipts kept; the oldest is dropped."""
REPLIES_MAX = 10_000
"""Replies kept; the oldest is dropped."""
INCOMPLETE_MAX = 1000
"""Long replies of which parts are awaited."""
BIND_SECONDS = 10.0
"""How long `bind` waits."""


class NotSubmitted(Exception):
    """The message did not get to the carrier: not bound, window full, or no response."""


@dataclass(slots=True)
class ReceiptSeen:
    """A receipt as it came. `at` is milliseconds since the epoch."""

    message_id: str
    state: str
    error: str
    source_addr: str
    destination_addr: str
    raw: str
    at: int
    index: int = 0


@dataclass(slots=True)
class ReplySeen:
    """A subscriber's message as it came."""

    source_addr: str
    """The AID."""
    destination_addr: str
    """The access number."""
    text: str
    parts: int
    at: int
    index: int = 0


@dataclass(frozen=True, slots=True)
class Submitted:
    """The carrier's answers to the parts of one text."""

    statuses: list[int]
    message_ids: list[str]
    elapsed_ms: float

    @property
    def status(self) -> int:
        """The first status that is not ESME_ROK, or ESME_ROK."""
        return next((status for status in self.statuses if status), 0)


class Esme:
    """One transceiver bind, kept up while it is wanted."""

    def __init__(self, settings: SmppSettings, tap: Callable[[bytes], None] | None = None) -> None:
        self._settings = settings
        self._tap = tap
        self._link: Link | None = None
        self._reference = 0
        self._assembler = Assembler(INCOMPLETE_MAX)
        self.receipts: Journal[ReceiptSeen] = Journal(RECEIPTS_MAX)
        self.replies: Journal[ReplySeen] = Journal(REPLIES_MAX)

    @property
    def is_bound(self) -> bool:
        """The carrier accepted the bind and the session is up."""
        return self._link is not None and self._link.is_bound

    def start(self) -> None:
        """Bind, and bind again whenever the session is lost."""
        if self._link is None:
            settings = self._settings
            bind = BindTransceiver(system_id=settings.system_id.encode(), password=settings.password.encode())
            config = LinkConfig(settings.host, settings.port, bind, SessionConfig(), backoff_max_s=2.0)
            self._link = Link(config, self._on_events, name=settings.system_id, tap=self._tap)
            self._link.start()

    async def bind(self) -> None:
        """`start`, and wait until bound. Raises TimeoutError."""
        self.start()
        assert self._link is not None
        await self._link.wait_bound(BIND_SECONDS)

    async def unbind(self) -> None:
        """Unbind and stay so."""
        if self._link is not None:
            link, self._link = self._link, None
            await link.stop()

    async def send(self, source: str, aid: str, text: str, *, receipt: bool = True) -> Submitted:
        """Send `text` from an access number to an AID. A refusal is in the result; raises NotSubmitted."""
        self._reference = self._reference % 255 + 1
        started = time.monotonic()
        asked = RegisteredDelivery.RECEIPT if receipt else RegisteredDelivery.NONE
        bodies = [
            SubmitSm(
                source_addr=source.encode("ascii", "replace"),
                destination_addr=aid.encode("ascii", "replace"),
                esm_class=part.esm_class,
                registered_delivery=asked,
                data_coding=part.data_coding,
                short_message=part.short_message,
            )
            for part in split(text, self._reference)
        ]
        answers = await asyncio.gather(*[self._submit(body) for body in bodies])
        ids = [answer.body.message_id for answer in answers if isinstance(answer.body, SubmitSmResp)]
        return Submitted(
            [answer.command_status for answer in answers],
            [raw.decode("latin-1") for raw in ids if raw],
            (time.monotonic() - started) * 1000,
        )

    async def _submit(self, body: SubmitSm) -> Pdu:
        if self._link is None:
            raise NotSubmitted("not bound")
        answered: asyncio.Future[Pdu | RequestFailed] = asyncio.get_running_loop().create_future()

        def done(result: Pdu | RequestFailed) -> None:
            if not answered.done():
                answered.set_result(result)

        try:
            self._link.request(body, done)
        except WindowFull:
            raise NotSubmitted("window is full") from None
        except LocalProtocolError:
            raise NotSubmitted("not bound") from None
        result = await answered
        if isinstance(result, RequestFailed):
            raise NotSubmitted(f"no response: {result.reason}")
        return result

    def _on_events(self, connection: Connection, events: Sequence[Event]) -> None:
        for event in events:
            if not isinstance(event, RequestReceived):
                continue
            body = event.pdu.body
            if not isinstance(body, DeliverSm):
                connection.reject(event.pdu, CommandStatus.ESME_RINVCMDID)
                continue
            try:
                self._take(body)
            except UdhError:
                connection.reject(event.pdu, CommandStatus.ESME_RX_P_APPN)
                continue
            connection.respond(event.pdu.sequence_number, DeliverSmResp())

    def _take(self, body: DeliverSm) -> None:
        source = body.source_addr.decode("ascii", "replace")
        destination = body.destination_addr.decode("ascii", "replace")
        now = time.time_ns() // 1_000_000
        receipt = receipts.parse(body)
        if receipt is not None:
            self.receipts.put(
                ReceiptSeen(
                    receipt.message_id.decode("latin-1"),
                    receipts.MessageState(receipt.state).name,
                    receipt.error,
                    source,
                    destination,
                    body.short_message.decode("latin-1"),
                    now,
                )
            )
            return
        whole = self._assembler.add(body)
        if whole is not None:
            self.replies.put(ReplySeen(source, destination, whole.text, whole.parts, now))


def status_name(status: int) -> str:
    """The specification's name of a command status, or its hexadecimal form."""
    try:
        return CommandStatus(status).name
    except ValueError:
        return f"0x{status:08X}"
