"""How long the cores take without sockets: `.venv/bin/python bench/cores.py [runs]`.

Prints microseconds an operation on one thread: least, median and most of the runs, and each as a ratio to
the SM3 of 64 bytes measured in the same run, since absolute times of a shared machine say little.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from collections.abc import Callable

from gm.sm2 import PrivateKey
from gm.sm3 import hmac_sm3, sm3
from gm.sm4 import open_sealed, seal
from sip.parser import parse
from smpp.codec import decode, encode
from smpp.pdu import Pdu, SubmitSm
from smpp.splice import splice_submit

RUN_S = 0.1
"""Seconds of work in one run of one operation."""

INVITE = (
    b"INVITE sip:888132341582397708@aid.demo SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bKa;rport\r\n"
    b"Max-Forwards: 70\r\nFrom: <sip:1069880001@aid.demo>;tag=a\r\nTo: <sip:888132341582397708@aid.demo>\r\n"
    b"Call-ID: a@b\r\nCSeq: 1 INVITE\r\nContact: <sip:pbx@127.0.0.1:5062>\r\nContent-Length: 0\r\n\r\n"
)


def operations() -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    submit = Pdu(SubmitSm(destination_addr=b"888132341582397708", short_message=b"x" * 70), 1)
    frame = encode(submit)
    key = PrivateKey.generate()
    public, signature = key.public_key, key.sign(b"x" * 64)
    sealed_sm2 = public.encrypt(b"x" * 96)
    sm4_key, nonce = b"k" * 16, b"n" * 12
    sealed = seal(sm4_key, nonce, frame)
    return {
        "SM3 of 64 bytes": lambda: sm3(b"x" * 64),
        "HMAC-SM3 of 64 bytes": lambda: hmac_sm3(b"k" * 32, b"x" * 64),
        "SM4-GCM seal of a submit_sm": lambda: seal(sm4_key, nonce, frame),
        "SM4-GCM open of a submit_sm": lambda: open_sealed(sm4_key, nonce, sealed),
        "SM2 sign": lambda: key.sign(b"x" * 64),
        "SM2 verify": lambda: public.verify(b"x" * 64, signature),
        "SM2 open of an EDI": lambda: key.decrypt(sealed_sm2),
        "SMPP decode submit_sm": lambda: decode(frame),
        "SMPP encode submit_sm": lambda: encode(submit),
        "SMPP splice submit_sm": lambda: splice_submit(frame, destination_addr=b"8613801380001"),
        "SIP parse and rebuild INVITE": lambda: parse(INVITE).to_bytes(),
    }


def measure(operation: Callable[[], object]) -> float:
    """Microseconds an operation, over RUN_S seconds."""
    count, began = 0, time.perf_counter()
    while (now := time.perf_counter()) - began < RUN_S:
        for _ in range(10):
            operation()
        count += 10
    return (now - began) / count * 1e6


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"Python {platform.python_version()}, {platform.machine()}, {runs} runs of {RUN_S} s each")
    print(f"{'µs an operation':32}{'least':>9}{'median':>9}{'most':>9}{'ratio':>9}")
    base = 0.0
    for name, operation in operations().items():
        measured = sorted(measure(operation) for _ in range(runs))
        median = statistics.median(measured)
        base = base or median
        print(f"{name:32}{measured[0]:9.2f}{median:9.2f}{measured[-1]:9.2f}{median / base:9.1f}")


if __name__ == "__main__":
    main()
