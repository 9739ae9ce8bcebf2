"""Whose EDIs a query by number means, and what is kept of queries."""

from gateway.store import edis, number_queries
from gateway.store.domain import Domain
from gateway.store.number_queries import ApproverRow, QueryRow
from gateway.store.subscribers import HoldingLine, import_lines
from masking.resolve import day_window
from tests.gateway.carrier import ENTERPRISE, IMSI, edi_row

N = "8613800000009"
IMEI = 1
DAY = 86_400_000
FIRST, _ = day_window(20261001)
EDI = bytes.fromhex("44" * 16)


async def lines(domain: Domain, *given: HoldingLine, at: int = FIRST) -> None:
    await domain.store.write(lambda conn: import_lines(conn, domain.vault, given, at))


async def found(domain: Domain, start: int, end: int) -> list[bytes]:
    index = await domain.store.write(lambda conn: domain.vault.msisdn_index(conn, N))
    return await domain.store.write(
        lambda conn: number_queries.edi_ids_of(conn, index, ENTERPRISE, start, end)
    )


async def opened(domain: Domain, **fields: object) -> None:
    row = await domain.store.write(lambda conn: edi_row(conn, domain.vault, EDI, N, **fields))
    await domain.store.write(lambda conn: edis.insert(conn, row))


async def test_a_period_counts_from_its_start_and_not_to_its_end(domain: Domain) -> None:
    await lines(domain, HoldingLine(N, IMSI, "sim", FIRST, FIRST + 10 * DAY))
    await opened(domain, identifier="sim", as_of=20261005)
    assert await found(domain, FIRST - DAY, FIRST) == []
    assert await found(domain, FIRST - DAY, FIRST + 1) == [EDI]
    assert await found(domain, FIRST + 10 * DAY - 1, FIRST + 20 * DAY) == [EDI]
    assert await found(domain, FIRST + 10 * DAY, FIRST + 20 * DAY) == []


async def test_a_device_counts_for_whose_subscription_it_was_in(domain: Domain) -> None:
    await lines(
        domain,
        HoldingLine(N, IMSI, "sim-1", FIRST, FIRST + 10 * DAY),
        HoldingLine(N, IMEI, "phone", FIRST, None),
        HoldingLine(N, IMSI, "sim-2", FIRST + 10 * DAY, None),
    )
    await opened(domain, id_type=IMEI, identifier="phone", as_of=20261005)
    assert await found(domain, FIRST, FIRST + DAY) == [EDI]
    assert await found(domain, FIRST + 11 * DAY, FIRST + 12 * DAY) == []


async def test_what_the_record_no_longer_says_is_nobodys(domain: Domain) -> None:
    await lines(domain, HoldingLine(N, IMSI, "sim", FIRST, None))
    await opened(domain, identifier="sim", as_of=20261005)
    await lines(domain, HoldingLine(N, IMSI, "sim", FIRST, FIRST + DAY), at=FIRST + DAY)
    assert await found(domain, FIRST, FIRST + DAY) == []


async def test_approvers_and_queries_come_back_as_they_were_put(domain: Domain) -> None:
    approver = ApproverRow("li-si", "regulator", "李四", bytes(65), 5)
    sealed = number_queries.seal_number(domain.vault, N)
    query = QueryRow(bytes(32), 7, "regulator", "case", ENTERPRISE, 1, 2, "li-si zhang-san", 3, sealed)

    def put(conn: object) -> None:
        number_queries.add_approver(conn, approver)  # type: ignore[arg-type]
        number_queries.put(conn, query)  # type: ignore[arg-type]

    await domain.store.write(put)
    assert await domain.store.write(number_queries.approvers) == [approver]
    assert await domain.store.write(lambda conn: number_queries.queries(conn, 9)) == [query]
    assert await domain.store.write(lambda conn: number_queries.is_known(conn, bytes(32)))
    for since, count in ((7, 1), (8, 0)):
        assert (
            await domain.store.write(
                lambda conn, at=since: number_queries.count_since(conn, "regulator", at)  # type: ignore[misc]
            )
            == count
        )
    assert number_queries.open_number(domain.vault, query) == N
