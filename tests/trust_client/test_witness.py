"""Witnesses of a real trust party over HTTP: of an honest one, and of one that shows two faces."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from evidence.witness import Verdict
from gm.sm2 import PrivateKey
from interparty.client import PeerUnavailable
from interparty.messages import CheckpointBody
from tests.trust_client.faces import ALL, Scene, recorded, two_faces
from tests.trust_party.served import make_pki
from tests.trust_party.world import CARRIER, NOW, REGULATOR, People
from trust_client import witness as witnesses
from trust_client.bundle import cosigners, is_signed
from trust_client.witness import Misbehaviour, NotTheLogs
from trust_party import evidence_log, routes
from trust_party.witnesses import UNCOSIGNED_MS


@pytest.fixture(scope="module")
def people() -> People:
    return People()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def scene(tmp_path: Path, people: People, certificates: Path) -> AsyncIterator[Scene]:
    async with two_faces(tmp_path, people, certificates) as made:
        yield made


async def test_carrier_enterprise_and_regulator_cosign_one_checkpoint(scene: Scene) -> None:
    size = (await recorded(scene.party, 40)).size
    for name in ALL:
        async with scene.witness(name) as witness:
            cosigned = await witness.step()
            assert cosigned is not None
            assert cosigned.size == size
    best = await scene.party.witnesses.best(0, 3)
    assert best is not None
    found = cosigners(best, {name: [scene.key_of(name).public_key] for name in ALL})
    assert sorted(found) == sorted(ALL)


async def test_a_witness_follows_a_log_that_grows_and_cosigns_each_state_once(scene: Scene) -> None:
    async with scene.witness(CARRIER) as witness:
        for count in (0, 5, 1, 2000):
            checkpoint = await recorded(scene.party, count)
            cosigned = await witness.step()
            assert cosigned is not None
            assert (cosigned.size, cosigned.root) == (checkpoint.size, checkpoint.root)
            assert await witness.step() is None


async def test_a_witness_that_was_away_goes_on_from_what_it_remembers(scene: Scene) -> None:
    await recorded(scene.party, 3)
    async with scene.witness(REGULATOR) as witness:
        await witness.step()
    for _ in range(3):
        last = await recorded(scene.party, 100)
    async with scene.witness(REGULATOR) as witness:
        cosigned = await witness.step()
    assert cosigned is not None
    assert cosigned.size == last.size


async def test_what_was_written_down_and_not_handed_in_is_handed_in_first(scene: Scene) -> None:
    await recorded(scene.party)
    async with scene.witness(CARRIER) as witness:
        await witness.step()
    checkpoint = await recorded(scene.party)
    store = scene.store(CARRIER)
    async with scene.witness(CARRIER) as witness:
        # As when it was killed between writing down and handing in.
        store.put(await witness._signed(checkpoint), NOW)
        later = await recorded(scene.party)
        await witness.step()
    for each in (checkpoint, later):
        assert len((await scene.party.witnesses.witnessed(each)).cosignatures) == 1
    store.close()


async def test_a_log_with_another_key_is_not_cosigned(scene: Scene) -> None:
    await recorded(scene.party)
    async with scene.witness("ent-a") as witness:
        witness._log_keys = [PrivateKey.generate().public_key]
        with pytest.raises(NotTheLogs):
            await witness.step()
    assert (await scene.party.witnesses.views()).views == []


async def test_a_log_that_got_another_key_is_followed(scene: Scene) -> None:
    first = await recorded(scene.party)
    async with scene.witness(CARRIER) as witness, scene.witness(REGULATOR) as away:
        await witness.step()
        await away.step()
        await scene.renew_log_key()
        second = await recorded(scene.party)
        assert first.log_id != second.log_id
        cosigned = await witness.step()
        assert cosigned is not None
        assert cosigned.log_id == second.log_id
        # Views under old and new key are of one log.
        assert await away.step() is not None
    # After a restart it knows the key that it was given, and asks again.
    await recorded(scene.party)
    async with scene.witness(CARRIER) as witness:
        assert await witness.step() is not None


async def test_a_key_for_which_no_other_vouches_is_not_the_logs(scene: Scene) -> None:
    await recorded(scene.party, 3)
    async with scene.witness(CARRIER) as witness:
        assert await witness.step()
        scene.party.keys.add("log", "sm2")
        await recorded(scene.party, 40)
        with pytest.raises(NotTheLogs):
            await witness.step()


async def test_a_trust_party_that_does_not_answer_is_asked_again(scene: Scene) -> None:
    await scene.running.stop()
    async with scene.witness(CARRIER) as witness:
        with pytest.raises(PeerUnavailable):
            await witness.step()


# --- a copy of all leaves --------------------------------------------------------------------------------


async def test_a_witness_with_a_copy_makes_each_root_itself(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witnesses, "LEAVES_MAX", 100)
    monkeypatch.setattr(witnesses, "PAGES_MAX", 3)
    await recorded(scene.party, 200)
    last = await recorded(scene.party, 300)
    async with scene.witness(REGULATOR, mirror=True) as witness:
        # Far behind, it copies on in the next step, and cosigns nothing before it has all.
        steps = [await witness.step() for _ in range(3)]
        assert [each is not None for each in steps].count(True) == 1
        assert steps[-1] is not None
        assert steps[-1].size == last.size
    last = await recorded(scene.party, 1)
    async with scene.witness(REGULATOR, mirror=True) as witness:
        cosigned = await witness.step()
        assert cosigned is not None
        assert cosigned.root == last.root


async def test_leaves_that_do_not_make_the_root_are_noticed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await recorded(scene.party, 40)
    true = evidence_log.leaves

    async def altered(*given: Any) -> list[bytes]:
        found = await true(*given)
        return [*found[:-1], bytes(32)]

    monkeypatch.setattr(evidence_log, "leaves", altered)
    async with scene.witness(CARRIER, mirror=True) as witness:
        with pytest.raises(Misbehaviour) as caught:
            await witness.step()
    assert caught.value.verdict is Verdict.MISMATCH
    assert (await scene.party.witnesses.views()).views == []


async def test_who_has_the_leaves_compares_without_asking(scene: Scene) -> None:
    early = await recorded(scene.party, 5)
    other = await recorded(scene.faces["two"], 5)
    await recorded(scene.party, 100)
    async with scene.witness(CARRIER, mirror=True) as witness:
        await witness.step()
        await scene.running.stop()
        await witness.compare(early)
        with pytest.raises(Misbehaviour) as caught:
            await witness.compare(other)
    assert caught.value.verdict is Verdict.MISMATCH
    assert [each["root"] for each in caught.value.proof["checkpoints"]][1] == other.root


# --- two faces ------------------------------------------------------------------------------------------


def proof_of(scene: Scene, name: str) -> dict[str, object]:
    """What the witness wrote down: two checkpoints under the log's own signature."""
    found: dict[str, object] = json.loads((scene.data / name / "misbehaviour.json").read_text())
    checkpoints = found["checkpoints"]
    assert isinstance(checkpoints, list)
    bodies = [CheckpointBody.model_validate(each) for each in checkpoints]
    assert all(is_signed(body, scene.log_key) for body in bodies)
    return found


