"""Passwords: argon2id, in a pool of few threads, so that no guesser takes the event loop or the memory."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MEMORY_KIB: Final = 19_456
PASSES: Final = 2
"""With one lane: the least that OWASP advises for argon2id, about 20 ms here."""
THREADS_MAX: Final = 2
"""Passwords checked at once."""
WAITING_MAX: Final = 256
"""Checks that run or wait; past it they are refused."""
PASSWORD_MAX: Final = 1024
"""Characters of a password."""

_hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1)
_pool = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="argon2")
_waiting = 0
# Nobody's password: an unknown user must take as long as a wrong password.
_NOBODY: Final = _hasher.hash("")


class PasswordsBusy(Exception):
    """Too many checks wait. Answer as if the system were overloaded, not as if the password were wrong."""


def hash_password(password: str) -> str:
    """The text to store for `password`. Takes some 20 ms: for commands, not for the event loop.

    Raises ValueError for an empty password and for one of more than 1024 characters.
    """
    if not 0 < len(password) <= PASSWORD_MAX:
        raise ValueError(f"a password has 1 to {PASSWORD_MAX} characters")
    return _hasher.hash(password)


async def verify(hash: str | None, password: str) -> bool:
    """True if `hash` was made of `password`. For an unknown user pass None: it takes as long, and is False.

    Raises PasswordsBusy at once when too many wait.
    """
    global _waiting
    if _waiting >= WAITING_MAX:
        raise PasswordsBusy
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_pool, _verify, hash, password)
    finally:
        _waiting -= 1


def _verify(hash: str | None, password: str) -> bool:
    try:
        matches = _hasher.verify(_NOBODY if hash is None else hash, password[: PASSWORD_MAX + 1])
    except (VerificationError, InvalidHashError):
        return False
    return matches and hash is not None
