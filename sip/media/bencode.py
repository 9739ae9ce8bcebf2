"""Bencoding (BEP 3), in which rtpengine's NG protocol writes its requests and answers."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

__all__ = ["BencodeError", "Value", "decode", "encode"]

Value: TypeAlias = int | str | Sequence["Value"] | Mapping[str, "Value"]

DEPTH_MAX = 16
"""Lists and dictionaries within each other; rtpengine's answers have eight."""
DIGITS_MAX = 20
"""Of a number or a length: 64 bits and a sign."""


class BencodeError(ValueError):
    """Bytes that are no bencoded value."""


def encode(value: Value) -> bytes:
    """Write a value. Dictionaries keep their order: rtpengine neither sorts nor asks for it."""
    if isinstance(value, str):
        text = value.encode()
        return b"%d:%b" % (len(text), text)
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, Mapping):
        return b"d" + b"".join(encode(key) + encode(each) for key, each in value.items()) + b"e"
    return b"l" + b"".join(encode(each) for each in value) + b"e"


def decode(data: bytes) -> Value:
    """Read one value that fills `data`. Octets that are no UTF-8 are replaced. Raises BencodeError."""
    value, end = _value(data, 0, 0)
    if end != len(data):
        raise BencodeError("octets after the value")
    return value


def _value(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    if depth > DEPTH_MAX:
        raise BencodeError("too deep")
    kind = data[at : at + 1]
    if kind == b"i":
        return _number(data, at + 1, b"e")
    if kind == b"l":
        values: list[Value] = []
        at += 1
        while data[at : at + 1] != b"e":
            value, at = _value(data, at, depth + 1)
            values.append(value)
        return values, at + 1
    if kind == b"d":
        table: dict[str, Value] = {}
        at += 1
        while data[at : at + 1] != b"e":
            key, at = _text(data, at)
            table[key], at = _value(data, at, depth + 1)
        return table, at + 1
    return _text(data, at)


def _text(data: bytes, at: int) -> tuple[str, int]:
    length, at = _number(data, at, b":")
    if length < 0 or at + length > len(data):
        raise BencodeError("a string overruns the data")
    return data[at : at + length].decode("utf-8", "replace"), at + length


def _number(data: bytes, at: int, ends_with: bytes) -> tuple[int, int]:
    end = data.find(ends_with, at, at + DIGITS_MAX + 1)
    digits = data[at:end] if end >= 0 else b""
    if not digits.removeprefix(b"-").isdigit():
        raise BencodeError("not a number")
    return int(digits), end + 1
