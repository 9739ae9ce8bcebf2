"""The SMS path of one gateway over a real store, without sockets: the tests play enterprise, SMSC and trust party."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.accounts.directory import Directory
from gateway.accounts.rates import Rates
from gateway.policy.text_rules import TextRules
from gateway.sms.dispatch import Dispatcher
from gateway.sms.final import Delivery
from gateway.sms.intake import Intake
from gateway.sms.receipts import Receipts
from gateway.sms.revocations import Revocations
from gateway.sms.services import Services
from gateway.sms.smsc_errors import SmscErrors
from gateway.sms.upstream_ids import Dialect
from gateway.sms_settings import SmsSettings
from gateway.store import messages
from gateway.store.accounts import AccountRow
from gateway.store.domain import Domain
from gateway.store.ids import id_of
from gateway.store.messages import State, Stored
from interparty.verify_messages import VerifyItem
from smpp.aio.connection import RequestFailed
from smpp.codec import decode, encode
from smpp.constants import MessageState
from smpp.pdu import Body, DeliverSm, DeliverSmResp, Pdu, ReplaceSm, SubmitSm
from smpp.receipts import Outcome, parse
from tests.gateway.carrier import (
    ACCOUNT,
    AID,
    NUMBER,
    Clock,
    FakeConnection,
    FakeSender,
    FakeVerifier,
    directory,
    settled,
)

SETTINGS = SmsSettings(validity_default_s=3600, validity_max_s=7200)
DIALECTS: dict[str, Dialect] = {"smsc": "any", "another": "any"}


class HeldVerifier(FakeVerifier):
    """Answers at once, or while `held` when the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.held = False
        self._waiting: list[tuple[VerifyItem, Callable[[Any], None]]] = []

    def submit(self, item: VerifyItem, done: Callable[[Any], None], *, fresh: bool = False) -> None:
        if self.held:
            self._waiting.append((item, done))
        else:
            super().submit(item, done)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def release(self) -> None:
        self.held = False
        waiting, self._waiting = self._waiting, []
        for item, done in waiting:
            self.submit(item, done)


class Smsc(FakeSender):
    """Links that also take cancel_sm and replace_sm: the test answers, or is not there."""

    def __init__(self) -> None:
        super().__init__()
        self.takes_cancels = True
        self.cancels: list[tuple[str, str, str, str]] = []
        self.replaces: list[tuple[str, str, str, ReplaceSm]] = []
        self._cancelling: list[Callable[[Pdu | RequestFailed], None]] = []

    def send(self, messages: Sequence[tuple[bytes, Any]]) -> int:
        return super().send(messages) if self.room else 0

    def cancel(
        self,
        name: str,
        upstream_id: str,
        source: str,
        destination: str,
        done: Callable[[Pdu | RequestFailed], None],
    ) -> bool:
        if self.takes_cancels:
            self.cancels.append((name, upstream_id, source, destination))
            self._cancelling.append(done)
        return self.takes_cancels

    def replace(
        self,
        name: str,
        upstream_id: str,
        source: str,
        body: ReplaceSm,
        done: Callable[[Pdu | RequestFailed], None],
    ) -> bool:
        if self.takes_cancels:
            self.replaces.append((name, upstream_id, source, body))
            self._cancelling.append(done)
        return self.takes_cancels

    def answer_cancel(self, answer: Pdu | RequestFailed) -> None:
        self._cancelling.pop(0)(answer)


@dataclass(eq=False)
class Session(FakeConnection):
    """An enterprise's session."""

    version: int = 0x34


class SmscSide(FakeConnection):
    """A link's connection: the gateway is the ESME on it."""

    def respond_message(
        self, sequence_number: int, message_id: bytes = b"", command_id: int | None = None
    ) -> None:
        assert (message_id, command_id) == (b"", None)
        self.answers.append((sequence_number, 0, DeliverSmResp()))


