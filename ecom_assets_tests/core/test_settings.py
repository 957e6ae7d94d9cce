"""Settings: every name optional, read in one place, wrong ones refused.

Not here: how commands report a refusal (`cli/test_bad_input.py`).
"""

from datetime import date
from pathlib import Path

import pytest

from ecom_assets.core.errors import SettingError
from ecom_assets.core.settings import settings as settings_module
from ecom_assets.core.settings.constants import REMOVED
from ecom_assets.core.settings.serving import ServingSettings
from ecom_assets.core.settings.settings import (
    PREFIX,
    Settings,
    load_settings,
    prepare_dagster_home,
    setting_names,
)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
    monkeypatch.chdir(tmp_path)


def test_without_any_setting_the_platform_writes_below_one_folder(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.warehouse_url == f"duckdb://{tmp_path}/.ecom/warehouse.duckdb"
    assert settings.dagster_home == tmp_path / ".ecom" / "dagster"
    assert settings.sandbox_folder == Path(".ecom/sandbox")


def test_the_environment_comes_before_the_dotenv_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("ECOM_LATE_DAYS=3\nECOM_TIMEZONE=Asia/Tokyo\nOTHER_TOOL=1\n")
    monkeypatch.setenv("ECOM_LATE_DAYS", "4")
    settings = load_settings()
    assert (settings.late_days, settings.timezone) == (4, "Asia/Tokyo")


def test_what_a_command_was_given_wins_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOM_EVENTS", "from_environment.csv")
    assert load_settings(events="given.csv").events == "given.csv"
    assert load_settings(events=None).events == "from_environment.csv"


def test_an_empty_value_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.setenv(PREFIX + name.upper(), "")
    assert load_settings() == Settings()


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOM_FUNNEL_STEPS", "page_view, purchase,")
    monkeypatch.setenv("ECOM_EVENT_TYPES", "wish")
    settings = load_settings()
    assert settings.funnel_steps == ("page_view", "purchase")
    assert settings.event_types == ("wish",)


def test_a_list_may_be_json_so_that_a_name_can_hold_a_comma(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ECOM_EVENT_TYPES", ' ["$pageview", "Cart, opened"]')
    assert load_settings().event_types == ("$pageview", "Cart, opened")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ('["a", ', "not a JSON list"),
        ('["a", 1]', "not a JSON list of texts"),
        ('["a", ""]', "is not an event type"),
        ('[" a"]', "is not an event type"),
        ("a\x07", "is not an event type"),
        ("a" * 256, "is not an event type"),
    ],
)
def test_what_no_event_type_can_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str, sentence: str
) -> None:
    monkeypatch.setenv("ECOM_EVENT_TYPES", value)
    with pytest.raises(SettingError, match=sentence):
        load_settings()


def test_days_are_written_as_iso_dates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOM_FIRST_DAY", "2011-12-01")
    assert load_settings().first_day == date(2011, 12, 1)


@pytest.mark.parametrize(
    ("value", "is_enough"), [("200MB", True), ("199MB", False), ("0.2GB", True), ("0.1GiB", False)]
)
def test_memory_has_a_lower_limit(
    monkeypatch: pytest.MonkeyPatch,
    value: str,
    is_enough: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setenv("ECOM_MEMORY_LIMIT", value)
    if is_enough:
        assert load_settings().memory_limit == value
    else:
        with pytest.raises(
            SettingError, match=r"ECOM_MEMORY_LIMIT='.*' is not a size of at least 200MB"
        ):
            load_settings()


def test_the_dagster_home_is_made_once_and_left_as_a_person_changed_it() -> None:
    home = prepare_dagster_home(load_settings())
    assert "max_concurrent_runs: 1" in (home / "dagster.yaml").read_text()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    assert prepare_dagster_home(load_settings()) == home
    assert (home / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.description for field in Settings.model_fields.values())
    assert not any(field.is_required() for field in Settings.model_fields.values())


@pytest.mark.parametrize(
    "value",
    [
        "ftp://api.example",
        "api.example/customers",
        "https://",
        "https://ann:secret@api.example",
        "http://a?key=secret",
    ],
)
def test_an_api_s_address_is_plain_and_a_refusal_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ECOM_CUSTOMER_API_URL", value)
    with pytest.raises(
        SettingError, match=r"ECOM_CUSTOMER_API_URL='.*' is not an address such as https"
    ) as answer:
        load_settings()
    assert "secret" not in str(answer.value) + repr(answer.value.__cause__)


def test_an_address_of_an_api_is_taken_without_its_last_slash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ECOM_ORDER_API_URL", "https://api.example/v1/")
    assert load_settings().order_api_url == "https://api.example/v1"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("ALERT_EMAIL", "ann@shop.example,bob", "is not an e-mail address"),
        ("ALERT_SENDER", "Ann <ann@shop.example>", "is not an e-mail address"),
        ("DAGSTER_URL", "dagster.shop.example", "is not an address such as https://"),
    ],
)
def test_addresses_of_mail_and_ui_are_checked(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    monkeypatch.setenv(f"ECOM_{name}", value)
    with pytest.raises(SettingError, match=rf"ECOM_{name}=.* {why}"):
        load_settings()


def test_passwords_in_addresses_are_in_no_refusal_and_nothing_python_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ECOM_SMTP_URL", "smtp://shop:s3cret@mail.example")
    monkeypatch.setenv("ECOM_POSTGRES_URL", "postgres://shop:s3cret@db.example/shop")
    assert "s3cret" not in repr(load_settings())
    monkeypatch.setenv("ECOM_DAGSTER_URL", "ftp://shop:s3cret@dagster.example")
    with pytest.raises(SettingError) as refused:
        load_settings()
    assert "s3cret" not in f"{refused.value} {refused.value.__cause__}"


def test_every_setting_called_api_is_the_server_s() -> None:
    assert {name for name in setting_names() if name.startswith("api_")} <= set(
        ServingSettings.model_fields
    )


@pytest.mark.parametrize("where", ["environment", ".env", "ecom.toml"])
def test_a_removed_setting_is_ignored_with_a_sentence(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A home of an earlier release sets 3 seconds; 120 hold, and the start goes on."""
    settings_module._is_removed.cache_clear()  # noqa: SLF001 (each process warns once)
    monkeypatch.chdir(tmp_path)
    if where == "environment":
        monkeypatch.setenv("ECOM_LEDGER_LEASE_S", "3")
    elif where == ".env":
        (tmp_path / where).write_text("ECOM_LEDGER_LEASE_S=3\n")
    else:
        (tmp_path / where).write_text("ledger_lease_s = 3\n")
    assert [load_settings().ledger_lease_s, load_settings().ledger_lease_s] == [120, 120]
    (sentence,) = caplog.messages
    assert sentence == (
        "ECOM_LEDGER_LEASE_S is no setting since 0.2.0 and is ignored: a delivery without "
        "activity for 120 seconds is replaced by another one; remove it."
    )


def test_no_removed_name_is_a_setting_and_tests_pass_constants() -> None:
    assert not {*REMOVED} & {*setting_names()}
    assert Settings(ledger_lease_s=2.0).ledger_lease_s == 2.0
