"""What the trust party answered, as outcomes. Answers that come again and again are read once."""

from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from interparty import edi
from interparty.client import PeerUnavailable
from interparty.hot_messages import GRANT, REFUSAL, answer_pieces, read_answers
from interparty.verify_messages import VerifyAnswer

OUTCOMES_MAX: Final = 20_000
"""Answers kept with what they mean, about 1 KB each."""
TERMS_MAX: Final = 10_000
"""Terms of consents kept decoded, shared by the grants under them."""


@dataclass(frozen=True, slots=True)
class Grant:
    """This contact is authorized now, under the consent's terms."""

    edi_text: str
    """The EDI as it came over the wire."""
    edi_id: bytes
    """16 bytes under which the carrier keeps the subscriber."""
    hours: str
    """Hours of contact in Asia/Shanghai, "08:00-21:00"."""
    frequency: str
    """At most so many contacts, "20/day"."""
    access_numbers: tuple[str, ...]
    """The numbers from which the consent allows contact."""
    not_after_ms: int
    """End of the term, milliseconds since the epoch, not included in it."""
    is_cached: bool = False
    """Whether it is an earlier answer, used again under the lease."""

    @property
    def edi(self) -> bytes:
        """The 209 bytes of the EDI. Raises interparty.edi.EdiError if the text is not canonical."""
        return edi.from_text(self.edi_text)


@dataclass(frozen=True, slots=True)
class Refused:
    """The trust party refused; `reason` is precise and stays inside the carrier."""

    reason: str


class AnswerReader:
    """Reads responses to questions. An answer equal to an earlier one is the same object."""

    def __init__(self) -> None:
        self._outcomes: dict[str, Grant | Refused] = {}
        self._terms: dict[str, tuple[str, str, tuple[str, ...]]] = {}

    def read(self, body: bytes, count: int) -> list[Grant | Refused]:
        """The outcomes of a VerifyResponse to `count` questions, in order.

        Raises PeerUnavailable for any other body: answers are matched by position, so a list of another length
        answers nothing.
        """
        pieces = answer_pieces(body)
        outcomes = None if pieces is None else self.outcomes(pieces)
        if outcomes is None:
            outcomes = _by_model(body)
        if len(outcomes) != count:
            raise PeerUnavailable("not as many answers as questions")
        return outcomes

    def outcomes(self, pieces: list[str]) -> list[Grant | Refused] | None:
        """What pieces from hot_messages.answer_pieces mean; None if one of them is in another form."""
        known = self._outcomes
        found = [known.get(piece) for piece in pieces]
        if None in found:
            for at, piece in enumerate(pieces):
                if found[at] is None:
                    outcome = known.get(piece) or self._learn(piece)
                    if outcome is None:
                        return None
                    found[at] = outcome
        return found  # type: ignore[return-value]  # no None is left

    def _learn(self, piece: str) -> Grant | Refused | None:
        outcome: Grant | Refused
        match = GRANT.fullmatch(piece)
        if match is not None:
            edi_text, edi_id, terms, not_after = match.groups()
            outcome = Grant(edi_text, bytes.fromhex(edi_id), *self._read_terms(terms), int(not_after))
        else:
            match = REFUSAL.fullmatch(piece)
            if match is None:
                return None
            outcome = Refused(match[1])
        if len(self._outcomes) >= OUTCOMES_MAX:
            self._outcomes.clear()
        self._outcomes[piece] = outcome
        return outcome

    def _read_terms(self, text: str) -> tuple[str, str, tuple[str, ...]]:
        """Hours, frequency and access numbers of a grant's text from GRANT."""
        terms = self._terms.get(text)
        if terms is None:
            numbers, _, rest = text.removeprefix('"access_numbers":[').partition("]")
            _, _, _, frequency, _, _, _, hours, _ = rest.split('"')
            terms = (hours, frequency, tuple(numbers[1:-1].split('","')) if numbers else ())
            if len(self._terms) >= TERMS_MAX:
                self._terms.clear()
            self._terms[text] = terms
        return terms


def _by_model(body: bytes) -> list[Grant | Refused]:
    try:
        return [outcome_of(answer) for answer in read_answers(body).answers]
    except ValidationError:
        raise PeerUnavailable("answer is not the message of this route") from None


def outcome_of(answer: VerifyAnswer) -> Grant | Refused:
    """What an answer means."""
    if answer.grant is None:
        assert answer.refusal is not None  # an answer holds one of the two
        return Refused(answer.refusal.reason)
    body, terms = answer.grant, answer.grant.consent
    return Grant(
        body.edi,
        bytes.fromhex(body.edi_id),
        terms.hours,
        terms.frequency,
        tuple(terms.access_numbers),
        terms.not_after,
    )
