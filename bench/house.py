"""The parties of a bench in one folder: set up as the demo sets them up, with AIDs by the ten thousand.

A house with its AIDs is kept in build/bench/ and copied for each run, since a hundred thousand AIDs take a
minute or two; it is made anew when what made it has changed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import shutil
import socket
import sqlite3
import time
import tomllib
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp

from ascs.demo import parties
from ascs.demo.layout import ENTERPRISES, HOST, Layout, Ports, person
from ascs.demo.parties import SMSC_PASSWORD, SMSC_SYSTEM_ID
from ascs.demo.toml_text import toml_text
from bench import seed
from foundation import logs
from gm.sm2 import PrivateKey

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "build" / "bench"
KEPT_MAX = 8
"""Houses kept; the oldest goes."""
ENTERPRISE = ENTERPRISES[0]
FIRST_PERSON = 1_000
START_S = 60.0
LOOK_AGAIN_S = 0.05
PORTS = range(21_000, 28_000)
"""Below the ports that the kernel gives to clients, so that what was free stays free until it is used."""


@dataclass(frozen=True, slots=True)
class House:
    """Folders and configuration files of a trust party and a gateway, and the AIDs of one enterprise."""

    root: Path
    ports: Ports

    @property
    def trust(self) -> Path:
        return self.root / "trust" / "trust.toml"

    @property
    def gateway(self) -> Path:
        return self.root / "carrier" / "gateway.toml"

    @property
    def smsc(self) -> Path:
        return self.root / "simulators" / "smsc.toml"

    @property
    def aids_file(self) -> Path:
        return self.root / "aids.txt"

    def evidence_records(self) -> int:
        """Communications that the trust party has on record, each with its record in the log. Neither party may be
        running."""
        with closing(sqlite3.connect(self.root / "trust" / "trust.db")) as database:
            return int(database.execute("SELECT COUNT(*) FROM communications").fetchone()[0])


def _free_ports() -> Ports:
    held: list[socket.socket] = []
    # In any order, so that two benches that begin together hardly choose the same ones.
    candidates = iter(random.sample(PORTS, len(PORTS)))

    def free(kind: socket.SocketKind) -> int:
        for port in candidates:
            probe = socket.socket(socket.AF_INET, kind)
            try:
                probe.bind((HOST, port))
            except OSError:
                probe.close()
                continue
            held.append(probe)
            return port
        raise OSError("no free port")

    tcp, udp = socket.SOCK_STREAM, socket.SOCK_DGRAM
    ports = Ports(
        trust=free(tcp),
        smpp=free(tcp),
        sip_enterprise=free(udp),
        sip_core_side=free(udp),
        carrier_api=free(tcp),
        operations=free(tcp),
        smsc=free(tcp),
        core=free(udp),
        handsets_sip=free(udp),
        handsets_api=free(tcp),
        enterprise_api={each.id: free(tcp) for each in ENTERPRISES},
        media_min=28_000,
        media_max=29_999,
    )
    for probe in held:
        probe.close()
    return ports


def _fingerprint() -> str:
    """Of everything that decides what is in a house."""
    digest = hashlib.sha256()
    folders = ["gateway/store/migrations", "trust_party/store/migrations"]
    files = [file for folder in folders for file in sorted((ROOT / folder).glob("*.py"))]
    others = ("evidence/log.py", "ascs/demo/parties.py", "bench/seed.py", "bench/house.py")
    for file in [*files, *(ROOT / each for each in others)]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def kept(aids: int, say: Callable[[str], None]) -> House:
    """The house with that many ACTIVE AIDs, made if there is none."""
    root = KEPT / f"{aids}-{_fingerprint()}"
    if not (root / "house.json").exists():
        shutil.rmtree(root, ignore_errors=True)
        for old in sorted(KEPT.glob("*-*"), key=lambda each: each.stat().st_mtime)[: -KEPT_MAX + 1]:
            shutil.rmtree(old)
        began = time.monotonic()
        house = build(root, aids)
        say(f"{aids} AIDs seeded in {time.monotonic() - began:.0f} s")
        (root / "house.json").write_text(json.dumps(asdict(house.ports)))
    return House(root, Ports(**json.loads((root / "house.json").read_text())))


def build(root: Path, aids: int) -> House:
    """Set every party up in the new folder `root` and give the first enterprise its AIDs."""
    root.mkdir(parents=True)
    logs.setup("bench", root / "logs", "WARNING")
    layout = Layout(root, _free_ports())
    files = parties.set_up(layout, (), None, None)
    house = House(root, layout.ports)
    # What the demo records for its leak search is no part of production.
    change(files.trust, "capture_file", None)
    people = [person(FIRST_PERSON + number) for number in range(aids)]
    key = PrivateKey.from_pem((layout.enterprise(ENTERPRISE.id) / "sign.key").read_bytes())
    made = asyncio.run(seed.seed(files.trust, files.gateway, key, ENTERPRISE, people))
    house.aids_file.write_text("\n".join(made))
    return house


def copy(house: House, root: Path) -> House:
    """The same house in the folder `root`, as it was when it was made, on ports that are free now."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(house.root, root)
    copied = House(root, _free_ports())
    was, now = asdict(house.ports), asdict(copied.ports)
    ports = {str(was[name]): str(now[name]) for name in was if isinstance(was[name], int)}
    for path in (copied.trust, copied.gateway, copied.smsc):
        # No other value of these files is a number that a port could be.
        path.write_text(
            re.sub(r"\b2[1-7]\d{3}\b", lambda found: ports.get(found[0], found[0]), path.read_text())
        )
    return copied


def change(path: Path, key: str, value: Any) -> None:
    """Set a dotted key of a configuration file, or take it out with None."""
    values = tomllib.loads(path.read_text())
    *tables, last = key.split(".")
    table = values
    for name in tables:
        table = table.setdefault(name, {})
    if value is None:
        table.pop(last, None)
    else:
        table[last] = value
    path.write_text(toml_text(values))


def simulated_smsc(house: House) -> None:
    """Configure the SMSC simulator to keep nothing on disk and to play every phone itself."""
    house.smsc.write_text(
        toml_text(
            {
                "host": HOST,
                "port": house.ports.smsc,
                "store": "memory",
                "log_dir": "logs",
                "accounts": [
                    {"system_id": SMSC_SYSTEM_ID, "password": SMSC_PASSWORD, "routes": ["106"]},
                ],
            }
        )
    )


async def until_well(port: int, check: Callable[[], None]) -> None:
    """Return when the gateway's /health says ok. Raises TimeoutError and what `check` raises."""
    async with asyncio.timeout(START_S), aiohttp.ClientSession(trust_env=False) as session:
        while True:
            check()
            try:
                async with session.get(f"http://{HOST}:{port}/health") as response:
                    if (await response.json(content_type=None))["status"] == "ok":
                        return
            except (aiohttp.ClientError, OSError, ValueError):
                pass
            await asyncio.sleep(LOOK_AGAIN_S)


async def until_listens(port: int, check: Callable[[], None]) -> None:
    """Return when something accepts connections on the port. Raises TimeoutError and what `check` raises."""
    async with asyncio.timeout(START_S):
        while True:
            check()
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(LOOK_AGAIN_S)
            else:
                writer.close()
                return
