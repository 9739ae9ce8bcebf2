"""How enterprises, carriers and regulators are admitted, and what the operator decides of them afterwards.

It changes the data folder and may be done beside a running trust party, which sees it (trust_party.directory).
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from foundation import audit, beside
from foundation.identities import IdentityError, KeyId, check_party_id, parse_key_id
from foundation.migrate import upgrade
from gm.errors import GmError
from gm.keystore import KeyProvider
from gm.sm2 import PublicKey
from interparty.key_ledger import Author, operator
from trust_party import revocations
from trust_party.aids import AID_KEY_PURPOSE
from trust_party.clock import now_ms
from trust_party.directory import ADMITTED, APPLIED, HTTP_KEY, SUSPENDED, Role
from trust_party.key_records import evidence_of, record_taken, settle
from trust_party.keys import HTTP_PURPOSE, SIGN, open_store
from trust_party.settings import TrustSettings
from trust_party.store import MIGRATIONS

PARTIES_MAX: Final = 10_000
"""Parties that may be admitted."""
NAME_MAX: Final = 200
CARRIER_ID_LENGTH: Final = 4
"""Characters of a carrier's id and of its EDI key ids, as EDI headers hold them."""
TOOL_KEY: Final = "tool"
"""Name of a party's further keys, such as one for its witness alone."""
REASON_MAX: Final = 500
ROLES: Final = ("enterprises", "carriers", "regulators")
"""Their tables."""


class AdmissionError(ValueError):
    """The party cannot be admitted as given."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The names under which a party's keys are known from now on."""

    sign_keyid: str
    http_keyid: str | None = None
    """Of the HMAC key shared with a carrier."""


def admit_enterprise(
    settings: TrustSettings, enterprise_id: str, name: str, sign_public_pem: bytes
) -> Admitted:
    """Admit an enterprise, or give an admitted one another name or a further SM2 sign key.

    Makes the key its AIDs are derived under. Raises AdmissionError, KeyStoreError, OSError,
    sqlite3.Error, MigrationError.
    """
    _check_party(enterprise_id, name)
    sign_key = _public_key(sign_public_pem)
    keys = open_store(settings)
    with transaction(settings) as conn:
        _check_free(conn, enterprise_id, role="enterprises")
        _make_aid_key(conn, settings, keys, enterprise_id)
        # One that is suspended stays so.
        conn.execute(
            "INSERT INTO enterprises (id, name, state, changed_at) VALUES (?, ?, 'ADMITTED', ?)"
            " ON CONFLICT (id) DO UPDATE SET name = excluded.name,"
            " state = CASE state WHEN 'APPLIED' THEN 'ADMITTED' ELSE state END",
            (enterprise_id, name, now_ms()),
        )
        keyid = _add_sign_key(conn, settings, keys, enterprise_id, sign_key)
        _record(conn, settings, "enterprise.admit", {"enterprise": enterprise_id, "keyid": keyid})
    return Admitted(keyid)


def apply_enterprise(
    settings: TrustSettings, enterprise_id: str, name: str, sign_public_pem: bytes
) -> Admitted:
    """Put an enterprise's application on file: it is nobody here until it is approved.

    Raises as `admit_enterprise`; AdmissionError too for one that is admitted already.
    """
    _check_party(enterprise_id, name)
    sign_key = _public_key(sign_public_pem)
    keys = open_store(settings)
    with transaction(settings) as conn:
        _check_free(conn, enterprise_id, role="enterprises")
        if _state(conn, enterprise_id) not in (None, APPLIED):
            raise AdmissionError("this enterprise is admitted already")
        conn.execute(
            "INSERT INTO enterprises (id, name, state, changed_at) VALUES (?, ?, 'APPLIED', ?)"
            " ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            (enterprise_id, name, now_ms()),
        )
        keyid = _add_sign_key(conn, settings, keys, enterprise_id, sign_key)
        _record(conn, settings, "enterprise.apply", {"enterprise": enterprise_id, "keyid": keyid})
    return Admitted(keyid)


