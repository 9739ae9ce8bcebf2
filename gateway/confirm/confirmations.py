"""The subscriber's own confirmation: deposit opened, one person found, code sent or network asserted, signed.

From outside, a deposit that was unknown, ambiguous or not answered is one thing: it stays PENDING.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import sqlite3
from collections.abc import Callable, Mapping, Sequence

from foundation.store import StoreBusy, StoreUnavailable
from foundation.tasks import end
from gateway.confirm.code_text import code_in, code_text, draw_code
from gateway.confirm.opening import Opened, open_deposit
from gateway.records import metrics
from gateway.settings import CarrierSettings, ConfirmSettings
from gateway.sms.carrier_messages import put_carrier_text
from gateway.sms.outgoing import Outgoing
from gateway.store import confirmations, edis, outbox
from gateway.store.confirmations import ConfirmationRow, State
from gateway.store.courier import Courier
from gateway.store.domain import Domain
from gateway.store.subscribers import holdings, sealed_msisdn
from gm.sm2 import PrivateKey
from interparty.carrier_messages import Assertion, ConfirmationRequest
from interparty.edi import date_in_shanghai
from interparty.messages import Confirmation
from interparty.statements import consent_sm3
from masking.resolve import Outcome, decide, decide_deposit

SEAL_CONFIRMATION = "confirmation"
SWEEP_S = 10.0

_log = logging.getLogger(__name__)


class Confirmations:
    """Takes deposits from the trust party, codes from subscribers and assertions from the network."""

    def __init__(
        self,
        domain: Domain,
        carrier: CarrierSettings,
        settings: ConfirmSettings,
        edi_keys: Callable[[], Mapping[str, PrivateKey]],
        on_outgoing: Callable[[Outgoing], None],
        on_trust_rows: Callable[[], None],
    ) -> None:
        self._domain = domain
        self._carrier = carrier
        self._settings = settings
        self._edi_keys = edi_keys
        self._on_outgoing = on_outgoing
        self._on_trust_rows = on_trust_rows
        self._courier: Courier[ConfirmationRow] = Courier(
            "open-deposits", domain.store, confirmations.new, self._open
        )
        self._sweeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._courier.start()
        self._sweeper = asyncio.create_task(self._sweep(), name="confirmation-sweeper")

    async def stop(self) -> None:
        await self._courier.stop()
        await end(self._sweeper)

    # --- from the trust party -----------------------------------------------------------------------

    async def take(self, requests: Sequence[ConfirmationRequest]) -> int:
        """Commit deposits to be confirmed; says nothing of what will become of each.

        Raises StoreBusy, StoreUnavailable.
        """
        domain, now = self._domain, self._domain.now_ms()
        rows = [
            ConfirmationRow(
                id=domain.ids.next(),
                deposit_id=request.deposit_id,
                enterprise_id=request.consent.enterprise,
                edi_id=None,
                msisdn_index=None,
                state=State.NEW,
                received_at=now,
                expires_at=now + self._settings.code_valid_s * 1000,
                attempts=0,
                cause=None,
                sealed=domain.vault.seal(SEAL_CONFIRMATION, request.model_dump_json().encode()),
            )
            for request in requests
        ]

        def op(conn: sqlite3.Connection) -> None:
            for row in rows:
                confirmations.insert(conn, row)

        await domain.store.write(op)
        self._courier.wake()
        return len(rows)

    async def _open(self, rows: Sequence[ConfirmationRow]) -> None:
        requests = [self._request(row) for row in rows]
        keys = self._edi_keys()

        def open_all() -> list[list[Opened] | None]:
            return [
                open_deposit(request, self._carrier.id, keys, self._carrier.as_of_days)
                for request in requests
            ]

        opened = await asyncio.to_thread(open_all)

        def op(conn: sqlite3.Connection) -> list[Outgoing]:
            outgoing: list[Outgoing] = []
            for row, request, edis_of in zip(rows, requests, opened, strict=True):
                outgoing += self._settle_new(conn, row, request, edis_of)
            return outgoing

        for message in await self._domain.store.write(op):
            self._on_outgoing(message)
        self._on_trust_rows()

    def _request(self, row: ConfirmationRow) -> ConfirmationRequest:
        return ConfirmationRequest.model_validate_json(self._domain.vault.open(SEAL_CONFIRMATION, row.sealed))

    def _settle_new(
        self,
        conn: sqlite3.Connection,
        row: ConfirmationRow,
        request: ConfirmationRequest,
        opened: list[Opened] | None,
    ) -> list[Outgoing]:
        """Find the one subscriber; then the network's word if it is there, else a code."""
        domain, now = self._domain, self._domain.now_ms()
        if not opened:
            return self._dead(conn, row, "EDI")
        indexed = [
            # One that nobody holds is looked for under an index that nothing has.
            (
                each,
                domain.vault.find_identifier(conn, each.id_type, each.identifier) or secrets.token_bytes(16),
            )
            for each in opened
        ]
        resolutions = [
            decide(
                holdings(conn, each.id_type, index),
                id_type=each.id_type,
                identifier=index.hex(),
                as_of=each.as_of,
                now=now,
            )
            for each, index in indexed
        ]
        resolution = decide_deposit(resolutions)
        since = now - self._settings.assertion_valid_s * 1000
        words = [confirmations.assertion(conn, each.edi_id, since) for each in opened]
        asserted = next((word for word in words if word is not None), None)
        if any(word not in (None, asserted) for word in words):
            return self._dead(conn, row, "ASSERTED_ANOTHER")
        # The trust party gives the one EDI that was confirmed with every grant: where the network spoke, its own.
        edi_id = next(
            (each.edi_id for each, word in zip(opened, words, strict=True) if word), opened[0].edi_id
        )
        confirmations.name_edis(conn, row.id, (each.edi_id for each in opened))
        if resolution.outcome is Outcome.RESOLVED and resolution.msisdn is not None:
            msisdn_index = bytes.fromhex(resolution.msisdn)
            if asserted is not None and asserted != msisdn_index:
                return self._dead(conn, row, "ASSERTED_ANOTHER")
        elif resolution.outcome is Outcome.AMBIGUOUS and len(resolution.candidates) == 2:
            # A dual-SIM device: only the network's authentication may confirm, and settles which.
            if asserted is None:
                confirmations.settle(conn, row.id, State.WAITING, edi_id=edi_id)
                return []
            holder = edis.current_subscriber(conn, asserted)
            if any(word and holder not in each.reach for each, word in zip(resolutions, words, strict=True)):
                return self._dead(conn, row, "ASSERTED_ANOTHER")
            msisdn_index = asserted
        else:
            return self._dead(conn, row, resolution.outcome.value)
        msisdn_sealed = sealed_msisdn(conn, msisdn_index)
        for each, index in indexed:
            edis.insert(
                conn,
                edis.EdiRow(
                    edi_id=each.edi_id,
                    enterprise_id=row.enterprise_id,
                    msisdn_index=msisdn_index,
                    msisdn_sealed=msisdn_sealed,
                    id_type=each.id_type,
                    identifier_index=index,
                    as_of=each.as_of,
                    consent_sm3=consent_sm3(request.consent),
                    confirmed_at=None,
                ),
            )
        if asserted is not None:
            self._confirm(conn, row.id, request, edi_id, "network")
            return []
        return self._send_code(conn, row, request, edi_id, msisdn_index, msisdn_sealed)

    def _send_code(
        self,
        conn: sqlite3.Connection,
        row: ConfirmationRow,
        request: ConfirmationRequest,
        edi_id: bytes,
        msisdn_index: bytes,
        msisdn_sealed: bytes,
    ) -> list[Outgoing]:
        domain, now = self._domain, self._domain.now_ms()
        day = date_in_shanghai(now)
        if not confirmations.count_code(
            conn, msisdn_index, row.enterprise_id, day, self._settings.codes_per_day
        ):
            return self._dead(conn, row, "TOO_MANY_CODES")
        code = draw_code()
        body = json.dumps({"request": request.model_dump(mode="json"), "code": code}).encode()
        confirmations.settle(
            conn,
            row.id,
            State.WAITING,
            edi_id=edi_id,
            msisdn_index=msisdn_index,
            sealed=domain.vault.seal(SEAL_CONFIRMATION, body),
        )
        return put_carrier_text(
            conn,
            domain,
            access_number=self._settings.access_number,
            msisdn=domain.vault.open_msisdn(msisdn_sealed),
            enterprise_id=row.enterprise_id,
            text=code_text(request.consent, request.enterprise_name, code),
            validity_s=self._settings.code_valid_s,
        )

    def _dead(self, conn: sqlite3.Connection, row: ConfirmationRow, cause: str) -> list[Outgoing]:
        metrics.CONFIRMATIONS.labels("not_confirmed").inc()
        _log.info("deposit %s will not be confirmed: %s", row.deposit_id, cause)
        confirmations.settle(conn, row.id, State.DEAD, cause=cause)
        return []

    def _confirm(
        self, conn: sqlite3.Connection, row_id: int, request: ConfirmationRequest, edi_id: bytes, method: str
    ) -> None:
        """The statement goes to the trust party, which signs nothing in this carrier's name."""
        now = self._domain.now_ms()
        for named in request.consent.edi_ids:
            edis.confirm(conn, bytes.fromhex(named), now)
            self._domain.subscribers.forget(bytes.fromhex(named))
        statement = Confirmation.model_validate(
            {
                "carrier": self._carrier.id,
                "enterprise": request.consent.enterprise,
                "consent_sm3": consent_sm3(request.consent).hex(),
                "edi_id": edi_id.hex(),
                "method": method,
                "confirmed_at": now,
            }
        )
        outbox.put_trust(
            conn,
            self._domain.ids.next(),
            outbox.TrustKind.CONFIRMATION,
            now,
            statement.model_dump_json(),
        )
        confirmations.settle(conn, row_id, State.DONE, edi_id=edi_id)

    # --- from subscribers ---------------------------------------------------------------------------

    def reply(self, conn: sqlite3.Connection, msisdn: str, text: str) -> Callable[[], None] | None:
        """A message to the carrier's own number: the code of one consent, or a wrong try at all that wait."""
        now = self._domain.now_ms()
        index = self._domain.vault.find_msisdn(conn, msisdn)
        if index is None:
            return None
        waiting = [
            row
            for row in confirmations.waiting_for(conn, index, now)
            if row.attempts < self._settings.attempts_max
        ]
        for row in waiting:
            held = json.loads(self._domain.vault.open(SEAL_CONFIRMATION, row.sealed))
            if code_in(text, held["code"]) and row.edi_id is not None:
                request = ConfirmationRequest.model_validate(held["request"])
                self._confirm(conn, row.id, request, row.edi_id, "sms-code")
                return self._on_trust_rows
        for row in waiting:
            confirmations.count_attempt(conn, row.id)
        return None

    # --- from the network ---------------------------------------------------------------------------

    async def assert_sessions(self, assertions: Sequence[Assertion]) -> int:
        """The network names the MSISDN of the session in which each EDI was made, before or after its deposit.

        Raises StoreBusy, StoreUnavailable.
        """
        now = self._domain.now_ms()

        def op(conn: sqlite3.Connection) -> bool:
            confirmed = False
            for each in assertions:
                index = self._domain.vault.msisdn_index(conn, each.msisdn)
                edi_id = bytes.fromhex(each.edi_id)
                confirmations.put_assertion(conn, edi_id, index, each.at, now)
                row = confirmations.by_edi(conn, edi_id, now)
                if row is None:
                    continue
                if row.msisdn_index is None:
                    # Ambiguous until now: look again with the network's word.
                    confirmations.settle(conn, row.id, State.NEW)
                elif row.msisdn_index == index:
                    held = json.loads(self._domain.vault.open(SEAL_CONFIRMATION, row.sealed))
                    request = ConfirmationRequest.model_validate(held["request"])
                    self._confirm(conn, row.id, request, edi_id, "network")
                    confirmed = True
                else:
                    self._dead(conn, row, "ASSERTED_ANOTHER")
            return confirmed

        if await self._domain.store.write(op):
            self._on_trust_rows()
        self._courier.wake()
        return len(assertions)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now = self._domain.now_ms()

            def op(conn: sqlite3.Connection, now: int = now) -> None:
                confirmations.expire(conn, now)
                confirmations.drop_assertions(conn, now - self._settings.assertion_valid_s * 1000)

            try:
                await self._domain.store.write(op)
            except (StoreBusy, StoreUnavailable) as error:
                _log.warning("confirmation sweep waits: %s", error)
