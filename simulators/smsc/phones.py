"""What the people with the phones do: scripted replies and acknowledgements to what was delivered."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from simulators.assembly import Assembler
from simulators.smsc.messages import Message, delivery
from simulators.smsc.settings import Reply
from smpp.constants import EsmClass, MessageState, Npi, RegisteredDelivery, Tag, Ton
from smpp.pdu import SubmitSm
from smpp.segmentation import UdhError, split

INCOMPLETE_MAX = 10_000
"""Long messages of which phones await parts; the oldest is given up."""


class Sent(NamedTuple):
    """A message that a phone sends, `after_ms` from now."""

    body: SubmitSm
    after_ms: int


class Phones:
    """Every phone of the network, as far as the configuration scripts them."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self._rules = [(re.compile(rule.number), re.compile(rule.text), rule) for rule in replies]
        self._assembler = Assembler(INCOMPLETE_MAX)
        self._reference = 0

    def reacts(self, message: Message) -> bool:
        """Whether `on_delivered` may have an effect: most runs have no script and ask for no acknowledgement."""
        return bool(self._rules or message.body.registered_delivery & RegisteredDelivery.ACKNOWLEDGEMENT_MASK)

    def on_delivered(self, message: Message, chance: float) -> Iterator[Sent]:
        """What the phone sends back; `chance`, 0 to 1, draws the delays."""
        body = message.body
        number = body.destination_addr.decode("latin-1")
        if self._rules:
            try:
                whole = self._assembler.add(delivery(message))
            except UdhError:
                whole = None
            if whole is not None:
                for number_pattern, text_pattern, rule in self._rules:
                    found = text_pattern.search(whole.text)
                    if found is None or (rule.number and not number_pattern.fullmatch(number)):
                        continue
                    to = rule.to.encode("ascii", "replace") or body.source_addr
                    for sent in self.texts(body.destination_addr, to, found.expand(rule.reply)):
                        yield Sent(sent, rule.after.sample(chance))
        # 3.4 5.2.17: bit 2 asks for the SME's delivery acknowledgement, bit 3 for the user's own.
        if body.registered_delivery & RegisteredDelivery.DELIVERY_ACKNOWLEDGEMENT:
            yield Sent(_acknowledgement(message, EsmClass.DELIVERY_ACKNOWLEDGEMENT), 0)
        if body.registered_delivery & RegisteredDelivery.MANUAL_ACKNOWLEDGEMENT:
            yield Sent(_acknowledgement(message, EsmClass.MANUAL_ACKNOWLEDGEMENT), 0)

    def texts(self, number: bytes, to: bytes, text: str) -> Iterator[SubmitSm]:
        """The parts of a text from one phone."""
        self._reference = self._reference % 255 + 1
        for part in split(text, self._reference):
            yield SubmitSm(
                source_addr_ton=Ton.INTERNATIONAL,
                source_addr_npi=Npi.ISDN,
                source_addr=number,
                dest_addr_ton=Ton.UNKNOWN,
                dest_addr_npi=Npi.ISDN,
                destination_addr=to,
                esm_class=part.esm_class,
                data_coding=part.data_coding,
                short_message=part.short_message,
            )


def _acknowledgement(message: Message, esm_class: EsmClass) -> SubmitSm:
    """3.4 2.11: the phone's own word, from it to the sender, without content here."""
    body = message.body
    tlvs = [(int(Tag.MESSAGE_STATE), bytes([MessageState.DELIVERED]))]
    tlvs += [(tag, value) for tag, value in body.tlvs if tag == Tag.USER_MESSAGE_REFERENCE]
    return SubmitSm(
        source_addr_ton=body.dest_addr_ton,
        source_addr_npi=body.dest_addr_npi,
        source_addr=body.destination_addr,
        dest_addr_ton=body.source_addr_ton,
        dest_addr_npi=body.source_addr_npi,
        destination_addr=body.source_addr,
        esm_class=int(esm_class),
        tlvs=tlvs,
    )