def approve_enterprise(settings: TrustSettings, enterprise_id: str) -> None:
    """Admit an enterprise that applied. Raises as `admit_enterprise`."""
    keys = open_store(settings)
    with transaction(settings) as conn:
        _move(conn, enterprise_id, APPLIED, ADMITTED)
        _make_aid_key(conn, settings, keys, enterprise_id)
        _record(conn, settings, "enterprise.approve", {"enterprise": enterprise_id})


def suspend_enterprise(settings: TrustSettings, enterprise_id: str, reason: str) -> None:
    """Have every contact for an enterprise refused, and its carriers told; its consents stay as they are.

    Raises as `approve_enterprise`.
    """
    _decide(settings, enterprise_id, ADMITTED, SUSPENDED, "enterprise.suspend", "SUSPENDED", reason)


def resume_enterprise(settings: TrustSettings, enterprise_id: str, reason: str) -> None:
    """End a suspension. Raises as `approve_enterprise`."""
    _decide(settings, enterprise_id, SUSPENDED, ADMITTED, "enterprise.resume", "RESUMED", reason)


class Listed(NamedTuple):
    """An enterprise on file."""

    id: str
    name: str
    state: str
    changed_at: int
    """Milliseconds since the epoch."""


def list_enterprises(settings: TrustSettings) -> list[Listed]:
    """Every enterprise on file, by id. Raises OSError, sqlite3.Error, MigrationError."""
    with transaction(settings) as conn:
        rows = conn.execute("SELECT id, name, state, changed_at FROM enterprises ORDER BY id").fetchall()
    return [Listed._make(row) for row in rows]


def _decide(
    settings: TrustSettings, enterprise: str, before: str, after: str, event: str, cause: str, reason: str
) -> None:
    if not 0 < len(reason) <= REASON_MAX:
        raise AdmissionError(f"a reason has 1 to {REASON_MAX} characters")
    with transaction(settings) as conn:
        _move(conn, enterprise, before, after)
        carriers = [row[0] for row in conn.execute("SELECT id FROM carriers ORDER BY id")]
        revocations.put(
            conn, [revocations.Over(carrier, enterprise, None, None, cause) for carrier in carriers], now_ms()
        )
        _record(conn, settings, event, {"enterprise": enterprise, "reason": reason})


def _make_aid_key(
    conn: sqlite3.Connection, settings: TrustSettings, keys: KeyProvider, enterprise: str
) -> None:
    purpose = AID_KEY_PURPOSE + enterprise
    author = Author(settings.party, operator(), now_ms())
    settle(conn, keys, author, found=True)
    if not keys.keys(purpose):
        keys.add(purpose, "hmac-sm3")
        settle(conn, keys, author)


def _state(conn: sqlite3.Connection, enterprise: str) -> str | None:
    row = conn.execute("SELECT state FROM enterprises WHERE id = ?", (enterprise,)).fetchone()
    return None if row is None else str(row[0])


def _move(conn: sqlite3.Connection, enterprise: str, before: str, after: str) -> None:
    found = _state(conn, enterprise)
    if found != before:
        raise AdmissionError(f"{enterprise} is {found or 'not known'}, not {before}")
    conn.execute(
        "UPDATE enterprises SET state = ?, changed_at = ? WHERE id = ?", (after, now_ms(), enterprise)
    )


