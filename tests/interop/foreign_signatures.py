"""Signatures of the trust party's interface, made from its OpenAPI document and the RFCs that it names alone.

Nothing of this project is imported: SM2 is gmssl's, SM3 the TLS library's. What is here is what a stranger who has
the document would write.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

import rfc8785
from gmssl import sm2

SKEW_S = 60  # of `created` against the receiver's clock
_POINT_HEX = 128
_SPKI = "3059301306072a8648ce3d020106082a811ccf5501822d034200"


def b64(data: bytes) -> str:
    """Base64 with padding, as fields of RFC 9421 and RFC 9530 have it."""
    return base64.b64encode(data).decode()


def b64url(data: bytes) -> str:
    """Base64url without padding, as bodies have it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64url(text: str) -> bytes:
    """The bytes behind base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sm3(data: bytes) -> bytes:
    """SM3 of data, 32 bytes."""
    return hashlib.new("sm3", data).digest()


def hmac_sm3(key: bytes, data: bytes) -> bytes:
    """HMAC-SM3 of data, 32 bytes."""
    return hmac.digest(key, data, "sm3")


def _engine(private_hex: str, point_hex: str) -> sm2.CryptSM2:
    engine = sm2.CryptSM2(private_key=private_hex, public_key="", mode=1)
    engine.public_key = point_hex  # its constructor strips digits of some keys
    return engine


@dataclass(frozen=True)
class Sm2Key:
    """An SM2 key pair of the small trust party's own."""

    private_hex: str
    public_hex: str  # 04 | X | Y, as the interface writes public keys

    @classmethod
    def make(cls) -> "Sm2Key":
        """A new key."""
        private_hex = f"{secrets.randbelow(int(sm2.default_ecc_table['n'], 16) - 2) + 1:064x}"
        engine = _engine(private_hex, "")
        point = engine._kg(int(private_hex, 16), sm2.default_ecc_table["g"])
        return cls(private_hex, "04" + point)

    def sign(self, message: bytes) -> bytes:
        """r[32] | s[32] over message."""
        return bytes.fromhex(_engine(self.private_hex, self.public_hex[2:]).sign_with_sm3(message))

    @property
    def spki_der(self) -> bytes:
        """SubjectPublicKeyInfo: id-ecPublicKey on curve 1.2.156.10197.1.301."""
        return bytes.fromhex(_SPKI + self.public_hex)

    def to_pem(self) -> bytes:
        """The public key as a file that is handed to another party."""
        return f"-----BEGIN PUBLIC KEY-----\n{b64(self.spki_der)}\n-----END PUBLIC KEY-----\n".encode()

    def open_envelope(self, envelope: bytes) -> bytes:
        """What was enveloped to this key: SM2 in the order C1 C3 C2, C1 without its 04."""
        return bytes(_engine(self.private_hex, self.public_hex[2:]).decrypt(envelope))


def seal_envelope(public_hex: str, plaintext: bytes) -> bytes:
    """SM2 to a public key, in the order C1 C3 C2, C1 without its 04."""
    return bytes(_engine("", public_hex[2:]).encrypt(plaintext))


def public_hex_of(pem: str) -> str:
    """04 | X | Y of the public key in a PEM file."""
    return base64.b64decode("".join(pem.strip().splitlines()[1:-1]))[-65:].hex()


def verifies(public_hex: str, message: bytes, signature: bytes) -> bool:
    """Whether an SM2 signature r | s holds under the public key 04 | X | Y."""
    if len(signature) != 64 or len(public_hex) != 2 + _POINT_HEX:
        return False
    return bool(_engine("", public_hex[2:]).verify_with_sm3(signature.hex(), message))


def statement_bytes(tag: str, statement: object) -> bytes:
    """What a signature over a statement is over: tag, a zero byte, and the canonical form (RFC 8785)."""
    return tag.encode() + b"\0" + rfc8785.dumps(statement)  # type: ignore[arg-type]


def content_digest(body: bytes) -> str:
    """The Content-Digest field (RFC 9530) of a body."""
    return f"sm3=:{b64(sm3(body))}:"


_INPUT = re.compile(r'sig1=(\((?:"[^"]+"(?:;req)?(?: (?!\)))?)*\)((?:;[a-z]+=(?:"[^"\\]*"|[0-9]+))*))')
_PARAMETER = re.compile(r';([a-z]+)=(?:"([^"\\]*)"|([0-9]+))')
REQUEST_COVERS = '("@method" "@path" "@query" "content-digest")'
RESPONSE_COVERS = '("@status" "content-digest" "signature";req)'


@dataclass(frozen=True)
class SignatureInput:
    """A Signature-Input field, taken apart."""

    value: str  # all behind `sig1=`: it goes into the base as it came
    covers: str
    parameters: dict[str, str]


def read_signature_input(field: str) -> SignatureInput | None:
    """The parts of a Signature-Input field; None if it is not of the form that the interface has."""
    match = _INPUT.fullmatch(field.strip())
    if match is None:
        return None
    parameters = _PARAMETER.findall(match[2])
    names = [name for name, _, _ in parameters]
    if len(set(names)) != len(names):
        return None
    covers = match[1][: len(match[1]) - len(match[2])]
    return SignatureInput(match[1], covers, {name: text or number for name, text, number in parameters})


def signature_base(values: list[tuple[str, str]], parameters: str) -> bytes:
    """The signature base of RFC 9421, 2.5: a line for each component, then the parameters."""
    lines = [f"{name}: {value}" for name, value in values]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode()


def request_base(method: str, raw_path: str, digest: str, parameters: str) -> bytes:
    """The base of a request whose target is raw_path, as it was sent."""
    path, _, query = raw_path.partition("?")
    values = [
        ('"@method"', method),
        ('"@path"', path),
        ('"@query"', "?" + query),
        ('"content-digest"', digest),
    ]
    return signature_base(values, parameters)


def response_base(status: int, digest: str, request_signature: str, parameters: str) -> bytes:
    """The base of a response to the request with that Signature field."""
    values = [
        ('"@status"', str(status)),
        ('"content-digest"', digest),
        ('"signature";req', request_signature),
    ]
    return signature_base(values, parameters)
