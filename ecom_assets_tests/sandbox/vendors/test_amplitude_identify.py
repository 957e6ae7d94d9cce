"""The stand-in of Amplitude's Identify: a form with properties of users."""

from collections.abc import Iterator

import pytest

from ecom_assets.sandbox.vendors.amplitude import IDENTIFY, AmplitudeRates, AmplitudeReceiver
from ecom_assets.sandbox.vendors.receiver import Setup
from ecom_assets_tests.sandbox.vendors.vendor_requests import ask, identify, still


@pytest.fixture
def amplitude() -> Iterator[AmplitudeReceiver]:
    with AmplitudeReceiver(Setup(clock=still)) as receiver:
        yield receiver


def test_properties_of_users_are_taken_from_a_form(amplitude: AmplitudeReceiver) -> None:
    one = {"user_id": "anna-1", "user_properties": {"tier": "gold"}}
    assert identify(amplitude, one) == (200, "success")
    assert identify(amplitude, [one, {"device_id": "device-1", "user_properties": {"$set": {"a": 1}}}])[0] == 200
    assert amplitude.held.taken_count == 3
    assert identify(amplitude, one, key="other") == (400, "invalid_api_key")
    assert ask(amplitude, IDENTIFY, {"api_key": amplitude.key, "identification": one})[0] == 400


@pytest.mark.parametrize(
    "identification",
    [
        [],
        "text",
        {"user_properties": {"a": 1}},
        {"user_id": "anonymous", "user_properties": {"a": 1}},
        {"user_id": "anna-1"},
        {"user_id": "anna-1", "user_properties": {"$set": {"a": 1}, "b": 2}},
        {"user_id": "anna-1", "user_properties": {"$mystery": {"a": 1}}},
        {"user_id": "anna-1", "user_properties": {"$set": 1}},
        {"user_id": "anna-1", "user_properties": {"a": "x" * 1_025}},
    ],
)
def test_properties_that_are_wrong_are_refused(amplitude: AmplitudeReceiver, identification: object) -> None:
    assert identify(amplitude, identification)[0] == 400


def test_more_than_1800_updates_an_hour_are_dropped_without_a_word() -> None:
    anna = {"user_id": "anna-1", "user_properties": {"a": 1}}
    with AmplitudeReceiver(Setup(clock=still), rates=AmplitudeRates(updates_per_hour=2)) as receiver:
        assert identify(receiver, [anna, anna, anna, anna | {"user_id": "bert-1"}])[0] == 200
        assert receiver.held.taken_count == 3
    assert AmplitudeRates().updates_per_hour == 1_800
