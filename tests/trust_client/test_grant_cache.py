"""Grants that may be used again: under one question alone, until the term ends or the AID is revoked."""

from dataclasses import replace

import pytest

from interparty.hot_messages import Question
from trust_client import grant_cache
from trust_client.answers import Grant
from trust_client.grant_cache import GrantCache

ASKED = Question("888132341582397708", "ent-a", "sms", "10690001")
GRANT = Grant("A" * 279, bytes(16), "08:00-21:00", "20/day", ("10690001",), 1_000)


def test_a_grant_answers_its_question_and_says_that_it_is_an_earlier_one() -> None:
    cache = GrantCache()
    cache.put(ASKED, GRANT)
    assert cache.get(ASKED, 999) == replace(GRANT, is_cached=True)


@pytest.mark.parametrize(
    "other",
    [
        {"aid": "888132341582397716"},
        {"enterprise": "ent-b"},
        {"channel": "voice"},
        {"access_number": "10690002"},
    ],
)
def test_it_answers_no_other_question(other: dict[str, str]) -> None:
    cache = GrantCache()
    cache.put(ASKED, GRANT)
    assert cache.get(ASKED._replace(**other), 0) is None  # type: ignore[arg-type]


def test_what_is_to_be_said_decides_nothing() -> None:
    cache = GrantCache()
    cache.put(ASKED._replace(content_digest="ab" * 32), GRANT)
    assert cache.get(ASKED._replace(content_digest="cd" * 32), 0) is not None


def test_its_term_ends() -> None:
    cache = GrantCache()
    cache.put(ASKED, GRANT)
    assert cache.get(ASKED, GRANT.not_after_ms) is None


def test_revoked_it_is_gone_under_every_question_and_not_kept_again() -> None:
    cache = GrantCache()
    voice = ASKED._replace(channel="voice")
    cache.put(ASKED, GRANT)
    cache.put(voice, GRANT)
    cache.revoke(ASKED.aid)
    # An answer that was on its way when the revocation came.
    cache.put(ASKED, GRANT)
    assert (cache.get(ASKED, 0), cache.get(voice, 0), len(cache)) == (None, None, 0)
    assert cache.is_revoked(ASKED.aid)


def test_nothing_of_a_suspended_enterprise_is_granted_until_it_is_resumed() -> None:
    cache = GrantCache()
    cache.put(ASKED, GRANT)
    cache.suspend("ent-a")
    assert cache.get(ASKED, 0) is None
    cache.resume("ent-a")
    assert cache.get(ASKED, 0) is not None


def test_what_is_full_loses_the_first() -> None:
    cache = GrantCache(2)
    questions = [ASKED._replace(access_number=f"1069000{number}") for number in range(3)]
    for question in questions:
        cache.put(question, GRANT)
    assert [cache.get(question, 0) is not None for question in questions] == [False, True, True]
    cache.revoke(ASKED.aid)
    assert len(cache) == 0


def test_of_none_it_keeps_none() -> None:
    cache = GrantCache(0)
    cache.put(ASKED, GRANT)
    assert len(cache) == 0


def test_so_many_revoked_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grant_cache, "REVOKED_MAX", 2)
    cache = GrantCache()
    for aid in ("1", "2", "3"):
        cache.revoke(aid)
    assert [cache.is_revoked(aid) for aid in ("1", "2", "3")] == [False, True, True]
