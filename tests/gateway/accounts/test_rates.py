"""How fast an account and an access number may send."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access_number import AccessNumberRow
from gateway.accounts.rates import Rates, TokenBucket
from gateway.store.accounts import AccountRow

ACCOUNT = AccountRow("sms-a", "ent-a", "", 1)
OTHER = AccountRow("sms-b", "ent-b", "", 1)
NUMBER = AccessNumberRow("1069", "ent-a", "sms-a", None)


def taken(bucket: TokenBucket, now: float, tries: int = 100) -> int:
    return sum(bucket.take(1, now) for _ in range(tries))


class TestTokenBucket:
    def test_after_a_silence_a_burst_passes_and_then_the_rate(self) -> None:
        bucket = TokenBucket(8, 5, now=100.0)
        assert taken(bucket, 100.0) == 5
        assert taken(bucket, 100.125) == 1
        assert taken(bucket, 101.0) == 5

    def test_it_holds_no_more_than_its_burst_however_long_the_silence(self) -> None:
        bucket = TokenBucket(10, 5, now=0.0)
        assert taken(bucket, 1_000_000.0) == 5

    def test_a_refusal_costs_nothing(self) -> None:
        bucket = TokenBucket(1, 1, now=0.0)
        assert bucket.take(1, 0.0)
        for tenth in range(10):
            assert not bucket.take(1, tenth / 10)
        assert bucket.take(1, 1.0)

    def test_several_at_once_are_all_or_none(self) -> None:
        bucket = TokenBucket(1, 10, now=0.0)
        assert bucket.take(7, 0.0)
        assert not bucket.take(4, 0.0)
        assert bucket.take(3, 0.0)

    def test_more_than_it_ever_holds_passes_when_it_is_full_and_is_owed(self) -> None:
        bucket = TokenBucket(10, 5, now=0.0)
        assert bucket.take(25, 0.0)
        assert not bucket.take(1, 2.0)
        assert bucket.take(1, 2.2)
        assert not bucket.take(25, 2.3)

    def test_a_clock_that_stands_or_goes_back_gives_nothing(self) -> None:
        bucket = TokenBucket(10, 1, now=5.0)
        assert bucket.take(1, 5.0)
        assert not bucket.take(1, 1.0)
        assert not bucket.take(1, 5.05)

    def test_other_limits_from_now_on(self) -> None:
        bucket = TokenBucket(10, 10, now=0.0)
        assert bucket.take(10, 0.0)
        bucket.change(80, 50, 0.5)
        assert taken(bucket, 0.5) == 5
        assert taken(bucket, 0.625) == 10
        bucket.change(1, 2, 10.0)
        assert taken(bucket, 10.0) == 2

    @given(
        st.floats(0.1, 1000),
        st.integers(1, 100),
        st.lists(st.tuples(st.floats(0, 2), st.integers(1, 5)), max_size=60),
    )
    def test_never_more_than_burst_and_rate_allow(
        self, rate: float, burst: int, asked: list[tuple[float, int]]
    ) -> None:
        bucket, now, passed = TokenBucket(rate, burst, 0.0), 0.0, 0
        most = max((tokens for _, tokens in asked), default=0)
        for pause, tokens in asked:
            now += pause
            passed += tokens * bucket.take(tokens, now)
            assert passed <= max(burst, most) + rate * now + 1e-6 * (1 + passed)


class TestRates:
    def test_without_a_rate_there_is_no_limit(self) -> None:
        rates = Rates()
        assert all(rates.take_account(ACCOUNT, 0.0) for _ in range(1_000))
        assert all(rates.take_access_number(NUMBER, 0.0) for _ in range(1_000))
        assert all(rates.take_account(replace(ACCOUNT, rate=0.0), 0.0) for _ in range(1_000))

    def test_the_configured_rate_holds_where_a_row_has_none(self) -> None:
        rates = Rates(account_rate=5, access_number_rate=3, burst_s=2.0)
        own = replace(OTHER, rate=1.0, burst=4)
        assert sum(rates.take_account(ACCOUNT, 0.0) for _ in range(100)) == 10
        assert sum(rates.take_access_number(NUMBER, 0.0) for _ in range(100)) == 6
        assert sum(rates.take_account(own, 0.0) for _ in range(100)) == 4

    def test_a_rate_below_one_a_second_still_lets_one_pass(self) -> None:
        rates = Rates(account_rate=0.1)
        assert rates.take_account(ACCOUNT, 0.0)
        assert not rates.take_account(ACCOUNT, 9.0)
        assert rates.take_account(ACCOUNT, 10.0)

    def test_accounts_and_access_numbers_do_not_share(self) -> None:
        rates = Rates(account_rate=1, access_number_rate=1)
        same_name = AccessNumberRow("sms-a", "ent-a", None, None)
        assert rates.take_account(ACCOUNT, 0.0)
        assert rates.take_account(OTHER, 0.0)
        assert rates.take_access_number(same_name, 0.0)
        assert not rates.take_account(ACCOUNT, 0.0)

    def test_a_changed_account_has_its_new_rate_at_once(self) -> None:
        rates = Rates()
        slow = replace(ACCOUNT, rate=1.0)
        assert rates.take_account(slow, 0.0)
        assert not rates.take_account(slow, 0.0)
        assert sum(rates.take_account(replace(slow, rate=80.0), 0.5) for _ in range(100)) == 0
        assert sum(rates.take_account(replace(slow, rate=80.0), 0.625) for _ in range(100)) == 10

    @pytest.mark.parametrize("buckets_max", [1, 3])
    def test_what_is_remembered_is_bounded_and_the_longest_unused_goes(self, buckets_max: int) -> None:
        rates = Rates(account_rate=1, buckets_max=buckets_max)
        rows = [replace(ACCOUNT, system_id=str(index)) for index in range(buckets_max + 1)]
        for row in rows[:-1]:
            assert rates.take_account(row, 0.0)
        assert not rates.take_account(rows[0], 0.0)
        assert rates.take_account(rows[-1], 0.0)
        assert len(rates._buckets) == buckets_max
        assert rates.take_account(rows[0], 0.0) is (buckets_max == 1)
