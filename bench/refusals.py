"""Whether the time of a refusal tells its cause: `.venv/bin/python bench/refusals.py --help`.

Starts a demo of its own, makes an AID of each cause, and submits to them one at a time, each round in an order drawn
anew, from writing submit_sm to having read its response. Prints medians and 99th percentiles, the largest difference
of two medians as a share of the median of all, and how often that difference or a larger one comes from chance alone
(permutation test within rounds, over all causes at once).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import random
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ascs.commands.common import load_settings
from ascs.demo.layout import PEOPLE, person
from interparty.aid import damm
from interparty.deposit_messages import Deposit
from interparty.edi import edi_id, from_text
from interparty.party_link import connect, sign_key_of
from simulators.enterprise.aids import AidBook
from simulators.enterprise.backend import Backend, Given
from simulators.enterprise.settings import EnterpriseSettings
from simulators.handsets.client import HandsetClient
from smpp.codec import encode
from smpp.constants import CommandStatus
from smpp.pdu import BindTransceiver, Pdu, SubmitSm
from trust_client.enterprise import EnterpriseClient

START_S = 60.0
SETTLE_S = 10.0
SHUFFLES = 2000
WARM_UP = 50
"""Rounds before the first that counts."""
SHORT_TERM_MS = 3000


class Client:
    """One bind, one request at a time, nothing between the request and its response."""

    def __init__(self, host: str, port: int, system_id: str, password: str) -> None:
        self._socket = socket.create_connection((host, port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sequence = 0
        bind = BindTransceiver(
            system_id=system_id.encode(), password=password.encode(), interface_version=0x34
        )
        if self._ask(encode(Pdu(bind, self._next()))) != CommandStatus.ESME_ROK:
            raise RuntimeError("the bind was refused")

    def close(self) -> None:
        self._socket.close()

    def submit(self, source: str, aid: str) -> tuple[int, float]:
        """(command_status, microseconds)."""
        body = SubmitSm(source_addr=source.encode(), destination_addr=aid.encode(), short_message=b"?")
        frame = encode(Pdu(body, self._next()))
        began = time.perf_counter_ns()
        status = self._ask(frame)
        return status, (time.perf_counter_ns() - began) / 1000

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _ask(self, frame: bytes) -> int:
        self._socket.sendall(frame)
        while True:
            length, _, status, sequence = struct.unpack(">IIII", self._exactly(16))
            self._exactly(length - 16)
            if sequence == self._sequence:
                return int(status)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            read = self._socket.recv(count - len(data))
            if not read:
                raise RuntimeError("the gateway closed the connection")
            data += read
        return data


class Causes:
    """Makes one AID of each cause at the first enterprise of a running demo."""

    def __init__(self, demo: dict[str, Any], sms: Client, draw: random.Random) -> None:
        self._demo = demo
        self._sms = sms
        self._draw = draw
        self._enterprise = demo["enterprises"][0]
        config = Path(self._enterprise["aids_file"]).parent / "enterprise.toml"
        self._settings = load_settings(config, EnterpriseSettings)
        self._handsets = HandsetClient(demo["handsets"]["url"])

    async def make(self) -> dict[str, str]:
        """Cause to AID."""
        people = self._people()
        mine = {msisdn: aid for msisdn, enterprise, aid in people if enterprise == self._enterprise["id"]}
        others = [aid for _, enterprise, aid in people if enterprise != self._enterprise["id"]]
        opted_out, moved = PEOPLE[0], PEOPLE[1]
        payload = "8881" + f"{self._draw.randrange(10**13):013d}"
        right = damm(payload)
        key = sign_key_of(self._settings.trust)
        peer = connect(self._settings.trust)
        client = EnterpriseClient(peer, key)
        backend = Backend(self._settings, client, AidBook(self._settings.aids_file))
        try:
            causes = {
                "unknown": payload + right,
                "wrong check digit": payload + str((int(right) + 1) % 10),
                "another's, never contacted": others[0],
                "another's, granted here": others[1],
                "pending": await self._deposit(backend, client, opted_out.msisdn, confirm=False),
                "expired": await self._deposit(backend, client, PEOPLE[2].msisdn, short=True),
                "cancelled by the enterprise": mine[person(100).msisdn],
                "opted out by TD": mine[opted_out.msisdn],
                "number changed hands": mine[moved.msisdn],
            }
            await backend.cancel(causes["cancelled by the enterprise"])
            # Its owner contacts it: the gateway has the grant, and uses it again for its owner alone.
            owner = self._demo["enterprises"][1]
            smpp = owner["smpp"]
            theirs = Client(smpp["host"], smpp["port"], smpp["system_id"], smpp["password"])
            for _ in range(2):
                status, _took = theirs.submit(owner["access_numbers"][0], others[1])
                if status:
                    raise RuntimeError(f"its owner cannot contact it: {status:#x}")
            theirs.close()
            [number] = self._enterprise["access_numbers"]
            # An opt-out needs somebody who wrote.
            self._sms.submit(number, causes["opted out by TD"])
            await self._handsets.reply(opted_out.msisdn, "TD", number)
            self._give_number_away(moved.msisdn, moved.imsi)
            await self._until(
                client,
                {
                    causes["pending"]: "PENDING",
                    causes["expired"]: "EXPIRED",
                    causes["cancelled by the enterprise"]: "REVOKED",
                    causes["opted out by TD"]: "REVOKED",
                    causes["number changed hands"]: "ACTIVE",
                },
            )
        finally:
            await peer.close()
            await self._handsets.close()
        return causes

    def _people(self) -> list[list[str]]:
        lines = Path(self._demo["carrier"]["people_file"]).read_text().split()
        return [line.split(",") for line in lines[1:]]

    async def _deposit(
        self,
        backend: Backend,
        client: EnterpriseClient,
        msisdn: str,
        *,
        confirm: bool = True,
        short: bool = False,
    ) -> str:
        [nonce] = backend.nonces(1)
        edi = await self._handsets.seal(msisdn, self._enterprise["id"], nonce)
        now = time.time_ns() // 1_000_000
        if confirm:
            assertion = {"msisdn": msisdn, "edi_id": edi_id(from_text(edi)).hex(), "at": now}
            await self._handsets.assert_batch([assertion])
        consent = backend.consent(Given(nonce, [edi]), now)
        if short:
            consent = consent.model_copy(update={"term_to": now + SHORT_TERM_MS})
        [result] = await client.deposit([Deposit(consent=consent, edis=[edi])])
        if result.aid is None:
            raise RuntimeError(f"deposit refused: {result.error}")
        return result.aid

    def _give_number_away(self, msisdn: str, imsi: str) -> None:
        folder = Path(self._demo["carrier"]["people_file"]).parent
        today = datetime.now(UTC).isoformat(timespec="seconds")
        table = folder / "changed.csv"
        table.write_text(
            "msisdn,id_type,id,valid_from,valid_to\n"
            f"{msisdn},IMSI,{imsi},2020-01-01,{today}\n"
            f"{msisdn},IMSI,{int(imsi) + 500_000},{today},\n"
        )
        command = [
            sys.executable,
            "-m",
            "ascs",
            "gateway",
            "subscriber",
            "import",
            "gateway.toml",
            table.name,
        ]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    async def _until(self, client: EnterpriseClient, wanted: dict[str, str]) -> None:
        async with asyncio.timeout(SETTLE_S):
            while True:
                told = [each.status for each in await client.statuses(list(wanted))]
                if told == list(wanted.values()):
                    return
                await asyncio.sleep(0.1)


def measure(
    client: Client, source: str, causes: dict[str, str], draw: random.Random, count: int, seconds: float
) -> list[dict[str, float]]:
    """Rounds of one submit a cause: microseconds by cause."""
    rounds: list[dict[str, float]] = []
    deadline = time.monotonic() + seconds
    names = list(causes)
    while len(rounds) < count + WARM_UP and time.monotonic() < deadline:
        draw.shuffle(names)
        taken = {}
        for name in names:
            status, took = client.submit(source, causes[name])
            if status != CommandStatus.ESME_RINVDSTADR:
                raise RuntimeError(f"{name}: command_status {status:#x}")
            taken[name] = took
        rounds.append(taken)
    return rounds[WARM_UP:]


def spread(columns: list[list[float]], middle: float) -> float:
    """The largest difference of two medians, as a share of `middle`."""
    medians = [statistics.median(column) for column in columns]
    return (max(medians) - min(medians)) / middle


def by_chance(
    rounds: list[dict[str, float]], draw: random.Random, seen: float, middle: float, seconds: float
) -> tuple[float, int]:
    """Share of permutations whose spread is at least `seen`, and how many permutations there were."""
    rows = [list(each.values()) for each in rounds]
    deadline = time.monotonic() + seconds
    as_large = done = 0
    while done < SHUFFLES and time.monotonic() < deadline:
        for row in rows:
            draw.shuffle(row)
        as_large += spread([list(column) for column in zip(*rows, strict=True)], middle) >= seen
        done += 1
    return (as_large + 1) / (done + 1), done


def report(rounds: list[dict[str, float]], draw: random.Random, seconds: float) -> None:
    names = sorted(rounds[0])
    columns = {name: [each[name] for each in rounds] for name in names}
    middle = statistics.median(value for column in columns.values() for value in column)
    print(f"{'µs from submit_sm to its response':36}{'median':>9}{'p99':>9}{'median to all':>15}")
    for name in names:
        median = statistics.median(columns[name])
        p99 = sorted(columns[name])[int(len(rounds) * 0.99)]
        print(f"{name:36}{median:9.0f}{p99:9.0f}{(median - middle) / middle:15.2%}")
    seen = spread(list(columns.values()), middle)
    chance, shuffles = by_chance(rounds, draw, seen, middle, seconds)
    print(f"{len(rounds)} rounds; largest difference of two medians: {seen:.2%} of the median of all;")
    print(f"as large by chance alone: p = {chance:.3f} ({shuffles} permutations)")


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--count", type=int, default=1000, help="rounds of one submit_sm a cause")
    arguments.add_argument("--seconds", type=float, default=60.0, help="at most so long for measuring")
    arguments.add_argument("--seed", type=int, default=1, help="of the order and of the permutations")
    options = arguments.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "demo"
        command = [
            sys.executable,
            "-m",
            "ascs",
            "demo",
            "--no-script",
            "--subscribers",
            "1",
            "--unknown-aids",
            "1000000",
            "--data",
            str(data),
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
            try:
                deadline = time.monotonic() + START_S
                while not (data / "demo.json").exists():
                    if running.poll() is not None or time.monotonic() > deadline:
                        sys.exit("the demo does not start")
                    time.sleep(0.1)
                demo = json.loads((data / "demo.json").read_text())
                smpp = demo["enterprises"][0]["smpp"]
                client = Client(smpp["host"], smpp["port"], smpp["system_id"], smpp["password"])
                causes = asyncio.run(Causes(demo, client, draw).make())
                source = demo["enterprises"][0]["access_numbers"][0]
                rounds = measure(client, source, causes, draw, options.count, options.seconds)
                client.close()
            finally:
                running.send_signal(signal.SIGINT)
    print(f"Python {platform.python_version()}, {platform.machine()}, seed {options.seed}")
    report(rounds, draw, options.seconds)


if __name__ == "__main__":
    main()
