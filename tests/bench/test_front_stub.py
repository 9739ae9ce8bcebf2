"""The rooms of the front's bench: each message is acknowledged and receipted, and what is unfit refused."""

from bench.front_stub import Rooms
from gateway.access_number import AccessNumberRow
from gateway.accounts.directory import Directory, Snapshot
from gateway.store.accounts import AccountRow
from smpp.codec import encode
from smpp.constants import CommandStatus
from smpp.pdu import DeliverSm, Pdu
from smpp.receipts import parse
from tests.gateway.carrier import AID, FakeConnection
from tests.gateway.sms.desk import submit_sm

ACCOUNT = AccountRow("sms-a", "ent-a", "", 1)
NUMBER = AccessNumberRow("1069", "ent-a", "sms-a", None)


def test_each_message_has_its_acknowledgement_and_its_receipt_when_a_window_takes_it() -> None:
    rooms = Rooms(Directory(Snapshot(access_numbers={"1069": NUMBER})))
    session = FakeConnection(window_free=0)
    rooms.bound("sms-a", session)  # type: ignore[arg-type]
    bodies = [submit_sm(source="1069"), submit_sm(source="1070")]
    requests = [(number, body, encode(Pdu(body, number))) for number, body in enumerate(bodies, start=1)]
    rooms.submit(session, ACCOUNT, requests)  # type: ignore[arg-type]
    assert [(number, status) for number, status, _ in session.answers] == [
        (2, CommandStatus.ESME_RINVSRCADR), (1, 0),
    ]  # fmt: skip
    assert session.requests == []
    session.window_free = 1
    rooms.pump()
    [receipt] = session.bodies()
    assert isinstance(receipt, DeliverSm)
    told = parse(receipt)
    assert told is not None
    assert (receipt.source_addr, told.message_id) == (AID.encode(), session.answers[1][2].message_id)  # type: ignore[union-attr]
    rooms.unbound("sms-a", session)  # type: ignore[arg-type]
