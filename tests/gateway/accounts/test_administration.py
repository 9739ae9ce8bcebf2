"""What an operator adds; an error in a file names its line and never its values."""

import io
from pathlib import Path
from typing import Any

import pytest

from gateway.accounts import administration
from gateway.accounts.administration import (
    SubscriberLineError,
    bar_subscribers,
    import_subscribers,
    read_subscribers,
)
from gateway.store import edis
from gateway.store.domain import Domain
from gateway.store.subscribers import HoldingLine
from masking.resolve import End

HEADER = "msisdn,id_type,id,valid_from,valid_to\n"
GOOD = "+8613800000001,IMSI,460001234567890,2026-01-01,\n"


def test_dates_are_midnight_in_shanghai() -> None:
    assert list(read_subscribers(io.StringIO(HEADER + GOOD))) == [
        HoldingLine("8613800000001", 2, "460001234567890", 1767196800000, None)
    ]


@pytest.mark.parametrize(
    "bad",
    [
        "13800x,IMSI,460001234567890,2026-01-01,",
        "8613800000001,PASSPORT,460001234567890,2026-01-01,",
        "8613800000001,9,460001234567890,2026-01-01,",
        "8613800000001,IMSI,,2026-01-01,",
        "8613800000001,IMSI,460001234567890,soon,",
        "8613800000001,IMSI,460001234567890,2026-01-01,2026-01-01",
    ],
)
def test_an_error_names_the_line_and_no_value(bad: str) -> None:
    with pytest.raises(SubscriberLineError) as error:
        list(read_subscribers(io.StringIO(HEADER + GOOD + bad + "\n")))
    assert error.value.line == 3
    assert str(error.value).startswith("line 3: ")
    assert "13800" not in str(error.value)
    assert "46000" not in str(error.value)


@pytest.mark.parametrize("end", ["", ",2026-01-01,,"])
def test_a_line_with_too_few_or_too_many_columns_is_named_too(end: str) -> None:
    with pytest.raises(SubscriberLineError) as error:
        list(read_subscribers(io.StringIO(HEADER + GOOD + f"8613800000001,IMSI,460001234567890{end}\n")))
    assert error.value.line == 3


def test_a_sixth_column_says_how_a_holding_ended() -> None:
    header = HEADER.replace("\n", ",ended\n")
    line = "8613800000001,IMSI,460001234567890,2026-01-01"
    table = (
        header + f"{line},,\n{line},2026-02-01,\n{line},2026-02-01,changed\n{line},2026-02-01,ported_out\n"
    )
    assert [each.end for each in read_subscribers(io.StringIO(table))] == [
        End.OPEN,
        End.OPEN,
        End.CHANGED,
        End.PORTED_OUT,
    ]
    for bad in (f"{line},2026-02-01,lost\n", f"{line},,ported_out\n", f"{line},2026-02-01\n"):
        with pytest.raises(SubscriberLineError) as error:
            list(read_subscribers(io.StringIO(header + bad)))
        assert error.value.line == 2


def test_another_header_is_refused() -> None:
    with pytest.raises(SubscriberLineError, match="line 1"):
        list(read_subscribers(io.StringIO("number,id\n")))


async def test_subscribers_are_barred_and_the_bar_is_lifted(domain: Domain) -> None:
    async def bar(*numbers: str, lift: bool = False) -> int:
        return await domain.store.write(lambda conn: bar_subscribers(conn, domain, numbers, lift=lift))

    assert await bar("+8613800000001", "8613800000002", "8613800000002") == 2
    assert await bar("8613800000001") == 0
    index = await domain.store.write(lambda conn: domain.vault.msisdn_index(conn, "8613800000001"))
    blocks = await domain.store.write(lambda conn: edis.blocked_at(conn, [index]))
    assert list(blocks) == [(edis.EVERY_ENTERPRISE, index)]
    assert await bar("8613800000001", "8613800000009", lift=True) == 1
    with pytest.raises(ValueError, match=r"number 2 is not E\.164") as caught:
        await bar("8613800000003", "CMCC")
    assert "CMCC" not in str(caught.value)
    assert await bar("8613800000003") == 1, "the list as it was"


async def test_an_import_lets_others_write_between_its_steps(
    domain: Domain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(administration, "LINES_AT_ONCE", 2)
    file = tmp_path / "subscribers.csv"
    people = [f"861380000000{number},IMEI,35209900176148{number},2026-01-01,\n" for number in range(3)]
    people += [f"861380000000{number},IMSI,46000123456789{number},2026-01-01,\n" for number in range(3)]
    file.write_text(HEADER + "".join(people))
    steps: list[int] = []
    write = domain.store.write

    async def counted(op: Any) -> Any:
        steps.append(await write(op))
        return steps[-1]

    monkeypatch.setattr(domain.store, "write", counted)
    assert await import_subscribers(domain, file) == 6
    assert steps == [2, 2, 2]
    # Whose device it is was known when its line came: the numbers' own lines came first.
    rows = await domain.store.read("SELECT COUNT(DISTINCT subscriber_id) FROM holding")
    assert rows[0][0] == 3
    # Interrupted anywhere, it is imported again.
    assert await import_subscribers(domain, file) == 0


async def test_of_a_file_with_a_wrong_line_nothing_is_imported(domain: Domain, tmp_path: Path) -> None:
    file = tmp_path / "subscribers.csv"
    file.write_text(HEADER + GOOD + "8613800000001,IMSI,,2026-01-01,\n")
    with pytest.raises(SubscriberLineError):
        await import_subscribers(domain, file)
    assert await domain.store.read("SELECT 1 FROM holding") == []