def admit_carrier(
    settings: TrustSettings,
    carrier_id: str,
    name: str,
    url: str,
    *,
    edi_key_id: str,
    edi_public_pem: bytes,
    sign_public_pem: bytes,
    hmac_key: bytes | None,
    sign_keyid: str | None = None,
    http_keyid: str | None = None,
) -> Admitted:
    """Admit a carrier, or give an admitted one another name or URL or further keys.

    `url` is "https://host:port" of its own routes; `carrier_id` and `edi_key_id` are 4 printable ASCII
    characters; `hmac_key` is the 32 bytes shared for signed HTTP, None when they come later; `sign_keyid` and
    `http_keyid` are the names that the carrier gave its keys. Raises as `admit_enterprise`.
    """
    _check_party(carrier_id, name)
    for text in (carrier_id, edi_key_id):
        if len(text) != CARRIER_ID_LENGTH or not text.isascii() or not text.isprintable() or " " in text:
            raise AdmissionError(f"a carrier's id and EDI key id have {CARRIER_ID_LENGTH} ASCII characters")
    address = urlsplit(url)
    if address.scheme != "https" or not address.hostname or address.path not in ("", "/"):
        raise AdmissionError("a carrier's URL is https://host:port")
    sign_key, edi_key = _public_key(sign_public_pem), _public_key(edi_public_pem)
    keys = open_store(settings)
    purpose = HTTP_PURPOSE + carrier_id
    with transaction(settings) as conn:
        _check_free(conn, carrier_id, role="carriers")
        author = Author(settings.party, operator(), now_ms())
        settle(conn, keys, author, found=True)
        http_key = next((key for key in keys.keys(purpose) if key.material == hmac_key), None)
        if http_key is None and hmac_key is not None:
            named = http_keyid or str(KeyId(carrier_id, HTTP_KEY, len(keys.keys(purpose)) + 1))
            http_key = keys.add(purpose, "hmac-sm3", material=hmac_key, id=named)
            settle(conn, keys, author)
        http_keyid = None if http_key is None else http_key.id
        conn.execute(
            "INSERT INTO carriers (id, name, url, admitted_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET name = excluded.name, url = excluded.url",
            (carrier_id, name, url, now_ms()),
        )
        known = conn.execute(
            "SELECT public_key FROM carrier_edi_keys WHERE carrier = ? AND key_id = ?",
            (carrier_id, edi_key_id),
        ).fetchone()
        # A key id that meant two keys would make old EDIs ambiguous.
        if known is not None and known[0] != edi_key.to_bytes():
            raise AdmissionError("this EDI key id already names another key")
        if known is None:
            conn.execute(
                "INSERT INTO carrier_edi_keys (carrier, key_id, public_key) VALUES (?, ?, ?)",
                (carrier_id, edi_key_id, edi_key.to_bytes()),
            )
            public = edi_key.to_bytes()
            record_taken(
                conn,
                evidence_of(keys),
                settings.party,
                carrier_id,
                f"{carrier_id}/edi:{edi_key_id}",
                public,
                now_ms(),
            )
        keyid = _add_sign_key(conn, settings, keys, carrier_id, sign_key, keyid=sign_keyid)
        detail = {"carrier": carrier_id, "keyid": keyid, "edi_key_id": edi_key_id}
        if http_keyid is not None:
            detail["http_keyid"] = http_keyid
        _record(conn, settings, "carrier.admit", detail)
    return Admitted(keyid, http_keyid)


def admit_regulator(
    settings: TrustSettings, regulator_id: str, name: str, sign_public_pem: bytes
) -> Admitted:
    """Admit a regulator, or give an admitted one another name or a further SM2 sign key.

    Raises as `admit_enterprise`.
    """
    _check_party(regulator_id, name)
    sign_key = _public_key(sign_public_pem)
    keys = open_store(settings)
    with transaction(settings) as conn:
        _check_free(conn, regulator_id, role="regulators")
        conn.execute(
            "INSERT INTO regulators (id, name, admitted_at) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            (regulator_id, name, now_ms()),
        )
        keyid = _add_sign_key(conn, settings, keys, regulator_id, sign_key)
        _record(conn, settings, "regulator.admit", {"regulator": regulator_id, "keyid": keyid})
    return Admitted(keyid)


class Party(NamedTuple):
    """An admitted party, or an enterprise that applied, as it is listed."""

    id: str
    role: Role
    state: str
    name: str
    keyids: list[str]
    """Sign keys, and of a carrier the shared keys and EDI key ids."""


def parties(settings: TrustSettings) -> list[Party]:
    """Every party, by role and id. Raises as `admit_enterprise`."""
    keys = open_store(settings)
    with transaction(settings) as conn:
        keyids: dict[str, list[str]] = {}
        for keyid, party in conn.execute("SELECT keyid, party FROM sign_keys ORDER BY rowid"):
            keyids.setdefault(party, []).append(keyid)
        for carrier, key_id in conn.execute("SELECT carrier, key_id FROM carrier_edi_keys ORDER BY rowid"):
            keyids.setdefault(carrier, []).append(f"{carrier}/edi:{key_id}")
        tables: tuple[tuple[Role, str, str], ...] = (
            ("enterprise", "enterprises", "state"),
            ("carrier", "carriers", "'ADMITTED'"),
            ("regulator", "regulators", "'ADMITTED'"),
        )
        found = [
            Party(row[0], role, row[1], row[2], keyids.get(row[0], []))
            for role, table, state in tables
            for row in conn.execute(f"SELECT id, {state}, name FROM {table} ORDER BY id")  # noqa: S608
        ]
    for each in found:
        if each.role == "carrier":
            shared = keys.keys(HTTP_PURPOSE + each.id)
            each.keyids.extend(key.id for key in shared if key.state in ("active", "retired"))
    return found


