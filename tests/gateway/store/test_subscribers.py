"""Who held which number and device, in valid and in recorded time."""

from gateway.store import edis
from gateway.store.domain import Domain
from gateway.store.subscribers import HoldingLine, holdings, holdings_of, import_lines, sealed_msisdn
from masking.resolve import End

N, M = "8613800000001", "8613800000002"
IMSI, IMEI = 2, 1


async def learn(domain: Domain, at: int, *lines: HoldingLine) -> int:
    return await domain.store.write(lambda conn: import_lines(conn, domain.vault, lines, at))


async def held(domain: Domain, identifier: str, id_type: int = IMSI):
    index = await domain.store.write(lambda conn: domain.vault.identifier_index(conn, id_type, identifier))
    return await domain.store.write(lambda conn: holdings(conn, id_type, index))


async def current(domain: Domain, msisdn: str = N) -> int | None:
    index = await domain.store.write(lambda conn: domain.vault.msisdn_index(conn, msisdn))
    return await domain.store.write(lambda conn: edis.current_subscriber(conn, index))


async def test_a_line_twice_is_one_line(domain: Domain) -> None:
    line = HoldingLine(N, IMSI, "sim1", 10, None)
    assert await learn(domain, 100, line) == 1
    assert await learn(domain, 200, line) == 0
    assert len(await held(domain, "sim1")) == 1


async def test_a_correction_keeps_what_was_on_record(domain: Domain) -> None:
    await learn(domain, 100, HoldingLine(N, IMSI, "sim1", 10, None))
    assert await learn(domain, 200, HoldingLine(N, IMSI, "sim1", 10, 150)) == 1
    rows = sorted(await held(domain, "sim1"), key=lambda row: row.recorded_from)
    assert [(row.valid_to, row.recorded_from, row.recorded_to) for row in rows] == [
        (None, 100, 200),
        (150, 200, None),
    ]
    assert rows[0].subscriber_id == rows[1].subscriber_id


async def test_a_new_imsi_on_a_number_is_a_new_subscriber(domain: Domain) -> None:
    await learn(domain, 100, HoldingLine(N, IMSI, "sim1", 10, 50), HoldingLine(N, IMSI, "sim2", 50, None))
    rows = await held(domain, "sim1")
    assert len({row.subscriber_id for row in rows}) == 2


async def test_a_device_belongs_to_the_subscription_that_held_the_number_when_it_came(domain: Domain) -> None:
    await learn(
        domain,
        100,
        HoldingLine(N, IMEI, "dev", 60, None),
        HoldingLine(N, IMSI, "sim1", 10, 50),
        HoldingLine(N, IMSI, "sim2", 50, None),
    )
    owner = {row.identifier: row.subscriber_id for row in await held(domain, "dev", IMEI)}
    device, sim = [
        await domain.store.write(
            lambda conn, id_type=id_type, name=name: domain.vault.identifier_index(conn, id_type, name)
        )
        for id_type, name in ((IMEI, "dev"), (IMSI, "sim2"))
    ]
    assert owner[device.hex()] == owner[sim.hex()]


async def test_the_same_value_of_another_type_is_another_identifier(domain: Domain) -> None:
    await learn(domain, 100, HoldingLine(N, IMSI, "490154203237518", 10, None))
    assert await held(domain, "490154203237518", IMEI) == []


async def test_an_identifier_brings_the_other_lines_of_its_numbers(domain: Domain) -> None:
    await learn(
        domain,
        100,
        HoldingLine(N, IMSI, "sim1", 10, 50),
        HoldingLine(N, IMSI, "sim2", 60, None),
        HoldingLine(M, IMSI, "sim3", 10, None),
    )
    assert len(await held(domain, "sim1")) == 2


async def test_each_of_several_identifiers_has_its_own_lines(domain: Domain) -> None:
    await learn(
        domain,
        100,
        HoldingLine(N, IMSI, "sim1", 10, None),
        HoldingLine(N, IMEI, "dev", 10, None),
        HoldingLine(M, IMSI, "sim2", 10, None),
    )
    keys = [
        (
            id_type,
            await domain.store.write(
                lambda conn, id_type=id_type, name=name: domain.vault.identifier_index(conn, id_type, name)
            ),
        )
        for id_type, name in ((IMSI, "sim1"), (IMEI, "dev"), (IMSI, "sim2"), (IMSI, "nobody's"))
    ]
    found = await domain.store.write(lambda conn: holdings_of(conn, keys))
    assert [len(found.get(key, [])) for key in keys] == [2, 2, 1, 0]


