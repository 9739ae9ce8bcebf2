"""Who is admitted, as a running trust party knows it: parties in their roles, and their keys.

What admits them (trust_party.admission) changes the data folder and may do so beside it; it is seen within
`POLL_SECONDS`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from foundation.identities import IdentityError, parse_key_id
from foundation.logs import get_logger
from foundation.store import Store
from gm.keystore import KeyProvider
from gm.sm2 import PublicKey
from trust_party.keys import HTTP_PURPOSE

POLL_SECONDS: Final = 1.0
"""How often a running trust party looks for admissions."""
HTTP_KEY: Final = "http"
APPLIED, ADMITTED, SUSPENDED = "APPLIED", "ADMITTED", "SUSPENDED"
"""What an enterprise is. Only ADMITTED deposits, and only for it is anybody contacted."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Enterprise:
    """An admitted enterprise. Keys are by keyid, newest last."""

    id: str
    name: str
    sign_keys: dict[str, PublicKey]


@dataclass(frozen=True, slots=True)
class Carrier:
    """An admitted carrier."""

    id: str
    name: str
    url: str
    """Where its own routes are: "https://host:port"."""
    sign_keys: dict[str, PublicKey]
    edi_key_ids: frozenset[str]
    """Keys to which an EDI for this carrier may be sealed."""


@dataclass(frozen=True, slots=True)
class Regulator:
    """An admitted regulator: it sees the log, and asks for evidence."""

    id: str
    name: str
    sign_keys: dict[str, PublicKey]


Role = Literal["enterprise", "carrier", "regulator", "trust party"]


@dataclass(frozen=True, slots=True)
class Caller:
    """A party that asks, in its role."""

    id: str
    role: Role
    sign_keys: Mapping[str, PublicKey]


class Directory:
    """The admitted parties in memory; also the KeyLookup for signed HTTP."""

    def __init__(self, store: Store, keys: KeyProvider) -> None:
        self._store = store
        self._keys = keys
        self._version = 0
        self.enterprises: dict[str, Enterprise] = {}
        """Admitted, and suspended."""
        self.suspended: frozenset[str] = frozenset()
        """Enterprises for which nobody may be contacted."""
        self.carriers: dict[str, Carrier] = {}
        self.regulators: dict[str, Regulator] = {}
        self._sign_keys: dict[str, PublicKey] = {}

    def lookup(self, keyid: str) -> bytes | PublicKey | None:
        """See interparty.signed_http.KeyLookup."""
        public = self._sign_keys.get(keyid)
        if public is not None:
            return public
        try:
            named = parse_key_id(keyid)
            if named.key != HTTP_KEY or named.party not in self.carriers:
                return None
        except IdentityError:
            return None
        for key in self._keys.keys(HTTP_PURPOSE + named.party):
            if key.id == keyid and key.state in ("active", "retired"):
                return key.material
        return None

    def sign_keys(self, party: str) -> dict[str, PublicKey] | None:
        """The SM2 keys of an admitted party, whatever its role, by keyid; None for one that is not admitted."""
        found = self.enterprises.get(party) or self.carriers.get(party) or self.regulators.get(party)
        return None if found is None else found.sign_keys

    def caller(self, party: str) -> Caller | None:
        """An admitted party in its role; None for one that is not admitted."""
        roles: tuple[tuple[Role, Mapping[str, Enterprise | Carrier | Regulator]], ...] = (
            ("enterprise", self.enterprises),
            ("carrier", self.carriers),
            ("regulator", self.regulators),
        )
        for role, parties in roles:
            if party in parties:
                return Caller(party, role, parties[party].sign_keys)
        return None

    def shared_keys(self, carrier: str) -> list[bytes]:
        """The HMAC keys shared with a carrier, the current one first; none for one that is not admitted."""
        if carrier not in self.carriers:
            return []
        usable = [
            key for key in self._keys.keys(HTTP_PURPOSE + carrier) if key.state in ("active", "retired")
        ]
        return [
            key.material for key in sorted(usable, key=lambda key: (key.state == "retired", -key.version))
        ]

    async def refresh(self) -> bool:
        """Load what was admitted since the last call; True if that was anything.

        Raises what Store.read raises, and KeyStoreError.
        """
        version = int((await self._store.read("SELECT version FROM admission_version WHERE id = 1"))[0][0])
        if version == self._version:
            return False
        await asyncio.to_thread(self._keys.refresh)
        signs: dict[str, dict[str, PublicKey]] = {}
        for row in await self._store.read("SELECT keyid, party, public_key FROM sign_keys ORDER BY rowid"):
            signs.setdefault(row["party"], {})[row["keyid"]] = PublicKey.from_bytes(row["public_key"])
        edi_keys: dict[str, set[str]] = {}
        for row in await self._store.read("SELECT carrier, key_id FROM carrier_edi_keys"):
            edi_keys.setdefault(row["carrier"], set()).add(row["key_id"])
        enterprises = await self._store.read("SELECT id, name, state FROM enterprises")
        self.enterprises = {
            row["id"]: Enterprise(row["id"], row["name"], signs.get(row["id"], {}))
            for row in enterprises
            if row["state"] != APPLIED
        }
        self.suspended = frozenset(row["id"] for row in enterprises if row["state"] == SUSPENDED)
        self.carriers = {
            row["id"]: Carrier(
                row["id"],
                row["name"],
                row["url"],
                signs.get(row["id"], {}),
                frozenset(edi_keys.get(row["id"], ())),
            )
            for row in await self._store.read("SELECT id, name, url FROM carriers")
        }
        self.regulators = {
            row["id"]: Regulator(row["id"], row["name"], signs.get(row["id"], {}))
            for row in await self._store.read("SELECT id, name FROM regulators")
        }
        known = (*self.enterprises, *self.carriers, *self.regulators)
        self._sign_keys = {keyid: key for party in known for keyid, key in signs.get(party, {}).items()}
        self._version = version
        return True

    async def follow(
        self, changed: Callable[[], Awaitable[None]], settle_keys: Callable[[], Awaitable[None]]
    ) -> None:
        """Refresh for ever, every POLL_SECONDS; `changed` is awaited after each admission, `settle_keys` each time when
        the key store was looked at."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await asyncio.to_thread(self._keys.refresh)
                await settle_keys()
                if await self.refresh():
                    _log.info(
                        "parties loaded",
                        enterprises=len(self.enterprises),
                        suspended=len(self.suspended),
                        carriers=len(self.carriers),
                        regulators=len(self.regulators),
                    )
                    await changed()
            except Exception:  # what is known stays in force; the next round tries again
                _log.exception("parties could not be loaded")
