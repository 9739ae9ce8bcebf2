"""A carrier domain for tests: a real store, a clock that tests move, people and EDIs; fakes around it."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.access_number import AccessNumberRow
from gateway.accounts.directory import Directory, Snapshot
from gateway.sms.outgoing import SEAL_MESSAGE
from gateway.sms.smsc_link import OnAnswer
from gateway.store import edis, messages
from gateway.store.accounts import AccountRow
from gateway.store.domain import Domain
from gateway.store.messages import MessageRow
from gateway.store.subscribers import HoldingLine, import_lines
from gateway.store.vault import Vault
from interparty.verify_messages import VerifyItem
from smpp.aio.connection import FailureReason, RequestFailed
from smpp.codec import decode, encode
from smpp.constants import RESPONSE_BIT, CommandId
from smpp.pdu import RESPONSE_OF, Body, MessageResp, Pdu, SubmitSm, SubmitSmResp
from trust_client.verifier import Grant, Refused, Unavailable

MSISDN = "8613800000001"
OTHER_MSISDN = "8613800000002"
IMSI_ID = "460001234567890"
OTHER_IMSI_ID = "460001234567891"
IMSI = 2
AID = "888132341582397708"
AID_REFUSED = "888100000000000001"
AID_BLOCKED = "888100000000000002"
AID_UNAVAILABLE = "888100000000000003"
EDI_ID = bytes.fromhex("00112233445566778899aabbccddeeff")
EDI_BLOCKED = bytes.fromhex("11112233445566778899aabbccddeeff")
NUMBER = "1069000100"
OTHERS_NUMBER = "1069000200"
CODE_NUMBER = "1069999"
ENTERPRISE = "ent-a"
NOW_MS = 1_793_500_000_000  # 2026-11-01 10:26 in Asia/Shanghai
AS_OF = 20261101
LONG_AGO = NOW_MS - 10**10
DIGEST = bytes(range(32))
PATIENCE_S = 5.0

ACCOUNT_KEY = bytes(range(32, 64))
ACCOUNT = AccountRow("sms-a", ENTERPRISE, "", 2)


class Clock:
    """Milliseconds that only tests move."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


def grant(edi_id: bytes = EDI_ID, *, hours: str = "00:00-24:00", frequency: str = "20/day") -> Grant:
    return Grant("A" * 279, edi_id, hours, frequency, (NUMBER,), NOW_MS + 10**9)


class FakeVerifier:
    """Answers by AID, at once or, with `held`, when the test releases it."""

    def __init__(self) -> None:
        self.asked: list[VerifyItem] = []
        self.answers: dict[str, Grant | Refused | Unavailable] = {
            AID: grant(),
            AID_REFUSED: Refused("REVOKED"),
            AID_BLOCKED: grant(EDI_BLOCKED),
            AID_UNAVAILABLE: Unavailable("no answer in time"),
        }

    def submit(self, item: VerifyItem, done: Callable[[Any], None], *, fresh: bool = False) -> None:
        self.asked.append(item)
        done(self.answers.get(item.aid, Refused("UNKNOWN")))

    def submit_all(
        self, items: Sequence[tuple[VerifyItem, Any]], done: Callable[[Any], None], *, fresh: bool = False
    ) -> None:
        for item, asker in items:
            self.submit(item, lambda answer, asker=asker: done([(asker, answer)]), fresh=fresh)  # type: ignore[misc]


@dataclass(eq=False)
class FakeConnection:
    """One SMPP connection in memory: what was answered, and what was requested, each with its context."""

    can_send: bool = True
    window_free: int = 100
    answers: list[tuple[int, int, Body | None]] = field(default_factory=list)
    requests: list[tuple[bytes, Any]] = field(default_factory=list)

    def respond(self, sequence_number: int, body: Body, status: int = 0) -> None:
        self.answers.append((sequence_number, status, body))

    def respond_message(
        self, sequence_number: int, message_id: bytes = b"", command_id: int | None = None
    ) -> None:
        """As a message centre's connection: with a submit_sm_resp unless another response is named."""
        request = CommandId.SUBMIT_SM if command_id is None else command_id & ~RESPONSE_BIT
        response = RESPONSE_OF[request]
        assert issubclass(response, MessageResp)
        self.answers.append((sequence_number, 0, response(message_id)))

    def respond_messages(self, answers: Sequence[tuple[int, bytes]]) -> None:
        for sequence_number, message_id in answers:
            self.respond_message(sequence_number, message_id)

    def reject(self, request: Pdu, status: int) -> None:
        self.reject_request(request.sequence_number, request.command_id, status)

    def reject_request(self, sequence_number: int, command_id: int, status: int) -> None:
        self.answers.append((sequence_number, int(status), None))

    def request_messages(self, messages: Sequence[tuple[bytes, Any]]) -> int:
        self.requests += messages[: self.window_free]
        return min(len(messages), self.window_free)

    async def answer(self) -> tuple[int, int, Body | None]:
        """The next answer, taken off."""
        await until(lambda: bool(self.answers))
        return self.answers.pop(0)

    def bodies(self) -> list[Body]:
        return [decode(frame).body for frame, _ in self.requests]


