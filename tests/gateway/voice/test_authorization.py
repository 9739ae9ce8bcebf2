"""Each call is asked about and recorded, or refused and the cause recorded."""

from __future__ import annotations

import asyncio

import pytest

from foundation.store import StoreBusy
from gateway.policy.refusal import Case
from gateway.voice.authorization import Authorization, Authorized
from gateway.voice.call_caps import CallOf
from gateway.voice.call_record import Direction
from tests.gateway.voice.conftest import AID, AID_BLOCKED, AID_REFUSED, AID_UNRESOLVED, MSISDN, NUMBER, World
from trust_client.verifier import Unavailable


async def asked(world: World, aid: str) -> Authorized | Case:
    current = world.directory.current
    of = CallOf(Direction.CALL, current.trunks["pbx-a"], current.access_numbers[NUMBER], aid)
    answer: asyncio.Future[Authorized | Case] = asyncio.get_running_loop().create_future()
    Authorization(world.domain, world.verifier).ask(of, answer.set_result)
    return await asyncio.wait_for(answer, 5)


async def test_a_grant_is_a_record_and_a_number(world: World) -> None:
    answer = await asked(world, AID)
    assert isinstance(answer, Authorized)
    assert answer.msisdn == MSISDN
    assert [row["id"] for row in await world.rows("call")] == [answer.record.id]
    assert world.verifier.asked[-1].channel == "voice"


@pytest.mark.parametrize("aid", [AID_REFUSED, AID_BLOCKED, AID_UNRESOLVED])
async def test_every_refusal_of_an_aid_is_one_case_and_its_cause_is_recorded(world: World, aid: str) -> None:
    assert await asked(world, aid) is Case.AID_REFUSED
    assert len(await world.refusals()) == 1
    assert not await world.rows("call")


async def test_nobody_who_answers_is_another(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.verifier.answers[AID] = Unavailable("down")
    assert await asked(world, AID) is Case.NOT_AVAILABLE

    def busy(*_: object) -> None:
        raise StoreBusy

    monkeypatch.setattr(world.domain.store, "put_all", busy)
    assert await asked(world, AID_REFUSED) is Case.NOT_AVAILABLE
    monkeypatch.undo()
