"""Digest access authentication for SIP (RFC 7616, RFC 8760): server and client side.

Only HA1 values are needed, never passwords. A password's HA1 is as good as the password within its realm, so
it is stored as a secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from sip.headers import AuthParams, HeaderError, parse_auth, quote
from sip.message import Request, Response
from sip.uri import UriError, parse_uri

NONCE_COUNTS_MAX = 20_000
"""Nonces whose last count is remembered; the oldest is forgotten first and then counts as stale."""

ALGORITHMS = ("SHA-256", "MD5")
"""What a server offers unless told otherwise, the strongest first (RFC 8760 2.4). SHA-512-256 it offers where
its lookup has HA1 values for it; a client answers any of the three."""

_HASHES: dict[str, Callable[[bytes], str]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    # RFC 7616 means SHA-512/256 of FIPS 180-4, not the first half of SHA-512.
    "SHA-512-256": lambda data: hashlib.new("sha512_256", data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}


def _hash(algorithm: str, text: str) -> str:
    return _HASHES[algorithm](text.encode("utf-8", "surrogateescape"))


def ha1(username: str, realm: str, password: str, algorithm: str = "SHA-256") -> str:
    """H(username:realm:password), what a server stores (RFC 7616 3.4.2)."""
    return _hash(algorithm, f"{username}:{realm}:{password}")


def response_value(
    ha1_value: str,
    method: str,
    uri: str,
    *,
    nonce: str,
    algorithm: str,
    nc: str = "00000001",
    cnonce: str = "",
    qop: str | None = "auth",
    body: bytes = b"",
) -> str:
    """The response of RFC 7616 3.4.1; ``qop`` None is RFC 2069's form, ``auth-int`` covers the body too."""
    a2 = f"{method}:{uri}"
    if qop == "auth-int":
        a2 += f":{_HASHES[algorithm](body)}"
    ha2 = _hash(algorithm, a2)
    if qop is None:
        return _hash(algorithm, f"{ha1_value}:{nonce}:{ha2}")
    return _hash(algorithm, f"{ha1_value}:{nonce}:{nc}:{cnonce}:{qop}:{ha2}")


class AuthResult(NamedTuple):
    """``outcome`` is ok, missing, stale, wrong or malformed; ``username`` is set when ok, and where it was
    claimed with a wrong response."""

    outcome: str
    username: str | None = None

    @property
    def ok(self) -> bool:
        return self.outcome == "ok"


@dataclass(slots=True)
class Authenticator:
    """The server side for one realm.

    ``lookup(username, algorithm)`` gives the stored HA1 or None. Nonces are stateless: time and a random part
    under keyed BLAKE2b; only the counts of nonces in use are kept, bounded. ``nonce_lifetime`` in seconds, of
    the same clock as each ``now``.
    """

    realm: str
    secret: bytes
    """At most 64 octets."""
    lookup: Callable[[str, str], str | None]
    nonce_lifetime: float = 300.0
    algorithms: tuple[str, ...] = ALGORITHMS
    counts_max: int = NONCE_COUNTS_MAX
    qop: tuple[str, ...] = ("auth",)
    """auth, auth-int or both (RFC 7616 3.3). auth-int breaks wherever a hop between rewrites descriptions."""
    _counts: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def challenges(self, now: float, *, stale: bool = False) -> list[str]:
        """The values for WWW-Authenticate (401) or Proxy-Authenticate (407), one for each algorithm."""
        nonce = self._make_nonce(now)
        suffix = f', qop="{",".join(self.qop)}"' + (", stale=true" if stale else "")
        return [
            f'Digest realm={quote(self.realm)}, nonce="{nonce}", algorithm={algorithm}{suffix}'
            for algorithm in self.algorithms
        ]

    def verify(
        self, values: list[str], method: str, uri_text: str, now: float, body: bytes = b""
    ) -> AuthResult:
        """Judge the Authorization (or Proxy-Authorization) values of a request; ``body`` matters to auth-int.

        Credentials of other schemes and realms are passed over. The digest's uri must be the Request-URI: a
        response made for one target is not valid for another (RFC 7616 3.4.6).
        """
        result = AuthResult("missing")
        for value in values:
            try:
                auth = parse_auth(value)
            except HeaderError:
                result = AuthResult("malformed")
                continue
            if auth.scheme == "digest" and auth.params.get("realm") == self.realm:
                return self._judge(auth.params, method, uri_text, now, body)
        return result

    def _judge(
        self, params: dict[str, str], method: str, uri_text: str, now: float, body: bytes
    ) -> AuthResult:
        username = params.get("username", "")
        algorithm = params.get("algorithm", "MD5").upper()
        nonce, nc, cnonce = params.get("nonce", ""), params.get("nc", ""), params.get("cnonce", "")
        qop = params.get("qop", "").lower()
        if not username or algorithm not in self.algorithms or qop not in self.qop or not cnonce:
            return AuthResult("malformed")
        try:
            count = int(nc, 16) if len(nc) == 8 else 0
        except ValueError:
            count = 0
        if count <= 0:
            return AuthResult("malformed")
        made_at = self._nonce_time(nonce)
        if made_at is None or not -1.0 <= now - made_at <= self.nonce_lifetime:
            # RFC 7616 3.3: a nonce that is not ours or too old is stale; the client tries again unasked.
            return AuthResult("stale", username)
        known = self.lookup(username, algorithm)
        # An unknown user costs the same work as a wrong password.
        expected = response_value(
            known or "0" * 64,
            method,
            params.get("uri", ""),
            nonce=nonce,
            algorithm=algorithm,
            nc=nc,
            cnonce=cnonce,
            qop=qop,
            body=body,
        )
        given = params.get("response", "").lower().encode("utf-8", "surrogateescape")
        if (
            not hmac.compare_digest(expected.encode(), given)
            or known is None
            or not _same_target(params.get("uri", ""), uri_text)
        ):
            return AuthResult("wrong", username)
        # RFC 7616 3.4.5: each count is accepted once, in growing order. Judged after the response, so that a
        # stranger cannot burn another's counts.
        if count <= self._counts.get(nonce, 0):
            return AuthResult("stale", username)
        self._counts[nonce] = count
        self._counts.move_to_end(nonce)
        if len(self._counts) > self.counts_max:
            forgotten, _ = self._counts.popitem(last=False)
            self._forget_before(forgotten)
        return AuthResult("ok", username)

    _floor: float = float("-inf")

    def _forget_before(self, nonce: str) -> None:
        # A nonce whose count was dropped must not be accepted again with an old count.
        made_at = self._nonce_time(nonce)
        if made_at is not None:
            self._floor = max(self._floor, made_at)

    def _make_nonce(self, now: float) -> str:
        body = int(now * 1000).to_bytes(8, "big", signed=True) + secrets.token_bytes(8)
        return base64.urlsafe_b64encode(body + self._mac(body)).decode()

    def _nonce_time(self, nonce: str) -> float | None:
        try:
            raw = base64.urlsafe_b64decode(nonce.encode("ascii"))
        except (ValueError, UnicodeError):
            return None
        body, mac = raw[:16], raw[16:]
        if len(body) != 16 or not hmac.compare_digest(mac, self._mac(body)):
            return None
        made_at = int.from_bytes(body[:8], "big", signed=True) / 1000
        return made_at if made_at > self._floor else None

    def _mac(self, body: bytes) -> bytes:
        # BLAKE2 is keyed by itself, and costs a fifth of an HMAC that OpenSSL is asked for anew each time.
        text = b"sip-nonce" + self.realm.encode() + b"\0" + body
        return hashlib.blake2b(text, key=self.secret, digest_size=16).digest()