class FakeSender:
    """The SMSC's links: keeps frames; the test answers, once it has said who is `told`."""

    def __init__(self, told: OnAnswer | None = None) -> None:
        self.room = True
        self.sent: list[bytes] = []
        self.waiting: list[Any] = []
        self.told = told
        """Dispatcher.answered, which is made after its sender."""

    def free(self) -> int:
        return 100 if self.room else 0

    def send(self, messages: Sequence[tuple[bytes, Any]]) -> int:
        for frame, context in messages:
            self.sent.append(frame)
            self.waiting.append(context)
        return len(messages)

    def bodies(self) -> list[SubmitSm]:
        return [body for body in (decode(frame).body for frame in self.sent) if isinstance(body, SubmitSm)]

    def answer(self, upstream_id: bytes = b"1", status: int = 0, link: str = "smsc") -> None:
        """The oldest request's response."""
        self._tell(link, Pdu(SubmitSmResp(message_id=upstream_id), 1, status))

    def fail(self, reason: FailureReason = "timeout") -> None:
        self._tell("smsc", RequestFailed(reason))

    def _tell(self, link: str, answer: Pdu | RequestFailed) -> None:
        assert self.told is not None
        self.told(link, self.waiting.pop(0), answer)


def directory() -> Directory:
    numbers = (
        AccessNumberRow(NUMBER, ENTERPRISE, "sms-a", "pbx-a"),
        AccessNumberRow(OTHERS_NUMBER, "ent-b", "sms-b", None),
    )
    accounts = (ACCOUNT, AccountRow("sms-b", "ent-b", "", 1))
    return Directory(
        Snapshot(
            version=1,
            enterprises={ENTERPRISE: "A", "ent-b": "B"},
            accounts={row.system_id: row for row in accounts},
            access_numbers={row.number: row for row in numbers},
            account_keys={ACCOUNT.system_id: ACCOUNT_KEY},
        )
    )


def edi_row(
    conn: sqlite3.Connection, vault: Vault, edi_id: bytes = EDI_ID, msisdn: str = MSISDN, **fields: Any
) -> edis.EdiRow:
    """An EDI of an IMSI, confirmed a second ago."""
    id_type = fields.get("id_type", IMSI)
    identifier = fields.get("identifier", IMSI_ID)
    return edis.EdiRow(
        edi_id,
        fields.get("enterprise_id", ENTERPRISE),
        vault.msisdn_index(conn, msisdn),
        vault.seal_msisdn(msisdn),
        id_type,
        vault.identifier_index(conn, id_type, identifier),
        fields.get("as_of", AS_OF),
        b"\0" * 32,
        fields.get("confirmed_at", NOW_MS - 1000),
    )


def seed(domain: Domain) -> Callable[[Any], None]:
    """Two people with a confirmed EDI each; the second opted out afterwards."""
    vault = domain.vault

    def op(conn: Any) -> None:
        lines = [
            HoldingLine(MSISDN, IMSI, IMSI_ID, LONG_AGO, None),
            HoldingLine(OTHER_MSISDN, IMSI, OTHER_IMSI_ID, LONG_AGO, None),
        ]
        import_lines(conn, vault, lines, LONG_AGO)
        edis.insert(conn, edi_row(conn, vault))
        edis.insert(conn, edi_row(conn, vault, EDI_BLOCKED, OTHER_MSISDN, identifier=OTHER_IMSI_ID))
        edis.block(conn, ENTERPRISE, vault.msisdn_index(conn, OTHER_MSISDN), NOW_MS - 500)

    return op


def message_row(message_id: int, **fields: Any) -> MessageRow:
    """A whole message of the enterprise to the first person."""
    values: dict[str, Any] = {
        "public_id": message_id,
        "kind": messages.Kind.ENTERPRISE,
        "account": "sms-a",
        "enterprise_id": ENTERPRISE,
        "access_number": NUMBER,
        "aid": AID,
        "edi_id": EDI_ID,
        "registered_delivery": 1,
        "priority": 0,
        "octets": 5,
        "digest": DIGEST,
        "long_id": None,
        "part": 0,
        "accepted_at": NOW_MS,
        "not_before": NOW_MS,
        "expires_at": NOW_MS + 86_400_000,
    }
    return MessageRow(id=message_id, **(values | fields))


def put_message(
    conn: Any,
    vault: Vault,
    row: MessageRow,
    frame: bytes | None = None,
    state: messages.State = messages.State.QUEUED,
) -> None:
    """In the store as the intake leaves it: with its submit_sm for the SMSC, sealed."""
    sealed = vault.seal(SEAL_MESSAGE, submit_frame() if frame is None else frame)
    messages.insert(conn, [(row, state, sealed)])


async def add_message(domain: Domain, row: MessageRow, frame: bytes | None = None, **fields: Any) -> None:
    """As `put_message`, committed."""
    await domain.store.write(lambda conn: put_message(conn, domain.vault, row, frame, **fields))


def submit_frame(text: bytes = b"hello", to: str = MSISDN) -> bytes:
    return encode(
        Pdu(SubmitSm(source_addr=NUMBER.encode(), destination_addr=to.encode(), short_message=text))
    )


async def settled(domain: Domain) -> None:
    """Everything handed to the store so far is committed and answered."""
    await domain.store.write(lambda conn: None)
    await until(lambda: domain.store.backlog == 0)
    await asyncio.sleep(0)


async def rows(domain: Domain, table: str, order: str = "id") -> list[dict[str, Any]]:
    return [dict(row) for row in await domain.store.read(f"SELECT * FROM {table} ORDER BY {order}")]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another task or the store brings about."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0.001)
