"""Where everything of a demo is: folders, addresses, people, enterprises."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import socket
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

HOST = "127.0.0.1"
CARRIER = "CMCC"
TRUST = "ttp"
NETWORK = "network"
REGULATOR = "regulator"
APPROVERS = ("zhang-wei", "li-na")
"""Two people at the regulator whom the carrier has enrolled."""
AID_DOMAIN = "aid.demo"
CONFIRMATION_NUMBER = "10690000"
DESCRIPTION = "demo.json"
MARK = ".ascs-demo"
"""Says that a folder is a demo's, and may be cleared by the next one."""


OTHER_PORTS = range(10_000, 20_000)
"""Where a second demo listens: below the relay's ports, and below those that the kernel gives to outgoing connections,
one of which could be taken between the look and the process that listens there."""


class DemoRefused(Exception):
    """The demo cannot start as asked."""


@dataclass(frozen=True, slots=True)
class Person:
    """A simulated subscriber: MSISDN (E.164 digits), IMSI and IMEI (15 digits each)."""

    name: str
    msisdn: str
    imsi: str
    imei: str


@dataclass(frozen=True, slots=True)
class DemoEnterprise:
    """A simulated enterprise and how it reaches the carrier."""

    id: str
    name: str
    service: str
    access_number: str
    system_id: str
    smpp_password: str
    sip_user: str
    sip_password: str


ENTERPRISES = (
    DemoEnterprise(
        "ent-a", "顺达快递", "快件通知", "1069880001", "shunda", "Sd-2024!", "pbx-a", "pbx-a-secret"
    ),
    DemoEnterprise(
        "ent-b", "安心银行", "账户提醒", "1069880002", "anxin", "Ax-2024!", "pbx-b", "pbx-b-secret"
    ),
)


def luhn(digits: str) -> str:
    """The check digit of an IMEI (3GPP TS 23.003, annex B)."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        doubled = int(char) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def person(number: int, name: str = "") -> Person:
    """The n-th simulated subscriber, the same one each time; `number` from 1 to 999,999."""
    tac = f"35{number % 1_000_000:06d}{number:06d}"
    return Person(
        name or f"subscriber {number}",
        f"861380{1_380_000 + number:07d}",
        f"46000{1_234_500_000 + number:010d}",
        tac + luhn(tac),
    )


PEOPLE = (person(1, "张三"), person(2, "李四"), person(3, "王五"))


@dataclass(frozen=True, slots=True)
class Ports:
    """What listens where, all on loopback."""

    trust: int
    smpp: int
    sip_enterprise: int
    sip_core_side: int
    carrier_api: int
    operations: int
    smsc: int
    core: int
    handsets_sip: int
    handsets_api: int
    enterprise_api: dict[str, int] = field(default_factory=dict)
    media_min: int = 20_000
    media_max: int = 24_999


def _first_here() -> bool:
    """Whether no other demo of this user runs on this machine; then none that starts later is told so.

    A look whether a port is free says nothing of a demo that starts in the same second.
    """
    path = Path(tempfile.gettempdir()) / f"ascs-demo-{os.getuid()}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True  # The lock is let go of when this process ends.


def _free(preferred: int, kind: socket.SocketKind, taken: set[int]) -> int:
    for port in (preferred, *random.sample(OTHER_PORTS, 100)):
        if port in taken:
            continue
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            taken.add(port)
            return port
    raise DemoRefused("no free port on loopback")


def choose_ports() -> Ports:
    """The protocols' usual ports where they are free and no other demo runs, others where not."""
    taken: set[int] = set()
    usual = _first_here()

    def free(preferred: int, kind: socket.SocketKind) -> int:
        return _free(preferred if usual else random.choice(OTHER_PORTS), kind, taken)

    tcp, udp = socket.SOCK_STREAM, socket.SOCK_DGRAM
    return Ports(
        trust=free(8443, tcp),
        smpp=free(2775, tcp),
        sip_enterprise=free(5060, udp),
        sip_core_side=free(5070, udp),
        carrier_api=free(8444, tcp),
        operations=free(8080, tcp),
        smsc=free(2776, tcp),
        core=free(5080, udp),
        handsets_sip=free(5090, udp),
        handsets_api=free(8071, tcp),
        enterprise_api={each.id: free(8081 + place, tcp) for place, each in enumerate(ENTERPRISES)},
    )


@dataclass(frozen=True, slots=True)
class Layout:
    """The data folder of one demo: a folder a party, which no other party reads."""

    root: Path
    ports: Ports

    @property
    def carrier(self) -> Path:
        return self.root / "carrier"

    @property
    def trust(self) -> Path:
        return self.root / "trust"

    @property
    def simulators(self) -> Path:
        return self.root / "simulators"

    @property
    def regulator(self) -> Path:
        return self.root / "regulator"

    @property
    def witnesses(self) -> dict[str, Path]:
        """Folders of the parties that watch the log: a carrier, an enterprise, a regulator."""
        enterprise = ENTERPRISES[0].id
        return {CARRIER: self.carrier, enterprise: self.enterprise(enterprise), REGULATOR: self.regulator}

    def enterprise(self, enterprise_id: str) -> Path:
        return self.root / f"enterprise-{enterprise_id}"

    @property
    def folders(self) -> dict[str, Path]:
        """The parties' folders by name."""
        named = {
            "carrier": self.carrier,
            "trust": self.trust,
            "simulators": self.simulators,
            "regulator": self.regulator,
        }
        return named | {each.id: self.enterprise(each.id) for each in ENTERPRISES}

    @property
    def people_file(self) -> Path:
        """Who is behind which AID, for tools of the carrier."""
        return self.carrier / "people.csv"

    @property
    def description(self) -> Path:
        return self.root / DESCRIPTION


def claim(root: Path) -> BinaryIO:
    """Take `root` for one demo, until what is returned is closed or the process ends. Raises DemoRefused while another
    has it, and for a folder that is someone else's."""
    mark = root / MARK
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()) and not mark.exists() and not (root / DESCRIPTION).exists():
        raise DemoRefused(f"{root} is not empty and holds no earlier demo; give another --data")
    file = mark.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise DemoRefused(f"a demo runs in {root}; end it, or give another --data") from None
    return file


def clear(root: Path) -> None:
    """Make room for a new demo in a folder that was claimed: what an earlier one left goes."""
    (root / DESCRIPTION).unlink(missing_ok=True)
    for name in (
        "carrier",
        "trust",
        "simulators",
        "regulator",
        *(f"enterprise-{each.id}" for each in ENTERPRISES),
    ):
        shutil.rmtree(root / name, ignore_errors=True)
