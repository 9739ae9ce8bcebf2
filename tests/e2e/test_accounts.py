"""What an operator changes with commands beside a gateway that runs, as an enterprise's ESME meets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import smpplib.exceptions

from smpp.constants import CommandStatus
from tests.ascs.commands.cli import done
from tests.e2e.esme import Esme, status_of_bind
from tests.e2e.house import ENT_B, House, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

in_thread = asyncio.to_thread
NOBODY = "888000000000000000"


@pytest_asyncio.fixture(loop_scope="session")
async def esme(house: House) -> AsyncIterator[Esme]:
    """Bound before anything is changed; afterwards the account is as it was."""
    client = await in_thread(Esme(house.ports.smpp, ENT_B).bind)
    yield client
    client.client.disconnect()
    await change(house, "--rate", "default", "--burst", "default", "--address", "any")

    async def binds() -> bool:
        return await in_thread(status_of_bind, house.ports.smpp, ENT_B) == CommandStatus.ESME_ROK

    await until(binds, "the account binds again")


async def change(house: House, *options: str) -> None:
    await in_thread(done, "gateway", "account", "set", house.files.gateway, ENT_B.system_id, *options)
    house.hang_up_gateway()


async def test_a_rate_holds_for_a_session_that_was_bound_before_and_is_taken_back(
    house: House, esme: Esme
) -> None:
    async def is_answered(status: int) -> bool:
        found, _ = await in_thread(esme.submit, NOBODY, "您好")
        assert found in (CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RINVDSTADR)
        return found == status

    assert await is_answered(CommandStatus.ESME_RINVDSTADR)
    await change(house, "--rate", "0.001", "--burst", "1")
    await until(lambda: is_answered(CommandStatus.ESME_RTHROTTLED), "it is throttled")
    await change(house, "--rate", "0")
    await until(lambda: is_answered(CommandStatus.ESME_RINVDSTADR), "it is not throttled")


async def test_an_address_that_is_no_longer_allowed_is_unbound_and_does_not_bind(
    house: House, esme: Esme
) -> None:
    await change(house, "--address", "192.0.2.0/24")
    with pytest.raises((smpplib.exceptions.ConnectionError, smpplib.exceptions.PDUError, OSError)):
        await in_thread(esme.read_until, lambda: False, "the end of the session")
    assert await in_thread(status_of_bind, house.ports.smpp, ENT_B) == CommandStatus.ESME_RBINDFAIL
