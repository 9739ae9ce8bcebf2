"""The whole service as real processes, each party's own, for tests that come from outside."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from typing import Any, Unpack

import aiohttp

from ascs.commands.common import load_settings
from ascs.demo.layout import CONFIRMATION_NUMBER, ENTERPRISES, HOST, DemoEnterprise, Layout, Person, Ports
from ascs.demo.parties import Files
from ascs.demo.processes import Processes
from gateway.accounts.account_options import TrunkOptions, change_trunk
from gm.sm2 import PrivateKey
from interparty.client import Peer
from interparty.party_link import connect, sign_key_of
from simulators.enterprise.aids import AidBook
from simulators.enterprise.backend import Backend, Given
from simulators.enterprise.settings import EnterpriseSettings
from simulators.handsets.client import HandsetClient
from simulators.http_client import ApiError, JsonClient
from tests.ports import free_port, port_range
from trust_client.enterprise import EnterpriseClient

WAIT_S = 15.0
LOOK_AGAIN_S = 0.05
MEDIA_PORTS = 80
"""Four a call."""
CODE = re.compile(r"回复([0-9]{6})")
ENT_A, ENT_B = ENTERPRISES


def free_ports() -> Ports:
    """Ports that nothing listens on: a demo may be running on the usual ones."""
    free, tcp, udp = free_port, socket.SOCK_STREAM, socket.SOCK_DGRAM
    media_min, media_max = port_range(MEDIA_PORTS)
    return Ports(
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
        media_min=media_min,
        media_max=media_max,
    )


async def until(ask: Callable[[], Awaitable[Any]], what: str, seconds: float = WAIT_S) -> Any:
    """What `ask` answers first that is true."""
    try:
        async with asyncio.timeout(seconds):
            while not (found := await ask()):  # noqa: ASYNC110 - another process is asked
                await asyncio.sleep(LOOK_AGAIN_S)
            return found
    except TimeoutError:
        raise AssertionError(f"{what}: not within {seconds:.0f} s") from None


class House:
    """Trust party, gateway, SMSC, core and handsets. The enterprises' systems are the tests themselves."""

    without: frozenset[str] = frozenset()
    """Simulators that are not started."""

    def __init__(
        self, layout: Layout, files: Files, people: Sequence[Person], core_port: int | None = None
    ) -> None:
        self.layout = layout
        self.ports = layout.ports
        self.core_port = core_port or layout.ports.core
        """Where the gateway looks for its core."""
        self.sip_tls_port = 0
        """Where it takes enterprises' SIP over TLS."""
        self.files = files
        self.people = people
        self.handsets = HandsetClient(f"http://{HOST}:{self.ports.handsets_api}")
        self._pids = layout.root / "pids"
        self._pids.mkdir()
        self._processes = Processes(self._wrap)
        self._operations = JsonClient(f"http://{HOST}:{self.ports.operations}")
        self._backends: dict[str, tuple[Peer, Backend]] = {}
        self._aids: dict[tuple[str, str], str] = {}

    def _wrap(self, owner: str, command: Sequence[str]) -> Sequence[str]:
        return ["sh", "-c", 'echo $$ >"$0"; exec "$@"', str(self._pids / owner), *command]

    async def start(self) -> None:
        start, files, folders = self._processes.start, self.files, self.layout.folders
        simulators = folders["simulators"]
        await self.start_trust()
        for name, file in (("smsc", files.smsc), ("core", files.core), ("handsets", files.handsets)):
            if name not in self.without:
                await start(name, "simulators", simulators, "sim", name, str(file))
        await self.start_gateway()
        await until(self._fleet_ready, "the handsets are attached", 30)
        await until(self._trust_listens, "the trust party listens", 30)
        for each in ENTERPRISES:
            settings = load_settings(files.enterprises[each.id], EnterpriseSettings)
            key = sign_key_of(settings.trust)
            assert isinstance(key, PrivateKey)
            peer = connect(settings.trust)
            book = AidBook(settings.aids_file)
            self._backends[each.id] = (peer, Backend(settings, EnterpriseClient(peer, key), book))

    async def start_trust(self) -> None:
        folder = self.layout.trust
        await self._processes.start("trust", "trust", folder, "trust", "run", str(self.files.trust))

    async def stop(self) -> None:
        for peer, _ in self._backends.values():
            await peer.close()
        await self.handsets.__aexit__()
        await self._operations.close()
        await self._processes.stop()

    # --- the gateway's process ----------------------------------------------------------------------

    async def start_gateway(self) -> None:
        """Returns when it answers and reaches its SMSC."""
        folder = self.layout.carrier
        await self._processes.start("gateway", "carrier", folder, "gateway", "run", str(self.files.gateway))
        await until(self._gateway_ready, "the gateway is well", 30)

    async def set_trunk(self, enterprise: DemoEnterprise, **options: Unpack[TrunkOptions]) -> None:
        """What an operator sets for a trunk, once the gateway knows it."""

        def work() -> int:
            with closing(sqlite3.connect(self.layout.carrier / "carrier.db", timeout=10)) as conn, conn:
                change_trunk(conn, enterprise.sip_user, options)
                return int(conn.execute("SELECT version FROM directory_version").fetchone()[0])

        version = await asyncio.to_thread(work)
        self.hang_up_gateway()

        async def in_force() -> bool:
            return await self._directory_version() >= version

        await until(in_force, "the gateway knows the trunk's options")

    async def _directory_version(self) -> float:
        url = f"http://{HOST}:{self.ports.operations}/metrics"
        async with aiohttp.ClientSession(trust_env=False) as session, session.get(url) as response:
            text = await response.text()
        return next(
            float(line.split()[1]) for line in text.splitlines() if line.startswith("ascs_directory_version ")
        )

    async def kill_gateway(self) -> None:
        """SIGKILL: nothing is flushed and nothing is said to anybody."""
        os.kill(int((self._pids / "carrier").read_text()), signal.SIGKILL)
        await self._processes.stop("gateway")

    def hang_up_gateway(self) -> None:
        """SIGHUP: it looks for changed accounts at once."""
        os.kill(int((self._pids / "carrier").read_text()), signal.SIGHUP)

    async def _gateway_ready(self) -> bool:
        self._processes.check()
        try:
            return bool((await self._operations.get("/health"))["status"] == "ok")
        except ApiError:
            return False

    async def _fleet_ready(self) -> bool:
        self._processes.check()
        try:
            return bool((await self.handsets.health())["ready"])
        except ApiError:
            return False

    async def _trust_listens(self) -> bool:
        self._processes.check()
        try:
            _, writer = await asyncio.open_connection(HOST, self.ports.trust)
        except OSError:
            return False
        writer.close()
        return True

    # --- consents -----------------------------------------------------------------------------------

    async def deposit(self, enterprise: DemoEnterprise, person: Person) -> str:
        """A consent that the person gave on the enterprise's page: its AID, not confirmed yet."""
        _, backend = self._backends[enterprise.id]
        [nonce] = backend.nonces(1)
        edi = await self.handsets.seal(person.msisdn, enterprise.id, nonce)
        [(_, result)] = await backend.deposit([Given(nonce, [edi])])
        assert result.aid is not None, result.error
        return result.aid

    async def status(self, enterprise: DemoEnterprise, aid: str) -> str:
        [status] = await self._backends[enterprise.id][1].statuses([aid])
        return status.status

    async def active_aid(self, enterprise: DemoEnterprise, person: Person) -> str:
        """An AID that the person confirmed by the code's reply; made once for all tests."""
        key = enterprise.id, person.msisdn
        if key not in self._aids:
            inbox = await self.handsets.inbox(person.msisdn)
            after = inbox[-1]["index"] if inbox else 0
            aid = await self.deposit(enterprise, person)
            code = await self.message(
                person, lambda each: CODE.search(each["text"]) is not None, "a confirmation code", after
            )
            found = CODE.search(code["text"])
            assert found is not None
            await self.handsets.reply(person.msisdn, found[1], CONFIRMATION_NUMBER)

            async def is_active() -> bool:
                return await self.status(enterprise, aid) == "ACTIVE"

            await until(is_active, "the AID is ACTIVE")
            self._aids[key] = aid
        return self._aids[key]

    # --- what handsets show -------------------------------------------------------------------------

    async def message(
        self, person: Person, fits: Callable[[dict[str, Any]], bool], what: str, after: int = 0
    ) -> dict[str, Any]:
        """The first message on the person's handset that fits."""

        async def ask() -> dict[str, Any] | None:
            found = await self.handsets.inbox(person.msisdn, after=after)
            return next((each for each in found if fits(each)), None)

        message: dict[str, Any] = await until(ask, f"the handset shows {what}")
        return message

    async def call(self, person: Person, fits: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """The first call of the person's handset that fits."""

        async def ask() -> dict[str, Any] | None:
            found = await self.handsets.calls(person.msisdn)
            return next((each for each in found if fits(each)), None)

        call: dict[str, Any] = await until(ask, f"the handset shows {what}")
        return call
