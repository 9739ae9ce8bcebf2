"""The lease: it ends LEASE_SECONDS after the echoed nonce was sent, whatever the stream does."""

from trust_client.lease import LEASE_SECONDS, NONCES_MAX, Lease


def test_without_an_echo_there_is_none() -> None:
    lease = Lease()
    lease.nonce(100.0)
    assert not lease.holds(100.0)


def test_it_counts_from_when_the_nonce_was_sent_not_from_its_echo() -> None:
    lease = Lease()
    nonce = lease.nonce(100.0)
    assert lease.echoed(nonce)
    assert lease.holds(100.0 + LEASE_SECONDS - 0.001)
    assert not lease.holds(100.0 + LEASE_SECONDS)


def test_an_echo_that_is_repeated_keeps_nothing_alive() -> None:
    lease = Lease()
    nonce = lease.nonce(100.0)
    lease.echoed(nonce)
    assert not lease.echoed(nonce)
    assert not lease.echoed("0" * 32)
    assert not lease.holds(100.0 + LEASE_SECONDS)


def test_a_late_echo_of_an_older_nonce_shortens_nothing() -> None:
    lease = Lease()
    older, newer = lease.nonce(100.0), lease.nonce(101.0)
    lease.echoed(newer)
    lease.echoed(older)
    assert lease.holds(101.0 + LEASE_SECONDS - 0.001)


def test_so_many_nonces_are_remembered() -> None:
    lease = Lease()
    nonces = [lease.nonce(float(at)) for at in range(NONCES_MAX + 1)]
    assert not lease.echoed(nonces[0])
    assert lease.echoed(nonces[1])


def test_ended_it_stays_so_for_what_was_on_its_way() -> None:
    lease = Lease()
    first, second = lease.nonce(100.0), lease.nonce(100.0)
    lease.echoed(first)
    lease.end()
    assert not lease.echoed(second)
    assert not lease.holds(100.0)
