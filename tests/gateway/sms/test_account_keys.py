"""Account keys, ready for use."""

from types import SimpleNamespace

import pytest

from gateway.sms import account_keys
from gateway.sms.account_keys import AccountKeys
from gm.sm3 import hmac_sm3
from tests.gateway.carrier import ACCOUNT_KEY


def test_keys_are_expanded_once_and_a_changed_one_counts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    known = SimpleNamespace(key=ACCOUNT_KEY)
    keys = AccountKeys(lambda account: known.key if account == "sms-a" else None)
    first = keys.get("sms-a")
    assert first is not None
    assert keys.get("sms-a") is first
    assert keys.get("nobody") is None
    known.key = bytes(32)
    second = keys.get("sms-a")
    assert second is not None
    assert second.digest(b"x") == hmac_sm3(bytes(32), b"x")
    monkeypatch.setattr(account_keys, "ACCOUNTS_CACHED", 2)
    known.key = b"\1" * 32
    third = keys.get("sms-a")
    assert third is not None
    assert third.digest(b"x") == hmac_sm3(b"\1" * 32, b"x")
