"""Test audio: one 20 ms frame of a tone in G.711, so that a simulated phone has something to say."""

import math

__all__ = ["CLOCK_RATE", "FRAME_SAMPLES", "PCMA", "PCMU", "is_silence", "tone_frame"]

PCMU = 0
PCMA = 8
CLOCK_RATE = 8000
FRAME_SAMPLES = 160
TONE_HZ = 400
"""A whole number of periods in a frame, so that every frame is the same and joins without a click."""
TONE_AMPLITUDE = 8000


def _mu_law(sample: int) -> int:
    """ITU-T G.711 mu-law of a 16-bit sample."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> exponent + 3 & 0x0F) & 0xFF


def _a_law(sample: int) -> int:
    """ITU-T G.711 A-law of a 16-bit sample."""
    sign = 0 if sample < 0 else 0x80
    magnitude = min(abs(sample) if sample >= 0 else -sample - 1, 32767) >> 4
    exponent = max(0, magnitude.bit_length() - 4)
    mantissa = magnitude >> max(exponent - 1, 0) & 0x0F
    return (sign | exponent << 4 | mantissa) ^ 0x55


_ENCODERS = {PCMU: _mu_law, PCMA: _a_law}
_SILENCE = {PCMU: frozenset((0xFF, 0x7F)), PCMA: frozenset((0xD5, 0x55))}


def tone_frame(payload_type: int = PCMU) -> bytes:
    """160 octets of a 400 Hz tone. Raises KeyError for a payload type that is not G.711."""
    encode = _ENCODERS[payload_type]
    step = 2 * math.pi * TONE_HZ / CLOCK_RATE
    return bytes(encode(round(TONE_AMPLITUDE * math.sin(step * index))) for index in range(FRAME_SAMPLES))


def is_silence(payload_type: int, payload: bytes) -> bool:
    """Whether a G.711 payload is empty or digital silence."""
    return _SILENCE.get(payload_type, frozenset()).issuperset(payload)
