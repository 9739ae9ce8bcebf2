"""The carrier's own texts: committed like any other, in as many segments as they need, under no AID."""

from gateway.sms.carrier_messages import put_carrier_text
from gateway.sms.outgoing import SEAL_MESSAGE, Outgoing
from gateway.store.domain import Domain
from gateway.store.messages import Kind, State
from smpp.codec import decode
from smpp.pdu import SubmitSm
from smpp.segmentation import part_info, user_data
from smpp.text import decode_text
from tests.gateway.carrier import CODE_NUMBER, ENTERPRISE, MSISDN, NOW_MS, rows


async def put(domain: Domain, text: str, validity_s: int = 600) -> list[Outgoing]:
    return await domain.store.write(
        lambda conn: put_carrier_text(
            conn,
            domain,
            access_number=CODE_NUMBER,
            msisdn=MSISDN,
            enterprise_id=ENTERPRISE,
            text=text,
            validity_s=validity_s,
        )
    )


def body_of(frame: bytes) -> SubmitSm:
    body = decode(frame).body
    assert isinstance(body, SubmitSm)
    return body


async def test_a_text_goes_to_the_subscriber_from_the_carriers_number(domain: Domain) -> None:
    [sent] = await put(domain, "您已退订")
    body = body_of(sent.frame)
    assert (body.source_addr, body.destination_addr) == (CODE_NUMBER.encode(), MSISDN.encode())
    elements, payload = user_data(body)
    assert decode_text(body.data_coding, payload, elements) == "您已退订"


async def test_it_waits_in_the_store_sealed_until_its_validity_ends(domain: Domain) -> None:
    [sent] = await put(domain, "code 123456", validity_s=600)
    [row] = await rows(domain, "message")
    assert (row["kind"], row["state"]) == (Kind.CARRIER, State.QUEUED)
    assert (row["not_before"], row["expires_at"]) == (NOW_MS, NOW_MS + 600_000)
    assert (row["aid"], row["edi_id"], row["registered_delivery"]) == ("", None, 0)
    assert domain.vault.open(SEAL_MESSAGE, row["sealed"]) == sent.frame
    assert MSISDN.encode() not in row["sealed"]


async def test_a_long_text_is_several_messages_of_one_reference(domain: Domain) -> None:
    text = "同意请回复验证码。" * 20
    sent = await put(domain, text)
    parts = [part_info(body_of(each.frame)) for each in sent]
    assert [(part.sequence, part.total) for part in parts if part] == [(1, 3), (2, 3), (3, 3)]
    assert len({part.reference for part in parts if part}) == 1
    assert [row["id"] for row in await rows(domain, "message")] == [each.row.id for each in sent]
    joined = b"".join(user_data(body_of(each.frame))[1] for each in sent)
    assert decode_text(body_of(sent[0].frame).data_coding, joined, ()) == text
