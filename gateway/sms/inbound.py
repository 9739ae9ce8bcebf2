"""Messages from subscribers: recorded, opt-outs obeyed in the same commit, then handed on under the AID.

(MSISDN, access number) means the EDI most recently contacted from that access number. Without one the
message is recorded and refused; a person is never guessed.
"""

from __future__ import annotations

import json
import logging
import secrets
import sqlite3
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from foundation.store import StoreBusy, StoreUnavailable
from gateway.accounts.directory import Directory
from gateway.policy.refusal import Cause
from gateway.records import metrics
from gateway.sms.carrier_messages import put_carrier_text
from gateway.sms.final import Delivery, guarded_frame, put_deliveries
from gateway.sms.outgoing import Outgoing
from gateway.sms_settings import SmsSettings
from gateway.store import edis, inbound, outbox, records, revocations
from gateway.store.courier import Courier, NotNow
from gateway.store.domain import Domain
from interparty.client import PeerProblem, PeerUnavailable
from interparty.messages import RestoreAnswer, RestoreItem
from masking.smpp_leg import ReplyModel, build_reply, reply_of
from smpp.aio.connection import Connection
from smpp.codec import EncodeError, decode, encode
from smpp.constants import CommandStatus
from smpp.pdu import DataSm, DataSmResp, DeliverSm, DeliverSmResp, Pdu
from smpp.segmentation import UdhError, user_data
from smpp.text import decode_text
from trust_client.carrier import CarrierClient

SEAL_INBOUND = "inbound"

NOTICE_VALID_S = 86_400
ADDRESS_MAX = 20
"""3.4, 4.6.1: octets of an address in a deliver_sm."""

_log = logging.getLogger(__name__)


class OwnNumberHandler(Protocol):
    """Takes what subscribers send to the carrier's own confirmation number; gives what to do after the commit."""

    def __call__(self, conn: sqlite3.Connection, msisdn: str, text: str) -> Callable[[], None] | None: ...


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What a commit leaves to be done after it."""

    after: Callable[[], None] | None = None
    notices: tuple[Outgoing, ...] = ()
    revoked: tuple[bytes, ...] = ()
    """EDIs to which nothing more is sent."""


def _deliver_of(body: DataSm) -> DeliverSm:
    """A data_sm as the deliver_sm that says the same; the text stays in message_payload (3.4, 4.7.1)."""
    return DeliverSm(
        service_type=body.service_type,
        source_addr_ton=body.source_addr_ton,
        source_addr_npi=body.source_addr_npi,
        source_addr=body.source_addr,
        dest_addr_ton=body.dest_addr_ton,
        dest_addr_npi=body.dest_addr_npi,
        destination_addr=body.destination_addr,
        esm_class=body.esm_class,
        registered_delivery=body.registered_delivery,
        data_coding=body.data_coding,
        tlvs=body.tlvs,
    )


def normalise_msisdn(address: str, country_code: str) -> str | None:
    """An SMSC's source address as E.164 digits; None when it is no number."""
    digits = address.removeprefix("+").removeprefix("00")
    if not (digits.isascii() and digits.isdigit()):
        return None
    if len(digits) == 11 and digits.startswith("1"):
        return country_code + digits
    return digits if 5 <= len(digits) <= 15 else None


def is_opt_out(text: str, words: Sequence[str]) -> bool:
    """The whole message is an opt-out word, whatever its case, width or the blanks around it."""
    plain = unicodedata.normalize("NFKC", text).strip().rstrip("。.!！").casefold()
    return plain in {word.casefold() for word in words}


