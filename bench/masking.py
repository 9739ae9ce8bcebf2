"""What masking costs a message: `.venv/bin/python -m bench.masking [runs]`.

Prints microseconds an operation on one thread (least, median and most of the runs) and its ratio to the SM3 of
64 bytes in the same process, since absolute times of a shared machine say little. Numbers and message ids
differ at every call. "whole search" is what the egress guard would cost without its screen.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from collections.abc import Callable

from gm.sm3 import sm3
from masking.egress_guard import EgressGuard, Secrets
from masking.encodings import Numbers, first
from masking.sip_leg import enterprise_headers
from masking.smpp_leg import (
    ReceiptModel,
    ReplyModel,
    build_receipt,
    build_reply,
    check_submit,
    encode_receipt,
    guarded_fields,
    reply_of,
    towards_smsc,
)
from sip.parser import parse
from smpp.codec import encode
from smpp.constants import MessageState
from smpp.pdu import DeliverSm, Pdu, SubmitSm

CALLS = 200
"""Calls in one run, each with values of its own."""
AID = "888132341582397708"
ACCESS_NUMBER = "1069880001"
HANDSET_ANSWER = (
    b"SIP/2.0 183 Session Progress\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK9f3Kd0aTq1\r\n"
    b"From: <sip:1069880001@ims.demo>;tag=7c1f\r\nTo: <sip:+8613800000001@ims.demo;user=phone>;tag=gK0c9\r\n"
    b"Call-ID: 5f0a8bb1@192.0.2.1\r\nCSeq: 1 INVITE\r\nContact: <sip:+8613800000001@192.0.2.9:5060>\r\n"
    b"Require: 100rel\r\nRSeq: 4711\r\nAllow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, INFO\r\n"
    b"Supported: 100rel, timer\r\nReason: Q.850;cause=16\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"
)
CALLBACK_FIELDS = {
    "From": f"<sip:{AID}@aid.demo>;tag=b3fD0x9Qw7",
    "To": f"<sip:{ACCESS_NUMBER}@aid.demo>",
    "Contact": "<sip:gateway@192.0.2.1:5060;transport=udp>",
    "Call-ID": "9d1c2a7be0f34c55@192.0.2.1",
    "Allow": "INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, INFO, OPTIONS",
    "Supported": "100rel, timer",
    "Session-Expires": "1800;refresher=uac",
}
SDP = (
    b"v=0\r\no=- 1763946123456 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\na=rtcp:40001\r\n"
)

Operation = Callable[[int], object]


def operations() -> dict[str, Operation]:
    """What is measured, by name; each takes the number of its call."""
    secrets = [Secrets(f"8613{index * 7919:09}") for index in range(CALLS)]
    numbers = [Numbers((secret.msisdn,)) for secret in secrets]
    models = [
        ReceiptModel(
            AID, ACCESS_NUMBER, f"{index * 0x9E3779B97F4A7C15 % (1 << 63):016x}", MessageState.DELIVERED, 0,
            1_763_946_000_000 + index * 100, 1_763_946_060_000 + index * 100,
        )
        for index in range(CALLS)
    ]  # fmt: skip
    receipts = [build_receipt(model) for model in models]
    fields = [guarded_fields(receipt) for receipt in receipts]
    encoded = [encode_receipt(model)[1] for model in models]
    text = "您的订单已发货，请注意查收".encode("utf-16-be")
    submit = SubmitSm(
        source_addr=ACCESS_NUMBER.encode(), destination_addr=AID.encode(), data_coding=8, short_message=text
    )
    frame = encode(Pdu(submit, 1))
    reply = DeliverSm(source_addr=b"8613800000001", destination_addr=b"1069880001", short_message=b"TD")
    model = ReplyModel(AID, ACCESS_NUMBER, b"TD", 0, False)
    answer = parse(HANDSET_ANSWER)
    headers = {name: str(value) for name, value in enterprise_headers(answer)}
    guard = EgressGuard()
    return {
        "SM3 of 64 bytes": lambda _: sm3(b"x" * 64),
        "guard a receipt: whole search": lambda i: [first(data, numbers[i]) for data in fields[i].values()],
        "guard a receipt: check": lambda i: guard.check("smpp", fields[i], secrets[i]),
        "guard a receipt: passes": lambda i: guard.passes(encoded[i], secrets[i]),
        "build_receipt": lambda i: build_receipt(models[i]),
        "build_receipt, encode, guarded_fields": lambda i: (
            encode(Pdu(built := build_receipt(models[i]), 0)),
            guarded_fields(built),
        ),
        "encode_receipt": lambda i: encode_receipt(models[i]),
        "check_submit": lambda _: check_submit(submit),
        "towards_smsc": lambda i: towards_smsc(
            frame, msisdn=secrets[i].msisdn, source=ACCESS_NUMBER, sequence_number=i
        ),
        "reply_of": lambda _: reply_of(reply),
        "build_reply": lambda _: build_reply(model),
        "guard an answer's headers: whole search": lambda i: [
            first(value.encode(), numbers[i]) for value in headers.values()
        ],
        "guard an answer's headers: check": lambda i: guard.check("sip", headers, secrets[i]),
        "guard an INVITE: whole search": lambda i: [
            first(value.encode(), numbers[i]) for value in CALLBACK_FIELDS.values()
        ],
        "guard an INVITE: check": lambda i: guard.check("sip", CALLBACK_FIELDS, secrets[i]),
        "guard an SDP: whole search": lambda i: first(SDP, numbers[i]),
        "guard an SDP: check": lambda i: guard.check("sip", {"body": SDP}, secrets[i]),
    }


def measure(operation: Operation) -> float:
    """Microseconds an operation, over CALLS calls."""
    began = time.perf_counter()
    for index in range(CALLS):
        operation(index)
    return (time.perf_counter() - began) / CALLS * 1e6


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    print(f"Python {platform.python_version()}, {platform.machine()}, {runs} runs of {CALLS} calls each")
    print(f"{'µs an operation':42}{'least':>10}{'median':>10}{'most':>10}{'ratio':>10}")
    base = 0.0
    for name, operation in operations().items():
        measured = sorted(measure(operation) for _ in range(runs))
        median = statistics.median(measured)
        base = base or median
        print(f"{name:42}{measured[0]:10.2f}{median:10.2f}{measured[-1]:10.2f}{median / base:10.1f}")


if __name__ == "__main__":
    main()
