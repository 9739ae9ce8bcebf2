"""Finding a number in bytes, however it is written.

A search for 10,000 numbers in dozens of encodings cannot look for each needle in turn. So the haystack is
brought to digits instead: each *reader* turns the places where its encoding could stand into runs of
digits, and every window of a run is looked up in one set. *Wrappers* (hexadecimal, base64, percent, JSON
and XML escapes, GSM septets) are taken off first, and what is inside is read by all readers again.

What is looked for is the core of a number: a Chinese MSISDN is found by its 11 national digits, with which
86..., +86... and 0086... end; an IMEI by its first 14, since the last is a check digit that is often
written as 0. Each is also found reversed.
"""

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

__all__ = ["DEPTH_MAX", "Hit", "Numbers", "carries", "core_of", "find", "first"]

DIGITS_MIN = 7
"""A shorter number would be found everywhere."""
DEPTH_MAX = 2
"""Wrappers within wrappers that are taken off."""
RUN_DIGITS_MAX = 100_000
HITS_MAX = 100

_SEPARATORS = rb"[ \-./()_,:;+\t]"


@dataclass(frozen=True, slots=True)
class Hit:
    """A number found. `offset` is where its run, or what it is wrapped in, begins; `index` is its position
    among the numbers looked for."""

    encoding: str
    offset: int
    index: int


def core_of(number: str) -> str:
    """The digits by which a number is found. Raises ValueError when it is no number of DIGITS_MIN digits."""
    digits = number.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or len(digits) < DIGITS_MIN:
        raise ValueError("not a number to look for")
    if len(digits) == 13 and digits.startswith("861"):
        return digits[2:]
    if len(digits) == 15 and _luhn(digits):
        return digits[:14]
    return digits


def _luhn(digits: str) -> bool:
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + position % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


class Numbers:
    """Numbers to look for, prepared once. E.164 digits, IMSI or IMEI."""

    __slots__ = ("binary", "cores", "lengths", "shortest")

    def __init__(self, numbers: Iterable[str]) -> None:
        self.cores: dict[bytes, tuple[int, bool]] = {}
        """Core, and its reverse, to (index, whether reversed)."""
        self.binary: dict[bytes, int] = {}
        """The last seven octets of the number as u64 to its index."""
        for index, number in enumerate(numbers):
            core = core_of(number).encode()
            self.cores.setdefault(core[::-1], (index, True))
            self.cores[core] = (index, False)
            for written in {number.removeprefix("+"), core.decode()}:
                if int(written) < 1 << 56:
                    self.binary[int(written).to_bytes(7)] = index
        self.lengths = tuple(sorted({len(core) for core in self.cores}))
        self.shortest = self.lengths[0] if self.lengths else DIGITS_MIN

    def look_up(self, run: bytes) -> Iterator[tuple[int, bool]]:
        """(index, whether reversed) of each number in a run of ASCII digits."""
        cores = self.cores
        for length in self.lengths:
            for start in range(len(run) - length + 1):
                found = cores.get(run[start : start + length])
                if found is not None:
                    yield found


class _Run(NamedTuple):
    offset: int
    digits: bytes


_Reader = Callable[[bytes, int], Iterator[_Run]]


# --- readers: one encoding's digits, as runs of at least `shortest` ---------------------------------------


def _glyphs(digits: list[bytes], separator: bytes) -> _Reader:
    """Each digit is written as fixed octets, with up to two separators between digits."""
    value_of = {glyph: b"%d" % value for value, glyph in enumerate(digits)}
    one = b"(?:" + b"|".join(re.escape(glyph) for glyph in digits) + b")"
    if len(digits[0]) == 1:
        one = b"[" + b"".join(re.escape(glyph) for glyph in digits) + b"]"
    each = re.compile(one, re.DOTALL)

    @lru_cache(maxsize=16)
    def pattern(shortest: int) -> re.Pattern[bytes]:
        gap = b"(?:" + separator + b"){0,2}"
        return re.compile(one + b"(?:" + gap + one + b"){%d,}" % (shortest - 1), re.DOTALL)

    def read(data: bytes, shortest: int) -> Iterator[_Run]:
        for match in pattern(shortest).finditer(data):
            yield _Run(match.start(), b"".join(value_of[glyph] for glyph in each.findall(match[0])))

    return read


def _digits_in(codec: str, zero: str) -> list[bytes]:
    return [chr(ord(zero) + value).encode(codec) for value in range(10)]


def _in_codec(codec: str, digits: list[bytes]) -> _Reader:
    width = len(" ".encode(codec))
    separators = [chr(octet).encode(codec) for octet in b" -./()_,:;+\t"]
    separator = b"(?:" + b"|".join(map(re.escape, separators)) + b")" if width > 1 else _SEPARATORS
    return _glyphs(digits, separator)


