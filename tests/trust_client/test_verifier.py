"""Many questions, few requests: each question gets exactly one answer, in time."""

import asyncio

import pytest

from evidence.merkle import leaf_hash, root
from gm.sm2 import PrivateKey
from interparty import statements
from interparty.client import PeerProblem, PeerUnavailable
from interparty.verify_messages import VerifyAnswer
from trust_client import verifier as module
from trust_client.batch_check import BatchCheck
from trust_client.carrier import CarrierClient
from trust_client.grant_cache import GrantCache
from trust_client.guesses import Guesses
from trust_client.verifier import Grant, Question, Refused, Unavailable, Verifier

from .conftest import EDI_ID, EDI_TEXT, grant, item, refusal


@pytest.fixture
async def verifier(peer):
    made = Verifier(CarrierClient(peer))
    yield made
    await made.close()


async def turns(count: int = 10) -> None:
    """Let the loop run what is due, without the clock."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_lone_question_is_sent_at_once(peer, verifier):
    assert await verifier.verify(item(1)) == Refused("N10691")
    assert peer.sizes == [1]


async def test_a_grant_carries_the_consents_terms(peer, verifier):
    peer.answers["/v1/verifications"] = {
        "answers": [grant()],
        "batch": {"root": "0" * 64, "count": 1, "at": 0, "signature": "A" * 86},
    }
    granted = await verifier.verify(item())
    assert granted == Grant(
        EDI_TEXT, bytes.fromhex(EDI_ID), "08:00-21:00", "20/day", ("10690001",), 1795500000000
    )
    assert len(granted.edi) == 209


async def test_questions_of_one_turn_go_in_one_request_and_answers_keep_their_order(peer, verifier):
    outcomes = await asyncio.gather(*(verifier.verify(item(n)) for n in range(100, 400)))
    assert outcomes == [Refused(f"N1069{n}") for n in range(100, 400)]
    assert peer.sizes == [300]


async def test_no_request_is_larger_than_the_cap(peer, verifier):
    done = []
    for n in range(1200):
        verifier.submit(item(n), done.append)
    await turns()
    assert max(peer.sizes) == module.BATCH_MAX
    assert [one.reason for one in done] == [f"N1069{n}" for n in range(1200)]


@pytest.fixture
def patient(monkeypatch):
    """What gathers goes when a request ends, and not by the clock."""
    monkeypatch.setattr(module, "GATHER_SECONDS", 3600.0)


@pytest.mark.usefixtures("patient")
async def test_questions_gather_while_a_request_is_under_way(peer, verifier):
    peer.gate = asyncio.get_running_loop().create_future()
    done = []
    verifier.submit(item(), done.append)
    await turns()
    for n in range(1, 50):
        verifier.submit(item(n), done.append)
        await turns(2)
    assert peer.sizes == [1]
    assert verifier.waiting == 49
    peer.gate.set_result(None)
    await turns()
    assert peer.sizes == [1, 49]
    assert len(done) == 50


@pytest.mark.usefixtures("patient")
async def test_a_full_batch_does_not_wait_for_the_one_under_way(peer, verifier):
    peer.gate = asyncio.get_running_loop().create_future()
    verifier.submit(item(), lambda _: None)
    await turns()
    for _ in range(module.BATCH_MAX):
        verifier.submit(item(), lambda _: None)
    await turns()
    assert peer.sizes == [1, module.BATCH_MAX]
    peer.gate.set_result(None)


async def test_a_request_that_hangs_holds_nobody_up_for_long(peer, verifier):
    gate = peer.gate = asyncio.get_running_loop().create_future()
    verifier.submit(item(), lambda _: None)
    await turns()
    peer.gate = None
    assert await asyncio.wait_for(verifier.verify(item(7)), 1) == Refused("N10697")
    assert not gate.done()
    gate.set_result(None)


@pytest.mark.usefixtures("patient")
async def test_only_so_many_requests_are_under_way(peer, verifier):
    peer.gate = asyncio.get_running_loop().create_future()
    for _ in range(module.BATCH_MAX * 10):
        verifier.submit(item(), lambda _: None)
    await turns()
    assert len(peer.requests) == module.IN_FLIGHT_MAX
    peer.gate.set_result(None)
    await turns(30)
    assert sum(peer.sizes) == module.BATCH_MAX * 10


async def test_a_full_queue_is_unavailable_at_once(peer, verifier, monkeypatch):
    monkeypatch.setattr(module, "QUEUE_MAX", 2)
    done = []
    for n in range(3):
        verifier.submit(item(n), done.append)
    assert done == [Unavailable("too many verifications wait")]
    await turns()
    assert len(done) == 3


async def test_every_question_is_answered_by_its_deadline(peer):
    peer.gate = asyncio.get_running_loop().create_future()
    verifier = Verifier(CarrierClient(peer), deadline=0.05)
    done = []
    for _ in range(module.BATCH_MAX * (module.IN_FLIGHT_MAX + 2)):
        verifier.submit(item(), done.append)
    async with asyncio.timeout(5):
        while len(done) < module.BATCH_MAX * (module.IN_FLIGHT_MAX + 2):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert {type(outcome) for outcome in done} == {Unavailable}
    await verifier.close()


@pytest.mark.parametrize(
    "error", [PeerUnavailable("refused"), PeerProblem(401, "no key")], ids=["unavailable", "problem"]
)
async def test_no_answer_is_unavailable_and_heals(peer, verifier, error):
    good = peer.answers["/v1/verifications"]
    peer.answers["/v1/verifications"] = error
    assert isinstance(await verifier.verify(item()), Unavailable)
    peer.answers["/v1/verifications"] = good
    assert isinstance(await verifier.verify(item()), Refused)


async def test_a_wrong_number_of_answers_answers_nothing(peer, verifier):
    good = peer.answers["/v1/verifications"]
    peer.answers["/v1/verifications"] = lambda message: good(message) | {"answers": []}
    assert isinstance(await verifier.verify(item()), Unavailable)


async def test_a_defect_below_still_answers_every_question(peer, verifier):
    peer.answers["/v1/verifications"] = RuntimeError("a defect")
    assert isinstance(await verifier.verify(item()), Unavailable)
    assert isinstance(await verifier.verify(item()), Unavailable)


async def test_a_callback_that_fails_takes_no_other_answer(peer, verifier):
    def fails(_):
        raise RuntimeError("a caller's defect")

    done = []
    verifier.submit(item(), fails)
    verifier.submit(item(), done.append)
    await turns()
    assert len(done) == 1


async def test_closing_answers_all_that_waits_and_all_that_comes(peer):
    verifier = Verifier(CarrierClient(peer))
    peer.gate = asyncio.get_running_loop().create_future()
    done = []
    verifier.submit(item(), done.append)
    await turns()
    verifier.submit(item(), done.append)
    await verifier.close()
    verifier.submit(item(), done.append)
    assert done == [Unavailable("verification stopped")] * 3


async def test_a_caller_that_gave_up_disturbs_nobody(peer, verifier):
    peer.gate = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(verifier.verify(item()), 0.01)
    peer.gate.set_result(None)
    await turns()
    assert verifier.verified == 1


async def test_a_question_may_be_anything_with_its_fields(peer, verifier):
    asked = item(3)
    question = Question(asked.aid, asked.enterprise, asked.channel, asked.access_number)
    assert await verifier.verify(question) == await verifier.verify(asked) == Refused("N10693")
    assert peer.requests[0][2] == peer.requests[1][2]


async def test_a_malformed_question_is_never_sent(peer, verifier):
    asked = item()
    with pytest.raises(ValueError, match="aid"):
        verifier.submit(Question("88813234158239770", "ent-a", "sms", asked.access_number), lambda _: None)
    await turns()
    assert peer.requests == []


class TestCachedGrants:
    """An earlier grant answers under the lease, and never longer."""

    @pytest.fixture
    async def house(self, peer):
        peer.answers["/v1/verifications"] = {
            "answers": [grant()],
            "batch": {"root": "0" * 64, "count": 1, "at": 0, "signature": "A" * 86},
        }
        self.lease = True
        self.cache = GrantCache()
        made = Verifier(
            CarrierClient(peer), cache=self.cache, lease_holds=lambda: self.lease, now_ms=lambda: 0
        )
        yield made
        await made.close()

    async def test_the_second_time_nobody_is_asked(self, peer, house):
        first, second = await house.verify(item()), await house.verify(item())
        assert (first.is_cached, second.is_cached) == (False, True)
        assert (peer.sizes, house.cached) == ([1], 1)

    async def test_without_the_lease_each_is_asked_about(self, peer, house):
        await house.verify(item())
        self.lease = False
        assert not (await house.verify(item())).is_cached
        assert peer.sizes == [1, 1]

    async def test_what_was_granted_without_the_lease_is_not_kept(self, peer, house):
        self.lease = False
        await house.verify(item())
        self.lease = True
        assert not (await house.verify(item())).is_cached

    async def test_who_wants_a_fresh_answer_gets_one(self, peer, house):
        await house.verify(item())
        done = []
        house.submit(item(), done.append, fresh=True)
        await turns()
        assert [one.is_cached for one in done] == [False]

    async def test_a_grant_that_its_revocation_overtook_is_a_refusal(self, peer, house):
        peer.gate = asyncio.get_running_loop().create_future()
        done = []
        house.submit(item(), done.append)
        await turns()
        self.cache.revoke(item().aid)
        peer.gate.set_result(None)
        await turns()
        assert done == [Refused("REVOKED")]


async def test_who_asked_together_is_answered_together_and_knows_whose_answer_is_whose(peer, verifier):
    told = []
    verifier.submit_all([(item(n), f"message {n}") for n in range(3)], told.append)
    await turns()
    assert told == [[(f"message {n}", Refused(f"N1069{n}")) for n in range(3)]]
    assert peer.sizes == [3]

    async def test_what_is_to_be_said_is_not_looked_at_where_an_earlier_grant_answers(self, house):
        await house.verify(item())

        class Unread:
            aid, enterprise, channel, access_number = item().aid, "ent-a", "sms", item().access_number
            template_id = template_digest = None

            @property
            def content_digest(self):
                raise AssertionError("nobody is asked")

        assert (await house.verify(Unread())).is_cached


class TestGuesses:
    """An enterprise that names too many unknown AIDs."""

    @pytest.fixture
    async def house(self, peer):
        self.reason = "UNKNOWN_AID"
        peer.answers["/v1/verifications"] = lambda message: {
            "answers": [refusal(self.reason) for _ in message.items],
            "batch": {"root": "0" * 64, "count": len(message.items), "at": 0, "signature": "A" * 86},
        }
        self.alerts = []
        guesses = Guesses(60, 3, self.alerts.append, lambda: 0.0)
        made = Verifier(CarrierClient(peer), guesses=guesses)
        yield made
        await made.close()

    async def test_over_the_bound_nothing_of_it_is_asked_and_others_are_as_ever(self, peer, house):
        for _ in range(3):
            assert await house.verify(item()) == Refused("UNKNOWN_AID")
        assert self.alerts == ["ent-a"]
        assert isinstance(await house.verify(item()), Unavailable)
        assert len(peer.requests) == 3
        other = Question(item().aid, "ent-b", "sms", item().access_number)
        assert await house.verify(other) == Refused("UNKNOWN_AID")

    async def test_refusals_for_what_an_aid_is_count_nothing(self, peer, house):
        self.reason = "EXPIRED"
        for _ in range(10):
            assert await house.verify(item()) == Refused("EXPIRED")
        assert self.alerts == []

    async def test_the_trust_partys_own_bound_is_no_statement_about_the_aid(self, peer, house):
        self.reason = "TOO_MANY_UNKNOWN"
        assert isinstance(await house.verify(item()), Unavailable)


class TestWhatIsSigned:
    """Answers in a response count when the trust party stands by them."""

    KEY = PrivateKey.generate()

    @pytest.fixture
    async def alerts(self):
        return []

    @pytest.fixture
    async def verifier(self, peer, alerts):
        check = BatchCheck(lambda: {"ttp/sign/1": self.KEY.public_key}, lambda: alerts.append("wrong"))
        made = Verifier(CarrierClient(peer), check=check)
        yield made
        await made.close()

    def answers(self, key, *, over=None, count=None):
        """Grants whatever is asked, and signs with `key`; `over`: refusals that it signs instead."""

        def given(message):
            granted = [grant() for _ in message.items]
            told = granted if over is None else [refusal(over) for _ in message.items]
            entries = [
                leaf_hash(statements.batch_entry(one, VerifyAnswer.model_validate(answer)))
                for one, answer in zip(message.items, told, strict=True)
            ]
            head = {"root": root(entries).hex(), "count": count or len(entries), "at": 7}
            signature = statements.sign(key, statements.BATCH, head)
            return {"answers": granted, "batch": head | {"signature": signature}}

        return given

    async def test_what_it_signed_is_believed(self, peer, verifier, alerts):
        peer.answers["/v1/verifications"] = self.answers(self.KEY)
        outcomes = await asyncio.gather(*(verifier.verify(item(n)) for n in range(40)))
        assert all(isinstance(outcome, Grant) for outcome in outcomes)
        assert alerts == []

    @pytest.mark.parametrize("fault", ["key", "answers", "count"])
    async def test_what_it_did_not_sign_answers_nothing_and_is_told(self, peer, verifier, alerts, fault):
        peer.answers["/v1/verifications"] = {
            "key": self.answers(PrivateKey.generate()),
            "answers": self.answers(self.KEY, over="REVOKED"),
            "count": self.answers(self.KEY, count=2),
        }[fault]
        assert await verifier.verify(item()) == Unavailable("answers that the trust party does not stand by")
        assert verifier.verified == 0
        assert alerts == ["wrong"]

    async def test_the_check_is_over_by_the_deadline(self, peer, monkeypatch):
        class Slow(BatchCheck):
            async def holds(self, head, count, answered):
                await asyncio.sleep(3600)

        peer.answers["/v1/verifications"] = self.answers(self.KEY)
        verifier = Verifier(CarrierClient(peer), check=Slow(dict, lambda: None), deadline=0.05)
        assert await verifier.verify(item()) == Unavailable("no answer in time")
        await verifier.close()
