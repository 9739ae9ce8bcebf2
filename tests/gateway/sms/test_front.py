"""Who may bind."""

from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from foundation.passwords import hash_password
from gateway.accounts.directory import Directory, Snapshot
from gateway.settings import SmppSettings
from gateway.sms.front import SmppFront
from gateway.store.accounts import AccountRow
from smpp.aio.client import BindRefusedError, Client
from smpp.constants import CommandStatus
from smpp.pdu import BindTransceiver, BindTransmitter, SubmitSm


@pytest.fixture
async def front() -> AsyncIterator[SmppFront]:
    account = AccountRow("sms-a", "ent-a", hash_password("secret"), 1)
    deliveries = SimpleNamespace(bound=lambda *_: None, unbound=lambda *_: None)
    intake = SimpleNamespace(
        submit=lambda connection, account, pdu, frame: connection.reject(pdu, CommandStatus.ESME_RINVDSTADR)
    )
    directory = Directory(Snapshot(accounts={"sms-a": account}))
    front = SmppFront(SmppSettings(port=0), directory, intake, deliveries)  # type: ignore[arg-type]
    await front.start()
    yield front
    await front.stop()


async def bind(front: SmppFront, system_id: bytes = b"sms-a", password: bytes = b"secret") -> Client:
    client = Client(BindTransceiver(system_id=system_id, password=password))
    await client.connect("127.0.0.1", front.port)
    return client


@pytest.mark.parametrize(("system_id", "password"), [(b"sms-a", b"wrong"), (b"nobody", b"secret")])
async def test_a_wrong_password_and_an_unknown_user_are_told_the_same(
    front: SmppFront, system_id: bytes, password: bytes
) -> None:
    with pytest.raises(BindRefusedError) as refused:
        await bind(front, system_id, password)
    assert refused.value.status == CommandStatus.ESME_RBINDFAIL


async def test_binds_over_the_limit_until_one_is_gone(front: SmppFront) -> None:
    first = await bind(front)
    with pytest.raises(BindRefusedError) as refused:
        await bind(front)
    assert refused.value.status == CommandStatus.ESME_RALYBND
    await first.close()
    await (await bind(front)).close()


async def test_a_submit_sm_goes_to_the_intake(front: SmppFront) -> None:
    client = Client(BindTransmitter(system_id=b"sms-a", password=b"secret"))
    await client.connect("127.0.0.1", front.port)
    answer = await client.call(SubmitSm(destination_addr=b"1"))
    assert answer.command_status == CommandStatus.ESME_RINVDSTADR
    await client.close()