class Desk:
    """Intake, services, dispatcher, receipts and revocations; no sweep runs unless the test calls for one."""

    def __init__(
        self,
        domain: Domain,
        clock: Clock,
        *,
        accounts: Directory | None = None,
        settings: SmsSettings = SETTINGS,
        dialects: dict[str, Dialect] = DIALECTS,
        errors: SmscErrors | None = None,
        rates: Rates | None = None,
        texts: TextRules | None = None,
    ) -> None:
        self.domain = domain
        self.clock = clock
        self.directory = accounts or directory()
        self.verifier = HeldVerifier()
        self.smsc = Smsc()
        self.session = Session()
        self.link = SmscSide()
        self.deliveries: list[Delivery] = []
        self.trust_rows = 0
        told = (self.delivered, self._count)
        self.dispatcher = Dispatcher(
            domain,
            self.verifier,
            self.smsc,
            settings,
            dialects,
            errors or SmscErrors(),
            *told,
            self.directory.access_number_of,
        )
        self.smsc.told = self.dispatcher.answered
        self.text_rules = texts or TextRules()
        self.intake = Intake(
            domain,
            self.directory,
            self.verifier,
            self.dispatcher,
            settings,
            rates or Rates(),
            self.text_rules,
            self.delivered,
        )
        self.services = Services(
            domain, self.directory, self.dispatcher, self.smsc, settings, self.text_rules, *told
        )
        self.receipts = Receipts(domain, settings, dialects, *told)
        self.revocations = Revocations(domain, self.dispatcher, self.smsc, settings, *told)
        self._sequence = 0

    def delivered(self, deliveries: Sequence[Delivery]) -> None:
        self.deliveries += deliveries

    def _count(self) -> None:
        self.trust_rows += 1

    # --- what the enterprise does

    def request(self, body: Body) -> Pdu:
        self._sequence += 1
        return Pdu(body, self._sequence)

    def submit(self, aid: str = AID, *, account: AccountRow = ACCOUNT, **fields: Any) -> None:
        """A submit_sm; its answer comes to `session`."""
        pdu = self.request(submit_sm(aid, **fields))
        request = (pdu.sequence_number, pdu.body, encode(pdu))
        self.intake.submit(self.session, account, [request])  # type: ignore[arg-type]

    async def status(self, aid: str = AID, **fields: Any) -> int:
        self.submit(aid, **fields)
        return (await self.session.answer())[1]

    async def accepted(self, aid: str = AID, **fields: Any) -> int:
        """The message's id, once it is acknowledged."""
        self.submit(aid, **fields)
        _, status, body = await self.session.answer()
        assert status == 0
        return message_id_of(body)

    async def ask(self, way: Callable[..., None], body: Body, account: AccountRow = ACCOUNT) -> Any:
        """One request by `way` (a method of intake or services): its status, or the response's body."""
        way(self.session, account, self.request(body))
        _, status, response = await self.session.answer()
        return status or response

    # --- what the SMSC does

    async def taken(self, upstream_id: bytes = b"7", *, smsc: str = "smsc") -> None:
        """The SMSC takes the oldest message."""
        self.smsc.answer(upstream_id, link=smsc)
        await settled(self.domain)

    async def receipt(
        self,
        upstream_id: bytes = b"7",
        state: MessageState = MessageState.DELIVERED,
        *,
        smsc: str = "smsc",
        body: Body | None = None,
        **fields: Any,
    ) -> tuple[int, int, Any]:
        self.receive(upstream_id, state, smsc=smsc, body=body, **fields)
        assert self.link.answers == []  # not before the commit
        return await self.link.answer()

    def receive(
        self,
        upstream_id: bytes = b"7",
        state: MessageState = MessageState.DELIVERED,
        *,
        sequence_number: int = 5,
        link: SmscSide | None = None,
        smsc: str = "smsc",
        body: Body | None = None,
        error: str = "000",
    ) -> None:
        """A receipt comes; its answer goes to `link`."""
        asked = (
            sequence_number,
            (DeliverSm() if body is None else body).COMMAND_ID,
            Outcome(upstream_id, state, error),
        )
        self.receipts.take(smsc, link or self.link, [asked])  # type: ignore[arg-type]

    # --- what there is

    async def message(self, message_id: int) -> Stored | None:
        await settled(self.domain)
        return await self.domain.store.write(lambda conn: messages.get(conn, message_id))

    async def state(self, message_id: int) -> State | None:
        """None when it is gone: it has its outcome."""
        stored = await self.message(message_id)
        return None if stored is None else State(stored.state)

    def told(self) -> list[tuple[int, MessageState]]:
        """The receipts that the enterprise gets: whose, and what they say."""
        found = []
        for delivery in self.deliveries:
            body = decode(delivery.frame).body
            assert isinstance(body, DeliverSm)
            receipt = parse(body)
            assert receipt is not None
            found.append((id_of(receipt.message_id.decode()) or 0, receipt.state))
        return found

    def texts(self) -> list[bytes]:
        return [body.short_message for body in self.smsc.bodies()]


def submit_sm(aid: str = AID, *, source: str = NUMBER, text: bytes = b"hello", **fields: Any) -> SubmitSm:
    return SubmitSm(
        source_addr=source.encode(), destination_addr=aid.encode("latin-1"), short_message=text, **fields
    )


def message_id_of(body: Any) -> int:
    """The id that a response gave."""
    message_id = id_of(body.message_id.decode())
    assert message_id is not None
    return message_id


def time_text(at_ms: int) -> bytes:
    """3.4, 7.1.1: absolute."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%y%m%d%H%M%S}000+".encode()
