"""What is sealed in the carrier's store, and the keyed indexes by which it is found."""

from __future__ import annotations

from foundation.seal import Sealer

_MSISDN = b"msisdn"


class Vault:
    """Seals numbers, identifiers and message bytes; makes blind indexes (HMAC-SM3, 16 bytes).

    The indexes' key never leaves the carrier: a bare hash of a number falls in hours.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def msisdn_index(self, msisdn: str) -> bytes:
        """The index of an MSISDN (E.164 digits without +)."""
        return self._sealer.index("msisdn", msisdn.encode("ascii"))

    def identifier_index(self, id_type: int, identifier: str) -> bytes:
        """The index of a device identifier of one type (formats: EDI, id_type)."""
        return self._sealer.index(f"identifier-{id_type}", identifier.encode("utf-8"))

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