_NIBBLE_DIGITS = bytes(range(48, 58)) + b"xxxxxx"
_HEX_TO_RUN = bytes.maketrans(b"abcdef", b"xxxxxx")
_DECIMAL_RUN = re.compile(rb"[0-9]+")
_BCD_OCTET = rb"[" + b"".join(re.escape(bytes((h << 4 | n,))) for h in range(10) for n in range(10)) + rb"]"
_SWAPPED = bytes((octet & 0x0F) << 4 | octet >> 4 for octet in range(256))


@lru_cache(maxsize=16)
def _bcd_pattern(shortest: int) -> re.Pattern[bytes]:
    # An odd number of digits, or one that begins in the middle of an octet, fills (n - 1) / 2 octets whole.
    return re.compile(_BCD_OCTET + b"{%d,}" % max(1, (shortest - 1) // 2), re.DOTALL)


def _bcd(swapped: bool) -> _Reader:
    """Two digits an octet. Runs of nibbles give both phases at once."""

    def read(data: bytes, shortest: int) -> Iterator[_Run]:
        for match in _bcd_pattern(shortest).finditer(data):
            # The octets beside may hold the first or the last digit, with a filler or a type beside it.
            start = max(0, match.start() - 1)
            octets = data[start : match.end() + 1]
            nibbles = (
                (octets.translate(_SWAPPED) if swapped else octets).hex().encode().translate(_HEX_TO_RUN)
            )
            for run in _DECIMAL_RUN.finditer(nibbles):
                if len(run[0]) >= shortest:
                    yield _Run(start + run.start() // 2, run[0])

    return read


@lru_cache(maxsize=16)
def _decimal_pattern(shortest: int) -> re.Pattern[bytes]:
    return re.compile(rb"[0-9]{%d,}" % shortest)


def _swapped_pairs(data: bytes, shortest: int) -> Iterator[_Run]:
    """Swapped semi-octets written out as text: the two digits of each pair change places."""
    for match in _decimal_pattern(shortest).finditer(data):
        for phase in (0, 1):
            text = match[0][phase:]
            pairs = bytearray(text[: len(text) - len(text) % 2])
            pairs[0::2], pairs[1::2] = pairs[1::2], pairs[0::2]
            yield _Run(match.start(), bytes(pairs))


# RFC 4733 in RTP: version 2 without extension or CSRC, a dynamic payload type, and one event of four octets.
_RTP_EVENT = re.compile(
    rb"\x80[\x60-\x7f\xe0-\xff](?P<sequence>..)(?P<timestamp>.{4})(?P<ssrc>.{4})"
    rb"(?P<code>[\x00-\x09])[\x00-\x3f\x80-\xbf]..",
    re.DOTALL,
)


def _rtp_events(data: bytes, shortest: int) -> Iterator[_Run]:
    """Digits pressed in a row, of each RTP source; a packet repeats its event's timestamp."""
    streams: dict[bytes, tuple[int, bytes, bytearray]] = {}
    for match in _RTP_EVENT.finditer(data):
        offset, timestamp, digits = streams.get(match["ssrc"], (match.start(), b"", bytearray()))
        if timestamp != match["timestamp"]:
            digits += b"%d" % match["code"][0]
        streams[match["ssrc"]] = (offset, match["timestamp"], digits)
    for offset, _, digits in streams.values():
        if len(digits) >= shortest:
            yield _Run(offset, bytes(digits))


_INFO_SIGNAL = re.compile(rb"Signal\s{0,4}=\s{0,4}([0-9])", re.IGNORECASE)


def _info_signals(data: bytes, shortest: int) -> Iterator[_Run]:
    """Digits of SIP INFO bodies (application/dtmf-relay) in a row."""
    matches = list(_INFO_SIGNAL.finditer(data))
    if len(matches) >= shortest:
        yield _Run(matches[0].start(), b"".join(match[1] for match in matches))


_FULL_WIDTH = "\uff10"
_ARABIC_INDIC = "\u0660"

_NUMERALS = "零一二三四五六七八九"

WIDE_DIGITS: dict[str, list[bytes]] = {
    "full width utf-8": _digits_in("utf-8", _FULL_WIDTH),
    "full width utf-16-be": _digits_in("utf-16-be", _FULL_WIDTH),
    "full width utf-16-le": _digits_in("utf-16-le", _FULL_WIDTH),
    "full width gb18030": _digits_in("gb18030", _FULL_WIDTH),
    "arabic-indic utf-8": _digits_in("utf-8", _ARABIC_INDIC),
    "arabic-indic utf-16-be": _digits_in("utf-16-be", _ARABIC_INDIC),
    "chinese utf-8": [numeral.encode() for numeral in _NUMERALS],
    "chinese utf-16-be": [numeral.encode("utf-16-be") for numeral in _NUMERALS],
}
"""How the digits 0 to 9 are written where that is not in ASCII's characters."""

READERS: dict[str, _Reader] = {
    codec: _in_codec(codec, _digits_in(codec, "0"))
    for codec in ("ascii", "utf-16-be", "utf-16-le", "utf-32-be", "utf-32-le")
}
READERS |= {
    name: _in_codec(name.split()[-1], digits)
    for name, digits in WIDE_DIGITS.items()
    if not name.startswith("chinese")
}
READERS |= {
    "chinese utf-8": _glyphs(WIDE_DIGITS["chinese utf-8"], _SEPARATORS),
    "chinese utf-16-be": _glyphs(WIDE_DIGITS["chinese utf-16-be"], rb"\x00[ \-]"),
    "swapped pairs": _swapped_pairs,
    "bcd": _bcd(swapped=False),
    "bcd swapped": _bcd(swapped=True),
    "telephone events": _rtp_events,
    "info signals": _info_signals,
}

# --- wrappers: what is inside, with where it began --------------------------------------------------------

_Wrapped = tuple[int, bytes]
_Wrapper = Callable[[bytes, int], Iterator[_Wrapped]]


@lru_cache(maxsize=16)
def _hex_pattern(shortest: int) -> re.Pattern[bytes]:
    return re.compile(rb"[0-9A-Fa-f]{%d,}" % shortest)


def _unhex(data: bytes, shortest: int) -> Iterator[_Wrapped]:
    for match in _hex_pattern(shortest).finditer(data):
        text = match[0]
        for phase in (0, 1):
            whole = text[phase : len(text) - (len(text) - phase) % 2]
            yield match.start(), bytes.fromhex(whole.decode())


_URL_SAFE = bytes.maketrans(b"-_", b"+/")


@lru_cache(maxsize=16)
def _base64_pattern(shortest: int) -> re.Pattern[bytes]:
    # The densest thing to wrap is BCD: two digits an octet, three octets in four characters. A run with
    # neither case nor "+/-_" mixed in is left to the readers of digits and hexadecimal.
    return re.compile(rb"[A-Za-z0-9+/_\-]{%d,}" % max(6, shortest * 2 // 3))


def _unbase64(data: bytes, shortest: int) -> Iterator[_Wrapped]:
    for match in _base64_pattern(shortest).finditer(data):
        text = match[0].translate(_URL_SAFE)
        # Which character begins a group of four cannot be told when other text stands before it.
        for phase in range(4):
            tail = text[phase:]
            if len(tail) % 4 == 1:
                tail = tail[:-1]
            yield match.start() + phase, base64.b64decode(tail + b"=" * (-len(tail) % 4))


_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_QUOTED_PRINTABLE = re.compile(rb"=([0-9A-Fa-f]{2})")
_JSON_ESCAPE = re.compile(rb"\\u([0-9A-Fa-f]{4})")
_XML_ESCAPE = re.compile(rb"&#(?:x[0-9A-Fa-f]{1,6}|[0-9]{1,7});", re.IGNORECASE)


def _octet(match: re.Match[bytes]) -> bytes:
    return binascii.unhexlify(match[1])


def _character(match: re.Match[bytes]) -> bytes:
    return chr(int(match[1], 16)).encode("utf-8", "surrogatepass")


def _entity(match: re.Match[bytes]) -> bytes:
    return html.unescape(match[0].decode()).encode("utf-8", "surrogatepass")


def _substitute(
    mark: bytes, pattern: re.Pattern[bytes], inside: Callable[[re.Match[bytes]], bytes]
) -> _Wrapper:
    def unwrap(data: bytes, shortest: int) -> Iterator[_Wrapped]:
        first = pattern.search(data) if data.find(mark) >= 0 else None
        if first is not None:
            # Text before the first escape may hold the number's first digits.
            start = max(0, first.start() - 64)
            yield start, pattern.sub(inside, data[start:])

    return unwrap


def _septet_octets() -> list[bytes]:
    """For each of the seven positions in the cycle of seven octets, the octets that digits packed as GSM
    septets (23.038, 6.1.2) can put there."""
    classes = []
    for position in range(7):
        allowed = set()
        first_bit = position * 8
        for octet in range(256):
            septets: dict[int, tuple[int, int]] = {}
            for bit in range(8):
                index, place = divmod(first_bit + bit, 7)
                mask, value = septets.get(index, (0, 0))
                septets[index] = (mask | 1 << place, value | (octet >> bit & 1) << place)
            if all(any(d & mask == value for d in range(48, 58)) for mask, value in septets.values()):
                allowed.add(octet)
        classes.append(b"[" + b"".join(re.escape(bytes((octet,))) for octet in sorted(allowed)) + b"]")
    return classes


_SEPTET_OCTETS = _septet_octets()


@lru_cache(maxsize=16)
def _septet_pattern(shortest: int) -> re.Pattern[bytes]:
    # n septets cover at least (7n - 7) / 8 whole octets, from any of the seven positions of the cycle.
    whole = max(1, (7 * shortest - 7) // 8)
    cycles = [
        b"".join(_SEPTET_OCTETS[(position + step) % 7] for step in range(whole)) for position in range(7)
    ]
    return re.compile(b"(?=" + b"|".join(cycles) + b")", re.DOTALL)


def _unpack7(data: bytes, shortest: int) -> Iterator[_Wrapped]:
    done = -1
    for match in _septet_pattern(shortest).finditer(data):
        if match.start() < done:
            continue
        start = max(0, match.start() - 2)
        octets = data[start : match.start() + 64]
        done = match.start() + 40
        bits = int.from_bytes(octets, "little")
        for shift in range(7):
            yield start, bytes(bits >> place & 0x7F for place in range(shift, len(octets) * 8 - 6, 7))


WRAPPERS: dict[str, _Wrapper] = {
    "hex": _unhex,
    "base64": _unbase64,
    "percent": _substitute(b"%", _PERCENT, _octet),
    "quoted-printable": _substitute(b"=", _QUOTED_PRINTABLE, _octet),
    "json escape": _substitute(b"\\u", _JSON_ESCAPE, _character),
    "xml escape": _substitute(b"&#", _XML_ESCAPE, _entity),
    "gsm septets": _unpack7,
}

# Inside these a number is only looked for as the characters that they carry.
_INSIDE: dict[str, tuple[str, ...]] = {"gsm septets": ("ascii",)}

_U64_BE = re.compile(rb"(?=\x00(.{7}))", re.DOTALL)
_U64_LE = re.compile(rb"(?=(.{7})\x00)", re.DOTALL)


def _binary_hits(data: bytes, numbers: Numbers) -> Iterator[Hit]:
    for match in _U64_BE.finditer(data):
        if (index := numbers.binary.get(match[1])) is not None:
            yield Hit("u64 be", match.start(), index)
    for match in _U64_LE.finditer(data):
        if (index := numbers.binary.get(match[1][::-1])) is not None:
            yield Hit("u64 le", match.start(), index)


def _hits(
    data: bytes, numbers: Numbers, readers: Iterable[str], depth: int, path: str, base: int
) -> Iterator[Hit]:
    for name in readers:
        for run in READERS[name](data, numbers.shortest):
            for index, is_reversed in numbers.look_up(run.digits[:RUN_DIGITS_MAX]):
                written = f"{path}{name}{' reversed' if is_reversed else ''}"
                yield Hit(written, base + run.offset, index)
    if readers is not READERS:
        return
    for hit in _binary_hits(data, numbers):
        yield Hit(path + hit.encoding, base + hit.offset, hit.index)
    if depth == DEPTH_MAX:
        return
    for name, unwrap in WRAPPERS.items():
        inside = _INSIDE.get(name, READERS)
        for offset, content in unwrap(data, numbers.shortest):
            yield from _hits(content, numbers, inside, depth + 1, f"{path}{name} of ", base + offset)


def find(data: bytes, numbers: Numbers, *, limit: int = HITS_MAX) -> list[Hit]:
    """Every place where one of the numbers stands in the data, at most `limit` of them.

    One place is told once, under the first encoding that reads it: digits are hexadecimal of BCD too.
    """
    found: list[Hit] = []
    if not numbers.cores:
        return found
    seen: set[tuple[int, int]] = set()
    for hit in _hits(data, numbers, READERS, 0, "", 0):
        if (hit.offset, hit.index) not in seen:
            seen.add((hit.offset, hit.index))
            found.append(hit)
            if len(found) >= limit:
                break
    return found


def first(data: bytes, numbers: Numbers) -> Hit | None:
    """The first hit of `find`. A guard of short fields asks `screen` before."""
    return next(_hits(data, numbers, READERS, 0, "", 0), None)


def carries(data: bytes, number: str) -> str | None:
    """The name of the first encoding in which the data carries the number, or None."""
    hit = first(data, Numbers((number,)))
    return hit.encoding if hit else None
