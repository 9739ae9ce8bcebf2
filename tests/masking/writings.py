"""Numbers written in every way that a reader reads, wrapped in every way that a wrapper takes off."""

import base64
from collections.abc import Callable

from hypothesis import strategies as st

from masking.encodings import DEPTH_MAX, READERS, WRAPPERS
from masking.needles import _events, _pack7

_DIGITS_OF = {
    "ascii": ("0123456789", "ascii"),
    "utf-16-be": ("0123456789", "utf-16-be"),
    "utf-16-le": ("0123456789", "utf-16-le"),
    "utf-32-be": ("0123456789", "utf-32-be"),
    "utf-32-le": ("0123456789", "utf-32-le"),
    "full width utf-8": ("０１２３４５６７８９", "utf-8"),
    "full width utf-16-be": ("０１２３４５６７８９", "utf-16-be"),
    "full width utf-16-le": ("０１２３４５６７８９", "utf-16-le"),
    "full width gb18030": ("０１２３４５６７８９", "gb18030"),
    "arabic-indic utf-8": ("٠١٢٣٤٥٦٧٨٩", "utf-8"),
    "arabic-indic utf-16-be": ("٠١٢٣٤٥٦٧٨٩", "utf-16-be"),
    "chinese utf-8": ("零一二三四五六七八九", "utf-8"),
    "chinese utf-16-be": ("零一二三四五六七八九", "utf-16-be"),
}
SEPARATORS = " -./()_,:;+\t"


def _pairs(number: str) -> bytes:
    even = number + "0" * (len(number) % 2)
    return "".join(b + a for a, b in zip(even[0::2], even[1::2], strict=True)).encode()


def _bcd(number: str, phase: int, filler: str, swapped: bool) -> bytes:
    nibbles = "f" * phase + number
    octets = bytes.fromhex(nibbles + filler * (len(nibbles) % 2))
    return bytes((octet & 15) << 4 | octet >> 4 for octet in octets) if swapped else octets


def _signals(number: str) -> bytes:
    return "".join(f"Signal= {digit}\r\nDuration=160\r\n" for digit in number).encode()


@st.composite
def written(draw: st.DrawFn, number: str) -> bytes:
    """The number as one of the readers, or the search for integers, would read it."""
    if draw(st.booleans()):
        number = number[::-1]
    way = draw(st.sampled_from([*READERS, "u64", "septets"]))
    if way in _DIGITS_OF:
        glyphs, codec = _DIGITS_OF[way]
        between = "" if draw(st.booleans()) else draw(st.sampled_from(SEPARATORS))
        if way == "chinese utf-16-be" and between not in ("", " ", "-"):
            between = ""
        gaps = draw(st.lists(st.integers(0, 2 if between else 0), min_size=len(number), max_size=len(number)))
        text = "".join(glyphs[int(digit)] + between * gap for digit, gap in zip(number, gaps, strict=True))
        return text.encode(codec)
    if way == "swapped pairs":
        return draw(st.sampled_from([b"", b"4"])) + _pairs(number)
    if way.startswith("bcd"):
        return _bcd(number, draw(st.integers(0, 1)), draw(st.sampled_from("0f")), way == "bcd swapped")
    if way == "telephone events":
        return _events(number)
    if way == "info signals":
        return _signals(number)
    if way == "u64":
        order = draw(st.sampled_from(["big", "little"]))
        return (int(number) % (1 << 56)).to_bytes(8, order)
    packed: bytes = _pack7(number, draw(st.integers(0, 7)))
    return packed


_WRAPPED: dict[str, Callable[[bytes], bytes]] = {
    "hex": lambda data: data.hex().encode(),
    "base64": base64.b64encode,
    "percent": lambda data: b"".join(b"%%%02x" % octet for octet in data),
    "quoted-printable": lambda data: b"".join(b"=%02X" % octet for octet in data),
    "json escape": lambda data: "".join(f"\\u{octet:04x}" for octet in data).encode(),
    "xml escape": lambda data: "".join(f"&#{octet};" for octet in data).encode(),
    "gsm septets": lambda data: _pack7(data.decode("latin-1"), 0) if data.isdigit() else data,
}
assert _WRAPPED.keys() == WRAPPERS.keys()


@st.composite
def wrapped(draw: st.DrawFn, data: bytes) -> bytes:
    """What was written, with other octets around it, in up to DEPTH_MAX wrappers."""
    for _ in range(draw(st.integers(0, DEPTH_MAX))):
        before, after = draw(st.binary(max_size=4)), draw(st.binary(max_size=4))
        way = draw(st.sampled_from([*_WRAPPED, "base64url", "hex upper", "percent in part"]))
        data = before + data + after
        if way == "base64url":
            data = base64.urlsafe_b64encode(data).rstrip(b"=")
        elif way == "hex upper":
            data = data.hex().upper().encode()
        elif way == "percent in part":
            place = draw(st.integers(0, len(data) - 1))
            data = data[:place] + b"%%%02X" % data[place] + data[place + 1 :]
        else:
            data = _WRAPPED[way](data)
    return data
