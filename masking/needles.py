"""A number in every encoding that SMPP, SIP, RTP, RTCP and HTTP can carry: to plant, so that a search can
show that it would have found it."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass

from masking.encodings import core_of

__all__ = ["Needle", "needles"]


@dataclass(frozen=True, slots=True)
class Needle:
    """One way to write a number."""

    encoding: str
    data: bytes


def needles(number: str) -> list[Needle]:
    """Every encoding of a number (E.164 digits without +, IMSI or IMEI).

    Raises ValueError when it is no number.
    """
    return list(_needles(number, core_of(number)))


def _needles(number: str, core: str) -> Iterator[Needle]:
    written = {"as it is": number, "reversed": number[::-1]}
    if len(core) == 11:
        written |= {"national": core, "+86": f"+86{core}", "86": f"86{core}", "0086": f"0086{core}"}
    for name, text in written.items():
        yield Needle(f"ascii {name}", text.encode())
        yield Needle(f"ucs-2 be {name}", text.encode("utf-16-be"))
        yield Needle(f"ucs-2 le {name}", text.encode("utf-16-le"))
    for separator in " -./":
        yield Needle(f"separated by {separator!r}", separator.join(number).encode())
    yield Needle("grouped", f"{number[:3]} ({number[3:6]}) {number[6:]}".encode())
    yield Needle("utf-32 be", number.encode("utf-32-be"))
    wide = "".join(chr(0xFF10 + int(digit)) for digit in number)
    for codec in ("utf-8", "utf-16-be", "utf-16-le", "gb18030"):
        yield Needle(f"full width {codec}", wide.encode(codec))
    arabic = "".join(chr(0x0660 + int(digit)) for digit in number)
    yield Needle("arabic-indic utf-8", arabic.encode())
    yield Needle("arabic-indic utf-16-be", arabic.encode("utf-16-be"))
    chinese = "".join("零一二三四五六七八九"[int(digit)] for digit in number)
    yield Needle("chinese utf-8", chinese.encode())
    yield Needle("chinese utf-16-be", chinese.encode("utf-16-be"))
    for shift in range(8):
        yield Needle(f"gsm septets at bit {shift}", _pack7(number, shift))
    for name, data in _bcd(number):
        yield Needle(name, data)
        yield Needle(f"hex of {name}", data.hex().encode())
        yield Needle(f"hex of {name}, upper case", data.hex().upper().encode())
        yield Needle(f"base64 of {name}", base64.b64encode(data))
    for name, data in (("ascii", number.encode()), ("ucs-2", number.encode("utf-16-be"))):
        yield Needle(f"hex of {name}", data.hex().encode())
        for phase in range(3):
            before = b"xy"[:phase]
            yield Needle(f"base64 of {name} at octet {phase}", base64.b64encode(before + data + b"z"))
            yield Needle(f"base64url of {name} at octet {phase}", base64.urlsafe_b64encode(before + data))
    yield Needle("percent", "".join(f"%{ord(digit):02x}" for digit in number).encode())
    yield Needle("percent in part", f"{number[:5]}%{ord(number[5]):02X}{number[6:]}".encode())
    yield Needle("percent of full width", "".join(f"%{octet:02X}" for octet in wide.encode()).encode())
    yield Needle("quoted-printable", "".join(f"={ord(digit):02X}" for digit in number).encode())
    yield Needle("json escape", "".join(f"\\u{ord(digit):04x}" for digit in number).encode())
    yield Needle("json escape of full width", "".join(f"\\u{ord(digit):04x}" for digit in wide).encode())
    yield Needle("xml decimal", "".join(f"&#{ord(digit)};" for digit in number).encode())
    yield Needle("xml hexadecimal", "".join(f"&#x{ord(digit):x};" for digit in number).encode())
    yield Needle("u64 be", int(number).to_bytes(8))
    yield Needle("u64 le", int(number).to_bytes(8, "little"))
    yield Needle("hex of u64", int(number).to_bytes(8).hex().encode())
    yield Needle("telephone events", _events(number))
    signals = "".join(f"INFO sip:x SIP/2.0\r\n\r\nSignal={digit}\r\nDuration=160\r\n" for digit in number)
    yield Needle("info signals", signals.encode())


def _bcd(number: str) -> Iterator[tuple[str, bytes]]:
    for phase in (0, 1):
        for filler in "0f":
            nibbles = "0" * phase + number
            nibbles += filler * (len(nibbles) % 2)
            plain = bytes.fromhex(nibbles)
            name = f"at nibble {phase}, filler {filler}"
            yield f"bcd {name}", plain
            yield f"bcd swapped {name}", bytes((octet & 15) << 4 | octet >> 4 for octet in plain)


def _pack7(number: str, shift: int) -> bytes:
    bits = sum(ord(digit) << 7 * place for place, digit in enumerate(number)) << shift
    return bits.to_bytes((7 * len(number) + shift + 7) // 8, "little")


def _events(number: str) -> bytes:
    """RFC 4733: each digit as three packets of one timestamp."""
    packets = []
    for place, digit in enumerate(number):
        for repeat in range(3):
            sequence = (place * 3 + repeat).to_bytes(2)
            timestamp = (1000 + place * 1600).to_bytes(4)
            header = b"\x80" + (b"\x65" if repeat else b"\xe5") + sequence + timestamp + b"SSRC"
            packets.append(header + bytes((int(digit), 10 | (repeat == 2) << 7, 0, 160 * (repeat == 0))))
    return b"".join(packets)
