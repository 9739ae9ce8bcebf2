"""Whether octets may carry one of a few numbers: a microsecond's answer to what `encodings.find` asks.

A guard looks for one person's numbers in a few short fields of every message, and hardly ever finds one. So
this asks, for all encodings together, what must be so if `find` is to find anything: the number's digits
stand in one of a few texts into which the octets are brought whole, each by one call at C speed. Where no
condition holds, `find` finds nothing; where one does, `find` itself decides. Each condition may be weaker
than its reader and never stronger; tests plant every encoding, wrapped up to DEPTH_MAX, to hold it to that.
"""

import binascii
from array import array
from collections.abc import Iterable
from functools import cache

from masking.encodings import DEPTH_MAX, READERS, WIDE_DIGITS, WRAPPERS, Hit, Numbers, core_of, first

__all__ = ["Screen"]

_EVERY = bytes(range(256))


def _table(kept: bytes, filler: int) -> bytes:
    return bytes(octet if octet in kept else filler for octet in range(256))


_DIGITS = b"0123456789"
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE64 = _DIGITS + _LETTERS + b"+/-_"

# What may stand between digits, and the octets of UTF-16 and UTF-32 beside them.
_BETWEEN_DIGITS = b" -./()_,:;+\t\0"
_SWAPPED = bytes((octet & 0x0F) << 4 | octet >> 4 for octet in range(256))
_WORDS = _table(_BASE64, ord(" "))
_IN_WORD = bytes(ord("w") if octet in _BASE64 else ord(" ") for octet in range(256))
_FILL = b"!"
_FILLS = (b"!!!!!", b"!!!!", b"!!!", b"!!")
# Fillers decode to octets that are no digit in any encoding: "uuuu" to BA EB AE, "ee" to EE.
_AS_BASE64 = bytearray(_table(_BASE64, ord("u")))
_AS_BASE64[ord("-")], _AS_BASE64[ord("_")] = b"+/"
_AS_HEX = _table(_DIGITS + b"abcdefABCDEF", ord("e"))
_PIECE_END = b"\xee"
_unbase64, _unhex = binascii.a2b_base64, binascii.unhexlify

_ZERO = ord("0")
_WIDE_OCTETS = 2
"""The least that one digit takes in these."""
# One octet that each such digit has: EF, FF, A3, D9, 06; E4 E5 E9; 4E 51 56 96.
_WIDE_ASCII = b"\x06\x4e\x51"
_NO_WIDE_OCTET = _EVERY.translate(None, b"\xef\xff\xa3\xd9\x06\xe4\xe5\xe9\x4e\x51\x56\x96")
# Without these octets one is left of each such digit, one (80) of each event of a telephone, one of each word `signal`:
# where fewer are left than a number has digits, none of the three readers finds one.
_NO_SIGN = _EVERY.translate(None, b"\xef\xff\xa3\xd9\x06\xe4\xe5\xe9\x4e\x51\x56\x96\x80gG")
_PERCENT, _EQUALS, _BACKSLASH, _AMPERSAND = b"%=\\&"
# %41 and =41 as "ehh", and what undoes these and the longer escapes.
_ESCAPED = bytes(
    ord("h") if octet in b"0123456789ABCDEFabcdef" else ord("e") if octet in b"%=" else ord(" ")
    for octet in range(256)
)
_ESCAPES = tuple(WRAPPERS[name] for name in ("percent", "quoted-printable", "json escape", "xml escape"))

_SEPTETS_NOT_ASCII = 10
"""Of seven digits packed as septets, one has its high bits, both 1, where an octet has its highest; numbers of so
many digits are looked for where seven whole septets are digits."""
_DIGITS_BEYOND_48_BITS = 15
"""Fewer digits, as an integer of eight octets, begin with two zeros."""
NO_DIGITS = 1000
"""Longer than any number."""


