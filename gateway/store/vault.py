"""What is sealed in the carrier's store, and the indexes by which it is found."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from foundation.seal import Sealer
from gateway.store import blind_index

_MSISDN = b"msisdn"


class Vault:
    """Seals numbers, identifiers and message bytes; gives numbers and identifiers the 16 bytes by which tables name
    them (`gateway.store.blind_index`)."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def msisdn_index(self, conn: sqlite3.Connection, msisdn: str) -> bytes:
        """The index of an MSISDN (E.164 digits without +), which it gets if it has none."""
        return blind_index.names_of(conn, self._sealer, [_number(msisdn)])[0]

    def find_msisdn(self, conn: sqlite3.Connection, msisdn: str) -> bytes | None:
        """The index of an MSISDN, None if it has none: then no row of any table is about it."""
        return blind_index.find(conn, self._sealer, *_number(msisdn))

    def identifier_index(self, conn: sqlite3.Connection, id_type: int, identifier: str) -> bytes:
        """The index of a device identifier of one type (formats: EDI, id_type), which it gets if it has none."""
        return blind_index.names_of(conn, self._sealer, [_identifier(id_type, identifier)])[0]

    def find_identifier(self, conn: sqlite3.Connection, id_type: int, identifier: str) -> bytes | None:
        """The index of a device identifier, None if it has none."""
        return blind_index.find(conn, self._sealer, *_identifier(id_type, identifier))

    def indexes(
        self, conn: sqlite3.Connection, lines: Sequence[tuple[str, int, str]]
    ) -> list[tuple[bytes, bytes]]:
        """As `msisdn_index` and `identifier_index` of many at once, each (MSISDN, id_type, identifier)."""
        numbers = [_number(msisdn) for msisdn, _, _ in lines]
        identifiers = [_identifier(id_type, identifier) for _, id_type, identifier in lines]
        names = blind_index.names_of(conn, self._sealer, numbers + identifiers)
        return list(zip(names[: len(lines)], names[len(lines) :], strict=True))

    def renew_indexes(self, conn: sqlite3.Connection, limit: int) -> int:
        """After a rotation of the index key: `blind_index.renew`."""
        return blind_index.renew(conn, self._sealer, limit)

    def has_stale_indexes(self, conn: sqlite3.Connection) -> bool:
        """Whether there is something to renew."""
        return blind_index.is_stale(conn, self._sealer)

    def fingerprint(self, label: str, octets: bytes) -> bytes:
        """By which the same octets are known again (16 bytes); it tells nobody without the key what they are."""
        return self._sealer.index(f"fingerprint-{label}", octets)

    def seal_msisdn(self, msisdn: str) -> bytes:
        return self._sealer.seal(msisdn.encode("ascii"), _MSISDN)

    def open_msisdn(self, sealed: bytes) -> str:
        return self._sealer.open(sealed, _MSISDN).decode("ascii")

    def seal(self, label: str, plaintext: bytes) -> bytes:
        """Seal bytes for one column; `label` names it and is authenticated."""
        return self._sealer.seal(plaintext, label.encode("ascii"))

    def open(self, label: str, sealed: bytes) -> bytes:
        """Open what `seal` made for the same label; raises gm.errors.DecryptError."""
        return self._sealer.open(sealed, label.encode("ascii"))


def _number(msisdn: str) -> blind_index.Value:
    return "msisdn", msisdn.encode("ascii")


def _identifier(id_type: int, identifier: str) -> blind_index.Value:
    return f"identifier-{id_type}", identifier.encode("utf-8")
