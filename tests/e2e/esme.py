"""smpplib as an enterprise's SMPP client. It blocks, so that tests call it in a thread."""

from __future__ import annotations

import struct
import time
from typing import Any, Self

import smpplib.client
import smpplib.consts
from smpplib.exceptions import PDUError, UnknownCommandError

from ascs.demo.layout import HOST, DemoEnterprise

WAIT_S = 15.0
READ_S = 0.2
CANCEL_SM, CANCEL_SM_RESP = 0x00000008, 0x80000008


class _Client(smpplib.client.Client):  # type: ignore[misc]
    """Keeps what came in, as it came."""

    octets = b""
    frame = b""
    """The last PDU, as far as it came."""

    def read_pdu(self) -> Any:
        self.frame = b""
        return super().read_pdu()

    def _recv_exact(self, exact_size: int) -> bytes:
        data: bytes = super()._recv_exact(exact_size)
        self.octets += data
        self.frame += data
        return data


class Esme:
    """One transceiver's session."""

    def __init__(self, port: int, enterprise: DemoEnterprise) -> None:
        self.client = _Client(HOST, port, timeout=10, allow_unknown_opt_params=True)
        self._enterprise = enterprise
        self.answers: dict[int, Any] = {}
        """Responses by sequence_number."""
        self.received: list[Any] = []
        """deliver_sm in order: receipts and replies."""
        self.unknown: dict[int, bytes] = {}
        """PDUs of which smpplib knows nothing, by sequence_number."""
        self.client.set_message_sent_handler(lambda pdu: self.answers.update({pdu.sequence: pdu}))
        self.client.set_query_resp_handler(lambda pdu: self.answers.update({pdu.sequence: pdu}))
        self.client.set_message_received_handler(self._take)
        self.client.set_error_pdu_handler(lambda pdu: self.answers.update({pdu.sequence: pdu}))

    def _take(self, pdu: Any) -> int:
        self.received.append(pdu)
        return int(smpplib.consts.SMPP_ESME_ROK)

    def bind(self, password: str | None = None) -> Self:
        """Raises PDUError, whose second argument is the command_status."""
        self.client.connect()
        self.client.bind_transceiver(
            system_id=self._enterprise.system_id,
            password=self._enterprise.smpp_password if password is None else password,
        )
        return self

    def close(self) -> None:
        """Unbind as far as the server answers, and disconnect."""
        if self.client.state not in (
            smpplib.consts.SMPP_CLIENT_STATE_OPEN,
            smpplib.consts.SMPP_CLIENT_STATE_CLOSED,
        ):
            self.client.unbind()
        self.client.disconnect()

    def send(self, aid: str, text: str | bytes, source: str | None = None, **fields: Any) -> int:
        """submit_sm with a receipt asked for; its sequence_number. Octets are sent as they are."""
        pdu = self.client.send_message(
            source_addr_ton=0,
            source_addr_npi=1,
            source_addr=self._enterprise.access_number if source is None else source,
            dest_addr_ton=0,
            dest_addr_npi=1,
            destination_addr=aid,
            short_message=text.encode("utf-16-be") if isinstance(text, str) else text,
            data_coding=smpplib.consts.SMPP_ENCODING_ISO10646,
            registered_delivery=1,
            **fields,
        )
        return int(pdu.sequence)

    def query(self, message_id: str) -> Any:
        """The response to query_sm."""
        pdu = self.client.query_message(
            message_id=message_id,
            source_addr_ton=0,
            source_addr_npi=1,
            source_addr=self._enterprise.access_number,
        )
        return self.answer(pdu.sequence)

    def cancel(self, message_id: str, aid: str) -> int:
        """command_status of the response to cancel_sm, which smpplib cannot say (SMPP 3.4, 4.9)."""
        sequence = self.client.next_sequence()
        source = self._enterprise.access_number
        body = b"\0%b\0\0\1%b\0\0\1%b\0" % (message_id.encode(), source.encode(), aid.encode())
        self.client._socket.sendall(struct.pack(">IIII", 16 + len(body), CANCEL_SM, 0, sequence) + body)
        self.read_until(
            lambda: sequence in self.unknown or sequence in self.answers, "a response to cancel_sm"
        )
        if sequence in self.answers:
            return int(self.answers[sequence].status)
        _, command, status, _ = struct.unpack_from(">IIII", self.unknown[sequence])
        assert command == CANCEL_SM_RESP
        return int(status)

    def submit(self, aid: str, text: str, source: str | None = None) -> tuple[int, str]:
        """(command_status, message_id) of the response."""
        answer = self.answer(self.send(aid, text, source))
        return int(answer.status), (answer.message_id or b"").decode() if answer.status == 0 else ""

    def answer(self, sequence: int) -> Any:
        """The response to `sequence`."""
        self.read_until(lambda: sequence in self.answers, f"a response to {sequence}")
        return self.answers[sequence]

    def delivered(self, fits: Any, what: str) -> Any:
        """The first deliver_sm that fits."""
        self.read_until(lambda: any(fits(each) for each in self.received), what)
        return next(each for each in self.received if fits(each))

    def read_until(self, done: Any, what: str, seconds: float = WAIT_S) -> None:
        deadline = time.monotonic() + seconds
        self.client._socket.settimeout(READ_S)
        while not done():
            assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
            try:
                self.client.read_once(auto_send_enquire_link=False)
            except TimeoutError:
                continue
            except UnknownCommandError:
                frame = self.client.frame
                self.unknown[int.from_bytes(frame[12:16])] = frame
        self.client._socket.settimeout(10)


def is_receipt(pdu: Any) -> bool:
    """esm_class says that it is an SMSC delivery receipt (SMPP 5.0, 4.7.12)."""
    return bool(pdu.esm_class & 0x3C == 0x04)


def status_of_bind(port: int, enterprise: DemoEnterprise, password: str | None = None) -> int:
    """command_status of a bind's response; an accepted one is closed."""
    esme = Esme(port, enterprise)
    try:
        esme.bind(password)
    except PDUError as error:
        return int(error.args[1])
    else:
        return 0
    finally:
        esme.close()
