"""A question names one contact; an answer grants or refuses it; what ends a grant says what it is about."""

import pytest
from pydantic import ValidationError

from interparty.messages import ITEMS_MAX
from interparty.verify_messages import Revocation, VerifyAnswer, VerifyItem, VerifyRequest

GRANT = {
    "edi": "RURJ" + "A" * 275,
    "edi_id": "c" * 32,
    "consent": {"hours": "00:00-24:00", "frequency": "1/week", "access_numbers": ["1069"], "not_after": 1},
}


@pytest.mark.parametrize("answer", [{}, {"grant": GRANT, "refusal": {"reason": "EXPIRED"}}])
def test_an_answer_is_either_grant_or_refusal(answer):
    with pytest.raises(ValidationError):
        VerifyAnswer.model_validate(answer)


def test_batches_are_bounded():
    item = VerifyItem(aid="8" * 18, enterprise="ent-a", channel="sms", access_number="1069")
    assert len(VerifyRequest(items=[item] * ITEMS_MAX).items) == 500
    for count in (0, ITEMS_MAX + 1):
        with pytest.raises(ValidationError):
            VerifyRequest(items=[item] * count)


OVER = {"carrier": "CMCC", "epoch": "0" * 32, "sequence": 1, "enterprise": "ent-a", "at": 1}
ONE = {"aid": "8" * 18, "edi_id": "c" * 32}


@pytest.mark.parametrize(
    "about", [{"cause": "REVOKED", **ONE}, {"cause": "ROTATED", **ONE}, {"cause": "SUSPENDED"}]
)
def test_a_revocation_is_about_one_aid_or_a_whole_enterprise(about):
    assert Revocation.model_validate(OVER | about).fields() == OVER | about


@pytest.mark.parametrize(
    "about",
    [{"cause": "REVOKED"}, {"cause": "REVOKED", "aid": ONE["aid"]}, {"cause": "RESUMED", **ONE}],
    ids=["no AID", "no EDI", "an enterprise's AID"],
)
def test_one_that_says_neither_or_both_is_none(about):
    with pytest.raises(ValidationError):
        Revocation.model_validate(OVER | about)
