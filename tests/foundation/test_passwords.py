"""Password checks: right, wrong, unknown user, overload."""

import asyncio

import pytest

from foundation import passwords


async def test_the_right_password_and_no_other() -> None:
    stored = passwords.hash_password("secret08")
    assert stored.startswith("$argon2id$")
    assert await passwords.verify(stored, "secret08")
    assert not await passwords.verify(stored, "secret09")
    assert not await passwords.verify(stored, "")


@pytest.mark.parametrize("password", ["", "secret08"])
async def test_an_unknown_user_or_a_broken_hash_is_a_wrong_password(password: str) -> None:
    assert not await passwords.verify(None, password)
    assert not await passwords.verify("not a hash", password)


@pytest.mark.parametrize("password", ["", "x" * 1025])
def test_a_password_out_of_bounds_is_not_hashed(password: str) -> None:
    with pytest.raises(ValueError):
        passwords.hash_password(password)


async def test_checks_past_the_cap_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "WAITING_MAX", 2)
    checks = [asyncio.ensure_future(passwords.verify(None, "x")) for _ in range(3)]
    results = await asyncio.gather(*checks, return_exceptions=True)
    assert results[:2] == [False, False]
    assert isinstance(results[2], passwords.PasswordsBusy)
    assert not await passwords.verify(None, "x")
