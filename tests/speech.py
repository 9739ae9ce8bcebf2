"""Sounds like speech, made from a seed, and whether a recording holds one of them."""

from __future__ import annotations

import math
import random
import struct
import wave
from operator import mul
from pathlib import Path

RATE_HZ = 8_000
STEP = 2
"""Every second sample is compared: no tone made here is above a quarter of the rate."""
PIECE_S = 0.25
ALIKE = 0.8
"""Correlation from which a piece counts as heard. G.711 alone leaves more than 0.99."""
TONES_HZ = 250.0, 1_400.0
SYLLABLE_S = 0.1


def make(path: Path, seed: int, seconds: float = 3.0) -> Path:
    """A WAV file of gliding tones that grow louder and softer by syllables, mono, 16 bits, 8,000 Hz."""
    drawn = random.Random(seed)
    samples: list[int] = []
    tone, phase = drawn.uniform(*TONES_HZ), 0.0
    aim = loud = 0.0
    for at in range(int(RATE_HZ * seconds)):
        if at % int(RATE_HZ * SYLLABLE_S) == 0:
            aim, loud = drawn.uniform(*TONES_HZ), drawn.uniform(0.3, 1.0)
        tone += (aim - tone) * 0.004
        phase += 2 * math.pi * tone / RATE_HZ
        samples.append(int(12_000 * loud * math.sin(phase)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return path


def _samples(path: Path) -> list[int]:
    with wave.open(str(path), "rb") as file:
        octets = file.readframes(file.getnframes())
    return list(struct.unpack(f"<{len(octets) // 2}h", octets))[::STEP]


def heard_s(said: Path, heard: Path) -> float:
    """How many seconds of what was said are in what was heard, piece by piece, wherever they are."""
    ours, theirs = _samples(said), _samples(heard)
    size = int(PIECE_S * RATE_HZ / STEP)
    found = 0
    shift = 0
    for start in range(0, len(ours) - size + 1, size):
        piece = ours[start : start + size]
        # Where the piece before says that it is; else anywhere, since what was lost or came twice moves the rest.
        usual = max(start + shift - size // 2, 0)
        at = _find(piece, theirs[usual : usual + 2 * size])
        at = _find(piece, theirs) if at is None else usual + at
        if at is not None:
            found += 1
            shift = at - start
    return found * PIECE_S


def _find(piece: list[int], within: list[int]) -> int | None:
    size = len(piece)
    power = sum(map(mul, piece, piece))
    running = sum(each * each for each in within[:size])
    for at in range(len(within) - size):
        if running > power // 16:
            alike = sum(map(mul, piece, within[at : at + size])) / math.sqrt(power * running)
            if alike >= ALIKE:
                return at
        running += within[at + size] ** 2 - within[at] ** 2
    return None
