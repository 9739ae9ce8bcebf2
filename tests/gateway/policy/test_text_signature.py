"""A text says whose it is."""

import pytest

from gateway.policy.refusal import Cause
from gateway.policy.text_signature import is_signed
from smpp.constants import CommandStatus
from tests.gateway.policy.texts import text


@pytest.mark.parametrize("said", ["【顺达】您的包裹到了", "您的包裹到了【顺达】", " 【顺达】\n"])
def test_at_the_beginning_or_at_the_end(said: str) -> None:
    assert is_signed(text(said, "顺达")) is None


@pytest.mark.parametrize(
    "said", ["", "您的包裹到了", "您的【顺达】包裹", "[顺达]您的包裹", "【顺达快递】您的包裹"]
)
def test_without_it_a_text_is_refused(said: str) -> None:
    refusal = is_signed(text(said, "顺达"))
    assert refusal is not None
    assert (refusal.cause, refusal.status) == (Cause.NOT_SIGNED, CommandStatus.ESME_RSUBMITFAIL)


def test_an_access_number_without_a_signature_asks_for_none() -> None:
    assert is_signed(text("您的包裹到了")) is None