def add_sign_key(settings: TrustSettings, party_id: str, sign_public_pem: bytes) -> Admitted:
    """Give an admitted party, whatever its role, a further SM2 sign key, such as one for its witness alone.

    Raises as `admit_enterprise`.
    """
    sign_key = _public_key(sign_public_pem)
    keys = open_store(settings)
    with transaction(settings) as conn:
        if not any(
            conn.execute(f"SELECT 1 FROM {table} WHERE id = ?", (party_id,)).fetchone()  # noqa: S608
            for table in ROLES
        ):
            raise AdmissionError("no such party")
        # Under a name of its own: the party numbers its sign keys itself.
        keyid = _add_sign_key(conn, settings, keys, party_id, sign_key, name=TOOL_KEY)
        _record(conn, settings, "party.key", {"party": party_id, "keyid": keyid})
    return Admitted(keyid)


def _check_party(party_id: str, name: str) -> None:
    try:
        check_party_id(party_id)
    except IdentityError as error:
        raise AdmissionError(str(error)) from None
    if not 0 < len(name) <= NAME_MAX:
        raise AdmissionError(f"a name has 1 to {NAME_MAX} characters")


def _public_key(pem: bytes) -> PublicKey:
    try:
        return PublicKey.from_pem(pem)
    except GmError as error:
        raise AdmissionError(f"not an SM2 public key in PEM: {error}") from None


@contextlib.contextmanager
def transaction(settings: TrustSettings) -> Iterator[sqlite3.Connection]:
    """One transaction on the database, beside a running trust party or without one."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    settings.database.touch(mode=0o600)
    upgrade(settings.database, MIGRATIONS)
    with beside.transaction(settings.database) as conn:
        yield conn


def _check_free(conn: sqlite3.Connection, party_id: str, *, role: str) -> None:
    """One id is one party in one role: a carrier that deposits for itself would confirm for itself."""
    others = 0
    for table in ROLES:
        if table != role and conn.execute(f"SELECT 1 FROM {table} WHERE id = ?", (party_id,)).fetchone():  # noqa: S608
            raise AdmissionError("this id is admitted in another role")
        others += conn.execute(f"SELECT count(*) FROM {table} WHERE id <> ?", (party_id,)).fetchone()[0]  # noqa: S608
    if others >= PARTIES_MAX:
        raise AdmissionError(f"{PARTIES_MAX} parties are admitted already")


def _add_sign_key(
    conn: sqlite3.Connection,
    settings: TrustSettings,
    keys: KeyProvider,
    party: str,
    key: PublicKey,
    *,
    name: str = SIGN,
    keyid: str | None = None,
) -> str:
    rows = conn.execute("SELECT keyid, public_key FROM sign_keys WHERE party = ?", (party,)).fetchall()
    for known, public in rows:
        if public == key.to_bytes():
            return str(known)
    if keyid is None:
        count = sum(parse_key_id(known).key == name for known, _ in rows)
        keyid = str(KeyId(party, name, count + 1))
    if any(known == keyid for known, _ in rows) or parse_key_id(keyid).party != party:
        raise AdmissionError(f"{keyid} names another key already")
    conn.execute(
        "INSERT INTO sign_keys (keyid, party, public_key) VALUES (?, ?, ?)", (keyid, party, key.to_bytes())
    )
    record_taken(conn, evidence_of(keys), settings.party, party, keyid, key.to_bytes(), now_ms())
    return keyid


def _record(conn: sqlite3.Connection, settings: TrustSettings, event: str, detail: dict[str, str]) -> None:
    audit.append(conn, at_ms=now_ms(), user=settings.party, event=event, success=True, detail=detail)
    conn.execute("UPDATE admission_version SET version = version + 1 WHERE id = 1")
