"""The code that a subscriber answers, and the words that ask for it."""

import pytest

from gateway.confirm.code_text import CODE_DIGITS, code_in, code_text, draw_code
from interparty.messages import Consent
from smpp.segmentation import split

CONSENT = Consent(
    enterprise="ent-a",
    service="快件通知",
    channels=["sms", "voice"],
    access_numbers=["10690001"],
    hours="08:00-21:00",
    frequency="20/day",
    term_from=1_793_500_000_000,
    term_to=1_798_732_799_000,  # 2026-12-31 23:59:59 in Asia/Shanghai
    agreement_version="1",
    agreement_sm3="0" * 64,
    page_version_sm3="0" * 64,
    confirmed_by="page",
    proof_sm3="ef" * 32,
    edi_ids=["0" * 32],
    nonce="0" * 32,
    collected_at=1_793_500_000_000,
)


def test_codes_are_of_six_digits_and_hardly_ever_the_same() -> None:
    drawn = {draw_code() for _ in range(200)}
    assert all(len(code) == CODE_DIGITS and code.isascii() and code.isdigit() for code in drawn)
    assert len(drawn) > 190


def test_the_text_names_enterprise_service_channels_and_term() -> None:
    text = code_text(CONSENT, "顺达快递", "012345")
    for part in ("顺达快递", "快件通知", "短信、电话", "2026年12月31日", "012345"):
        assert part in text


def test_the_text_names_only_the_channels_that_were_consented_to() -> None:
    text = code_text(CONSENT.model_copy(update={"channels": ["sms"]}), "A", "012345")
    assert "短信服务" in text
    assert "电话" not in text


def test_it_takes_few_messages() -> None:
    assert len(split(code_text(CONSENT, "顺达快递", "012345"), 1)) <= 2


@pytest.mark.parametrize(
    "text", ["012345", " 012345\n", "同意012345", "code: 012345.", "０１２３４５", "1 012345", "12345 012345"]
)
def test_a_reply_gives_the_code(text: str) -> None:
    assert code_in(text, "012345")


@pytest.mark.parametrize(
    "text", ["", "同意", "12345", "0123456", "1012345", "012 345", "012346", "〇一二三四五"]
)
def test_a_reply_does_not(text: str) -> None:
    assert not code_in(text, "012345")
