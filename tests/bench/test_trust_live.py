from bench import trust_live


def test_as_many_are_kept_as_were_put() -> None:
    before, after = trust_live.fill(100)
    assert 0 < before <= after + 1
