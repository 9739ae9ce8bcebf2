"""What the trust party is told of a message's content: a digest, and for the enterprise's own messages alone."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.sms import question as question_module
from gateway.store.domain import Domain
from gateway.store.ids import text_of
from interparty.content_digest import content_digest
from smpp.constants import EsmClass
from smpp.segmentation import build_udh
from tests.gateway.carrier import ACCOUNT_KEY, AID_REFUSED, Clock, rows
from tests.gateway.sms.desk import Desk


@pytest.fixture
def desk(people: Domain, clock: Clock) -> Desk:
    return Desk(people, clock)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every digest that is made."""
    digests: list[bytes] = []
    plain: Callable[..., bytes] = content_digest

    def counted(*args: Any) -> bytes:
        digests.append(plain(*args))
        return digests[-1]

    monkeypatch.setattr(question_module, "content_digest", counted)
    return digests


async def test_the_question_names_the_digest_that_goes_on_record(desk: Desk, made: list[bytes]) -> None:
    desk.submit(text=b"hello")
    await desk.session.answer()
    (asked,) = desk.verifier.asked
    (row,) = await rows(desk.domain, "message")
    assert asked.content_digest == row["digest"].hex()
    assert row["digest"] == content_digest(ACCOUNT_KEY, text_of(row["public_id"]), 0, b"hello")
    assert (asked.template_id, asked.template_digest) == (None, None)
    # Question and record together make it once.
    assert made == [row["digest"]]


async def test_whoever_does_not_look_at_the_content_makes_no_digest(desk: Desk, made: list[bytes]) -> None:
    """So with an earlier grant, which answers by the contact alone."""
    desk.submit(aid=AID_REFUSED)
    await desk.session.answer()
    assert (desk.verifier.asked[0].aid, made) == (AID_REFUSED, [])


async def test_the_first_part_of_a_long_message_is_asked_about_without_one(desk: Desk) -> None:
    header = build_udh([(0, b"\x07\x02\x01")])
    desk.submit(text=header + b"one", esm_class=EsmClass.UDHI)
    await desk.session.answer()
    assert [asked.content_digest for asked in desk.verifier.asked] == [None]


async def test_it_can_be_switched_off(people: Domain, clock: Clock) -> None:
    desk = Desk(people, clock)
    desk.intake._settings = desk.intake._settings.model_copy(update={"offer_digests": False})
    desk.submit()
    await desk.session.answer()
    assert [asked.content_digest for asked in desk.verifier.asked] == [None]
