"""A call of a subscriber to an access number: who calls is shown to the enterprise as the AID, and as nothing else.

What the core is answered, and what is recorded as the refusal's cause:

| case | answer | cause |
|---|---|---|
| not from the configured core's address | 403 | none: not a call of this carrier |
| no such access number, or none for voice | 404 | UNKNOWN_ACCESS_NUMBER |
| no P-Asserted-Identity with a number, or Privacy asks to withhold it | 433 | IDENTITY_WITHHELD |
| a body that is no session description; no audio in it that may cross | 400; 488 | none |
| the subscriber was never contacted from this access number | 404 | NO_CONTACT |
| opted out, number changed hands, and what else the carrier itself refuses | 404 | OPTED_OUT, SUBSCRIBER_CHANGED … |
| the trust party gives no AID: expired, revoked | 404 | the trust party's reason |
| the enterprise has no contact | 480 | ENTERPRISE_UNREACHABLE |
| over the calls of the gateway | 503 with Retry-After | OVER_CALLS |
| over the calls, or calls a second, of trunk, access number or AID | 486 | OVER_CALLS |
| trust party or store not available | 503 with Retry-After | none where the store is gone, else TRUST_UNAVAILABLE |
| the enterprise's own refusal | its status; silence, challenge, redirect: 480; 503: 500 | none: a call record says it |
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from dataclasses import dataclass
from enum import StrEnum

from foundation.store import StoreBusy, StoreUnavailable
from gateway.access_number import AccessNumberRow
from gateway.accounts.directory import Directory
from gateway.policy.decision import find_subscribers
from gateway.policy.refusal import Case, Cause, Refusal
from gateway.records import metrics
from gateway.store import edis, records
from gateway.store.domain import Domain
from gateway.store.subscriber_cache import Resolved
from gateway.voice import call_record
from gateway.voice.admission import Rejection, number_of, rejection
from gateway.voice.bridge import Bridge
from gateway.voice.bridges import Bridges
from gateway.voice.call_caps import CallOf
from gateway.voice.call_record import CallRecord, Direction
from gateway.voice.core_peers import CorePeers
from gateway.voice.egress import (
    CORE_SIDE,
    ENTERPRISE_SIDE,
    crossing_headers,
    guarded_address,
)
from gateway.voice.leg import Invitation
from gateway.voice.media import may_cross
from gateway.voice.peer_policy import judge, policy_of_peer, policy_of_trunk
from gateway.voice.registration import Registrations
from interparty.client import PeerProblem, PeerUnavailable
from interparty.messages import RestoreItem
from sip.events import IncomingCall
from sip.flow import Flow
from sip.headers import HeaderError, NameAddr
from sip.loops import next_max_forwards
from sip.message import Request
from sip.sdp import SdpError
from sip.uri import SipUri, TelUri, Uri
from trust_client.carrier import CarrierClient

ANONYMITY_DISALLOWED = 433
"""RFC 5079: an AID would tell the enterprise who calls, and the caller asked not to be known."""

BUSY = Rejection(486, [])
"""To the core 503 would say that the gateway is overloaded, and keep everybody's calls away from it."""

_log = logging.getLogger(__name__)


class CallbackCause(StrEnum):
    """Why a callback did not take place, beside policy's causes and the trust party's reasons."""

    IDENTITY_WITHHELD = "IDENTITY_WITHHELD"
    ENTERPRISE_UNREACHABLE = "ENTERPRISE_UNREACHABLE"
    OVER_CALLS = "OVER_CALLS"
    TRUST_UNAVAILABLE = "TRUST_UNAVAILABLE"
    TRUST_REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class _Callback:
    bridge: Bridge
    owner: AccessNumberRow
    msisdn: str
    targets: list[tuple[Uri, Flow]]
    """Where the trunk may be reached, the preferred first."""


