"""Everything but submit_sm that an ESME may ask: data_sm, submit_multi, query_sm, cancel_sm, replace_sm."""

import dataclasses
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from simulators.smsc.center import Center
from simulators.smsc.dialect import read_id
from simulators.smsc.lifetimes import BadTime, lifetime
from simulators.smsc.messages import Message, Reply
from simulators.smsc.outcomes import DELETED
from simulators.smsc.queues import PeerQueue
from simulators.smsc.settings import Account
from smpp.aio.connection import Connection
from smpp.constants import CommandStatus, Tag
from smpp.pdu import (
    CancelSm,
    CancelSmResp,
    DataSm,
    DataSmResp,
    Dest,
    Pdu,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    ReplaceSmResp,
    SmeDest,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSm,
    SubmitSmResp,
    UnsuccessSme,
    tlv,
)
from smpp.times import format_absolute, format_relative

ADDRESS_MAX = 20
"""Octets of an address in submit_sm; data_sm's may be longer, and no phone number is."""
_SHARED = (
    "service_type", "source_addr_ton", "source_addr_npi", "source_addr", "esm_class", "protocol_id",
    "priority_flag", "schedule_delivery_time", "validity_period", "registered_delivery",
    "replace_if_present_flag", "data_coding", "sm_default_msg_id", "short_message",
)  # fmt: skip
"""Fields that submit_multi shares with submit_sm."""


