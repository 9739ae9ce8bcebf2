"""A handset with real audio, on pjsua2: it plays a file into its calls and records what it hears.

`python -m simulators.handsets.pjsua --port 5092 --play said.wav --record heard.wav` answers whoever calls. Lines
on stdin are commands (`call URI`, `hangup`, `quit`); its end is `quit` too. Lines on stdout are JSON objects with
`event`: ready, registered, incoming, answered, ended, failed. Files are WAV: mono, 16 bits, 8,000 Hz.

For tests and demonstrations only, since pjsua2 is GPL and its wheel bundles an old OpenSSL; it comes with the extra
`audio`, and nothing of the gateway imports this module.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import sys
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pjsua2 as pj

CALLS_MAX = 4
"""pjsua's own default bound; more in one process are answered 486."""
RATE_HZ = 8_000
POLL_MS = 10
LINE_MAX = 4_096
"""Octets of a command."""
CODEC = "PCMA/8000"
END_MS = 500
"""How long a quit waits for what it sent to be answered."""


def say(event: str, **what: Any) -> None:
    """One line on stdout."""
    print(json.dumps({"event": event, **what}), flush=True)


def check_wav(path: Path) -> None:
    """Raises ValueError for a file that would be played at another speed or not at all."""
    try:
        with wave.open(str(path), "rb") as file:
            shape = file.getnchannels(), file.getsampwidth(), file.getframerate()
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path}: {error}") from error
    if shape != (1, 2, RATE_HZ):
        raise ValueError(f"{path}: not mono, 16 bits, {RATE_HZ} Hz")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep stdout's descriptor from the library, which logs there until it has its configuration."""
    sys.stdout.flush()
    kept, sink = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(sink)


class Handset:
    """One account on one UDP port; its calls share what is played and what is recorded."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.play: Path | None = given.play
        self.record: Path | None = given.record
        self.calls: dict[int, _Call] = {}
        self.endpoint = pj.Endpoint()
        with _quiet():
            self.endpoint.libCreate()
        config = pj.EpConfig()
        # Callbacks come from libHandleEvents in this thread alone: Python objects in two threads break pjsua2.
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.maxCalls = CALLS_MAX
        config.logConfig.level = config.logConfig.consoleLevel = 0
        config.medConfig.clockRate = config.medConfig.sndClockRate = RATE_HZ
        config.medConfig.noVad = True
        config.medConfig.ecTailLen = 0
        self.endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.port = given.port
        transport.boundAddress = given.host
        self.endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        for codec in self.endpoint.codecEnum2():
            self.endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith(CODEC) else 0)
        self.account = _Account(self)
        self.account.create(_account(given))

    def call(self, uri: str) -> None:
        """Call a SIP URI."""
        call = _Call(self)
        try:
            call.makeCall(uri, pj.CallOpParam(True))
        except pj.Error as error:
            say("failed", reason=error.reason)
        else:
            self.calls[call.getId()] = call

    def close(self) -> None:
        """Hang up, let that be answered, and end."""
        self.endpoint.hangupAllCalls()
        for _ in range(END_MS // POLL_MS):
            if not self.calls:
                break
            self.endpoint.libHandleEvents(POLL_MS)
        self.calls.clear()
        self.account.shutdown()
        self.endpoint.libDestroy()


class _Account(pj.Account):
    def __init__(self, handset: Handset) -> None:
        super().__init__()
        self._handset = handset

    def onRegState(self, prm: Any) -> None:
        say("registered" if prm.code == 200 else "failed", status=prm.code)

    def onIncomingCall(self, prm: Any) -> None:
        call = _Call(self._handset, prm.callId)
        self._handset.calls[prm.callId] = call
        info = call.getInfo()
        say("incoming", **{"from": info.remoteUri})
        answer = pj.CallOpParam()
        answer.statusCode = 200
        call.answer(answer)


class _Call(pj.Call):
    def __init__(self, handset: Handset, number: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(handset.account, number)
        self._handset = handset
        self._player: Any = None
        self._recorder: Any = None

    def onCallState(self, prm: Any) -> None:
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            say("answered", peer=info.remoteUri)
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            # Players and recorders end before their call, else the library writes to what is gone.
            self._player = self._recorder = None
            self._handset.calls.pop(info.id, None)
            say("ended", status=info.lastStatusCode, reason=info.lastReason)

    def onCallMediaState(self, prm: Any) -> None:
        info = self.getInfo()  # held: its list dies with it
        for index, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                self._connect(self.getAudioMedia(index))

    def _connect(self, audio: Any) -> None:
        """Once a call: a later description keeps what is connected."""
        if self._handset.play is not None and self._player is None:
            self._player = pj.AudioMediaPlayer()
            self._player.createPlayer(str(self._handset.play), 0)
            self._player.startTransmit(audio)
        if self._handset.record is not None and self._recorder is None:
            self._recorder = pj.AudioMediaRecorder()
            self._recorder.createRecorder(str(self._handset.record))
            audio.startTransmit(self._recorder)


def _account(given: argparse.Namespace) -> Any:
    config = pj.AccountConfig()
    config.idUri = given.id or f"sip:handset@{given.host}:{given.port}"
    if given.user:
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", given.user, 0, given.password))
    config.regConfig.registrarUri = given.registrar
    config.regConfig.registerOnAdd = bool(given.registrar)
    config.mediaConfig.transportConfig.boundAddress = given.host
    config.mediaConfig.transportConfig.port = given.media_port
    return config


def _commands(handset: Handset) -> None:
    """Until quit or the end of stdin."""
    waiting = b""
    while True:
        handset.endpoint.libHandleEvents(POLL_MS)
        if not select.select([0], [], [], 0)[0]:
            continue
        octets = os.read(0, LINE_MAX)
        *lines, waiting = (waiting + octets).split(b"\n")
        for line in lines:
            command, _, rest = line.decode().strip().partition(" ")
            if command == "call":
                handset.call(rest)
            elif command == "hangup":
                handset.endpoint.hangupAllCalls()
            elif command == "quit":
                return
            else:
                say("failed", reason="no such command")
        if not octets or len(waiting) > LINE_MAX:
            return


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m simulators.handsets.pjsua", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="SIP over UDP")
    parser.add_argument("--media-port", type=int, default=0, help="first RTP port (the library's own)")
    parser.add_argument("--play", type=Path, help="WAV that goes into each call, again and again")
    parser.add_argument("--record", type=Path, help="WAV of what each call brings")
    parser.add_argument("--id", default="", help="own address, a SIP URI")
    parser.add_argument("--registrar", default="", help="SIP URI; none: not registered")
    parser.add_argument("--user", default="", help="of digest authentication")
    parser.add_argument("--password", default="")
    given = parser.parse_args(argv)
    if given.play is not None:
        try:
            check_wav(given.play)
        except (ValueError, OSError) as error:
            parser.error(str(error))
    handset = Handset(given)
    say("ready")
    try:
        _commands(handset)
    finally:
        handset.close()
        sys.stdout.flush()
        # The library's destructors run after its end and break the interpreter's: nothing is left to do.
        os._exit(0)


if __name__ == "__main__":
    main()
