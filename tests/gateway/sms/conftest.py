"""Fixtures of the front's tests."""

from tests.gateway.sms.front_world import each_way as each_way
