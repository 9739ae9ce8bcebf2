"""Which handset follows which script: some by their numbers, the others by weight, the same ones each time."""

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from simulators.handsets.settings import HandsetScript
from simulators.scripts import Behaviour

_DRAWS = 1 << 32


class Casting:
    """Answers by number. A script with numbers is theirs alone; those with a share divide all other handsets."""

    def __init__(self, scripts: Sequence[HandsetScript], default: Behaviour, seed: int) -> None:
        self._seed = seed
        self._own: list[tuple[int, int, Behaviour]] = []
        self._shared: list[Behaviour] = []
        weights: list[float] = []
        for script in scripts:
            behaviour = Behaviour(default.answer_after)
            script.change(behaviour)
            self._own += [(first, last, behaviour) for first, last in script.ranges]
            if script.share:
                self._shared.append(behaviour)
                weights.append(script.share)
        if not self._shared:
            self._shared, weights = [default], [1.0]
        total = sum(weights)
        self._until = [at / total * _DRAWS for at in accumulate(weights)]

    def behaviour_of(self, msisdn: str) -> Behaviour:
        """What the handset with this number does."""
        number = int(msisdn)
        for first, last, behaviour in self._own:
            if first <= number <= last:
                return behaviour
        digest = hashlib.blake2b(f"{self._seed}:{msisdn}".encode(), digest_size=4).digest()
        place = bisect_right(self._until, int.from_bytes(digest))
        return self._shared[min(place, len(self._shared) - 1)]
