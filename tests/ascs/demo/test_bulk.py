"""Many consents at once: in batches, each confirmed by the network's word, and all of them or an error."""

from typing import Any

import pytest

from ascs.demo.bulk import BATCH, deposit_all
from ascs.demo.layout import Person, person
from ascs.demo.script import StepFailed
from interparty.edi import edi_id, to_text

EDI = bytes([1]) * 209


class Phones:
    """The fleet: seals anything, and remembers whose sessions the network asserted."""

    def __init__(self) -> None:
        self.asserted: list[dict[str, Any]] = []

    async def seal_batch(self, items: list[dict[str, Any]]) -> list[str]:
        return [to_text(EDI)] * len(items)

    async def assert_batch(self, items: list[dict[str, Any]]) -> int:
        self.asserted += items
        return len(items)


class Enterprise:
    """Numbers its AIDs; refuses the n-th deposit; says whether all became ACTIVE."""

    def __init__(self, *, refuses: int = -1, active: bool = True) -> None:
        self.refuses = refuses
        self.active = active
        self.sizes: list[int] = []
        self.made = 0

    async def nonces(self, count: int) -> list[str]:
        return [f"{number:032x}" for number in range(count)]

    async def deposit(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.sizes.append(len(items))
        results = []
        for _ in items:
            refused = self.made == self.refuses
            results.append({"aid": None if refused else f"aid-{self.made}", "error": "REFUSED"})
            self.made += 1
        return results

    async def until_active(self, aids: list[str], seconds: float) -> bool:
        return self.active


async def deposited(enterprise: Enterprise, people: list[Person], phones: Phones | None = None) -> list[str]:
    return await deposit_all("ent-a", enterprise, phones or Phones(), people)  # type: ignore[arg-type]


PEOPLE = [person(number) for number in range(1, BATCH + 2)]


async def test_everybodys_aid_in_order_and_in_batches() -> None:
    enterprise = Enterprise()
    aids = await deposited(enterprise, PEOPLE)
    assert aids == [f"aid-{number}" for number in range(len(PEOPLE))]
    assert sorted(enterprise.sizes) == [1, BATCH]


async def test_the_network_says_whose_session_each_was() -> None:
    phones = Phones()
    await deposited(Enterprise(), PEOPLE[:2], phones)
    assert [each["msisdn"] for each in phones.asserted] == [each.msisdn for each in PEOPLE[:2]]
    assert {each["edi_id"] for each in phones.asserted} == {edi_id(EDI).hex()}


async def test_one_deposit_that_is_refused_is_told() -> None:
    with pytest.raises(StepFailed, match="1 deposits refused, the first: REFUSED"):
        await deposited(Enterprise(refuses=1), PEOPLE[:3])


async def test_consents_that_nobody_confirmed_are_told() -> None:
    with pytest.raises(StepFailed, match="not all consents became ACTIVE"):
        await deposited(Enterprise(active=False), PEOPLE[:1])


async def test_nobody_is_nothing_to_do() -> None:
    enterprise = Enterprise()
    assert await deposited(enterprise, []) == []
    assert enterprise.sizes == []
