"""RFC 9421 signatures over HTTP requests and responses between the parties. No I/O.

A request's signature covers ``@method @path @query content-digest``, a response's ``@status
content-digest`` and the request's signature, so that an answer cannot be moved to another question.
Algorithms: hmac-sm3 where the two sides share a key, sm2-sm3 where the other side must be able to prove
what it got. See docs/formats.md, "Signed HTTP".
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from foundation.identities import IdentityError, parse_key_id
from gm.sm2 import PrivateKey, PublicKey
from gm.sm3 import hmac_sm3, sm3

WINDOW_SECONDS: Final = 60
"""How far `created` may lie from now, either way."""
NONCES_MAX: Final = 500_000
"""Nonces remembered for one party; when full, its requests are refused until old ones expire."""
NONCE_PARTIES_MAX: Final = 10_000
"""Parties for which nonces are remembered."""
NONCE_CHARS: Final = (16, 64)
"""Fewest and most characters of a nonce."""
HMAC_KEY_MIN: Final = 16
"""Bytes of the shortest HMAC key that is accepted."""

ALG_HMAC: Final = "hmac-sm3"
ALG_SM2: Final = "sm2-sm3"
LABEL: Final = "sig1"
REQUEST_COMPONENTS: Final = '("@method" "@path" "@query" "content-digest")'
RESPONSE_COMPONENTS: Final = '("@status" "content-digest" "signature";req)'

_NONCE_BUCKET_SECONDS: Final = 30
# A nonce may come back until `created` + window, and `created` may lie a window ahead of its arrival.
_NONCE_KEPT_SECONDS: Final = 2 * WINDOW_SECONDS + _NONCE_BUCKET_SECONDS

_PARAM = re.compile(r';([a-z]+)=(?:"([\x20\x21\x23-\x5b\x5d-\x7e]*)"|([0-9]{1,15}))')


class SignatureError(Exception):
    """A message that is not accepted. `status` is the HTTP status that says so, `reason` why, in words
    that carry nothing from the message."""

    def __init__(self, reason: str, status: int = 401) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class UnknownKey(SignatureError):
    """Signed, but under a key of which nothing is known here."""


class KeyLookup(Protocol):
    """Where a party keeps the keys of the others."""

    def lookup(self, keyid: str) -> bytes | PublicKey | None:
        """The HMAC key or SM2 public key of a keyid; None if it is unknown or not valid now."""
        ...


def party_of_keyid(keyid: str) -> str:
    """The party that a keyid names. Raises SignatureError for another form."""
    try:
        return parse_key_id(keyid).party
    except IdentityError:
        raise SignatureError("keyid is not <party>/<key>/<version>") from None


class Signer:
    """A key with its name: SM2 private key, or HMAC-SM3 key of at least 16 bytes."""

    def __init__(self, keyid: str, key: bytes | PrivateKey) -> None:
        """Raises SignatureError for a malformed keyid, ValueError for a short HMAC key."""
        self.keyid = keyid
        self.party = party_of_keyid(keyid)
        self.key = key
        self.alg = ALG_HMAC if isinstance(key, bytes) else ALG_SM2
        if isinstance(key, bytes) and len(key) < HMAC_KEY_MIN:
            raise ValueError("HMAC key is too short")

    def sign(self, base: bytes) -> bytes:
        """The 32 bytes of an HMAC or the 64 of an SM2 signature over `base`."""
        if isinstance(self.key, bytes):
            return hmac_sm3(self.key, base)
        return self.key.sign(base)


SignerSource = Signer | Callable[[], Signer]
"""A signer, or a function that gives the one of the moment: keys change while a party runs."""


def signer_of(source: SignerSource) -> Signer:
    """The signer of the moment. Raises what the function raises."""
    return source if isinstance(source, Signer) else source()


class NonceCache:
    """Nonces that were seen, by party, kept as long as a replay could pass for fresh.

    `started` (Unix seconds) is when remembering began: what was signed before it may have been seen by
    an earlier process and is refused, to be signed again.
    """

    def __init__(self, started: float, *, per_party_max: int = NONCES_MAX) -> None:
        self._started = int(started)
        self._max = per_party_max
        self._buckets: dict[str, list[tuple[float, set[str]]]] = {}

    def admit(self, party: str, nonce: str, created: int, now: float) -> None:
        """Remember a nonce of an authentic request. Raises SignatureError: 401 if seen, 503 if the
        request is older than this cache or the cache is full."""
        if created < self._started:
            raise SignatureError("signed before this server started: sign again", 503)
        if party not in self._buckets and len(self._buckets) >= NONCE_PARTIES_MAX:
            raise SignatureError("too many parties", 503)
        buckets = self._buckets.setdefault(party, [])
        while buckets and buckets[0][0] + _NONCE_KEPT_SECONDS < now:
            del buckets[0]
        count = 0
        for _, seen in buckets:
            if nonce in seen:
                raise SignatureError("nonce was used before")
            count += len(seen)
        if count >= self._max:
            raise SignatureError("too many requests in the nonce window", 503)
        if not buckets or buckets[-1][0] + _NONCE_BUCKET_SECONDS <= now:
            buckets.append((now, set()))
        buckets[-1][1].add(nonce)

    def __len__(self) -> int:
        return sum(len(seen) for buckets in self._buckets.values() for _, seen in buckets)


@dataclass(frozen=True, slots=True)
class VerifiedRequest:
    """A request that is authentic, fresh and seen once."""

    party: str
    keyid: str
    key: bytes | PublicKey
    signature: str
    """Its Signature field, which the response's signature covers."""


