"""The self-test passes here, and each wrong algorithm stops the process."""

import logging
from collections.abc import Callable

import pytest

from gm import selftest
from gm.errors import SelfTestError


def test_it_passes_and_logs_the_librarys_version(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "gm.selftest"):
        version = selftest.run()
    assert version.startswith("OpenSSL 3")
    assert version in caplog.text


@pytest.mark.parametrize(
    ("answer", "wrong", "named"),
    [
        ("SM3_ANSWERS", ((b"abc", bytes(32)),), "SM3"),
        ("HMAC_TAG", bytes(32), "HMAC-SM3"),
        ("SM4_BLOCK", bytes(16), "SM4"),
        ("GCM_SEALED", bytes(80), "SM4-GCM"),
        ("SM2_PUBLIC", bytes(65), "SM2 signature"),
        ("SM2_SIGNATURE", bytes(64), "SM2 signature"),
        ("SM2_CIPHERTEXT", bytes(115), "SM2 encryption"),
        ("SM2_PLAINTEXT", b"another standard", "SM2 encryption"),
    ],
)
def test_an_answer_not_reproduced_is_named(
    monkeypatch: pytest.MonkeyPatch, answer: str, wrong: object, named: str
) -> None:
    monkeypatch.setattr(selftest, answer, wrong)
    with pytest.raises(SelfTestError, match=named):
        selftest.run()


@pytest.mark.parametrize(
    ("module", "function", "broken"),
    [
        ("sm4", "open_sealed", lambda *_: selftest.GCM_PLAINTEXT),
        ("sm2.PublicKey", "verify", lambda *_: True),
        ("sm2.PublicKey", "from_bytes", lambda *_: None),
        ("sm2.PrivateKey", "decrypt", lambda *_: selftest.SM2_PLAINTEXT),
    ],
    ids=["sm4-accepts-all", "sm2-verifies-all", "off-curve-accepted", "sm2-opens-all"],
)
def test_an_implementation_that_accepts_everything_is_caught(
    monkeypatch: pytest.MonkeyPatch, module: str, function: str, broken: Callable[..., object]
) -> None:
    monkeypatch.setattr(f"gm.{module}.{function}", broken)
    with pytest.raises(SelfTestError):
        selftest.run()