async def test_two_witnesses_that_are_shown_two_faces_notice_nothing_alone_and_all_when_they_compare(
    scene: Scene,
) -> None:
    one = await recorded(scene.faces["one"], 5)
    two = await recorded(scene.faces["two"], 5)
    scene.shown.shown = {CARRIER: "one", REGULATOR: "two"}
    async with scene.witness(CARRIER) as carrier, scene.witness(REGULATOR) as regulator:
        assert await carrier.step() is not None
        assert await regulator.step() is not None
        assert one.size == two.size
        assert one.root != two.root
        with pytest.raises(Misbehaviour) as caught:
            await carrier.compare(two)
    assert caught.value.verdict is Verdict.FORKED
    found = proof_of(scene, CARRIER)
    assert found["verdict"] == "FORKED"
    assert [each["root"] for each in caught.value.proof["checkpoints"]] == [one.root, two.root]


async def test_faces_of_different_size_are_told_apart_by_the_proof_that_there_is_not(scene: Scene) -> None:
    await recorded(scene.faces["one"], 5)
    await recorded(scene.faces["two"], 5)
    two = await recorded(scene.faces["two"], 90)
    async with scene.witness(CARRIER) as carrier:
        await carrier.step()
        with pytest.raises(Misbehaviour) as caught:
            await carrier.compare(two)
    assert caught.value.verdict is Verdict.UNPROVED
    assert (
        proof_of(scene, CARRIER)["what"]
        == "the log does not show that it extends the other; shown to different parties"
    )


