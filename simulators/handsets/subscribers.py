"""Who holds which handset: MSISDN, IMSI and IMEI, from a CSV file or generated."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SUBSCRIBERS_MAX = 1_000_000
"""Handsets one fleet can hold."""

CSV_HEADER = ("msisdn", "imsi", "imei")

MSISDN_BASE = 8613800000000
"""Generated numbers follow this one (E.164 digits without "+")."""
IMSI_BASE = 460009100000000
"""Generated IMSIs: mobile country code 460, network code 00, then a serial."""
IMEI_TYPE_ALLOCATION = "86753090"
"""Type allocation code of generated IMEIs; six serial digits and the Luhn digit follow (TS 23.003 6.2.1)."""


class SubscriberFileError(ValueError):
    """The CSV file does not say what it must; the message names file and line."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One handset and its SIM. All digits, `msisdn` E.164 without "+", `imsi` and `imei` of 15 digits."""

    msisdn: str
    imsi: str
    imei: str


def luhn_digit(digits: str) -> str:
    """The Luhn check digit that follows `digits` (TS 23.003 annex B)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def generate(count: int) -> list[Subscriber]:
    """`count` subscribers, the same ones each time. Raises ValueError beyond SUBSCRIBERS_MAX."""
    if not 0 <= count < SUBSCRIBERS_MAX:
        raise ValueError(f"count must be 0..{SUBSCRIBERS_MAX - 1}")
    made = []
    for serial in range(1, count + 1):
        body = f"{IMEI_TYPE_ALLOCATION}{serial:06d}"
        made.append(Subscriber(str(MSISDN_BASE + serial), str(IMSI_BASE + serial), body + luhn_digit(body)))
    return made


def read_csv(path: Path) -> list[Subscriber]:
    """Read a file with header ``msisdn,imsi,imei``. Raises SubscriberFileError."""
    subscribers: list[Subscriber] = []
    seen: set[str] = set()
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        if tuple(next(rows, ())) != CSV_HEADER:
            raise SubscriberFileError(f"{path}:1: header must be {','.join(CSV_HEADER)}")
        for row in rows:
            where = f"{path}:{rows.line_num}"
            if len(row) != 3 or not all(cell.isascii() and cell.isdigit() for cell in row):
                raise SubscriberFileError(f"{where}: three columns of digits expected")
            subscriber = Subscriber(*row)
            if len(subscriber.msisdn) > 15 or len(subscriber.imsi) != 15 or len(subscriber.imei) != 15:
                raise SubscriberFileError(f"{where}: a column has the wrong length")
            if subscriber.msisdn in seen:
                raise SubscriberFileError(f"{where}: msisdn is there twice")
            if len(subscribers) >= SUBSCRIBERS_MAX:
                raise SubscriberFileError(f"{where}: more than {SUBSCRIBERS_MAX} subscribers")
            seen.add(subscriber.msisdn)
            subscribers.append(subscriber)
    return subscribers


def write_csv(path: Path, subscribers: Iterable[Subscriber]) -> None:
    """Write the file that `read_csv` reads."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(CSV_HEADER)
        rows.writerows((one.msisdn, one.imsi, one.imei) for one in subscribers)


def normalise_msisdn(text: str) -> str:
    """E.164 digits of a number as SMPP or SIP wrote it: without "+", "00" or "tel:" and visual separators."""
    digits = "".join(character for character in text if character.isdigit())
    return digits[2:] if digits.startswith("00") else digits
