"""The fleet's radio side: one SMPP bind that carries the SMS of every handset, both ways."""

import asyncio
from collections.abc import Sequence

from simulators.handsets.fleet import Fleet, Handset
from simulators.handsets.settings import RadioSettings
from smpp.aio.connection import Connection, RequestFailed
from smpp.aio.link import Link, LinkConfig
from smpp.constants import CommandStatus, Npi, RegisteredDelivery, Ton
from smpp.events import Event, RequestReceived
from smpp.pdu import BindTransceiver, DeliverSm, DeliverSmResp, Pdu, SubmitSm, SubmitSmResp
from smpp.segmentation import split
from smpp.session import LocalProtocolError, SessionConfig, WindowFull

TEXT_MAX = 1530
"""Characters of a message that a handset sends: ten parts."""


class NotSent(Exception):
    """The SMSC did not take a message; the text says why."""


class Radio:
    """The link to the SMSC."""

    def __init__(self, settings: RadioSettings, fleet: Fleet) -> None:
        bind = BindTransceiver(system_id=settings.system_id.encode(), password=settings.password.encode())
        session = SessionConfig(outbound_window=200, inbound_window=2000)
        self._fleet = fleet
        self._reference = 0
        self._link = Link(
            LinkConfig(settings.host, settings.port, bind, session, backoff_max_s=2.0),
            self._on_events,
            name="radio",
        )

    def start(self) -> None:
        """Bind, and bind again whenever the link is lost."""
        self._link.start()

    async def stop(self) -> None:
        """Unbind."""
        await self._link.stop()

    @property
    def is_bound(self) -> bool:
        """Messages can be sent and received."""
        return self._link.is_bound

    async def wait_bound(self, seconds: float) -> None:
        """Return when bound; raises TimeoutError."""
        await self._link.wait_bound(seconds)

    async def send(self, handset: Handset, to: str, text: str) -> list[str]:
        """Send `text` from `handset` to an access number, in parts when it is long. Returns the SMSC's
        message ids; raises NotSent."""
        if not 0 < len(text) <= TEXT_MAX:
            raise NotSent(f"text must have 1 to {TEXT_MAX} characters")
        self._reference = self._reference % 255 + 1
        bodies = [
            SubmitSm(
                source_addr_ton=Ton.INTERNATIONAL,
                source_addr_npi=Npi.ISDN,
                source_addr=handset.subscriber.msisdn.encode(),
                dest_addr_ton=Ton.UNKNOWN,
                dest_addr_npi=Npi.ISDN,
                destination_addr=to.encode("ascii", "replace"),
                esm_class=part.esm_class,
                registered_delivery=RegisteredDelivery.NONE,
                data_coding=part.data_coding,
                short_message=part.short_message,
            )
            for part in split(text, self._reference)
        ]
        answers = await asyncio.gather(*[self._submit(body) for body in bodies])
        return [answer.message_id.decode("latin-1") for answer in answers]

    async def _submit(self, body: SubmitSm) -> SubmitSmResp:
        answered: asyncio.Future[Pdu | RequestFailed] = asyncio.get_running_loop().create_future()

        def done(result: Pdu | RequestFailed) -> None:
            if not answered.done():
                answered.set_result(result)

        try:
            self._link.request(body, done)
        except WindowFull:
            raise NotSent("the radio side is busy") from None
        except LocalProtocolError:
            raise NotSent("the radio side is not bound to the SMSC") from None
        result = await answered
        if isinstance(result, RequestFailed):
            raise NotSent(f"the SMSC did not answer: {result.reason}")
        if result.command_status != CommandStatus.ESME_ROK or not isinstance(result.body, SubmitSmResp):
            raise NotSent(f"the SMSC refused: status 0x{result.command_status:08X}")
        return result.body

    def _on_events(self, connection: Connection, events: Sequence[Event]) -> None:
        for event in events:
            if not isinstance(event, RequestReceived):
                continue
            body = event.pdu.body
            if not isinstance(body, DeliverSm):
                connection.reject(event.pdu, CommandStatus.ESME_RINVCMDID)
                continue
            handset = self._fleet.find(body.destination_addr.decode("ascii", "replace"))
            if handset is None or not handset.inbox.deliver(body):
                # Nobody has this number, or the phone cannot read it: a permanent failure.
                connection.reject(event.pdu, CommandStatus.ESME_RX_P_APPN)
                continue
            connection.respond(event.pdu.sequence_number, DeliverSmResp())
