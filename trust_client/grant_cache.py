"""Grants that may be used again while the lease holds and nothing revoked them. No I/O.

The key is (enterprise, AID, channel, access number), which is all that decides about a contact: its content goes on
record with a question and with the report of what was sent. So a stranger's question about an AID is answered no faster
than one about an AID that nobody has. Refusals are not kept: what is refused is asked anew each time.
"""

from collections import OrderedDict
from dataclasses import replace
from typing import Final

from interparty.hot_messages import QuestionLike
from trust_client.answers import Grant

GRANTS_MAX: Final = 200_000
"""Grants kept; the one kept first goes first."""
REVOKED_MAX: Final = 200_000
"""AIDs remembered as revoked, so that an answer which was on its way is not kept after its revocation."""

_Key = tuple[str, str, str, str]


class GrantCache:
    """At most `grants_max` grants; 0 keeps none."""

    def __init__(self, grants_max: int = GRANTS_MAX) -> None:
        self._max = grants_max
        # Ordered: to find the first entry of a plain dict is slow once many before it are gone.
        self._grants: OrderedDict[_Key, Grant] = OrderedDict()
        self._of_aid: dict[str, set[_Key]] = {}
        self._revoked: OrderedDict[str, None] = OrderedDict()
        self._suspended: set[str] = set()

    def __len__(self) -> int:
        return len(self._grants)

    def get(self, question: QuestionLike, now_ms: int) -> Grant | None:
        """The grant of a question that was granted, unless its term is over. The caller holds the lease."""
        if question.enterprise in self._suspended:
            return None
        grant = self._grants.get(_key(question))
        return grant if grant is not None and now_ms < grant.not_after_ms else None

    def put(self, question: QuestionLike, grant: Grant) -> None:
        """Keep a grant, unless its AID was revoked meanwhile: an AID is never valid again."""
        if question.aid in self._revoked or not self._max:
            return
        key = _key(question)
        if key not in self._grants and len(self._grants) >= self._max:
            self._drop(next(iter(self._grants)))
        self._grants[key] = replace(grant, is_cached=True)
        self._of_aid.setdefault(question.aid, set()).add(key)

    def is_revoked(self, aid: str) -> bool:
        """Whether an AID was revoked lately: an answer that says otherwise is older than that."""
        return aid in self._revoked

    def revoke(self, aid: str) -> None:
        """The AID is over."""
        if len(self._revoked) >= REVOKED_MAX:
            self._revoked.popitem(last=False)
        self._revoked[aid] = None
        for key in self._of_aid.pop(aid, ()):
            del self._grants[key]

    def suspend(self, enterprise: str) -> None:
        """Nothing of this enterprise's is granted from here until `resume`."""
        self._suspended.add(enterprise)

    def resume(self, enterprise: str) -> None:
        """What was granted to it is granted again."""
        self._suspended.discard(enterprise)

    def clear(self) -> None:
        """Nothing is known any more of what was revoked."""
        self._suspended.clear()
        self._grants.clear()
        self._of_aid.clear()

    def _drop(self, key: _Key) -> None:
        del self._grants[key]
        others = self._of_aid[key[1]]
        others.discard(key)
        if not others:
            del self._of_aid[key[1]]


def _key(question: QuestionLike) -> _Key:
    return question.enterprise, question.aid, question.channel, question.access_number
