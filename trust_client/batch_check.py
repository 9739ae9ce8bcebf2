"""Whether the trust party signed the answers that it gave: the root of a batch, recomputed, and its signature.

The HMAC of the stream, or of the response, holds for the moment; the signed root is what can be shown to others.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from evidence.merkle import leaf_hash, root
from gm.sm2 import PublicKey
from interparty import statements
from interparty.hot_messages import questions_body, read_questions
from interparty.verify_messages import BatchHead
from trust_client.answers import Grant, Refused

ROOT_ALWAYS: Final = 32
"""Answers of a batch whose root is always recomputed."""
ROOT_SHARE: Final = 0.125
"""Share of the larger ones: it takes 3 us of a core an answer."""

_log = logging.getLogger(__name__)

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


class BatchCheck:
    """Checks the heads of what one trust party answers, on a stream and in responses, off the loop."""

    def __init__(
        self,
        keys: Callable[[], Mapping[str, PublicKey]],
        alert: Callable[[], None],
        learn: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """`keys`: the trust party's SM2 keys for statements, the newest last; `alert` is told of each wrong head.
        `learn` asks the trust party whether it has other keys by now, and says whether `keys` may have more since."""
        self._keys = keys
        self._alert = alert
        self._learn = learn
        self.wrong = 0
        """Heads so far that did not hold."""

    def is_recomputed(self, count: int) -> bool:
        """Whether the root over so many answers is to be recomputed: which ones nobody can foresee, and few answers
        are no work. The signature is checked in any case."""
        return count <= ROOT_ALWAYS or random.random() < ROOT_SHARE

    async def holds(self, head: BatchHead, count: int, answered: Sequence[Answered] | None) -> bool:
        """Whether the trust party signed a head over `count` answers and, where they are given, over these."""
        if head.count == count:
            if await self._is_signed(head, answered):
                return True
            if self._learn is not None and await self._learn() and await self._is_signed(head, answered):
                return True
        self.wrong += 1
        _log.error("the trust party's signature over %d answers does not hold", count)
        self._alert()
        return False

    async def _is_signed(self, head: BatchHead, answered: Sequence[Answered] | None) -> bool:
        known = list(self._keys().values())[::-1]  # the newest first: it is the one as a rule
        return await asyncio.to_thread(_holds, head, answered, known)


def _holds(head: BatchHead, answered: Sequence[Answered] | None, keys: Sequence[PublicKey]) -> bool:
    if answered is not None and root_of(answered) != head.root:
        return False
    return is_signed(head, keys)
