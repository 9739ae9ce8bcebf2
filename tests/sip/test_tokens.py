"""Random tokens: of the length asked for, never the same twice, and not those of another process."""

from __future__ import annotations

import os

from sip.tokens import POOL_OCTETS, token


def test_tokens_are_as_long_as_asked_for_and_differ() -> None:
    made = [token(8) for _ in range(2 * POOL_OCTETS // 8 + 1)]
    assert {len(each) for each in made} == {16}
    assert len(set(made)) == len(made)
    assert len(token(POOL_OCTETS)) == 2 * POOL_OCTETS


def test_a_forked_process_has_its_own() -> None:
    token(8)
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.write(theirs, token(8).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(ours, 16).decode() != token(8)
    os.close(ours)
    os.close(theirs)
