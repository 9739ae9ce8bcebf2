"""Whether the trust party signed the answers that it gave: the root of a batch, recomputed, and its signature.

The HMAC of the stream, or of the response, holds for the moment; the signed root is what can be shown to others.
"""

from collections.abc import Sequence

from evidence.merkle import leaf_hash, root
from gm.sm2 import PublicKey
from interparty import statements
from interparty.hot_messages import questions_body, read_questions
from interparty.messages import BatchHead
from trust_client.answers import Grant, Refused

Answered = tuple[Sequence[str], Sequence[Grant | Refused]]
"""Questions from hot_messages.question_text, and their outcomes, in order."""


def is_signed(head: BatchHead, keys: Sequence[PublicKey]) -> bool:
    """Whether one of the trust party's SM2 keys signed a head."""
    signed = {"root": head.root, "count": head.count, "at": head.at}
    return any(statements.verify(key, statements.BATCH, signed, head.signature) for key in keys)


def root_of(answered: Sequence[Answered]) -> str:
    """The root over these answers, 64 hex digits."""
    leaves: list[bytes] = []
    for texts, outcomes in answered:
        for question, outcome in zip(read_questions(questions_body(texts)), outcomes, strict=True):
            told = f"G{outcome.edi_id.hex()}" if isinstance(outcome, Grant) else f"R{outcome.reason}"
            template = (question.template_id, question.template_digest) if question.template_id else ()
            fields = (
                question.aid,
                question.enterprise,
                question.channel,
                question.access_number,
                question.content_digest,
                *template,
                told,
            )
            leaves.append(leaf_hash("\0".join(fields).encode()))
    return root(leaves).hex()