async def test_neither_face_gets_the_quorum_of_both(scene: Scene) -> None:
    await recorded(scene.faces["one"], 5)
    await recorded(scene.faces["two"], 5)
    scene.shown.shown = {CARRIER: "one", "ent-a": "one", REGULATOR: "two"}
    for name in ALL:
        async with scene.witness(name) as witness:
            await witness.step()
    keys = {name: [scene.key_of(name).public_key] for name in ALL}
    counted = []
    for party in scene.faces.values():
        best = await party.witnesses.best(0)
        assert best is not None
        counted.append(len(cosigners(best, keys)))
    assert counted == [2, 1]


async def test_a_face_that_is_changed_later_is_noticed_at_once(scene: Scene) -> None:
    await recorded(scene.faces["one"], 5)
    for _ in range(3):
        await recorded(scene.faces["two"], 5)
    async with scene.witness("ent-a") as witness:
        await witness.step()
        scene.shown.shown = {"ent-a": "two"}
        with pytest.raises(Misbehaviour) as caught:
            await witness.step()
    assert caught.value.verdict is Verdict.UNPROVED
    assert proof_of(scene, "ent-a")["found_by"] == "ent-a"
    # What it did not believe it did not cosign.
    assert (await scene.faces["two"].witnesses.views()).views == []


async def test_a_log_that_lost_its_end_is_noticed(scene: Scene) -> None:
    for _ in range(3):
        await recorded(scene.faces["one"], 5)
    async with scene.witness("ent-a") as witness:
        await witness.step()
        scene.shown.shown = {"ent-a": "two"}
        scene.faces["two"].clock = NOW + 1
        await recorded(scene.faces["two"], 5)
        with pytest.raises(Misbehaviour) as caught:
            await witness.step()
    assert caught.value.verdict is Verdict.SHRANK


async def test_a_log_that_denies_what_it_signed_is_noticed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "now_ms", lambda: NOW)
    checkpoint = await recorded(scene.faces["one"], 5)
    store = scene.store("ent-a")
    async with scene.witness("ent-a") as witness:
        store.put(await witness._signed(checkpoint), NOW)
        scene.shown.shown = {"ent-a": "two"}
        with pytest.raises(Misbehaviour) as caught:
            await witness.step()
    store.close()
    assert caught.value.verdict is Verdict.DENIED


async def test_what_comes_too_late_to_be_kept_is_let_go_and_the_log_followed_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A witness was away for long, with a cosignature that it had not handed in."""
    one = scene.faces["one"]
    monkeypatch.setattr(routes, "now_ms", lambda: one.clock)
    checkpoint = await recorded(one, 5)
    store = scene.store("ent-a")
    async with scene.witness("ent-a") as witness:
        store.put(await witness._signed(checkpoint), NOW)
        one.clock = NOW + UNCOSIGNED_MS + 1
        newest = await recorded(one, 5)
        assert await one.witnesses.prune(one.clock) > 0
        cosigned = await witness.step()
        assert cosigned is not None
        assert (cosigned.size, cosigned.root) == (newest.size, newest.root)
    store.close()
    [view] = (await one.witnesses.views()).views
    assert view.checkpoint == newest


async def test_views_that_the_trust_party_relays_are_compared(scene: Scene) -> None:
    """A trust party that forked by mistake, and not by intent, passes on what gives it away."""
    one, two = scene.faces["one"], scene.faces["two"]
    await recorded(one, 5)
    await recorded(two, 5)
    scene.shown.shown = {REGULATOR: "two"}
    async with scene.witness(REGULATOR) as regulator:
        await regulator.step()
    relayed = await two.witnesses.views()

    async def views() -> object:
        return relayed

    one.witnesses.views = views  # type: ignore[method-assign, assignment]
    async with scene.witness(CARRIER) as carrier:
        with pytest.raises(Misbehaviour) as caught:
            await carrier.step()
    assert caught.value.verdict is Verdict.FORKED
    assert "different parties" in str(caught.value.proof["what"])
