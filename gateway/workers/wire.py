"""The messages between the gateway's process and its front processes, and their payloads. All integers big-endian.

Hot ones are records of fixed length, with the frames they speak of behind them; rare ones JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

from gateway.access_number import AccessNumberRow
from gateway.sms.check import Checked, Unfit
from smpp.aio.connection import FailureReason
from smpp.constants import CommandStatus
from smpp.pdu import Outbind
from smpp.segmentation import PartInfo
from smpp.session import SessionConfig


class ToStore:
    """What a front process says."""

    READY: Final = 1
    """It has its settings and can be given connections."""
    TALLY: Final = 2
    """Once a second. JSON: {"throttled": {system_id: messages it answered so by itself}}."""
    BIND: Final = 3
    """`Asked`: an ESME asks to bind."""
    SUBMITS: Final = 4
    """`pack_submits`: submit_sm of one read."""
    REQUEST: Final = 5
    """The frame of any other request that wants an answer."""
    ANSWERS: Final = 6
    """(token, command_status) of deliver_sm that the ESME answered."""
    FAILED: Final = 7
    """(token, index in FAILURES) of deliver_sm of which nobody knows what became."""
    BAD: Final = 8
    """(status, command_id, how many), then why: refused PDUs."""
    UNBINDING: Final = 9
    """The ESME has asked for the end: nothing more can be sent."""
    CLOSED: Final = 10
    """Why the session is over: what was sent over it and is not answered will not be."""
    GONE: Final = 11
    """Its connection is closed: the last that is said of it."""
    CALLED: Final = 12
    """An outbind's connection is open."""
    NOT_CALLED: Final = 13
    """Why it is not; GONE follows."""


class ToFront:
    """What the gateway's process says."""

    SETTINGS: Final = 1
    """The first message. JSON: {"smpp": [smpp], "sms": [sms]}, the sections of the gateway's configuration."""
    NUMBERS: Final = 2
    """`pack_numbers`: access numbers, whenever the directory has changed."""
    RELOAD: Final = 3
    """Certificate and words anew."""
    CONFIGURE: Final = 4
    """`pack_config`: a session's timers and windows from now on."""
    ACCEPT: Final = 5
    """A bind is accepted; our system_id."""
    REFUSE: Final = 6
    """(command_status): it is not."""
    RESPONSES: Final = 7
    """(sequence_number, message_id of 16 octets) of submit_sm that are safe."""
    RESPOND: Final = 8
    """The frame of any other response."""
    REJECT: Final = 9
    """(sequence_number, command_id, command_status): a response without a body."""
    DELIVER: Final = 10
    """(how many), their tokens, their frames: deliver_sm."""
    CONGESTION: Final = 11
    """(congestion_state)"""
    CLOSE: Final = 12
    """(seconds): end the session in order."""
    ABORT: Final = 13
    """The reason: end it at once."""
    CALL: Final = 14
    """`pack_call`: connect and send outbind."""


FAILURES: Final[tuple[FailureReason, ...]] = ("timeout", "closed", "malformed")

U8: Final = Struct(">B")
U32: Final = Struct(">I")
SECONDS: Final = Struct(">d")
ANSWER: Final = Struct(">II")
FAILURE: Final = Struct(">IB")
RESPONSE: Final = Struct(">I16s")
REJECTION: Final = Struct(">III")
REFUSED: Final = Struct(">III")
"""status, command_id, how many"""

PLAIN: Final = 0
TLS: Final = 1
HANDED: Final = Struct(">IB")
"""What comes with the descriptor of an accepted connection: its session's number, and PLAIN or TLS."""

_SUBMITS = Struct(">dI")
_CONFIG = Struct(">ddddII")
_SUBMIT = Struct(">IIB21pB18sBBBBIIIHBBqq17p")
"""sequence_number; command_status (0: fit) and whether a refusal; source, and how much of it the access number is; AID;
registered_delivery, priority_flag, replaces, data_coding; the frame's length, where in it the text is and how long;
part: reference, total (0: none), sequence; not_before, expires_at; validity."""
_UNFIT = (b"", 0, b"", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b"")
_UNKNOWN_NUMBER = Unfit(CommandStatus.ESME_RINVSRCADR)


@dataclass(frozen=True, slots=True)
class Asked:
    """A bind that is asked for, and over what."""

    frame: bytes
    tls_version: str | None
    certificate: bytes | None

    def pack(self) -> bytes:
        version, certificate = (self.tls_version or "").encode(), self.certificate or b""
        return b"".join((U8.pack(len(version)), version, U32.pack(len(certificate)), certificate, self.frame))

    @classmethod
    def unpack(cls, payload: bytes) -> Asked:
        """Raises struct.error, IndexError."""
        at = 1 + payload[0]
        end = at + 4 + U32.unpack_from(payload, at)[0]
        return cls(payload[end:], payload[1:at].decode() or None, payload[at + 4 : end] or None)


