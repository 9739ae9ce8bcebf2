"""What the trust party is asked about a whole message: may it go, and what would it say, as a digest."""

from __future__ import annotations

from gateway.sms.account_keys import AccountKeys
from gateway.sms.submission import Submission
from gateway.store.ids import text_of
from interparty.content_digest import content_digest


class MessageQuestion:
    """A question in the form of interparty.hot_messages.QuestionLike. The content is digested when it is asked for: not
    where an earlier grant answers, and once for question and record."""

    __slots__ = ("_keys", "_submission", "access_number", "aid", "enterprise")

    channel = "sms"
    template_id = None
    template_digest = None

    def __init__(self, submission: Submission, keys: AccountKeys) -> None:
        self._submission = submission
        self._keys = keys
        self.aid = submission.aid
        self.enterprise = submission.account.enterprise_id
        self.access_number = submission.access_number.number

    @property
    def content_digest(self) -> str | None:
        """64 hex digits; None for an account that has no key."""
        digest = digest_of(self._submission, self._keys)
        return None if digest is None else digest.hex()


def digest_of(submission: Submission, keys: AccountKeys) -> bytes | None:
    """The digest of a whole message's content, 32 bytes, made once; None for an account that has no key."""
    if submission.digest is None:
        key = keys.get(submission.account.system_id)
        if key is not None:
            coding, text = submission.data_coding, submission.text
            submission.digest = content_digest(key, text_of(submission.public_id), coding, text)
    return submission.digest
