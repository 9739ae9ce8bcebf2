"""How many unknown AIDs an enterprise may name."""

from trust_client.guesses import Guesses


def test_only_unknown_and_others_aids_count() -> None:
    alerts: list[str] = []
    guesses = Guesses(60, 2, alerts.append, lambda: 0.0)
    assert not guesses.anybody
    for reason in ("PENDING", "REVOKED", "EXPIRED", "ROTATED", "TOO_MANY_UNKNOWN", "SUSPENDED"):
        guesses.refused("ent-a", reason)
    assert not guesses.anybody
    guesses.refused("ent-a", "UNKNOWN_AID")
    assert guesses.anybody
    assert not guesses.is_over("ent-a")
    guesses.refused("ent-a", "NOT_OWNER")
    assert guesses.is_over("ent-a")
    assert not guesses.is_over("ent-b")
    assert alerts == ["ent-a"]
    guesses.refused("ent-a", "NOT_OWNER")
    assert alerts == ["ent-a"]
