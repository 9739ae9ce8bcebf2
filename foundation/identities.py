"""Who a party is, and how its keys are named, in certificates, signatures and configuration."""

import re
from dataclasses import dataclass

PARTY_ID_MAX = 64
KEY_VERSION_MAX = 2**32 - 1

_PARTY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY_ID = re.compile(r"([^/]+)/([a-z0-9][a-z0-9-]{0,31})/([1-9][0-9]{0,9})")
_URN_PREFIX = "urn:ascs:party:"


class IdentityError(ValueError):
    """The text does not name a party or a key."""


@dataclass(frozen=True, slots=True)
class KeyId:
    """A key as signatures name it: "<party>/<key>/<version>", for example "ent-a/sign/1"."""

    party: str
    key: str
    version: int

    def __str__(self) -> str:
        return f"{self.party}/{self.key}/{self.version}"


def check_party_id(text: str) -> str:
    """Return `text` if it can name a party: 1 to 64 of ASCII letters, digits, ".", "_" and "-", the first
    a letter or digit. Raises IdentityError."""
    if not _PARTY_ID.fullmatch(text):
        raise IdentityError("not a party id")
    return text


def parse_key_id(text: str) -> KeyId:
    """Parse "<party>/<key>/<version>". Raises IdentityError."""
    match = _KEY_ID.fullmatch(text)
    if match is None or int(match[3]) > KEY_VERSION_MAX:
        raise IdentityError("not a key id")
    return KeyId(check_party_id(match[1]), match[2], int(match[3]))


def party_urn(party_id: str) -> str:
    """The URI under which a certificate's subjectAltName names the party."""
    return _URN_PREFIX + check_party_id(party_id)


def party_of_urn(urn: str) -> str:
    """The party that `urn` names. Raises IdentityError."""
    if not urn.startswith(_URN_PREFIX):
        raise IdentityError("not a party's URN")
    return check_party_id(urn.removeprefix(_URN_PREFIX))
