"""The trust party's routes answer as their OpenAPI document says, whatever it allows or forbids is sent."""

import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from foundation import pki
from interparty import openapi, statements
from interparty.edi import date_in_shanghai
from interparty.key_messages import KeyEvent
from interparty.messages import Cancellation, Confirmation, Consent, Rotation
from interparty.signed_http import Signer
from interparty.values import COUNT_MAX
from tests import schema_fuzz
from tests.schema_fuzz import Caller, Tally, operations
from tests.trust_party.world import CARRIER, HMAC_KEY, REGULATOR, People, deposit_of, initialise, settings_in
from trust_party.app import started
from trust_party.clock import DAY_MS, HOUR_MS, now_ms

DOCUMENT = openapi.trust_party()


NOT_BY_CHANCE = (
    "/v1/keys",
    "/v1/aids/{aid}",
    "/v1/conversions",
    "/v1/log/inclusion",
    "/v1/log/consistency",
    "/v1/log/cosignatures",
)
"""What these ask for is hardly ever there when it is drawn."""


class World:
    """A trust party that listens, everyone's keys, and how to make what is generated true."""

    def __init__(self, folder: Path, people: People) -> None:
        self.people = people
        self.folder = folder
        self.port = 0
        self.aids: list[str] = []
        self.edi_ids: list[str] = []
        self._dice = random.Random(1)

    def caller(self, role: str) -> Caller:
        party, signer = {
            "enterprise": ("ent-a", Signer("ent-a/sign/1", self.people.enterprises["ent-a"])),
            "carrier": (CARRIER, Signer(f"{CARRIER}/http/1", HMAC_KEY)),
            "regulator": (REGULATOR, Signer(f"{REGULATOR}/sign/1", self.people.regulators[REGULATOR])),
            "": ("stranger", Signer("stranger/sign/1", self.people.edi_key)),
        }[role]
        return Caller(role, self.folder / party, party, signer)

    def mend(self, role: str, path: str, body: dict[str, Any]) -> None:
        """In half of all bodies, real deposits, AIDs and edi_ids; and signatures by whom they should be. What the
        models refuse, such as 1.0 for an integer, is sent as it is."""
        if self._dice.random() < 0.5:
            self._make_real(body)
            if path == "/v1/evidence/queries":
                body.setdefault("case", "case-1")  # a regulator names one
        key = {
            "enterprise": self.people.enterprises["ent-a"],
            "carrier": self.people.carriers[CARRIER],
            "regulator": self.people.regulators[REGULATOR],
        }[role]
        if path == "/v1/deposits":
            with contextlib.suppress(ValueError):
                consents = [Consent.model_validate(each["consent"]) for each in body["deposits"]]
                body["signature"] = statements.sign(
                    key, statements.CONSENT, statements.consent_list(consents)
                )
        for name, tag, model in (
            ("cancellations", statements.CANCEL, Cancellation),
            ("rotations", statements.ROTATE, Rotation),
            ("confirmations", statements.CONFIRM, Confirmation),
        ):
            for each in body.get(name, ()):
                with contextlib.suppress(ValueError):
                    each["signature"] = statements.sign(key, tag, model.model_validate(each["statement"]))
        for each in body.get("events", ()):
            party = {"enterprise": "ent-a", "carrier": CARRIER, "regulator": REGULATOR}[role]
            with contextlib.suppress(ValueError, TypeError):
                said = KeyEvent.model_validate(each["statement"] | {"party": party, "at": now_ms()})
                each["statement"], each["keyid"] = said.fields(), f"{party}/sign/1"
                each["signature"] = statements.sign(key, statements.KEYEVENT, said)

    def _make_real(self, value: Any) -> None:
        if isinstance(value, list):
            for each in value:
                self._make_real(each)
        if not isinstance(value, dict):
            return
        if "consent" in value and "edis" in value:
            value |= self._deposit()
            return
        if "period_from" in value:
            value["period_to"] = min(int(value["period_from"]) + DAY_MS, COUNT_MAX)
        for name, each in value.items():
            if name == "aid" and self.aids and each is not None:
                value[name] = self._dice.choice(self.aids)
            elif name == "edi_id" and self.edi_ids and each is not None:
                value[name] = self._dice.choice(self.edi_ids)
            elif name == "enterprise":
                value[name] = "ent-a"
            elif name == "carrier":
                value[name] = CARRIER
            elif name in ("at", "confirmed_at"):
                value[name] = now_ms()
            elif name == "aids":
                value[name] = self._dice.choices(self.aids or ["8" * 18], k=len(each))
            else:
                self._make_real(each)

    def _deposit(self) -> dict[str, Any]:
        now = now_ms()
        nonce = self._dice.randbytes(16)
        deposit = deposit_of(
            self.people,
            edis_of=[self.people.seal(nonce, as_of=date_in_shanghai(now))],
            nonce=nonce.hex(),
            term_from=now,
            term_to=now + DAY_MS,
            collected_at=now - HOUR_MS,
        )
        self.edi_ids += deposit.consent.edi_ids
        return deposit.fields()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("fuzz")
    people = People()
    settings = settings_in(folder / "trust")
    (folder / "trust").mkdir()
    initialise(settings)
    people.admit(settings)
    pki.make_ca(folder / "ca", "Test CA")
    pki.make_party(folder / "trust" / "pki", folder / "ca", "ttp")
    for party in ("ent-a", CARRIER, REGULATOR, "stranger"):
        pki.make_party(folder / party, folder / "ca", party)

    @contextlib.asynccontextmanager
    async def served() -> AsyncIterator[int]:
        async with started(settings) as party:
            yield party.port

    world = World(folder, people)
    with schema_fuzz.in_thread(served) as port:
        world.port = port
        _deposit_some(world)
        yield world