class Inbound:
    """Takes deliver_sm that are not receipts, and carries them to the enterprise."""

    def __init__(
        self,
        domain: Domain,
        directory: Directory,
        trust: CarrierClient,
        settings: SmsSettings,
        *,
        country_code: str,
        confirmation_number: str,
        on_own_number: OwnNumberHandler,
        on_deliveries: Callable[[Sequence[Delivery]], None],
        on_outgoing: Callable[[Outgoing], None],
        on_trust_rows: Callable[[], None],
        on_revoked: Callable[[Sequence[bytes]], None],
    ) -> None:
        self._domain = domain
        self._directory = directory
        self._trust = trust
        self._settings = settings
        self._country_code = country_code
        self._confirmation_number = confirmation_number
        self._on_own_number = on_own_number
        self._on_deliveries = on_deliveries
        self._on_outgoing = on_outgoing
        self._on_trust_rows = on_trust_rows
        self._on_revoked = on_revoked
        self._courier: Courier[inbound.InboundRow] = Courier(
            "restore", domain.store, inbound.waiting, self._restore
        )

    def start(self) -> None:
        self._courier.start()

    async def stop(self) -> None:
        await self._courier.stop()

    def take(self, connection: Connection, pdu: Pdu, frame: bytes) -> None:
        """Record one message from a subscriber, then answer it. A data_sm is kept as the deliver_sm that says
        the same."""
        body = pdu.body
        response = DataSmResp if isinstance(body, DataSm) else DeliverSmResp
        if isinstance(body, DataSm):
            body = _deliver_of(body)
            try:
                frame = encode(Pdu(body, 0))
            except EncodeError:
                # data_sm holds addresses of 64 octets, a deliver_sm of 20: no number is so long.
                is_source = len(body.source_addr) > ADDRESS_MAX
                connection.reject(
                    pdu, CommandStatus.ESME_RINVSRCADR if is_source else CommandStatus.ESME_RINVDSTADR
                )
                return
        assert isinstance(body, DeliverSm)
        msisdn = normalise_msisdn(body.source_addr.decode("latin-1"), self._country_code)
        address = self._address(body)
        try:
            elements, payload = user_data(body)
        except UdhError:
            # Where its text begins cannot be told: it is recorded and handed on, and read as nothing.
            elements, payload = [], b""
        text = decode_text(body.data_coding, payload, elements)
        if msisdn is None:
            metrics.REPLIES.add("no-number")
            connection.reject(pdu, CommandStatus.ESME_RINVSRCADR)
            return
        sender = msisdn

        def op(conn: sqlite3.Connection) -> _Recorded:
            if address == self._confirmation_number:
                return _Recorded(after=self._on_own_number(conn, sender, text))
            return self._record(conn, sender, address, text, frame)

        def done(recorded: _Recorded | None, error: BaseException | None) -> None:
            if error is not None or recorded is None:
                if not isinstance(error, StoreBusy | StoreUnavailable):
                    _log.error("message from a subscriber not stored", exc_info=error)
                connection.reject(pdu, CommandStatus.ESME_RX_T_APPN)
                return
            connection.respond(pdu.sequence_number, response())
            if recorded.after is not None:
                recorded.after()
            if recorded.revoked:
                self._on_revoked(recorded.revoked)
            for notice in recorded.notices:
                self._on_outgoing(notice)
            self._courier.wake()

        try:
            self._domain.store.submit(op, done)
        except (StoreBusy, StoreUnavailable):
            connection.reject(pdu, CommandStatus.ESME_RX_T_APPN)

    def _address(self, body: DeliverSm) -> str:
        """What the person wrote to: an access number and maybe what the enterprise appended to it. Some SMSCs put
        the country code before it."""
        address = body.destination_addr.decode("latin-1").removeprefix("+")
        if self._is_ours(address) or not address.startswith(self._country_code):
            return address
        without = address.removeprefix(self._country_code)
        return without if self._is_ours(without) else address

    def _is_ours(self, address: str) -> bool:
        return address == self._confirmation_number or self._directory.sms_number(address) is not None

    def _record(
        self, conn: sqlite3.Connection, msisdn: str, address: str, text: str, frame: bytes
    ) -> _Recorded:
        domain, now = self._domain, self._domain.now_ms()
        # Of who has none nothing is kept by which to be found: a stranger's text leaves no trail.
        index = domain.vault.find_msisdn(conn, msisdn) or secrets.token_bytes(16)
        owner = self._directory.sms_number(address)
        # What an enterprise appends to its number tells its own texts apart, and no person.
        access_number = address if owner is None else owner.number
        contact = edis.contact(conn, index, access_number)
        cause: str | None = None
        if owner is None:
            cause = Cause.UNKNOWN_ACCESS_NUMBER
        elif contact is None or contact[1] != owner.enterprise_id:
            cause = Cause.NO_CONTACT
        opt_out = cause is None and is_opt_out(text, self._settings.opt_out_words)
        inbound.insert(
            conn,
            inbound.InboundRow(
                id=domain.ids.next(),
                received_at=now,
                access_number=access_number,
                msisdn_index=index,
                edi_id=None if contact is None else contact[0],
                enterprise_id=None if owner is None else owner.enterprise_id,
                opt_out=int(opt_out),
                state=inbound.State.WAITING if cause is None else inbound.State.REFUSED,
                cause=cause,
                sealed=domain.vault.seal(SEAL_INBOUND, frame),
            ),
        )
        metrics.REPLIES.add("opt-out" if opt_out else "recorded" if cause is None else "refused")
        if not opt_out or owner is None:
            return _Recorded()
        # The block is in the same commit as the reply that asks for it: from here on nothing reaches the
        # subscriber, whether or not the trust party can be told now.
        blocked_at = edis.blocked_at(conn, [index]).get((owner.enterprise_id, index))
        edis.block(conn, owner.enterprise_id, index, now)
        revoked = edis.confirmed_before(conn, owner.enterprise_id, index, now)
        revocations.put(conn, domain.ids, owner.enterprise_id, revoked)
        if blocked_at is not None and not edis.confirmed_after(conn, owner.enterprise_id, index, blocked_at):
            # Said again, or sent again by the SMSC: it was confirmed to the person already.
            return _Recorded(revoked=tuple(revoked))
        notices = put_carrier_text(
            conn,
            domain,
            access_number=address,
            msisdn=msisdn,
            enterprise_id=owner.enterprise_id,
            text=self._settings.opt_out_notice,
            validity_s=NOTICE_VALID_S,
        )
        return _Recorded(notices=tuple(notices), revoked=tuple(revoked))

    async def _restore(self, rows: Sequence[inbound.InboundRow]) -> None:
        """Ask under which AID the enterprise knows each sender; then outbox, or recorded as refused."""
        items = [
            RestoreItem(
                edi_id=(row.edi_id or b"").hex(),
                enterprise=row.enterprise_id or "",
                access_number=row.access_number,
            )
            for row in rows
        ]
        try:
            answers = await self._trust.restore(items)
        except (PeerUnavailable, PeerProblem) as error:
            raise NotNow(str(error)) from error

        def op(conn: sqlite3.Connection) -> list[Delivery]:
            deliveries = []
            for row, answer in zip(rows, answers, strict=True):
                delivery = self._settle(conn, row, answer)
                if delivery is not None:
                    deliveries.append(delivery)
            return deliveries

        self._on_deliveries(await self._domain.store.write(op))
        self._on_trust_rows()

    def _settle(
        self, conn: sqlite3.Connection, row: inbound.InboundRow, answer: RestoreAnswer
    ) -> Delivery | None:
        domain, now = self._domain, self._domain.now_ms()
        assert row.edi_id is not None
        assert row.enterprise_id is not None
        delivery: Delivery | None = None
        if answer.aid is None:
            cause = answer.refusal.reason if answer.refusal is not None else "REFUSED"
            if not inbound.settle(conn, row.id, inbound.State.REFUSED, cause):
                return None
            metrics.REPLIES.add("refused")
        else:
            if not inbound.settle(conn, row.id, inbound.State.DONE):
                return None
            delivery = self._deliver(conn, row, answer.aid, now)
        if row.opt_out:
            # Only now: a revoked authorization has no AID any more under which to deliver the reply itself.
            for edi_id in edis.confirmed_before(conn, row.enterprise_id, row.msisdn_index, row.received_at):
                statement = {
                    "enterprise": row.enterprise_id,
                    "edi_id": edi_id.hex(),
                    "cause": "OPT_OUT",
                    "at": row.received_at,
                }
                outbox.put_trust(
                    conn, domain.ids.next(), outbox.TrustKind.CANCELLATION, now, json.dumps(statement)
                )
        return delivery

    def _deliver(
        self, conn: sqlite3.Connection, row: inbound.InboundRow, aid: str, now: int
    ) -> Delivery | None:
        assert row.edi_id is not None
        assert row.enterprise_id is not None
        domain = self._domain
        body = decode(domain.vault.open(SEAL_INBOUND, row.sealed)).body
        assert isinstance(body, DeliverSm)
        parts = reply_of(body)
        address = self._address(body)
        owner = self._directory.sms_number(row.access_number)
        if owner is not None and owner.enterprise_id != row.enterprise_id:
            owner = None  # given to another while the reply waited
        records.put_cdrs(
            conn,
            [
                records.CdrRow(
                    id=row.id,
                    public_id=row.id,
                    kind="mo",
                    account="" if owner is None or owner.sms_account is None else owner.sms_account,
                    enterprise_id=row.enterprise_id,
                    access_number=address,
                    aid=aid,
                    edi_id=row.edi_id,
                    started_at=row.received_at,
                    answered_at=None,
                    ended_at=now,
                    result="RECEIVED",
                    octets=len(parts.payload),
                )
            ],
        )
        if owner is None or owner.sms_account is None:
            return None  # there is nobody to tell
        reply = build_reply(ReplyModel(aid, address, parts.payload, parts.data_coding, parts.udh))
        msisdn = normalise_msisdn(body.source_addr.decode("latin-1"), self._country_code)
        draft = owner.sms_account, guarded_frame(reply, msisdn), True
        return put_deliveries(conn, domain, [draft], self._settings.outbox_validity_s)[0]
