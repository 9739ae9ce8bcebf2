"""The keys of a log from one that is known on: each is believed by the word of the one before."""

from collections.abc import Iterable, Sequence

from evidence.checkpoint import log_id
from evidence.succession import Succession, follow
from gm.errors import GmError
from gm.sm2 import PublicKey
from interparty.key_messages import LogKeyBody
from interparty.text import b64url_decode


def chain(known: Sequence[PublicKey], told: Iterable[LogKeyBody]) -> list[PublicKey]:
    """The known keys, and those among what was told that these vouch for, directly or by others."""
    successions = [each for body in told if (each := _succession(body)) is not None]
    keys = {log_id(key): key for first in known for key in follow(first, successions)}
    return list(keys.values())


def _succession(body: LogKeyBody) -> Succession | None:
    """What one key said of the next; None for the first key and for what is malformed."""
    if body.predecessor is None or body.signature is None:
        return None
    try:
        return Succession(
            bytes.fromhex(body.predecessor),
            PublicKey.from_bytes(bytes.fromhex(body.public_key)),
            b64url_decode(body.signature),
        )
    except (ValueError, GmError):
        return None