def pack_submits(arrived: float, requests: Sequence[tuple[int, Checked | Unfit]]) -> bytes:
    """submit_sm by sequence number, as they were found by gateway.sms.check; `arrived` in monotonic seconds."""
    records: list[bytes] = [_SUBMITS.pack(arrived, len(requests))]
    frames: list[bytes] = []
    pack = _SUBMIT.pack
    for sequence_number, found in requests:
        if isinstance(found, Unfit):
            records.append(pack(sequence_number, found.status, found.is_refusal, *_UNFIT))
            continue
        (
            number, source, aid, frame, part, registered_delivery, priority_flag, replaces, data_coding, text,
            not_before, expires_at, validity,
        ) = found  # fmt: skip
        reference, total, sequence = (
            (0, 0, 0) if part is None else (part.reference, part.total, part.sequence)
        )
        records.append(
            pack(
                sequence_number, 0, 0, source.encode(), len(number.number), aid.encode(),
                registered_delivery, priority_flag, replaces, data_coding,
                # Wherever these octets are in the frame, they are the text.
                len(frame), frame.rfind(text), len(text),
                reference, total, sequence, not_before, expires_at, validity,
            )
        )  # fmt: skip
        frames.append(frame)
    return b"".join(records + frames)


def unpack_submits(
    payload: bytes, number_of: Callable[[str], AccessNumberRow | None]
) -> tuple[float, list[tuple[int, Checked | Unfit]]]:
    """What `pack_submits` packed, once or several times one after the other; the time is the first's. `number_of`: the
    access number as it is now; what came from one that is no more is unfit. Raises struct.error, ValueError."""
    first, _ = _SUBMITS.unpack_from(payload)
    found: list[tuple[int, Checked | Unfit]] = []
    at, end = 0, len(payload)
    while at < end:
        _, count = _SUBMITS.unpack_from(payload, at)
        at += _SUBMITS.size
        records = payload[at : at + count * _SUBMIT.size]
        at += count * _SUBMIT.size
        if at > end:
            raise ValueError("fewer messages than were announced")
        for (
            sequence_number, status, is_refusal, raw_source, number_digits, raw_aid,
            registered_delivery, priority_flag, replaces, data_coding, length, text_at, text_octets,
            reference, total, sequence, not_before, expires_at, validity,
        ) in _SUBMIT.iter_unpack(records):  # fmt: skip
            if status:
                found.append((sequence_number, Unfit(status, bool(is_refusal))))
                continue
            frame = payload[at : at + length]
            at += length
            source = raw_source.decode("latin-1")
            number = number_of(source[:number_digits])
            if number is None:
                found.append((sequence_number, _UNKNOWN_NUMBER))
                continue
            part = PartInfo(reference, total, sequence) if total else None
            checked = Checked(
                number, source, raw_aid.decode("latin-1"), frame, part, registered_delivery, priority_flag,
                bool(replaces), data_coding, frame[text_at : text_at + text_octets],
                not_before, expires_at, validity,
            )  # fmt: skip
            found.append((sequence_number, checked))
    return first, found


def pack_frames(tokens: Sequence[int], frames: Sequence[bytes]) -> bytes:
    """deliver_sm, each with the token that names it."""
    return b"".join((U32.pack(len(tokens)), *map(U32.pack, tokens), *frames))


def unpack_frames(payload: bytes) -> list[tuple[bytes, int]]:
    """(frame, token) of each: a frame begins with its own length."""
    (count,) = U32.unpack_from(payload)
    at = 4 + 4 * count
    found: list[tuple[bytes, int]] = []
    for (token,) in U32.iter_unpack(payload[4:at]):
        end = at + int.from_bytes(payload[at : at + 4], "big")
        found.append((payload[at:end], token))
        at = end
    return found


def pack_config(config: SessionConfig) -> bytes:
    """What of a session the gateway configures."""
    return _CONFIG.pack(
        config.session_init_s, config.enquire_link_s, config.inactivity_s, config.response_s,
        config.outbound_window, config.inbound_window,
    )  # fmt: skip


def unpack_config(payload: bytes) -> SessionConfig:
    init, enquire, inactivity, response, outbound, inbound = _CONFIG.unpack(payload)
    return SessionConfig(
        session_init_s=init, enquire_link_s=enquire, inactivity_s=inactivity, response_s=response,
        outbound_window=outbound, inbound_window=inbound, in_bulk=True,
    )  # fmt: skip


def pack_numbers(numbers: Mapping[str, AccessNumberRow]) -> bytes:
    """Of access numbers that texts may come from, what the checks of a text go by, and nothing else."""
    return pack_json(
        [
            {
                "number": row.number,
                "sms_account": row.sms_account,
                "sms_content": row.sms_content,
                "extension_digits": row.extension_digits,
                "signature": row.signature,
            }
            for row in numbers.values()
            if row.sms_account is not None
        ]
    )


def unpack_numbers(payload: bytes) -> dict[str, AccessNumberRow]:
    """By number. Whose they are is not told."""
    rows = [
        AccessNumberRow(
            **each | {"sms_content": tuple(each["sms_content"])}, enterprise_id="", voice_trunk=None
        )
        for each in json.loads(payload)
    ]
    return {row.number: row for row in rows}


def pack_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def pack_call(host: str, port: int, outbind: Outbind, config: SessionConfig) -> bytes:
    """Where to connect, and what to send there."""
    told = {
        "host": host,
        "port": port,
        "system_id": outbind.system_id.hex(),
        "password": outbind.password.hex(),
    }
    return pack_config(config) + pack_json(told)


def unpack_call(payload: bytes) -> tuple[str, int, Outbind, SessionConfig]:
    told = json.loads(payload[_CONFIG.size :])
    outbind = Outbind(bytes.fromhex(told["system_id"]), bytes.fromhex(told["password"]))
    return told["host"], told["port"], outbind, unpack_config(payload[: _CONFIG.size])
