"""The job that extracts from shops' APIs before the night's orders are loaded."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ecom_assets.core.errors import SettingError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.definitions import build_definitions
from ecom_assets.orchestration.automation.landing import (
    EXTRACTION,
    extraction_job,
    extraction_schedule,
)
from ecom_assets_tests.ingestion.sources.shop_apis import ShopApi, basic, serving, woocommerce
from ecom_assets_tests.ingestion.sources.test_extraction import landed, order


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[ShopApi]:
    """Two orders, of which one is changed later."""
    orders = [order(1, "2026-10-01T10:00:00"), order(2, "2026-10-01T11:00:00")]
    with serving(
        ShopApi(woocommerce, basic("ck_1", "cs_1"), {"orders": orders, "refunds": []})
    ) as api:
        for name, value in (("URL", api.url), ("KEY", "ck_1"), ("SECRET", "cs_1")):
            monkeypatch.setenv(f"WOOCOMMERCE_{name}", value)
        yield api


def settings_for(tmp_path: Path, *extracts: str) -> Settings:
    return Settings(
        home=tmp_path / "home",
        extracts=extracts,
        source_retry_base_s=0.01,
        timezone="Europe/Berlin",
    )


def numbers(result: dg.ExecuteInProcessResult, step: str) -> dict[str, object]:
    [event] = [
        event
        for event in result.all_node_events
        if event.is_successful_output and event.step_key == step
    ]
    return {name: entry.value for name, entry in event.step_output_data.metadata.items()}


def test_each_night_lands_what_changed_and_says_how_far_it_got(
    tmp_path: Path, shop: ShopApi
) -> None:
    folder = tmp_path / "landing"
    settings = settings_for(tmp_path, f"woocommerce={folder}")
    job = build_definitions(settings).resolve_job_def(EXTRACTION)
    first = numbers(job.execute_in_process(), "extract_woocommerce")
    assert (first["orders/new_count"], first["orders/changed_count"]) == (2, 0)
    assert first["orders/read_up_to"] == "2026-10-01T11:00:00"
    shop.documents["orders"][0] = order(1, "2026-10-02T09:00:00", total="24.00")
    second = numbers(job.execute_in_process(), "extract_woocommerce")
    assert (second["orders/new_count"], second["orders/changed_count"]) == (0, 1)
    assert sorted((each["id"], each["total"]) for each in landed(folder)) == [
        (1, "24.00"),
        (2, "12.00"),
    ]


@pytest.mark.usefixtures("shop")
def test_an_api_that_refuses_fails_its_step_in_a_sentence_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        'client: {base_url: "${OTHER_URL}"}\n'
        "resources: [{name: orders, primary_key: id, endpoint: {path: orders, incremental: "
        '{cursor_path: at, initial_value: "2026-01-01T00:00:00", row_order: asc}}}]\n'
    )
    monkeypatch.delenv("OTHER_URL", raising=False)
    settings = settings_for(
        tmp_path, f"{own}={tmp_path / 'own'}", f"woocommerce={tmp_path / 'landing'}"
    )
    result = extraction_job(settings).execute_in_process(raise_on_error=False)
    assert not result.success
    [failure] = [event for event in result.all_node_events if event.is_step_failure]
    assert "OTHER_URL is not set" in str(failure.event_specific_data)
    assert len(landed(tmp_path / "landing")) == 2


@pytest.mark.parametrize(
    "wrong", [("woocommerce",), ("woocommerce=a", "stripe_balance=a"), ("=a",)]
)
def test_an_extract_without_a_folder_of_its_own_is_refused(
    tmp_path: Path, wrong: tuple[str, ...]
) -> None:
    with pytest.raises(SettingError, match="ECOM_EXTRACTS names extracts with a folder of its own"):
        extraction_job(settings_for(tmp_path, *wrong))


def test_the_schedule_is_before_that_of_orders_and_off_until_it_is_switched_on(
    tmp_path: Path,
) -> None:
    schedule = extraction_schedule(settings_for(tmp_path, "woocommerce=landing"))
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("10 0 * * *", "Europe/Berlin")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    on = settings_for(tmp_path, "woocommerce=landing").model_copy(update={"schedules": "on"})
    assert extraction_schedule(on).default_status == dg.DefaultScheduleStatus.RUNNING