class Operations:
    """The center's rarer services."""

    def __init__(self, center: Center) -> None:
        self._center = center

    def replace_if_present(
        self, connection: Connection, account: Account, pdu: Pdu, body: SubmitSm, frame: bytes
    ) -> None:
        """3.4 5.2.18: take the place of a message that waits from the same source to the same destination
        with the same service_type; without one it is a message like any other."""
        center = self._center
        key = (body.source_addr, body.destination_addr, body.service_type)
        for message in center.open.values():
            old = message.body
            if (
                message.is_waiting
                and message.account == account.system_id
                and (old.source_addr, old.destination_addr, old.service_type) == key
            ):
                break
        else:
            return center.submit(connection, account, pdu, frame)
        status = center.admit(account, center.now)
        if status:
            return center.refuse(connection, pdu, status)
        try:
            times = lifetime(body, center.now, center.validity_ms)
        except BadTime as error:
            return center.refuse(connection, pdu, error.status)
        message.due_at, message.expires_at = times
        message.body, message.frame = body, b""
        message.reply = Reply(connection, pdu.sequence_number, SubmitSmResp)
        self._replaced(message, connection, pdu)

    def data(self, connection: Connection, account: Account, pdu: Pdu, body: DataSm) -> None:
        """3.4 4.7: as submit_sm, with the text in message_payload."""
        center = self._center
        if len(body.source_addr) > ADDRESS_MAX:
            return center.refuse(connection, pdu, CommandStatus.ESME_RINVSRCADR)
        if len(body.destination_addr) > ADDRESS_MAX:
            return center.refuse(connection, pdu, CommandStatus.ESME_RINVDSTADR)
        # 3.4 5.3.2.9: seconds from submission.
        lives = tlv(body, Tag.QOS_TIME_TO_LIVE)
        validity = b""
        if lives is not None:
            validity = format_relative(
                min(timedelta(seconds=int.from_bytes(lives, "big")), timedelta(days=365))
            )
        submit = SubmitSm(
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
            validity_period=validity,
            tlvs=[each for each in body.tlvs if each[0] != Tag.QOS_TIME_TO_LIVE],
        )
        center.take(connection, account, pdu, submit, DataSmResp, b"")

    def multi(self, connection: Connection, account: Account, pdu: Pdu, body: SubmitMulti) -> None:
        """3.4 4.5: one message for each destination under one id; what is not taken is in the answer."""
        center = self._center
        if account.kind == "handsets":
            return center.refuse(connection, pdu, CommandStatus.ESME_RINVCMDID)
        now = center.now
        destinations, unsuccess = self._destinations(body.dests)
        status = center.admit(account, now, len(destinations))
        if status:
            return center.refuse(connection, pdu, status)
        shared = {name: getattr(body, name) for name in _SHARED}
        taken: list[Message] = []
        longest = 0
        for dest in destinations:
            one = SubmitSm(
                **shared,
                dest_addr_ton=dest.ton,
                dest_addr_npi=dest.npi,
                destination_addr=dest.addr,
                tlvs=list(body.tlvs),
            )
            message, wait_ms = center.message_of(
                account, one, now, public_id=taken[0].public_id if taken else 0
            )
            longest = max(longest, wait_ms)
            if isinstance(message, Message):
                message.connection = connection
                taken.append(message)
            else:
                unsuccess.append(UnsuccessSme(dest.ton, dest.npi, dest.addr, message))
        if not taken:
            center.counters.refused += 1
            answer = SubmitMultiResp(unsuccess=unsuccess)
            return connection.respond(pdu.sequence_number, answer, CommandStatus.ESME_RSUBMITFAIL)
        # The ledger keeps the order, so that when the last is safe all are.
        taken[-1].reply = Reply(connection, pdu.sequence_number, SubmitMultiResp, unsuccess)
        taken[-1].respond_at = now + longest if longest else 0
        for message in taken:
            center.ledger.insert(message)

    def _destinations(self, dests: list[Dest]) -> tuple[list[SmeDest], list[UnsuccessSme]]:
        found: list[SmeDest] = []
        unknown: list[UnsuccessSme] = []
        lists = self._center.settings.distribution_lists
        for dest in dests:
            if isinstance(dest, SmeDest):
                found.append(dest)
                continue
            numbers = lists.get(dest.dl_name.decode("latin-1"))
            if numbers is None:
                unknown.append(UnsuccessSme(0, 0, dest.dl_name, CommandStatus.ESME_RINVDLNAME))
            else:
                found.extend(SmeDest(1, 1, number.encode()) for number in numbers)
        return found, unknown

    def query(
        self, connection: Connection, account: Account, pdu: Pdu, body: QuerySm
    ) -> Coroutine[Any, Any, None] | None:
        """3.4 4.8: the state of a message that this account submitted. Returns what is left to await when
        the ledger must be asked."""
        serial = self._serial(account, body.message_id)
        message = self._center.open.get(serial)
        if message is None:
            return self._query_ledger(connection, account, pdu, body, serial)
        self._tell(connection, account, pdu, body, message)
        return None

    async def _query_ledger(
        self, connection: Connection, account: Account, pdu: Pdu, body: QuerySm, serial: int
    ) -> None:
        found = await self._center.ledger.find(serial) if serial else None
        message = self._center.recent([found])[0] if found is not None else None
        self._tell(connection, account, pdu, body, message)

    @staticmethod
    def _tell(
        connection: Connection, account: Account, pdu: Pdu, body: QuerySm, message: Message | None
    ) -> None:
        if message is None or not _is_of(message, account, body.source_addr):
            return connection.reject(pdu, CommandStatus.ESME_RQUERYFAIL)
        final_date = b""
        if message.final_at:
            final_date = format_absolute(datetime.fromtimestamp(message.final_at / 1000, UTC))
        answer = QuerySmResp(
            message_id=body.message_id,
            final_date=final_date,
            message_state=message.state,
            error_code=min(message.error, 255),
        )
        connection.respond(pdu.sequence_number, answer)

    def cancel(self, connection: Connection, account: Account, pdu: Pdu, body: CancelSm) -> None:
        """3.4 4.9: delete a message that is still waiting or, without an id, all between two addresses."""
        center = self._center
        if body.message_id:
            one = center.open.get(self._serial(account, body.message_id))
            cancelled = [one] if one is not None and _is_of(one, account, body.source_addr) else []
        else:
            cancelled = [
                each
                for each in center.open.values()
                if _is_of(each, account, body.source_addr)
                and each.body.destination_addr == body.destination_addr
                and each.body.service_type == body.service_type
            ]
        cancelled = [each for each in cancelled if each.is_waiting]
        if not cancelled:
            return connection.reject(pdu, CommandStatus.ESME_RCANCELFAIL)

        def done(safe: bool) -> None:
            if safe:
                connection.respond(pdu.sequence_number, CancelSmResp())
            else:
                connection.reject(pdu, CommandStatus.ESME_RSYSERR)

        for message in cancelled:
            PeerQueue.discard(message)
            center.finish(message, DELETED, done if message is cancelled[-1] else None)

    def replace(self, connection: Connection, account: Account, pdu: Pdu, body: ReplaceSm) -> None:
        """3.4 4.10: new text, schedule and validity for a message that is still waiting."""
        center = self._center
        message = center.open.get(self._serial(account, body.message_id))
        if message is None or not message.is_waiting or not _is_of(message, account, body.source_addr):
            return connection.reject(pdu, CommandStatus.ESME_RREPLACEFAIL)
        try:
            due_at, expires_at = lifetime(body, center.now, center.validity_ms)
        except BadTime as error:
            return center.refuse(connection, pdu, error.status)
        # An empty time leaves the message's own as it is.
        message.due_at = due_at if body.schedule_delivery_time else message.due_at
        message.expires_at = expires_at if body.validity_period else message.expires_at
        payload = [each for each in body.tlvs if each[0] == Tag.MESSAGE_PAYLOAD]
        message.body = dataclasses.replace(
            message.body,
            short_message=body.short_message,
            registered_delivery=body.registered_delivery,
            sm_default_msg_id=body.sm_default_msg_id,
            tlvs=[each for each in message.body.tlvs if each[0] != Tag.MESSAGE_PAYLOAD] + payload,
        )
        message.frame = b""
        self._replaced(message, connection, pdu)

    def _replaced(self, message: Message, connection: Connection, pdu: Pdu) -> None:
        center = self._center

        def stored(safe: bool) -> None:
            if not safe:
                message.reply = None
                connection.reject(pdu, CommandStatus.ESME_RSYSERR)
            elif message.reply is not None:
                center.answer(message)
            else:
                connection.respond(pdu.sequence_number, ReplaceSmResp())

        center.ledger.replace(message, stored)
        center.requeue(message)

    def _serial(self, account: Account, message_id: bytes) -> int:
        """The serial that the account's dialect names so; 0, which no message has, for none."""
        form = self._center.peers[account.system_id].dialect.response_id
        return read_id(message_id, form) or 0


def _is_of(message: Message, account: Account, source_addr: bytes) -> bool:
    """An MT of that account from that source."""
    return (
        message.account == account.system_id
        and not message.mobile_originated
        and message.body.source_addr == source_addr
    )
