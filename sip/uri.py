"""SIP, SIPS and tel URIs: parsing, building and comparison (RFC 3261 clause 19.1, RFC 3966)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

Param = tuple[str, str | None]

URI_CACHE_MAX = 4096
"""Parsed hosts and URIs remembered: one call names the same ones in a dozen messages."""
CACHED_TEXT_MAX = 256
"""Characters of a URI or header value that is remembered: a peer must not fill the memory with long ones."""
HOST_MAX = 255
"""Characters of a host (RFC 1035 2.3.4)."""

_HOSTNAME = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?\.?"
)
_IPV4 = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+")
_USER = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-Fa-f]{2})+")
_PASSWORD = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()&=+$,]|%[0-9A-Fa-f]{2})*")
_PARAM_TEXT = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()\[\]/:&+$]|%[0-9A-Fa-f]{2})+")
_HEADER_TEXT = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()\[\]/?:+$]|%[0-9A-Fa-f]{2})*")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
_OPAQUE = re.compile(r"[A-Za-z0-9\-_.!~*'();/?:@&=+$,\[\]#%]+")
_GLOBAL_NUMBER = re.compile(r"\+[0-9\-.()]*[0-9][0-9\-.()]*")
_LOCAL_NUMBER = re.compile(r"[0-9A-Fa-f*#\-.()]+")
_VISUAL_SEPARATORS = str.maketrans("", "", "-.()")

_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()"
_USER_PLAIN = frozenset((_UNRESERVED + "&=+$,;?/").encode())
_PASSWORD_PLAIN = frozenset((_UNRESERVED + "&=+$,").encode())
_PARAM_PLAIN = frozenset((_UNRESERVED + "[]/:&+$").encode())
_HEADER_PLAIN = frozenset((_UNRESERVED + "[]/?:+$").encode())

# RFC 3261 19.1.4: these URI parameters never match when only one side has them.
_MUST_MATCH = ("user", "ttl", "method", "maddr", "transport")


class UriError(ValueError):
    """The text is not a URI that RFC 3261, RFC 3966 or RFC 2396 allows."""


def unescape(text: str) -> str:
    """Percent-escapes to characters; octets that are not UTF-8 survive as surrogates."""
    if "%" not in text:
        return text
    raw = text.encode("utf-8", "surrogateescape")
    head, *rest = raw.split(b"%")
    out = bytearray(head)
    for piece in rest:
        try:
            out.append(int(piece[:2], 16))
        except ValueError:
            raise UriError("broken percent escape") from None
        out += piece[2:]
    return out.decode("utf-8", "surrogateescape")


def _escape(text: str, plain: frozenset[int]) -> str:
    raw = text.encode("utf-8", "surrogateescape")
    if plain.issuperset(raw):
        return text
    return "".join(chr(octet) if octet in plain else f"%{octet:02X}" for octet in raw)


@lru_cache(maxsize=URI_CACHE_MAX)
def parse_host(text: str) -> str:
    """A host as it goes on the wire: name, IPv4 address, or IPv6 address in square brackets.

    :raises UriError: neither of the three, or an IPv6 address without brackets (RFC 5118 4.2).
    """
    if text.startswith("["):
        if not text.endswith("]"):
            raise UriError("IPv6 reference is not closed")
        try:
            if len(text) > HOST_MAX:
                raise ValueError
            ipaddress.IPv6Address(_one_gap(text[1:-1]))
        except ValueError:
            raise UriError("not an IPv6 address") from None
        return "[" + _one_gap(text[1:-1]) + "]"
    if not _HOSTNAME.fullmatch(text) or len(text) > HOST_MAX:
        raise UriError("not a host")
    if _IPV4.fullmatch(text):
        try:
            ipaddress.IPv4Address(text)
        except ValueError:
            raise UriError("not an IPv4 address") from None
    return text


def _one_gap(address: str) -> str:
    # RFC 5118 4.10: the grammar of RFC 3261 made ":::" before an IPv4 part; read it as "::", never write it.
    return address.replace(":::", "::", 1) if ":::" in address and "." in address else address


def split_host_port(text: str) -> tuple[str, int | None]:
    """``host[:port]`` apart; raises UriError for a bad host or a port that is not 1 to 65535."""
    end = text.find("]") + 1 if text.startswith("[") else text.find(":")
    if end <= 0 or end == len(text):
        return parse_host(text), None
    host, rest = text[:end], text[end:]
    if rest[0] != ":" or not (digits := rest[1:]).isascii() or not digits.isdigit() or len(digits) > 5:
        raise UriError("bad port")
    port = int(digits)
    if not 0 < port < 65536:
        raise UriError("port out of range")
    return parse_host(host), port


def bare_host(host: str) -> str:
    """The host without the brackets of an IPv6 reference, as sockets want it."""
    return host[1:-1] if host.startswith("[") else host


def host_reference(address: str) -> str:
    """The address as it is written in a URI or Via: IPv6 in square brackets."""
    return f"[{address}]" if ":" in address and not address.startswith("[") else address


@dataclass(slots=True, frozen=True, eq=False)
class SipUri:
    """A ``sip:`` or ``sips:`` URI. ``user``, ``password``, parameter values and headers are unescaped."""

    user: str | None
    host: str
    port: int | None = None
    params: tuple[Param, ...] = ()
    scheme: str = "sip"
    password: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    _text: str | None = field(default=None, init=False, repr=False)
    """As it is written, once it was."""

    def param(self, name: str) -> str | None:
        """The value of a URI parameter, None when absent or without value."""
        for key, value in self.params:
            if key.lower() == name:
                return value
        return None

    def has_param(self, name: str) -> bool:
        return any(key.lower() == name for key, _ in self.params)

    def with_param(self, name: str, value: str | None = None) -> SipUri:
        """The same URI with one parameter set anew."""
        kept = tuple(item for item in self.params if item[0].lower() != name)
        return replace(self, params=(*kept, (name, value)))

    def without_params(self, *names: str) -> SipUri:
        return replace(self, params=tuple(item for item in self.params if item[0].lower() not in names))

    def replace(self, **fields: Any) -> SipUri:
        return replace(self, **fields)

    def __str__(self) -> str:
        text = self._text
        if text is None:
            text = self._write()
            object.__setattr__(self, "_text", text)
        return text

    def _write(self) -> str:
        text = self.scheme + ":"
        if self.user is not None:
            text += _escape(self.user, _USER_PLAIN)
            if self.password is not None:
                text += ":" + _escape(self.password, _PASSWORD_PLAIN)
            text += "@"
        text += self.host
        if self.port is not None:
            text += f":{self.port}"
        if self.params:
            text += _join_params(self.params)
        if self.headers:
            text += "?" + "&".join(
                f"{_escape(name, _HEADER_PLAIN)}={_escape(value, _HEADER_PLAIN)}"
                for name, value in self.headers
            )
        return text

    def __eq__(self, other: object) -> bool:
        # RFC 3261 19.1.4. User and password compare with case, everything else without.
        if not isinstance(other, SipUri):
            return NotImplemented
        if self._key() != other._key():
            return False
        mine, theirs = _folded(self.params), _folded(other.params)
        for name in _MUST_MATCH:
            if (name in mine) != (name in theirs):
                return False
        if any(mine[name] != theirs[name] for name in mine.keys() & theirs.keys()):
            return False
        return sorted((n.lower(), v) for n, v in self.headers) == sorted(
            (n.lower(), v) for n, v in other.headers
        )

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, str | None, str | None, str, int | None]:
        return self.scheme, self.user, self.password, self.host.lower(), self.port


@dataclass(slots=True, frozen=True, eq=False)
class TelUri:
    """A ``tel:`` URI (RFC 3966). ``number`` keeps the visual separators that came."""

    number: str
    params: tuple[Param, ...] = ()
    scheme: str = "tel"

    @property
    def digits(self) -> str:
        """The number without visual separators, with its leading plus if it is global."""
        return self.number.translate(_VISUAL_SEPARATORS)

    def param(self, name: str) -> str | None:
        for key, value in self.params:
            if key.lower() == name:
                return value
        return None

    def __str__(self) -> str:
        return "tel:" + self.number + _join_params(self.params)

    def __eq__(self, other: object) -> bool:
        # RFC 3966 clause 4: equal after separators are removed, parameters in any order.
        if not isinstance(other, TelUri):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, frozenset[Param]]:
        return self.digits.lower(), frozenset(_folded(self.params).items())


@dataclass(slots=True, frozen=True)
class OtherUri:
    """A URI of another scheme, opaque: it may stand in a header but nothing is sent to it."""

    scheme: str
    opaque: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.opaque}"


Uri = SipUri | TelUri | OtherUri


def parse_uri(text: str) -> Uri:
    """Any URI of a request line or an address header.

    :raises UriError: not a URI, or one that breaks the grammar of its scheme.
    """
    return _cached_uri(text) if len(text) <= CACHED_TEXT_MAX else _parse_uri(text)


def _parse_uri(text: str) -> Uri:
    scheme, colon, rest = text.partition(":")
    if not colon:
        raise UriError("no scheme")
    folded = scheme.lower()
    if folded in ("sip", "sips"):
        return _parse_sip(folded, rest)
    if folded == "tel":
        return _parse_tel(rest)
    if not _SCHEME.fullmatch(scheme) or not _OPAQUE.fullmatch(rest):
        raise UriError("not a URI")
    return OtherUri(scheme, rest)


_cached_uri = lru_cache(maxsize=URI_CACHE_MAX)(_parse_uri)


def _parse_sip(scheme: str, rest: str) -> SipUri:
    # The user part may hold ";", "?" and "/", so the last "@" before any header part ends it. Headers and
    # parameters never hold a bare "@" (RFC 3261 25.1), so the last "@" of all is that one.
    userinfo, at, tail = rest.rpartition("@")
    user = password = None
    if at:
        user, colon, secret = userinfo.partition(":")
        if not _USER.fullmatch(user):
            raise UriError("bad user part")
        user = unescape(user)
        if colon:
            if not _PASSWORD.fullmatch(secret):
                raise UriError("bad password part")
            password = unescape(secret)
    tail, question, header_text = tail.partition("?")
    host_port, semicolon, param_text = tail.partition(";")
    host, port = split_host_port(host_port)
    params = _parse_params(param_text) if semicolon else ()
    headers: tuple[tuple[str, str], ...] = ()
    if question:
        headers = tuple(_parse_header(item) for item in header_text.split("&"))
    return SipUri(user, host, port, params, scheme, password, headers)


def _parse_header(item: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not equals or not name or not _HEADER_TEXT.fullmatch(name) or not _HEADER_TEXT.fullmatch(value):
        raise UriError("bad URI header")
    return unescape(name), unescape(value)


def _parse_tel(rest: str) -> TelUri:
    number, semicolon, param_text = rest.partition(";")
    params = _parse_params(param_text) if semicolon else ()
    if _GLOBAL_NUMBER.fullmatch(number):
        return TelUri(number, params)
    # RFC 3966 5.1.5: a local number must say in which context it has meaning.
    if not _LOCAL_NUMBER.fullmatch(number) or not any(name.lower() == "phone-context" for name, _ in params):
        raise UriError("bad telephone number")
    return TelUri(number, params)


def _parse_params(text: str) -> tuple[Param, ...]:
    params: list[Param] = []
    for item in text.split(";"):
        name, equals, value = item.partition("=")
        if not _PARAM_TEXT.fullmatch(name) or (equals and not _PARAM_TEXT.fullmatch(value)):
            raise UriError("bad URI parameter")
        params.append((unescape(name), unescape(value) if equals else None))
    names = [name.lower() for name, _ in params]
    if len(set(names)) != len(names):
        raise UriError("URI parameter stands twice")
    return tuple(params)


def _join_params(params: Iterable[Param]) -> str:
    return "".join(
        f";{_escape(name, _PARAM_PLAIN)}"
        if value is None
        else f";{_escape(name, _PARAM_PLAIN)}={_escape(value, _PARAM_PLAIN)}"
        for name, value in params
    )


def _folded(params: Iterable[Param]) -> dict[str, str | None]:
    return {name.lower(): value.lower() if value is not None else None for name, value in params}
