"""What a handset shows: long messages put together, the newest kept, what cannot be read refused."""

from simulators.handsets.inbox import INCOMPLETE_MAX, MESSAGES_MAX, Inbox
from smpp.pdu import DeliverSm
from smpp.segmentation import split


def deliver(inbox: Inbox, text: str, reference: int = 1, only: slice = slice(None)) -> None:
    for part in split(text, reference)[only]:
        body = DeliverSm(
            source_addr=b"10690001",
            destination_addr=b"8613800000001",
            esm_class=part.esm_class,
            data_coding=part.data_coding,
            short_message=part.short_message,
        )
        assert inbox.deliver(body)


def texts(inbox: Inbox) -> list[str]:
    return [message.text for message in inbox.journal.since()]


def test_parts_are_put_together_in_whatever_order_they_come() -> None:
    inbox, text = Inbox(), "顺序" * 100
    deliver(inbox, text, only=slice(None, None, -1))
    assert texts(inbox) == [text]


def test_an_inbox_keeps_the_newest_messages_and_few_incomplete_ones() -> None:
    inbox = Inbox()
    for number in range(MESSAGES_MAX + 5):
        deliver(inbox, f"text {number}")
    assert len(inbox.journal) == MESSAGES_MAX
    long = "x" * 200
    for reference in range(1, INCOMPLETE_MAX + 2):
        deliver(inbox, long, reference, slice(0, 1))
    # The first of the incomplete ones was given up, so its second part alone makes no message.
    deliver(inbox, long, 1, slice(1, 2))
    assert long not in texts(inbox)
    deliver(inbox, long, INCOMPLETE_MAX + 1, slice(1, 2))
    assert texts(inbox)[-1] == long


def test_a_header_that_cannot_be_read_is_refused() -> None:
    body = DeliverSm(source_addr=b"1", destination_addr=b"2", esm_class=0x40, short_message=b"\x20\x00")
    assert not Inbox().deliver(body)