class Screen:
    """A few numbers (E.164 digits, IMSI, IMEI) to look for in short fields. Raises ValueError for what is no
    number."""

    __slots__ = ("_bcd", "_digits", "_numbers", "_packed", "_shifts", "_shortest", "_word", "_zeros")

    def __init__(self, numbers: Iterable[str]) -> None:
        self._numbers = tuple(numbers)
        self._digits: list[bytes] = []
        self._bcd: list[bytes] = []
        self._packed: tuple[bytes, ...] | None = None
        self._zeros = b"\0\0"
        shortest = NO_DIGITS
        for number in self._numbers:
            core = core_of(number)
            length = len(core)
            if length < shortest:
                shortest = length
            if len(number) >= _DIGITS_BEYOND_48_BITS:
                self._zeros = b"\0"
            digits = core.encode()
            self._digits += (digits, digits[::-1])
            # The whole octets of each nibble phase. Turned round, octets are the other way's swapped octets.
            even, odd = bytes.fromhex(core[: length & ~1]), bytes.fromhex(core[1 : 1 + (length - 1 & ~1)])
            self._bcd += (even, even.translate(_SWAPPED), odd, odd.translate(_SWAPPED))
        self._shortest = shortest
        # n digits are 4n bits, of which a character of base64 holds 6; its reader asks for 6 characters.
        self._word = max(6, (2 * shortest + 2) // 3)
        self._shifts = _septet_shifts(shortest)

    def first(self, data: bytes) -> Hit | None:
        """What `encodings.first` finds."""
        return first(data, Numbers(self._numbers)) if self.suspects(data) else None

    def suspects(self, data: bytes) -> bool:
        """False only where `encodings.find` finds nothing. True is rare without a number there."""
        if not self._digits:
            return False
        levels = [data]
        if self._unwrap(data, len(data), levels):
            return True
        if len(levels) > 1:
            data = _PIECE_END.join(levels)
        # `find` and not `in`, which tries octets as a number first, and makes an exception that it throws away.
        found = data.translate(None, _BETWEEN_DIGITS).find
        for digits in self._digits:
            if found(digits) >= 0:
                return True
        for octets in self._bcd:
            for octet in octets:
                if octet not in data:
                    break
            else:
                if data.find(octets) >= 0 or data.find(octets[::-1]) >= 0:
                    return True
        return data.find(self._zeros) >= 0 and self._holds_integer(data)

    def _unwrap(self, data: bytes, longest: int, levels: list[bytes]) -> bool:
        """Put what is wrapped in the last level into levels of its own; True when one is to be suspected.

        `data` is made of pieces, the longest of so many octets.
        """
        shortest = self._shortest
        if data.isascii():
            # Septets of so many digits are not, nor is what is wide, but two of the codecs for some numbers.
            if (
                (shortest < _SEPTETS_NOT_ASCII and self._holds_septets(data))
                or (len(data) - len(data.translate(None, _WIDE_ASCII)) >= shortest and self._holds_wide(data))
                or (_EQUALS in data and self._holds_signals(data))
            ):
                return True
        elif (longest * 8 >= 7 * shortest and self._holds_septets(data)) or (
            longest >= _WIDE_OCTETS * shortest
            and len(data.translate(None, _NO_SIGN)) >= shortest
            and (self._holds_wide(data) or self._holds_events(data) or self._holds_signals(data))
        ):
            return True
        depth = len(levels) - 1
        if depth == DEPTH_MAX:
            return self._holds_pairs(data)
        pieces: list[bytes] = []
        longest = 0
        if depth == 0 or data.translate(_IN_WORD).find(b"w" * self._word) >= 0:
            least = self._word
            # A decimal word shorter than a number is in no base64 of one: its octets are C3 and above at every
            # third place, which is in no digit's encoding but septets, of which it has too few.
            words = {
                word
                for word in data.translate(_WORDS).split()
                if len(word) >= least and (len(word) >= shortest or not word.isdigit())
            }
            if words:
                longest = max(map(len, words))
                text = _FILL.join(words)
                # One octet more than whole groups of four, so that four copies in a row begin at each of the
                # places in a group at which a word may begin, and are decoded by one call.
                text += _FILLS[len(text) & 3]
                # Swapped pairs of digits as text are swapped BCD in what the text is hexadecimal of.
                pieces += (_unbase64(text.translate(_AS_BASE64) * 4), _unhex(text.translate(_AS_HEX) * 2))
        if ((_PERCENT in data or _EQUALS in data) and data.translate(_ESCAPED).find(b"ehh") >= 0) or (
            (_BACKSLASH in data and data.find(b"\\u") >= 0) or (_AMPERSAND in data and data.find(b"&#") >= 0)
        ):
            for unwrap in _ESCAPES:
                for _, content in unwrap(data, shortest):
                    longest = max(longest, len(content))
                    pieces.append(content)
        if not pieces:
            return False
        inside = _PIECE_END.join(pieces)
        levels.append(inside)
        return self._unwrap(inside, longest, levels)

    def _holds_wide(self, data: bytes) -> bool:
        """Whether digits of other scripts stand there."""
        if len(data.translate(None, _NO_WIDE_OCTET)) < self._shortest:
            return False
        found, cores = data.find, self._digits[::2]
        for name, glyphs in WIDE_DIGITS.items():
            for core in cores:
                for digit in core:
                    if found(glyphs[digit - _ZERO]) < 0:
                        break
                else:
                    if self._read(name, data):
                        return True
        return False

    def _holds_events(self, data: bytes) -> bool:
        return data.count(b"\x80") >= self._shortest and self._read("telephone events", data)

    def _holds_signals(self, data: bytes) -> bool:
        return data.lower().count(b"signal") >= self._shortest and self._read("info signals", data)

    def _holds_integer(self, data: bytes) -> bool:
        packed = self._packed
        if packed is None:
            made: list[bytes] = []
            for number, digits in zip(self._numbers, self._digits[::2], strict=True):
                for form in (number.removeprefix("+"), digits):
                    value = int(form)
                    if value < 1 << 56:
                        made += (value.to_bytes(8), value.to_bytes(8, "little"))
            packed = self._packed = tuple(made)
        return max(map(data.find, packed), default=-1) >= 0

    def _holds_septets(self, data: bytes) -> bool:
        """Whether enough digits in a row, packed as septets (23.038, 6.1.2), begin at any bit."""
        bits = int.from_bytes(data, "little")
        # A digit is 011dddd, and dddd at most 9. A bit that stays is that of the lower 1.
        run = ones = bits & (bits >> 1)
        for shift in self._shifts:
            run &= run >> shift
        if not run:
            return False
        run = ones & ~(bits >> 2) & ~(bits << 1 & (bits << 2 | bits << 3))
        for shift in self._shifts:
            run &= run >> shift
        return run != 0

    def _holds_pairs(self, data: bytes) -> bool:
        """Whether the digits stand there as text with the two of each pair changed."""
        for begin in (0, 1):
            pairs = array("H", data[begin : begin + (len(data) - begin & ~1)])
            pairs.byteswap()
            text = pairs.tobytes()
            if max(map(text.find, self._digits)) >= 0:
                return True
        return False

    def _read(self, reader: str, data: bytes) -> bool:
        return any(
            digits in run.digits for run in READERS[reader](data, self._shortest) for digits in self._digits
        )


@cache
def _septet_shifts(shortest: int) -> tuple[int, ...]:
    """Shifts that leave a bit where enough bits stand, seven apart.

    Enough are the whole septets in the octets that the septets' unwrapping asks to be of digits alone.
    """
    have, wanted = 1, (8 * ((7 * shortest - 7) // 8) - 6) // 7
    shifts = []
    while have < wanted:
        shifts.append(7 * min(have, wanted - have))
        have += shifts[-1] // 7
    return tuple(shifts)
