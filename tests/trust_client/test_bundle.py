"""Bundles, checked offline: one made by other code than the product's, and every way to falsify it."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evidence.log import leaf_of
from gm.sm2 import PrivateKey, PublicKey
from interparty import statements
from interparty.evidence_messages import BundleRecord, Cosignature
from trust_client import bundle as bundles
from trust_client.bundle import Report, Trusted

VECTOR: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "bundle.json").read_text())
KEYS = {name: PublicKey.from_bytes(bytes.fromhex(key)) for name, key in VECTOR["keys"].items()}
WITNESSES = ("CMCC", "ent-a", "regulator")
TRUSTED = Trusted(
    [KEYS["log"]],
    {name: [KEYS[name]] for name in WITNESSES},
    3,
    {name: [KEYS[name]] for name in ("ent-a", "CMCC")},
)
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def draw() -> random.Random:
    return random.Random(20261130)


def checked(change: Change | None = None, trusted: Trusted = TRUSTED) -> Report:
    made = copy.deepcopy(VECTOR["bundle"])
    if change is not None:
        change(made)
    return bundles.verify(bundles.read(json.dumps(made)), trusted)


def wrong(report: Report) -> str:
    return "\n".join(finding.text for finding in report.findings if finding.holds is False)


def opened(report: Report) -> str:
    return "\n".join(finding.text for finding in report.findings if finding.holds is None)


def test_the_vector_is_proved_whole() -> None:
    report = checked()
    assert report.holds
    assert report.complete
    assert len(report.findings) == 7


def set_record(at: int, **changed: Any) -> Change:
    def change(made: dict[str, Any]) -> None:
        whole = made["records"][at] | changed
        made["records"][at] = {name: value for name, value in whole.items() if value is not None}

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda made: set_record(0, record=made["records"][0]["record"].replace("20/day", "21/day"))(made),
        set_record(0, salt="00" * 32),
        set_record(0, index=4),
        set_record(0, index=8),
        set_record(0, proof=[]),
        lambda made: set_record(1, proof=made["records"][0]["proof"])(made),
        lambda made: made["records"].__setitem__(1, made["records"][1] | {"record": "{}"}),
    ],
)
def test_an_altered_record_is_not_in_the_log(change: Change) -> None:
    report = checked(change)
    assert "is NOT in the log like this" in wrong(report)


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made["checkpoint"].update(size=9),
        lambda made: made["checkpoint"].update(time_ms=1),
        lambda made: made["checkpoint"].update(root="00" * 32),
        lambda made: made["checkpoint"].update(signature="A" * 86),
        lambda made: made["checkpoint"].update(signature="A" * 85 + "B"),
        lambda made: made.update(checkpoint=made["later"]["checkpoint"] | {"log_id": "00" * 32}),
    ],
)
def test_a_checkpoint_that_the_log_did_not_sign_ends_it(change: Change) -> None:
    report = checked(change)
    assert "Nothing below is proved" in wrong(report)
    assert len(report.findings) == 1


def test_the_key_in_the_bundle_is_not_believed() -> None:
    stranger = PrivateKey.generate().public_key
    report = checked(trusted=Trusted([stranger]))
    assert not report.holds


def test_a_checkpoint_counts_with_k_of_n() -> None:
    def two_left(made: dict[str, Any]) -> None:
        made["cosignatures"] = made["cosignatures"][:2]

    assert "2 of 3 witnesses" in wrong(checked(two_left))
    enough = Trusted(TRUSTED.log_keys, TRUSTED.witnesses, 2, TRUSTED.parties)
    assert checked(two_left, enough).complete


def test_a_checkpoint_counts_too_by_a_later_one_that_holds_it() -> None:
    def seen_later_alone(made: dict[str, Any]) -> None:
        made["cosignatures"] = []

    one = Trusted(TRUSTED.log_keys, TRUSTED.witnesses, 1, TRUSTED.parties)
    report = checked(seen_later_alone, one)
    assert report.complete
    assert "1 of 3 witnesses saw the later checkpoint below" in report.findings[1].text
    assert not checked(seen_later_alone).holds

    def unrelated(made: dict[str, Any]) -> None:
        seen_later_alone(made)
        made["later"]["proof"] = []

    assert "0 of 3 witnesses" in wrong(checked(unrelated, one))


def test_a_witness_counts_once_and_only_for_this_checkpoint_under_its_own_key() -> None:
    def same_thrice(made: dict[str, Any]) -> None:
        made["cosignatures"] = made["cosignatures"][:1] * 3

    def of_another_checkpoint(made: dict[str, Any]) -> None:
        made["cosignatures"] = made["later"]["cosignatures"]

    def under_another_name(made: dict[str, Any]) -> None:
        for each in made["cosignatures"]:
            each["statement"]["witness"] = "regulator"

    assert "1 of 3 witnesses" in wrong(checked(same_thrice))
    assert "0 of 3 witnesses" in wrong(checked(of_another_checkpoint))
    assert "1 of 3 witnesses" in wrong(checked(under_another_name))


def test_a_strangers_cosignature_does_not_count() -> None:
    key = PrivateKey.generate()

    def add(made: dict[str, Any]) -> None:
        body = bundles.read(json.dumps(made)).checkpoint
        statement = Cosignature.of(body, "stranger", 1)
        signature = statements.sign(key, statements.COSIGN, statement)
        made["cosignatures"] = [{"statement": statement.fields(), "signature": signature}]

    assert "0 of 3 witnesses" in wrong(checked(add))


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made["later"].update(proof=[]),
        lambda made: made["later"]["proof"].append("00" * 32),
        lambda made: made["later"]["checkpoint"].update(root="00" * 32),
        lambda made: made["later"].update(checkpoint=made["checkpoint"] | {"size": 7}),
    ],
)
def test_a_later_log_that_does_not_extend_this_one_is_wrong(change: Change) -> None:
    assert "NOT shown to be in it unchanged" in wrong(checked(change))


def test_a_consent_that_is_not_in_the_signed_list_is_wrong() -> None:
    assert "not among those" in wrong(checked(set_record(0, consents=["ab" * 32])))
    assert "not among those" in wrong(checked(set_record(0, consents=None)))


def test_another_list_is_not_what_was_signed() -> None:
    listed = VECTOR["bundle"]["records"][0]["consents"]
    assert "does NOT verify" in wrong(checked(set_record(0, consents=listed[:1])))


def test_a_signature_under_no_known_key_is_wrong_and_under_the_bundles_own_open() -> None:
    given = Trusted(TRUSTED.log_keys, TRUSTED.witnesses, 3)
    assert opened(checked(trusted=given)).count("Checked only with the key in this bundle") == 2
    assert wrong(checked(lambda made: made.update(keys={}), given)).count("verifies under no key") == 2
    other = Trusted(TRUSTED.log_keys, TRUSTED.witnesses, 3, {"ent-a": [KEYS["CMCC"]], "CMCC": [KEYS["log"]]})
    assert wrong(checked(trusted=other)).count("does NOT verify under the key given") == 2


def test_a_key_in_the_bundle_that_is_none_is_passed_over() -> None:
    given = Trusted(TRUSTED.log_keys, TRUSTED.witnesses, 3)
    bad = dict.fromkeys(VECTOR["bundle"]["keys"], "04" + "11" * 64)
    assert wrong(checked(lambda made: made.update(keys=bad), given)).count("verifies under no key") == 2


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield (*path, name)
        yield from places(each, (*path, name))


def test_no_change_at_any_place_passes_or_is_too_much(draw: random.Random) -> None:
    """Wherever a bundle is changed, also inside the texts of its records, it is refused or not proved whole."""
    for path in places(VECTOR["bundle"]):
        made = copy.deepcopy(VECTOR["bundle"])
        *above, last = path
        inner = made
        for name in above:
            inner = inner[name]
        if path[0] == "keys" or path[-1] in ("later", "cosignatures") or path[0] == "log":
            continue  # for convenience alone, or what may be missing
        longer = inner[last] * 2 if isinstance(inner[last], str) else "x"
        inner[last] = draw.choice([None, 0, -1, "", "ab", [], {}, 2**60, longer])
        try:
            bundle = bundles.read(json.dumps(made))
        except ValueError:
            continue
        assert not bundles.verify(bundle, TRUSTED).complete, path


def test_a_record_of_any_shape_is_told_or_found_wanting(draw: random.Random) -> None:
    """The log's operator may put anything under a leaf; what checks it must not fall over it."""
    record = json.loads(VECTOR["bundle"]["records"][0]["record"])
    confirmation = json.loads(VECTOR["bundle"]["records"][1]["record"])
    made, trusted = bundles.read(json.dumps(VECTOR["bundle"])), Trusted([KEYS["log"]])
    for original in (record, confirmation, confirmation | {"kind": "CANCELLATION", "by": "CMCC"}):
        for path in places(original):
            changed = copy.deepcopy(original)
            inner: Any = changed
            for name in path[:-1]:
                inner = inner[name]
            inner[path[-1]] = draw.choice([None, 0, 1.5, 2**60, "", "\x1b[2J", [], {}, [[]]])
            text = json.dumps(changed)
            leaf = leaf_of(text.encode(), bytes(32))
            one = BundleRecord(index=0, record=text, salt="00" * 32, proof=[], consents=["ab" * 32])
            state = made.checkpoint.model_copy(update={"size": 1, "root": leaf.hex()})
            told = bundles._record(made.model_copy(update={"checkpoint": state}), one, trusted, trusted, {})
            holds = [finding.holds for finding in told]
            assert holds[0] is True


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "\x00", json.dumps(VECTOR["bundle"] | {"format": "ASCS-BUNDLE2"})]
)
def test_what_is_no_bundle_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a bundle"):
        bundles.read(text)


def test_times_beyond_the_calendar_are_told_as_they_are() -> None:
    assert bundles.time_text(0) == "1970-01-01 08:00:00"
    assert bundles.time_text(2**53 - 1) == f"{2**53 - 1} ms"
