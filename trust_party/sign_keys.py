"""The SM2 keys under which parties sign statements, for whoever checks records later: every version that is on record,
and what each said of the next while it signed."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from foundation.store import Store
from gm.keystore import KeyProvider
from gm.sm2 import PublicKey
from interparty.key_delivery import keyid_of
from interparty.key_messages import SignedKeyNotice
from trust_party.keys import own_sign_keys
from trust_party.store.rows import read_in

_OWN: Final = "SELECT body FROM key_notices ORDER BY rowid"
_OTHERS: Final = "SELECT keyid, public_key, notice FROM sign_keys WHERE party IN ({}) ORDER BY rowid"


@dataclass(frozen=True, slots=True)
class KeysOnRecord:
    """What is known of some parties' sign keys."""

    keys: dict[str, PublicKey]
    """By keyid."""
    notices: list[SignedKeyNotice]
    """Those that were named under another of the same party, in the order in which they came."""


class SignKeys:
    """Reads them: the trust party's own, and those of who was admitted."""

    def __init__(self, store: Store, keys: KeyProvider, party: str) -> None:
        self._store = store
        self._keys = keys
        self._party = party

    async def of(self, parties: Collection[str]) -> KeysOnRecord:
        """The keys of `parties`; none of one that is not known. Raises StoreBusy, StoreUnavailable."""
        found = KeysOnRecord({}, [])
        if self._party in parties:
            found.keys.update(own_sign_keys(self._party, self._keys))
            for row in await self._store.read(_OWN):
                notice = SignedKeyNotice.model_validate_json(row["body"])
                found.notices.append(notice)
                # One that was destroyed is here alone.
                value = bytes.fromhex(notice.statement.value)
                found.keys.setdefault(keyid_of(notice.statement), PublicKey.from_bytes(value))
        for row in await read_in(self._store, _OTHERS, sorted(parties)) if parties else ():
            found.keys[row["keyid"]] = PublicKey.from_bytes(row["public_key"])
            if row["notice"] is not None:
                found.notices.append(SignedKeyNotice.model_validate_json(row["notice"]))
        return found
