"""The root over answers, as the trust party makes it."""

from evidence.merkle import leaf_hash, root
from gm.sm2 import PrivateKey
from interparty import statements
from interparty.hot_messages import question_text
from interparty.messages import BatchHead, VerifyAnswer, VerifyItem
from trust_client.answers import outcome_of
from trust_client.batch_check import is_signed, root_of

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
