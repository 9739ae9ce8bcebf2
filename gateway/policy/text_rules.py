"""The rules of a text, in the order in which they are asked. The first refusal counts."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.access_number import AccessNumberRow
from gateway.policy.refusal import Refusal
from gateway.policy.text import Text, TextRule
from gateway.policy.text_length import is_short_enough
from gateway.policy.text_signature import is_signed
from gateway.policy.text_words import Words
from smpp.data_coding import GSM, charset_of
from smpp.pdu import SubmitSm
from smpp.segmentation import user_data
from smpp.text import decode_text


class TextRules:
    """The list, with the operator's words. `words` may be replaced while it is in use."""

    def __init__(self, words: Words | None = None) -> None:
        self.words = Words() if words is None else words

    @property
    def rules(self) -> tuple[TextRule, ...]:
        return (is_short_enough, is_signed, self.words.none_in)

    def refusal_of(self, number: AccessNumberRow, bodies: Sequence[SubmitSm]) -> Refusal | None:
        """Why a text is not sent; `bodies` are its parts in order, one for a whole message."""
        # Where no rule could say anything, nothing is read.
        if len(bodies) == 1 and not (bodies[0].tlvs or self.words or number.signature is not None):
            return None
        octets, said = 0, []
        for body in bodies:
            elements, payload = user_data(body)
            octets += len(payload)
            said.append(decode_text(body.data_coding, payload, elements))
        text = Text(number, octets, charset_of(bodies[0].data_coding) == GSM, "".join(said))
        for rule in self.rules:
            refusal = rule(text)
            if refusal is not None:
                return refusal
        return None
