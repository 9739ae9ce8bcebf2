"""A real mosquitto for tests: mutual TLS and the ACL that config/ ships."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path

from foundation import pki

ROOT = Path(__file__).parents[1]
WAIT_S = 10.0


def make_folder(folder: Path, authority: Path) -> Path:
    """The broker's certificate."""
    pki.make_party(folder, authority, "broker")
    return folder


class Mosquitto:
    """config/mosquitto.conf in a folder of its own, on a port of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert program is not None
        text = (ROOT / "config" / "mosquitto.conf").read_text()
        text = text.replace("var/broker/", f"{self.folder}/").replace("8883", str(self.port))
        # The shipped ACL is used as it is; mosquitto run by root would change to a user who may not read it.
        acl = self.folder / "mosquitto.acl"
        shutil.copy(ROOT / "config" / "mosquitto.acl", acl)
        text = text.replace("config/mosquitto.acl", str(acl)) + "\nuser root\n"
        file = self.folder / "mosquitto.conf"
        file.write_text(text)
        self._process = await asyncio.create_subprocess_exec(
            program, "-c", str(file), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(WAIT_S):
            while True:
                assert self._process.returncode is None, "mosquitto ended"
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self.thaw()
            self._process.terminate()
            await self._process.wait()
