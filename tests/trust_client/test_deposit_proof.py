"""A deposit is proved by its leaf's path to a root that the log signed."""

import pytest

from evidence.checkpoint import Checkpoint, log_id, sign
from evidence.merkle import leaf_hash, node_hash
from gm.sm2 import PrivateKey
from interparty.client import PeerUnavailable
from interparty.deposit_messages import Deposit, DepositResult
from interparty.messages import CheckpointBody, InclusionBody
from interparty.text import b64url_encode
from trust_client.deposit_proof import are_proved
from trust_client.enterprise import EnterpriseClient

from .conftest import AID, EDI_TEXT
from .test_enterprise import CONSENT, KEY

LOG, STRANGER = PrivateKey.generate(), PrivateKey.generate()
LEAVES = [leaf_hash(b"one"), leaf_hash(b"two")]
ROOT = node_hash(*LEAVES)


def checkpoint(key: PrivateKey = LOG) -> CheckpointBody:
    head = Checkpoint(log_id(key.public_key), 2, 7, ROOT)
    return CheckpointBody(
        log_id=head.log_id.hex(), size=2, time_ms=7, root=ROOT.hex(), signature=b64url_encode(sign(key, head))
    )


def result(**changes: object) -> DepositResult:
    proof = InclusionBody(
        index=1,
        size=2,
        leaf=LEAVES[1].hex(),
        proof=[LEAVES[0].hex()],
        root=ROOT.hex(),
        checkpoint=checkpoint(),
    ).model_copy(update=changes)
    return DepositResult(aid=AID, evidence_id="1", status="PENDING", inclusion=proof)


def test_a_leaf_under_a_signed_root_is_proved() -> None:
    assert are_proved([result(), DepositResult(error="TERM")], [STRANGER.public_key, LOG.public_key])


@pytest.mark.parametrize(
    "changes",
    [
        {"leaf": LEAVES[0].hex()},
        {"index": 0},
        {"root": "00" * 32},
        {"proof": []},
        {"checkpoint": None},
        {"checkpoint": checkpoint(STRANGER)},
        {"checkpoint": checkpoint().model_copy(update={"size": 3})},
    ],
)
def test_anything_else_is_not(changes: dict[str, object]) -> None:
    assert not are_proved([result(), result(**changes)], [LOG.public_key])


async def test_an_answer_without_proof_is_none(peer) -> None:
    enterprise = EnterpriseClient(peer, KEY, [LOG.public_key])
    deposit = Deposit(consent=CONSENT, edis=[EDI_TEXT])
    peer.answers["/v1/deposits"] = {"results": [result().model_dump(exclude_none=True)]}
    assert [each.aid for each in await enterprise.deposit([deposit])] == [AID]
    peer.answers["/v1/deposits"] = {"results": [{"aid": AID, "status": "PENDING", "evidence_id": "1"}]}
    with pytest.raises(PeerUnavailable, match="not in the signed log"):
        await enterprise.deposit([deposit])
