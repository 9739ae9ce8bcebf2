"""The wrapping of messages that a broker carries: it can neither make nor move one."""

import pytest

from interparty import mqtt

KEY = bytes(range(32))
TOPIC = mqtt.topic_of("CMCC", "heartbeat")


def test_a_topic_names_carrier_and_kind() -> None:
    assert TOPIC == "ascs/CMCC/heartbeat"
    assert mqtt.parse_topic(TOPIC) == ("CMCC", "heartbeat")


@pytest.mark.parametrize(
    "topic", ["ascs/CMCC/else", "ascs//lease", "ascs/a/b/lease", "CMCC/lease", "ascs/+/lease"]
)
def test_other_topics_name_nothing(topic: str) -> None:
    assert mqtt.parse_topic(topic) is None


def test_what_was_sealed_opens_on_its_topic_under_its_key_alone() -> None:
    message = mqtt.seal(KEY, TOPIC, b"{}")
    assert mqtt.open_sealed([KEY], TOPIC, message) == b"{}"
    assert mqtt.open_sealed([KEY], mqtt.topic_of("CUCC", "heartbeat"), message) is None
    assert mqtt.open_sealed([KEY], mqtt.topic_of("CMCC", "lease"), message) is None
    assert mqtt.open_sealed([bytes(32)], TOPIC, message) is None


@pytest.mark.parametrize("message", [b"", b"x", bytes(32)])
def test_what_is_too_short_is_not_authentic(message: bytes) -> None:
    assert mqtt.open_sealed([KEY], TOPIC, message) is None


def test_each_octet_counts() -> None:
    message = bytearray(mqtt.seal(KEY, TOPIC, b'{"lease":"00"}'))
    for place in range(len(message)):
        message[place] ^= 1
        assert mqtt.open_sealed([KEY], TOPIC, bytes(message)) is None
        message[place] ^= 1


def test_while_a_key_is_replaced_both_open():
    old, new = bytes(32), bytes(range(32))
    for key in (old, new):
        assert mqtt.open_sealed([new, old], TOPIC, mqtt.seal(key, TOPIC, b"{}")) == b"{}"