def _deposit_some(world: World) -> None:
    """A few AIDs, so that what is asked about some is there."""
    import requests

    caller = world.caller("enterprise")
    body: dict[str, Any] = {"deposits": [world._deposit() for _ in range(3)], "signature": ""}
    world.mend("enterprise", "/v1/deposits", body)
    with caller.session() as session:
        answer: requests.Response = session.post(
            f"https://127.0.0.1:{world.port}/v1/deposits", json=body, auth=schema_fuzz.Signed(caller.signer)
        )
    results = answer.json()["results"]
    world.aids = [each["aid"] for each in results]
    carrier = world.caller("carrier")
    confirmations = [
        {"statement": world.people.confirmation(one, confirmed_at=now_ms()).fields(), "signature": ""}
        for one in (Consent.model_validate(each["consent"]) for each in body["deposits"])
    ]
    said: dict[str, Any] = {"confirmations": confirmations}
    world.mend("carrier", "/v1/confirmations", said)
    with carrier.session() as session:
        answer = session.post(
            f"https://127.0.0.1:{world.port}/v1/confirmations",
            json=said,
            auth=schema_fuzz.Signed(carrier.signer),
        )
    assert [each["status"] for each in answer.json()["results"]] == ["ACTIVE"] * 3


def _fuzz(world: World, method: str, path: str, role: str, **options: int) -> Tally:
    world._dice.seed(path)
    return schema_fuzz.fuzz(
        DOCUMENT,
        world.port,
        method,
        path,
        world.caller(role),
        lambda path, body: world.mend(role, path, body),
        **options,
    )


@pytest.mark.parametrize(("method", "path", "role"), operations(DOCUMENT))
def test_it_answers_as_described(world: World, method: str, path: str, role: str) -> None:
    tally = _fuzz(world, method, path, role)
    assert tally.taken or path in NOT_BY_CHANCE, tally


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("method", "path", "role"), operations(DOCUMENT))
def test_it_answers_as_described_for_long(world: World, method: str, path: str, role: str) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}: {_fuzz(world, method, path, role, examples=schema_fuzz.SOAK_EXAMPLES, start=seed)}")
