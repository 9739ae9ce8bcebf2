"""The root over answers, as the trust party makes it."""

import pytest

from evidence.merkle import leaf_hash, root
from gm.sm2 import PrivateKey
from interparty import statements
from interparty.hot_messages import question_text
from interparty.verify_messages import BatchHead, VerifyAnswer, VerifyItem
from trust_client import batch_check
from trust_client.answers import outcome_of
from trust_client.batch_check import BatchCheck, is_signed, root_of

from .conftest import grant, item, refusal

KEY, STRANGER = PrivateKey.generate(), PrivateKey.generate()


def head(key: PrivateKey) -> BatchHead:
    signed = {"root": "ab" * 32, "count": 2, "at": 7}
    return BatchHead(**signed, signature=statements.sign(key, statements.BATCH, signed))


def test_the_root_is_that_of_the_entries_in_order() -> None:
    asked = [
        item(1),
        item(2).model_copy(update={"content_digest": "ef" * 32}),
        item(3).model_copy(update={"template_id": "t", "template_digest": "ab" * 32}),
    ]
    answers = [VerifyAnswer.model_validate(one) for one in (grant(), refusal("EXPIRED"), grant())]
    entries = [statements.batch_entry(one, answer) for one, answer in zip(asked, answers, strict=True)]
    expected = root([leaf_hash(entry) for entry in entries]).hex()

    def answered(items: list[VerifyItem], given: list[VerifyAnswer]) -> tuple[list[str], list[object]]:
        return [question_text(one) for one in items], [outcome_of(one) for one in given]

    assert root_of([answered(asked, answers)]) == expected  # type: ignore[list-item]
    parts = [answered(asked[:1], answers[:1]), answered(asked[1:], answers[1:])]
    assert root_of(parts) == expected  # type: ignore[arg-type]
    other = [answers[1], answers[1], answers[2]]
    assert root_of([answered(asked, other)]) != expected  # type: ignore[list-item]


def test_only_the_trust_partys_signature_holds() -> None:
    assert is_signed(head(KEY), [STRANGER.public_key, KEY.public_key])
    assert not is_signed(head(KEY), [STRANGER.public_key])
    assert not is_signed(head(KEY).model_copy(update={"count": 3}), [KEY.public_key])


async def test_a_head_that_does_not_hold_is_counted_and_told() -> None:
    told: list[bool] = []
    check = BatchCheck(
        lambda: {"ttp/sign/1": STRANGER.public_key, "ttp/sign/2": KEY.public_key}, lambda: told.append(True)
    )
    assert await check.holds(head(KEY), 2, None)
    assert (check.wrong, told) == (0, [])
    other = [([question_text(item())], [outcome_of(VerifyAnswer.model_validate(grant()))])]
    assert not await check.holds(head(KEY), 2, other)
    assert not await check.holds(head(KEY), 3, None)
    assert not await check.holds(head(PrivateKey.generate()), 2, None)
    assert (check.wrong, told) == (3, [True] * 3)


async def test_a_head_under_a_key_that_is_learned_meanwhile_holds() -> None:
    keys, asked = {"ttp/sign/1": STRANGER.public_key}, []

    async def learn() -> bool:
        asked.append(True)
        keys["ttp/sign/2"] = KEY.public_key
        return True

    check = BatchCheck(lambda: keys, lambda: None, learn)
    assert await check.holds(head(KEY), 2, None)
    assert await check.holds(head(KEY), 2, None)
    assert (check.wrong, asked) == (0, [True])
    assert not await check.holds(head(PrivateKey.generate()), 2, None)
    assert check.wrong == 1


def test_the_root_over_few_answers_is_always_recomputed(monkeypatch: pytest.MonkeyPatch) -> None:
    check = BatchCheck(dict, lambda: None)
    assert all(check.is_recomputed(batch_check.ROOT_ALWAYS) for _ in range(100))
    monkeypatch.setattr(batch_check, "ROOT_SHARE", 0.0)
    assert not check.is_recomputed(batch_check.ROOT_ALWAYS + 1)
