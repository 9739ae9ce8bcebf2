"""sipp as a load generator: what it is given, and how what it wrote is read."""

from pathlib import Path

from bench import sipp


def test_scenarios_differ_by_media_alone(tmp_path: Path) -> None:
    sipp.write_scenarios(tmp_path)
    plain, rtp = (tmp_path / "caller.xml").read_text(), (tmp_path / "caller_rtp.xml").read_text()
    assert "[media_port]" in plain
    assert "[rtpstream_audio_port]" in rtp
    assert "rtp_stream" in rtp
    assert "rtp_stream" not in plain
    assert "{" not in plain + rtp
    assert len((tmp_path / "audio.raw").read_bytes()) == sipp.AUDIO_OCTETS


def test_the_last_line_of_the_statistics_counts(tmp_path: Path) -> None:
    file = tmp_path / "stat.csv"
    names = "StartTime;TotalCallCreated;SuccessfulCall(C);FailedCall(C);Retransmissions(C);\n"
    file.write_text(names + "x;10;5;0;0;\nx;200;197;2;7;\n")
    counted = sipp.counted(file)
    assert counted == sipp.Counted(200, 197, 2, 7)
    assert round(counted.failed_share, 4) == 0.0101
    assert sipp.Counted(5, 0, 0, 0).failed_share == 1.0


def test_post_dial_delay_is_from_the_first_invite_to_the_180(tmp_path: Path) -> None:
    file = tmp_path / "short.csv"
    lines = [
        ("1.000", "S", "a", "INVITE sip:1 SIP/2.0"),
        ("1.001", "R", "a", "SIP/2.0 401 Unauthorized"),
        ("1.002", "S", "a", "INVITE sip:1 SIP/2.0"),
        ("1.003", "S", "b", "INVITE sip:1 SIP/2.0"),
        ("1.004", "R", "b", "SIP/2.0 180 Ringing"),
        ("1.010", "R", "a", "SIP/2.0 180 Ringing"),
        ("1.011", "R", "a", "SIP/2.0 180 Ringing"),
    ]
    file.write_text(
        "".join(f"d\tt\t{at}\t{way}\t{call}\tCSeq:1 INVITE\t{what}\n" for at, way, call, what in lines)
    )
    assert [round(each, 3) for each in sipp.post_dial_ms(file)] == [1.0, 10.0]


def test_percentiles() -> None:
    assert sipp.percentiles([]) == {}
    assert sipp.percentiles([float(each) for each in range(100)]) == {"p50": 50.0, "p99": 99.0}