def _same_target(named: str, requested: str) -> bool:
    """The digest's uri is the Request-URI, perhaps written otherwise (22.4 of RFC 3261; 19.1.4 says what is equal)."""
    if named == requested:
        return True
    try:
        return parse_uri(named) == parse_uri(requested)
    except UriError:
        return False


@dataclass(slots=True, frozen=True)
class Credentials:
    """What a client proves itself with. ``realm`` None answers any: only towards one's own registrar."""

    username: str
    password: str = field(repr=False)
    realm: str | None = None


CHALLENGE_HEADERS = {
    401: ("WWW-Authenticate", "Authorization"),
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
}


def authorize(
    response: Response, request: Request, credentials: Credentials, *, cnonce: str | None = None
) -> bool:
    """Put the answer to a 401 or 407 challenge into the request that goes out anew.

    The first challenge with a known algorithm is taken (RFC 8760 2.4). False when none fits, or when the same
    nonce was answered already and is not said to be stale: the password is wrong then.
    """
    names = CHALLENGE_HEADERS.get(response.status)
    if names is None:
        return False
    challenge_name, answer_name = names
    previous = _answered_nonce(request, answer_name)
    for value in response.get_all(challenge_name):
        try:
            challenge = parse_auth(value)
        except HeaderError:
            continue
        params = challenge.params
        algorithm = params.get("algorithm", "MD5").upper()
        if challenge.scheme != "digest" or algorithm not in _HASHES or "nonce" not in params:
            continue
        realm = params.get("realm", "")
        if credentials.realm is not None and credentials.realm != realm:
            continue
        if previous is not None and params.get("stale", "").lower() != "true":
            return False
        request.set(
            answer_name, _answer(challenge, request, credentials, algorithm, cnonce or secrets.token_hex(8))
        )
        return True
    return False


def _answered_nonce(request: Request, answer_name: str) -> str | None:
    value = request.get(answer_name)
    return None if value is None else parse_auth(value).params.get("nonce", "")


def _answer(
    challenge: AuthParams, request: Request, credentials: Credentials, algorithm: str, cnonce: str
) -> str:
    params = challenge.params
    realm, nonce, uri = params.get("realm", ""), params["nonce"], str(request.uri)
    offered = [item.strip().lower() for item in params.get("qop", "").split(",")]
    # RFC 7616 3.4: a client chooses among what is offered; auth survives hops that rewrite descriptions.
    qop = next((item for item in ("auth", "auth-int") if item in offered), None)
    value = response_value(
        ha1(credentials.username, realm, credentials.password, algorithm),
        request.method,
        uri,
        nonce=nonce,
        algorithm=algorithm,
        cnonce=cnonce,
        qop=qop,
        body=request.body,
    )
    text = (
        f"Digest username={quote(credentials.username)}, realm={quote(realm)}, nonce={quote(nonce)}, "
        f'uri={quote(uri)}, response="{value}", algorithm={algorithm}'
    )
    if "opaque" in params:
        text += f", opaque={quote(params['opaque'])}"
    if qop is not None:
        text += f', qop={qop}, nc=00000001, cnonce="{cnonce}"'
    return text
