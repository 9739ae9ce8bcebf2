"""The control API over loopback."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from simulators.http_client import ApiError, JsonClient
from simulators.smsc.app import Smsc
from smpp.constants import CommandStatus, Tag
from smpp.pdu import AlertNotification, SubmitSmResp, tlv
from smpp.session import SessionState
from tests.simulators.smsc.bench import settings
from tests.simulators.smsc.test_app import Field, Peer, send


class Rig(Field):
    """An SMSC with its API, and a bound ESME."""

    api: JsonClient
    esme: Peer


async def rig_of(**changed: Any) -> Rig:
    accounts = [{"system_id": "esme", "password": "s", "routes": ["106"]}]
    rig = Rig(await Smsc.start(settings(port=0, api_port=0, accounts=accounts, **changed)))
    rig.api = JsonClient(f"http://127.0.0.1:{rig.smsc.api_port}")
    rig.esme = await rig.bind("esme", "s")
    return rig


@pytest.fixture(params=["memory", "disk"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    rig = await rig_of(store=request.param, data_dir=tmp_path)
    yield rig
    await rig.api.close()
    await rig.close()


async def test_health_says_that_it_runs(rig: Rig) -> None:
    assert (await rig.api.get("/health"))["status"] == "ok"


async def test_counters_and_the_list_of_what_was_accepted(rig: Rig) -> None:
    for _ in range(3):
        await send(rig.esme)
        await rig.esme.next()
    counters = await rig.api.get("/counters")
    assert (counters["accepted"], counters["finals"]) == (3, {"DELIVERED": 3})
    listed = await rig.api.get("/accepted?after=1&limit=1")
    [told] = listed["messages"]
    assert (told["serial"], told["response_id"], told["receipt_id"], listed["last"]) == (2, "2", "2", 2)
    assert (told["text"], told["destination"], told["state"]) == ("hello", "8613800000001", "DELIVERED")
    one = await rig.api.get("/messages/3")
    assert one["direction"] == "mt"
    with pytest.raises(ApiError, match="no such message"):
        await rig.api.get("/messages/9")


async def test_a_behaviour_is_replaced_key_by_key(rig: Rig) -> None:
    before = await rig.api.get("/behaviour")
    after = await rig.api.put("/behaviour", {"outcomes": [{"result": "refuse", "status": 0x45}], "seed": 3})
    assert (after["seed"], after["rate_max"]) == (3, before["rate_max"])
    answer = await rig.esme.submit(source_addr=b"1", destination_addr=b"2")
    assert answer.command_status == CommandStatus.ESME_RSUBMITFAIL


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"outcomes": [{"result": "maybe"}]}, "outcomes.0.result"), ({"port": 1}, "port")],
)
async def test_a_behaviour_without_sense_changes_nothing(
    rig: Rig, wrong: dict[str, Any], reason: str
) -> None:
    before = await rig.api.get("/behaviour")
    with pytest.raises(ApiError, match=reason):
        await rig.api.put("/behaviour", wrong)
    assert await rig.api.get("/behaviour") == before


async def test_new_faults_count_from_now_on_live_binds(rig: Rig) -> None:
    await send(rig.esme)
    await rig.api.put("/behaviour", {"faults": {"disconnect_after": 2, "disconnect": "close"}})
    await send(rig.esme)
    with pytest.raises(Exception, match="closed"):
        await send(rig.esme)


async def test_congestion_is_told_to_an_esme_of_5_0(rig: Rig) -> None:
    await rig.api.put("/behaviour", {"congestion_state": 91})
    old = await rig.esme.submit(source_addr=b"1", destination_addr=b"2")
    assert tlv(old.body, Tag.CONGESTION_STATE) is None
    modern = Peer("esme", "s", interface_version=0x50)
    await modern.client.connect("127.0.0.1", rig.smsc.port)
    rig.peers.append(modern)
    answer = await modern.submit(source_addr=b"1", destination_addr=b"2")
    assert isinstance(answer.body, SubmitSmResp)
    assert tlv(answer.body, Tag.CONGESTION_STATE) == bytes([91])


async def test_binds_hang_and_go_on_by_command(rig: Rig) -> None:
    [bind] = (await rig.api.get("/binds"))["binds"]
    assert (bind["account"], bind["state"], bind["hung"]) == ("esme", "bound_trx", False)
    assert (await rig.api.post("/hang", {"account": "esme"}))["binds"] == [bind["bind"]]
    assert (await rig.api.get("/binds"))["binds"][0]["hung"]
    assert (await rig.api.post("/hang", {"account": "nobody"}))["binds"] == []
    await rig.api.post("/resume", {"bind": bind["bind"]})
    assert await send(rig.esme) == b"1"


async def test_binds_end_by_command(rig: Rig) -> None:
    with pytest.raises(ApiError, match="how"):
        await rig.api.post("/disconnect", {"how": "gently"})
    await rig.api.post("/disconnect", {"how": "unbind"})
    await rig.esme.client.connection.wait_closed()
    assert rig.esme.client.connection.state == SessionState.CLOSED


async def test_a_phone_sends_by_command(rig: Rig) -> None:
    sent = await rig.api.post("/mo", {"from": "8613800000001", "to": "1069", "text": "退订"})
    assert len(sent["serials"]) == 1
    assert (await rig.esme.next()).short_message == "退订".encode("utf-16-be")
    with pytest.raises(ApiError, match="no account"):
        await rig.api.post("/mo", {"from": "1", "to": "95588", "text": "TD"})


async def test_an_alert_goes_to_a_bind(rig: Rig) -> None:
    await rig.api.post("/alert", {"account": "esme", "number": "8613800000001", "to": "10690001"})
    alert = await rig.esme.alert()
    assert isinstance(alert, AlertNotification)
    assert (alert.source_addr, alert.esme_addr) == (b"8613800000001", b"10690001")


async def test_outbind_needs_an_outbind(rig: Rig) -> None:
    with pytest.raises(ApiError, match="no outbind"):
        await rig.api.post("/outbind", {"account": "esme"})
