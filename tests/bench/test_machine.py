"""What a run's record says of the machine it ran on."""

from pathlib import Path

import pytest

from bench import machine


def test_halt_poll_is_told_in_microseconds(tmp_path: Path) -> None:
    setting = tmp_path / "guest_halt_poll_ns"
    setting.write_text("200000\n")
    assert machine.halt_poll_us(setting) == 200


def test_halt_poll_of_a_machine_without_it_is_not_told(tmp_path: Path) -> None:
    assert machine.halt_poll_us(tmp_path / "guest_halt_poll_ns") is None


@pytest.mark.parametrize(
    ("halt_poll", "said"), [(None, "2 cores (X), load"), (200, "2 cores (X), halt polling 200 us, load")]
)
def test_the_line_says_it_where_it_is_told(halt_poll: int | None, said: str) -> None:
    about: dict[str, object] = {
        "python": "3.11.2", "interpreter_ms": 8.0, "cpu": "X", "cores": 2, "load_average": [0.0],
        "halt_poll_us": halt_poll,
    }  # fmt: skip
    assert said in machine.line(about)
