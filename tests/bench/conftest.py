"""A house with three AIDs, made once."""

import pytest

from bench import house
from bench.house import House


@pytest.fixture(scope="package")
def built(tmp_path_factory: pytest.TempPathFactory) -> House:
    return house.build(tmp_path_factory.mktemp("bench") / "house", 3)