def content_digest(body: bytes) -> str:
    """The Content-Digest field (RFC 9530 form) of a body, with SM3."""
    return f"sm3=:{base64.b64encode(sm3(body)).decode('ascii')}:"


def request_base(method: str, path: str, query: str, digest: str, params: str) -> bytes:
    """The signature base of a request (RFC 9421, 2.5). `query` is without "?"; `params` is the value of
    @signature-params as it stands in Signature-Input."""
    return (
        f'"@method": {method}\n"@path": {path or "/"}\n"@query": ?{query}\n'
        f'"content-digest": {digest}\n"@signature-params": {params}'
    ).encode()


def response_base(status: int, digest: str, request_signature: str, params: str) -> bytes:
    """The signature base of a response; `request_signature` is the request's whole Signature field."""
    return (
        f'"@status": {status}\n"content-digest": {digest}\n"signature";req: {request_signature}\n'
        f'"@signature-params": {params}'
    ).encode()


def _headers(signer: Signer, digest: str, params: str, base: bytes) -> dict[str, str]:
    signature = base64.b64encode(signer.sign(base)).decode("ascii")
    return {
        "content-digest": digest,
        "signature-input": f"{LABEL}={params}",
        "signature": f"{LABEL}=:{signature}:",
    }


def sign_request(
    signer: Signer, *, method: str, path: str, query: str, body: bytes, created: int, nonce: str
) -> dict[str, str]:
    """The three header fields that sign a request. `created` is Unix seconds; `path` and `query` are as
    sent, percent-encoded, `query` without "?"; `nonce` is 16 to 64 characters never used before."""
    digest = content_digest(body)
    params = (
        f'{REQUEST_COMPONENTS};created={created};nonce="{nonce}";keyid="{signer.keyid}";alg="{signer.alg}"'
    )
    return _headers(signer, digest, params, request_base(method, path, query, digest, params))


def sign_response(
    signer: Signer, *, status: int, body: bytes, request_signature: str, created: int
) -> dict[str, str]:
    """The three header fields that sign a response to the request with that Signature field."""
    digest = content_digest(body)
    params = f'{RESPONSE_COMPONENTS};created={created};keyid="{signer.keyid}";alg="{signer.alg}"'
    return _headers(signer, digest, params, response_base(status, digest, request_signature, params))


def _parse_params(
    signature_input: str, components: str, required: frozenset[str]
) -> tuple[str, dict[str, str]]:
    """Split Signature-Input into the raw @signature-params and its parameters, each exactly once."""
    label, _, params = signature_input.partition("=")
    if label != LABEL or not params.startswith(components):
        raise SignatureError("signature does not cover the required components")
    found: dict[str, str] = {}
    at = len(components)
    while at < len(params):
        match = _PARAM.match(params, at)
        if match is None or match[1] in found:
            raise SignatureError("signature parameters are malformed")
        found[match[1]] = match[3] if match[2] is None else match[2]
        at = match.end()
    if found.keys() != required:
        raise SignatureError("signature parameters are not the required ones")
    return params, found


_REQUEST_PARAMS: Final = frozenset({"created", "nonce", "keyid", "alg"})
_RESPONSE_PARAMS: Final = frozenset({"created", "keyid", "alg"})