async def test_a_devices_line_ends_with_its_subscription(domain: Domain) -> None:
    await learn(domain, 100, HoldingLine(N, IMSI, "sim1", 10, 50), HoldingLine(N, IMEI, "dev", 10, None))
    assert {row.valid_to for row in await held(domain, "dev", IMEI)} == {50}
    assert {row.end for row in await held(domain, "dev", IMEI)} == {End.OPEN}


async def test_how_a_holding_ended_is_kept_and_told_of_the_device_too(domain: Domain) -> None:
    await learn(domain, 100, HoldingLine(N, IMSI, "sim1", 10, None), HoldingLine(N, IMEI, "dev", 10, None))
    gone = HoldingLine(N, IMSI, "sim1", 10, 50, End.PORTED_OUT)
    assert await learn(domain, 200, gone) == 1
    assert await learn(domain, 300, gone) == 0
    now = [row for row in await held(domain, "dev", IMEI) if row.recorded_to is None]
    assert {(row.valid_to, row.end) for row in now} == {(50, End.PORTED_OUT)}


async def test_how_a_holding_ended_can_be_told_later(domain: Domain) -> None:
    await learn(domain, 100, HoldingLine(N, IMSI, "sim1", 10, 50))
    assert await learn(domain, 200, HoldingLine(N, IMSI, "sim1", 10, 50, End.PORTED_OUT)) == 1
    assert [row.end for row in await held(domain, "sim1")] == [End.OPEN, End.PORTED_OUT]


async def test_a_device_that_was_given_up_before_keeps_its_own_end(domain: Domain) -> None:
    await learn(
        domain,
        100,
        HoldingLine(N, IMSI, "sim1", 10, 50, End.PORTED_OUT),
        HoldingLine(N, IMEI, "dev", 10, 40, End.CHANGED),
    )
    assert {row.end for row in await held(domain, "dev", IMEI) if row.id_type == IMEI} == {End.CHANGED}


async def test_a_device_whose_subscription_is_not_on_record_keeps_its_own_line(domain: Domain) -> None:
    await learn(domain, 100, HoldingLine(N, IMEI, "dev", 10, None))
    assert [row.valid_to for row in await held(domain, "dev", IMEI)] == [None]
    assert await current(domain) is not None


async def test_who_holds_a_number_now(domain: Domain) -> None:
    assert await current(domain) is None
    await learn(domain, 100, HoldingLine(N, IMSI, "sim1", 10, None), HoldingLine(N, IMEI, "dev", 10, None))
    (holder,) = {row.subscriber_id for row in await held(domain, "sim1")}
    assert await current(domain) == holder
    await learn(domain, 200, HoldingLine(N, IMSI, "sim1", 10, 150))
    assert await current(domain) is None


async def test_two_who_hold_a_number_now_are_nobody(domain: Domain) -> None:
    await learn(domain, 100, HoldingLine(N, IMSI, "sim1", 10, None), HoldingLine(N, IMSI, "sim2", 20, None))
    assert await current(domain) is None


async def test_numbers_are_sealed(domain: Domain) -> None:
    await learn(domain, 100, HoldingLine(N, IMSI, "sim1", 10, None))
    sealed = await domain.store.write(lambda conn: sealed_msisdn(conn, domain.vault.msisdn_index(conn, N)))
    assert N.encode() not in sealed
    assert domain.vault.open_msisdn(sealed) == N


async def test_each_import_gives_ids_that_no_subscriber_had(domain: Domain) -> None:
    """Without a look through the table, which grows with each line."""
    for some in range(3):
        lines = [
            HoldingLine(f"86138{some}{number:07d}", IMSI, f"sim{some}{number}", 10, None)
            for number in range(5)
        ]
        assert await learn(domain, 100, *lines) == 5
        assert await learn(domain, 100, *lines) == 0
    rows = await domain.store.read("SELECT subscriber_id FROM holding ORDER BY id")
    assert [row[0] for row in rows] == list(range(1, 16))