class Callbacks:
    """Takes the core's INVITEs."""

    def __init__(
        self,
        domain: Domain,
        directory: Directory,
        trust: CarrierClient,
        bridges: Bridges,
        registrations: Registrations,
        core: CorePeers,
        *,
        aid_domain: str,
        country_code: str,
    ) -> None:
        self._domain = domain
        self._directory = directory
        self._trust = trust
        self._bridges = bridges
        self._registrations = registrations
        self._core = core
        self._aid_domain = aid_domain
        self._country_code = country_code
        self._tasks: set[asyncio.Task[None]] = set()

    def receive(self, event: IncomingCall, now: float) -> None:
        """Refuse at once what needs nobody's answer; find the AID for the rest."""
        request, call = event.request, event.call
        peer = self._core.of(event.flow)
        if peer is None:
            # Only the core's word on who calls is believed, so nobody else may call here at all.
            _log.warning("a call from an address that is not the core's was refused")
            call.reject(403, now)
            return
        number = number_of(request.uri) or ""
        owner = self._directory.access_number(number)
        trunk = None if owner is None else self._directory.trunk(owner.voice_trunk or "")
        if owner is None or trunk is None or trunk.enterprise_id != owner.enterprise_id:
            self._reject(event, now, 404, Cause.UNKNOWN_ACCESS_NUMBER, "", number)
            return
        msisdn = asserted_msisdn(request, self._country_code)
        if msisdn is None:
            self._reject(
                event, now, ANONYMITY_DISALLOWED, CallbackCause.IDENTITY_WITHHELD, owner.enterprise_id, number
            )
            return
        malformed = _malformed(request)
        if malformed is not None:
            call.reject(malformed, now)
            return
        policy = policy_of_peer(peer.settings, self._bridges.settings)
        refused = judge(request, policy)
        if refused is not None:
            call.reject(refused.status, now, headers=refused.headers, body=refused.body)
            return
        of = CallOf(Direction.CALLBACK, trunk, owner)
        targets = self._registrations.targets(trunk, now)
        if not targets:
            self._reject(event, now, 480, CallbackCause.ENTERPRISE_UNREACHABLE, owner.enterprise_id, number)
            return
        if not self._bridges.caps.take(of, now):
            busy = rejection(Case.CALLS) if self._bridges.caps.is_full else BUSY
            self._reject(event, now, busy.status, CallbackCause.OVER_CALLS, owner.enterprise_id, number, busy)
            return
        bridge = self._bridges.open(of, CORE_SIDE, event.call, policy)
        task = asyncio.get_running_loop().create_task(
            self._connect(_Callback(bridge, owner, msisdn, targets)), name="callback"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, callback: _Callback) -> None:
        bridge, owner, msisdn = callback.bridge, callback.owner, callback.msisdn
        write = self._domain.store.write
        try:
            found = await write(lambda conn: self._find(conn, owner, msisdn))
            if isinstance(found, Refusal):
                _refuse(bridge, Rejection(404, []))
                return
            aid, reason = await self._restore(found, owner)
            if aid is None:
                cause = reason or CallbackCause.TRUST_UNAVAILABLE
                await write(lambda conn: self._put_refusal(conn, cause, owner.enterprise_id, owner.number))
                _refuse(bridge, rejection(Case.NOT_AVAILABLE) if reason is None else Rejection(404, []))
                return
            if not bridge.known_as(aid):
                cause = CallbackCause.OVER_CALLS
                await write(lambda conn: self._put_refusal(conn, cause, owner.enterprise_id, owner.number))
                _refuse(bridge, BUSY)
                return
            restored = aid
            record = await write(lambda conn: self._commit(conn, owner, msisdn, restored, found.edi_id))
            if isinstance(record, Refusal):
                _refuse(bridge, Rejection(404, []))
                return
        except (StoreBusy, StoreUnavailable):
            _refuse(bridge, rejection(Case.NOT_AVAILABLE))
            return
        except Exception:
            _log.exception("a callback failed")
            _refuse(bridge, rejection(Case.NOT_AVAILABLE))
            return
        bridge.connect(
            record, msisdn, [self._invitation(callback, record, target) for target in callback.targets]
        )

    def _find(self, conn: sqlite3.Connection, owner: AccessNumberRow, msisdn: str) -> Resolved | Refusal:
        """Whom (MSISDN, access number) means; a refusal is recorded in the same commit. Never guess a person."""
        domain = self._domain
        index = domain.vault.find_msisdn(conn, msisdn)
        contact = None if index is None else edis.contact(conn, index, owner.number)
        found: Resolved | Refusal
        if contact is None or contact[1] != owner.enterprise_id:
            found = Refusal(Case.AID_REFUSED, Cause.NO_CONTACT)
        else:
            now = domain.now_ms()
            found = find_subscribers(conn, domain, [(contact[0], owner.enterprise_id)], now)[0]
            if isinstance(found, Resolved) and found.msisdn_index != index:
                found = Refusal(Case.AID_REFUSED, Cause.SUBSCRIBER_CHANGED)
        if isinstance(found, Refusal):
            self._put_refusal(conn, found.cause, owner.enterprise_id, owner.number)
        return found

    async def _restore(self, found: Resolved, owner: AccessNumberRow) -> tuple[str | None, str | None]:
        """(AID, None), (None, why not), or (None, None) when the trust party does not answer."""
        item = RestoreItem(
            edi_id=found.edi_id.hex(), enterprise=owner.enterprise_id, access_number=owner.number
        )
        try:
            (answer,) = await self._trust.restore([item])
        except (PeerUnavailable, PeerProblem) as error:
            _log.warning("a callback's AID is not known: %s", error)
            return None, None
        if answer.aid is not None:
            return answer.aid, None
        return None, answer.refusal.reason if answer.refusal is not None else CallbackCause.TRUST_REFUSED

    def _commit(
        self, conn: sqlite3.Connection, owner: AccessNumberRow, msisdn: str, aid: str, edi_id: bytes
    ) -> CallRecord | Refusal:
        # Looked up again: an opt-out may have come while the trust party was asked.
        found = self._find(conn, owner, msisdn)
        if isinstance(found, Refusal):
            return found
        record = CallRecord(
            id=self._domain.ids.next(),
            direction=Direction.CALLBACK,
            enterprise_id=owner.enterprise_id,
            access_number=owner.number,
            aid=aid,
            edi_id=edi_id,
            started_at=self._domain.now_ms(),
        )
        call_record.insert(conn, self._domain, [(record, msisdn)])
        return record

    def _invitation(self, callback: _Callback, record: CallRecord, target: tuple[Uri, Flow]) -> Invitation:
        """The enterprise leg: From is the AID, To the access number; nothing of the core's INVITE is in it
        but what masking lets cross."""
        request, msisdn = callback.bridge.caller.call.request, callback.msisdn
        uri, flow = target
        from_ = NameAddr(SipUri(record.aid, self._aid_domain))
        to = NameAddr(SipUri(record.access_number, self._aid_domain))
        return Invitation(
            uri=uri,
            to=guarded_address("To", to, msisdn),
            from_=guarded_address("From", from_, msisdn),
            flow=flow,
            headers=[
                ("Max-Forwards", next_max_forwards(request)),
                *crossing_headers(ENTERPRISE_SIDE, request, msisdn),
            ],
            policy=policy_of_trunk(callback.bridge.of.trunk, self._bridges.settings),
        )

    def _put_refusal(
        self, conn: sqlite3.Connection, cause: str, enterprise_id: str, access_number: str
    ) -> None:
        domain = self._domain
        refusal = records.RefusalRow(
            domain.ids.next(), domain.now_ms(), enterprise_id, "voice", access_number, "", cause
        )
        records.put_refusals(conn, [refusal])

    def _reject(
        self,
        event: IncomingCall,
        now: float,
        status: int,
        cause: str,
        enterprise_id: str,
        access_number: str,
        answer: Rejection | None = None,
    ) -> None:
        """A refusal that needed no look-up; it is recorded when the store can."""
        metrics.REFUSALS.add("voice")
        event.call.reject(status, now, headers=[] if answer is None else answer.headers)
        try:
            self._domain.store.submit(
                lambda conn: self._put_refusal(conn, cause, enterprise_id, access_number), _recorded
            )
        except (StoreBusy, StoreUnavailable) as error:
            _recorded(None, error)

    async def stop(self) -> None:
        """Wait for the look-ups under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _recorded(_: None, error: BaseException | None) -> None:
    if error is not None:
        _log.warning("a refused callback is not on record: %s", type(error).__name__)


def _refuse(bridge: Bridge, answer: Rejection) -> None:
    metrics.REFUSALS.add("voice")
    bridge.refuse(answer.status, answer.headers)


def _malformed(request: Request) -> int | None:
    if next_max_forwards(request) is None:
        return 483
    if not request.body:
        return None
    try:
        return None if may_cross(request.body) else 488
    except SdpError:
        return 400


def asserted_msisdn(request: Request, country_code: str) -> str | None:
    """The caller's number as the core asserts it (RFC 3325 9.1), E.164 digits; never From, which is the
    caller's own word. None where there is none or the caller wants it withheld."""
    wishes = {wish.strip().lower() for text in request.get_all("Privacy") for wish in text.split(";")}
    if wishes - {"", "none"}:
        return None
    try:
        identities = request.addresses("P-Asserted-Identity")
    except HeaderError:
        return None
    for identity in identities:
        uri = identity.uri
        text = uri.user if isinstance(uri, SipUri) else uri.digits if isinstance(uri, TelUri) else None
        number = number_of(uri)
        if text is None or number is None:
            continue
        if text.startswith("+"):
            return number if 5 <= len(number) <= 15 else None
        if len(number) == 11 and number.startswith("1"):
            return country_code + number
        if number.startswith(country_code) and len(number) <= 15:
            return number
    return None
