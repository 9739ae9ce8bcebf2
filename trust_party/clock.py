"""Wall time as the parties exchange it."""

import time
from typing import Final

SECOND_MS: Final = 1000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
