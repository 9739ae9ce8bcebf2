import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.trust_party.world import Party, People, initialise, settings_in
from trust_party.settings import TrustSettings


@pytest.fixture(scope="package")
def people() -> People:
    return People()


@pytest.fixture(scope="package")
def admitted_folder(tmp_path_factory: pytest.TempPathFactory, people: People) -> Path:
    """A data folder with everyone admitted, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("trust")
    settings = settings_in(folder)
    initialise(settings)
    people.admit(settings)
    return folder


@pytest.fixture
def settings(tmp_path: Path, admitted_folder: Path) -> TrustSettings:
    folder = tmp_path / "trust"
    shutil.copytree(admitted_folder, folder)
    return settings_in(folder)


@pytest.fixture
async def party(settings: TrustSettings, people: People) -> AsyncIterator[Party]:
    party = Party(settings, people)
    await party.directory.refresh()
    yield party
    await party.store.close()
