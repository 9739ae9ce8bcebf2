"""`ascs evidence witness`, `show` and `compare` as programs, beside a trust party that can show two faces."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.ascs.commands.cli import ascs
from tests.trust_client.faces import ALL, Scene, recorded, two_faces
from tests.trust_party.served import make_pki
from tests.trust_party.world import CARRIER, REGULATOR, People

WAIT_S = 60.0


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with two_faces(tmp_path, People(), make_pki(tmp_path / "pki")) as made:
        yield made


def configured(scene: Scene, name: str) -> Path:
    """A witness's configuration and keys."""
    folder = scene.data / f"witness-{name}"
    folder.mkdir()
    (folder / "log-1.pem").write_bytes(scene.log_key.to_pem())
    (folder / "sign.key").write_bytes(scene.key_of(name).to_pem())
    (folder / "trust.pem").write_bytes(scene.party.keys.current("sign").sm2.public_key.to_pem())
    for other in ALL:
        (folder / f"{other}.pem").write_bytes(scene.key_of(other).public_key.to_pem())
    pki = scene.folder / name
    lines = [
        f'party = "{name}"',
        f'data_dir = "{scene.data / name}"',
        'log_key = "log-1.pem"',
        "every_seconds = 0.05",
        "[trust]",
        f'url = "https://127.0.0.1:{scene.running.port}"',
        'party = "ttp"',
        f'ca = "{pki / "ca.pem"}"',
        f'cert = "{pki / f"{name}.pem"}"',
        f'key = "{pki / f"{name}.key"}"',
        f'sign_key_id = "{name}/sign/1"',
        'sign_key = "sign.key"',
        "[trust.peer_keys]",
        '"ttp/sign/1" = "trust.pem"',
        "[witnesses]",
        *(f'"{other}" = "{other}.pem"' for other in ALL),
    ]
    (folder / "witness.toml").write_text("\n".join(lines))
    return folder / "witness.toml"


@contextlib.asynccontextmanager
async def watching(config: Path) -> AsyncIterator[Process]:
    """The program; killed in the end, if it is there still."""
    arguments = ("-m", "ascs", "evidence", "witness", str(config))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE, stderr=PIPE)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def cosigned_by(scene: Scene, count: int, size: int) -> None:
    """Returns when so many witnesses cosigned a log of that size."""
    async with asyncio.timeout(WAIT_S):
        while (await scene.party.witnesses.best(size, count)) is None:  # noqa: ASYNC110 (another process does it)
            await asyncio.sleep(0.02)


async def step(scene: Scene, *names: str) -> None:
    """As the program does, without starting one."""
    for name in names:
        async with scene.witness(name) as witness:
            await witness.step()


async def ran(*arguments: object) -> Result:
    """A command that asks the listener in this loop."""
    return await asyncio.to_thread(ascs, "evidence", *arguments)


async def test_a_witness_survives_a_kill_goes_on_and_ends_loudly_when_the_log_shows_another_face(
    scene: Scene,
) -> None:
    config = configured(scene, "ent-a")
    for _ in range(3):
        await recorded(scene.faces["two"])
    first = await recorded(scene.party)
    async with watching(config) as process:
        await cosigned_by(scene, 1, first.size)
        process.kill()
        await process.communicate()
    for _ in range(3):
        second = await recorded(scene.party)
    async with watching(config) as process:
        await cosigned_by(scene, 1, second.size)
        for _ in range(8):
            other = await recorded(scene.faces["two"])
        scene.shown.shown = {"ent-a": "two"}
        async with asyncio.timeout(WAIT_S):
            _, error = await process.communicate()
        said = error.decode()
    assert process.returncode == 4
    assert "THE LOG SHOWED TWO FACES" in said
    assert said.count("it signed: ") == 2
    found = json.loads((scene.data / "ent-a" / "misbehaviour.json").read_text())
    assert found["verdict"] == "UNPROVED"
    assert [each["size"] for each in found["checkpoints"]] == [second.size, other.size]

    scene.shown.shown = {}
    refused = await ran("show", config)
    assert refused.exit_code == 1
    assert "the log misbehaved" in refused.output


async def test_two_witnesses_compare_what_they_were_shown(scene: Scene) -> None:
    carrier, regulator = configured(scene, CARRIER), configured(scene, REGULATOR)
    size = (await recorded(scene.party)).size
    await step(scene, CARRIER, REGULATOR)
    shown = (await ran("show", regulator)).output
    theirs = scene.data / "theirs.json"
    theirs.write_text(shown)
    result = await ran("compare", carrier, theirs)
    assert result.exit_code == 0, result.output
    assert f"{size} leaves" in result.output
    assert "the same log" in result.output

    two = await recorded(scene.faces["two"])
    theirs.write_text(json.dumps(json.loads(shown) | {"checkpoint": two.fields(), "cosignatures": []}))
    result = await ran("compare", carrier, theirs)
    assert result.exit_code == 4
    assert "both have the same size and different roots; shown to different parties" in result.output


async def test_a_bundle_is_compared_with_what_a_witness_saw(scene: Scene) -> None:
    carrier, file = configured(scene, CARRIER), scene.data / "bundle.json"
    await recorded(scene.party)
    await step(scene, CARRIER)
    for name, status in (("one", 0), ("two", 4)):
        party = scene.faces[name]
        await recorded(party)
        bundle = await party.bundles.export([0])
        assert bundle is not None
        file.write_text(bundle.model_dump_json(exclude_none=True))
        assert (await ran("compare", carrier, file)).exit_code == status


async def test_what_is_no_checkpoint_is_refused_and_before_the_first_there_is_nothing(scene: Scene) -> None:
    config = configured(scene, CARRIER)
    assert "nothing was cosigned yet" in (await ran("show", config)).output
    file = scene.data / "other.json"
    file.write_text("{}")
    result = await ran("compare", config, file)
    assert result.exit_code == 1
    assert "neither a witness's checkpoint nor a bundle nor an anchor" in result.output
