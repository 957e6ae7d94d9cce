"""Which tools settings name, where these are, and what an open tool keeps to and leaves behind."""

import time
from threading import enumerate as threads

import pytest
from pydantic import SecretStr

from ecom_assets.core.errors import SettingError
from ecom_assets.core.settings.settings import PREFIX, Settings, load_settings
from ecom_assets.outputs.delivery.tools.all import NAMES, TOOLS, destinations, opened_destinations
from ecom_assets.outputs.delivery.tools.mixpanel.settings import MixpanelSettings
from ecom_assets_tests.each import each
from ecom_assets_tests.outputs.delivery.mart_rows import SET, one_batch, tool, users, visits
from ecom_assets_tests.outputs.delivery.scripted_tool import ScriptedTool


def test_without_settings_nothing_goes_anywhere() -> None:
    assert destinations(Settings()) == {}


def test_every_tool_gets_events_and_users() -> None:
    assert tuple(destinations(Settings(**SET))) == NAMES
    assert list(destinations(Settings(heap_app_id="1"))) == ["heap_events", "heap_users"]


@each("name", TOOLS)
def test_every_setting_of_a_tool_begins_with_its_name_and_is_one_of_the_platforms(
    name: str,
) -> None:
    tool = TOOLS[name]
    assert (
        {*tool.needed, *tool.placeholders}
        <= set(tool.settings.model_fields)
        <= set(Settings.model_fields)
    )
    assert all(field.startswith(f"{name}_") for field in tool.settings.model_fields)
    assert set(tool.placeholders) == set(tool.needed)


@each(
    "options, message",
    [
        ({"ga4_measurement_id": "G-1"}, "ECOM_GA4_MEASUREMENT_ID and ECOM_GA4_API_SECRET"),
        ({"mixpanel_token": "m", "mixpanel_service_user": "u"}, "ECOM_MIXPANEL_SERVICE_SECRET"),
        (
            {"mixpanel_service_user": "u", "mixpanel_service_secret": "s"},
            "ECOM_MIXPANEL_PROJECT_ID",
        ),
        (
            {
                "mixpanel_service_user": "u",
                "mixpanel_service_secret": "s",
                "mixpanel_project_id": "7",
            },
            "ECOM_MIXPANEL_TOKEN",
        ),
    ],
)
def test_a_tool_named_by_half_is_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        destinations(Settings(**options))  # type: ignore[arg-type]  # pydantic reads them


@each(
    "name, value",
    [
        ("ga4_measurement_id", "UA-1"),
        ("currency", "euro"),
        ("amplitude_url", "https://x.example/?key=1"),
        ("amplitude_region", "in"),
    ],
)
def test_wrong_values_are_refused_by_name(name: str, value: str | int) -> None:
    with pytest.raises(
        SettingError, match=f"{PREFIX}{name.upper()}|--{name}"
    ):  # `ecom init` has some as options
        load_settings(**{name: value})


@pytest.mark.parametrize(
    ("region", "hosts"),
    [
        (
            "us",
            (
                "api2.amplitude.com",
                "heapanalytics.com",
                "api.mixpanel.com",
                "www.google-analytics.com",
            ),
        ),
        (
            "eu",
            (
                "api.eu.amplitude.com",
                "c.eu.heap-api.com",
                "api-eu.mixpanel.com",
                "region1.google-analytics.com",
            ),
        ),
    ],
)
def test_regions_have_their_addresses(region: str, hosts: tuple[str, ...]) -> None:
    names = ("amplitude", "heap", "mixpanel", "ga4")
    chosen = {f"{name}_region": region for name in names}
    settings = Settings(**chosen)  # type: ignore[arg-type]  # pydantic reads them
    assert tuple(
        TOOLS[name].address(TOOLS[name].tool_settings(settings)) for name in names
    ) == tuple(f"https://{host}" for host in hosts)
    assert MixpanelSettings(mixpanel_region="in").mixpanel_address == "https://api-in.mixpanel.com"


@pytest.mark.slow
def test_a_rate_is_kept(far_side: ScriptedTool) -> None:
    # 1,000 a second: the first thousand go at once, the second when a second has passed.
    destination = tool("heap_events", far_side.url, delivery_events_per_s=1_000.0)
    batch = one_batch(destination, visits(anna=1_000))
    started = time.monotonic()
    destination.send(batch)
    destination.send(batch)
    assert time.monotonic() - started > 0.9


@pytest.mark.slow
def test_a_tool_with_a_rate_leaves_no_thread_behind(far_side: ScriptedTool) -> None:
    before = set(threads())
    with opened_destinations(Settings(heap_app_id="1234", heap_url=far_side.url)) as opened:
        destination = opened["heap_events"]
        destination.send(one_batch(destination, visits(anna=1)))
        begun = [thread for thread in set(threads()) - before if thread.name.startswith("Pyrate")]
        assert begun
    for thread in begun:
        thread.join(timeout=15)  # the library looks every 10 s whether it is still needed
    assert not [thread for thread in begun if thread.is_alive()]


def test_keys_are_in_no_payload_and_no_repr() -> None:
    for name in NAMES:
        destination = tool(name)
        rows = (
            users({"customer_id": "anna-1", "segment": "Loyal"})
            if name.endswith("users")
            else visits(anna=1)
        )
        assert "not-to-be-sent" not in str(one_batch(destination, rows).to_pylist())


def test_no_account_holds_what_a_tool_is_reached_with() -> None:
    settings = Settings(
        amplitude_api_key=SecretStr("K3Y-A"), heap_app_id="K3Y-H", mixpanel_token=SecretStr("K3Y-M")
    )
    made = destinations(settings)
    assert {destination.name.partition("_")[0] for destination in made.values()} == {
        "amplitude",
        "heap",
        "mixpanel",
    }
    assert not [
        destination.account for destination in made.values() if "K3Y" in destination.account
    ]
