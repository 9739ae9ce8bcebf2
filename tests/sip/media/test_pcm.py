"""The test tone in G.711."""

from sip.media.pcm import PCMA, PCMU, _a_law, _mu_law, is_silence, tone_frame


def test_known_values_of_both_laws() -> None:
    """ITU-T G.711: zero, and the largest sample of either sign."""
    assert [_mu_law(sample) for sample in (0, 32767, -32768)] == [0xFF, 0x80, 0x00]
    assert [_a_law(sample) for sample in (0, 32767, -32768)] == [0xD5, 0xAA, 0x2A]


def test_a_frame_is_20_ms_and_no_silence() -> None:
    for law in (PCMU, PCMA):
        assert len(tone_frame(law)) == 160
        assert not is_silence(law, tone_frame(law))
    assert is_silence(PCMU, b"\xff" * 160)
    assert is_silence(PCMA, b"\xd5" * 160)