def _created(params: dict[str, str], now: float) -> int:
    if not params["created"].isdigit():
        raise SignatureError("created is not a time")
    created = int(params["created"])
    if abs(now - created) > WINDOW_SECONDS:
        raise SignatureError("created is too far from now")
    return created


def _signature_bytes(field: str) -> bytes:
    prefix, suffix = f"{LABEL}=:", ":"
    if not field.startswith(prefix) or not field.endswith(suffix):
        raise SignatureError("signature is malformed")
    try:
        return base64.b64decode(field[len(prefix) : -1], validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError("signature is malformed") from None


def _is_authentic(key: bytes | PublicKey, alg: str, base: bytes, signature: bytes) -> bool:
    # The algorithm follows from the key that the receiver holds; `alg` must agree with it.
    if isinstance(key, bytes):
        return alg == ALG_HMAC and hmac.compare_digest(hmac_sm3(key, base), signature)
    return alg == ALG_SM2 and len(signature) == 64 and key.verify(base, signature)


def _digest_matches(field: str, body: bytes) -> bool:
    return hmac.compare_digest(field.encode(), content_digest(body).encode())


def verify_request(
    header: Callable[[str], str | None],
    *,
    method: str,
    path: str,
    query: str,
    body: bytes,
    party: str,
    keys: KeyLookup,
    nonces: NonceCache,
    now: float,
) -> VerifiedRequest:
    """Check a request that came over a connection whose certificate names `party`.

    `header` gives a field by lower-case name, None unless it is there exactly once; `now` is Unix
    seconds. Raises SignatureError, 403 when the signing key is another party's.
    """
    digest, given, signature = header("content-digest"), header("signature-input"), header("signature")
    if digest is None or given is None or signature is None:
        raise SignatureError("request is not signed")
    params, values = _parse_params(given, REQUEST_COMPONENTS, _REQUEST_PARAMS)
    created = _created(values, now)
    nonce, keyid = values["nonce"], values["keyid"]
    if not NONCE_CHARS[0] <= len(nonce) <= NONCE_CHARS[1]:
        raise SignatureError("nonce is too short or too long")
    # Certificate and signing key must name the same party.
    if party_of_keyid(keyid) != party:
        raise SignatureError("signing key and certificate name different parties", 403)
    key = keys.lookup(keyid)
    if key is None:
        raise SignatureError("signing key is not known")
    base = request_base(method, path, query, digest, params)
    if not _is_authentic(key, values["alg"], base, _signature_bytes(signature)):
        raise SignatureError("signature does not verify")
    if not _digest_matches(digest, body):
        raise SignatureError("content-digest does not match the body")
    # Last, so that only what the party really signed takes a place in the cache.
    nonces.admit(party, nonce, created, now)
    return VerifiedRequest(party, keyid, key, signature)


def verify_response(
    header: Callable[[str], str | None],
    *,
    status: int,
    body: bytes,
    request_signature: str,
    signer: Signer,
    party: str | None,
    keys: KeyLookup,
    now: float,
) -> None:
    """Check the response of `party` to a request that `signer` signed with that Signature field.

    A request under an HMAC key is answered under the same key and keyid; one under SM2 is answered under
    a key of the answering party (None: of any other party that `keys` knows). Raises SignatureError.
    """
    digest, given, signature = header("content-digest"), header("signature-input"), header("signature")
    if digest is None or given is None or signature is None:
        raise SignatureError("response is not signed")
    params, values = _parse_params(given, RESPONSE_COMPONENTS, _RESPONSE_PARAMS)
    _created(values, now)
    keyid = values["keyid"]
    key: bytes | PublicKey | None
    if isinstance(signer.key, bytes):
        if keyid != signer.keyid:
            raise SignatureError("response is under another key than the request")
        key = signer.key
    else:
        named = party_of_keyid(keyid)
        # The asking party's own signature must never pass for an answer to it.
        if named == signer.party or (party is not None and named != party):
            raise SignatureError("signing key and peer are different parties")
        key = keys.lookup(keyid)
        if key is None:
            raise UnknownKey("signing key is not known")
    base = response_base(status, digest, request_signature, params)
    if not _is_authentic(key, values["alg"], base, _signature_bytes(signature)):
        raise SignatureError("signature does not verify")
    if not _digest_matches(digest, body):
        raise SignatureError("content-digest does not match the body")
