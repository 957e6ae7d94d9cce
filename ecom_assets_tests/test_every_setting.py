"""Every setting may be given by itself, and the code location loads under some and under all."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal, get_args, get_origin

import dagster as dg
import pytest
from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from ecom_assets.core.settings.settings import PREFIX, Settings, load_settings, setting_names
from ecom_assets.core.tables.values import batches_of
from ecom_assets.definitions import build_definitions
from ecom_assets_tests.each import each

FIELDS: Final = {name: Settings.model_fields[name] for name in setting_names()}
WRITTEN: Final = {
    "ad_account_time_zones": "google_ads/1=America/New_York",
    "ad_spend": "native=spend/*.csv",
    "alert_email": "ops@shop.example",
    "alert_sender": "data@shop.example",
    "api_trusted_proxies": "10.0.0.0/8",
    "campaign_tags": "tags.csv",
    "catalogue_api_url": "https://stock.example/products",
    "catalogue": "catalogue.csv",
    "cities": "cities.csv",
    "costs_email": "owner@shop.example",
    "costs_webhooks": "team",
    "currency": "EUR",
    "customer_api_mapping": "reqres",
    "customer_api_url": "https://customers.example/customers",
    "customers": "customers/*.csv",
    "customers_mapping": "hubspot",
    "customers_json_fields": "customer_id,city",
    "boards_url": "postgres://shop@db.example/shop",
    "dagster_url": "https://dagster.example",
    "dashboard_url": "https://shop.example",
    "webhooks": "team=slack+https://hooks.example/1",
    "erasure_key": "k" * 32,
    "event_types": "product_view,purchase",
    "events": "events/*.csv",
    "events_mapping": "rees46",
    "extracts": "woocommerce=landing/woocommerce",
    "funnel_steps": "product_view,purchase",
    "funnel_window": "3d",
    "funnels": "funnels.yaml",
    "ga4_measurement_id": "G-ABCDE12345",
    "ga4_url": "https://ga4.example",
    "heap_url": "https://heap.example",
    "amplitude_url": "https://amplitude.example",
    "jwt_algorithm": "HS512",
    "jwt_jwks_url": "https://login.example/keys",
    "identity": "device",
    "jwt_secret": "s" * 64,
    "ledger_url": "postgres://shop@db.example/shop",
    "market_segments": "markets.yaml",
    "memory_limit": "2GB",
    "mixpanel_url": "https://mixpanel.example",
    "openlineage_url": "http://lineage.example:5000",
    "order_api_url": "https://orders.example/reports",
    "orders": "orders/*.csv",
    "orders_mapping": "online_retail",
    "postgres_url": "postgres://shop@db.example/marts",
    "payment_fee_rules": '[{"percent": 1.4, "per_order": 0.25, "payment_method": "card"}]',
    "shipping_cost_rules": '[{"per_piece": 0.6, "country": "Germany"}]',
    "commission_rules": '[{"percent": 12, "sales_channel": "marketplace"}]',
    "other_cost_rules": '[{"per_month": 79, "name": "Shop software"}]',
    "collect_rate_address": "20/second",
    "collect_rate_key": "6000/minute",
    "collect_trusted_proxies": "10.0.0.0/8",
    "delivery_user_properties": "funnel_step",
    "rate_limit_address": "20/second",
    "rate_limit_key": "none",
    "report_email": "owner@shop.example",
    "session_rule": "mixpanel",
    "smtp_url": "smtp://mail.example:25",
    "tier_enterprise_amount": "800",
    "timezone": "Europe/Berlin",
    "visitor_segments": "segments.yaml",
    "warehouse": "postgres://shop@db.example/shop",
    "vendor_delivery_days": "Acme=21,Beta=7",
}
"""Values of settings whose text has a form; of all others a value follows
from their type and bounds.
"""
NEEDS: Final = {
    "alert_email": ("smtp_url",),
    "report_email": ("smtp_url",),
    "jwt_algorithm": ("jwt_secret",),
    "smtp_url": ("alert_email",),
}
"""What a setting asks for, besides itself."""
ALTERNATIVES: Final = (("orders", "order_api_url"), ("funnel_steps", "funnels"))
"""Settings of which only one may be set."""
ALONE: Final = {
    *NEEDS,
    *(name for pair in ALTERNATIVES for name in pair),
    *("jwt_jwks_url", "jwt_public_key_path"),
}
"""Settings that do not go with some others."""
AT_ONCE: Final = 12
GROUPS: Final = (
    *((name, *NEEDS.get(name, ())) for name in sorted(ALONE)),
    *batches_of(sorted(FIELDS.keys() - ALONE), AT_ONCE),
)
"""All settings in groups that go together: to build the code location takes most of a second."""
WAREHOUSES: Final = (
    "",
    WRITTEN["warehouse"],
    "snowflake://shop@account/SHOP?warehouse=WH",
    "spark://local",
)
FILES: Final = {
    "catalogue.csv": "product_id,category,stock\n1,lamps,4\n",
    "tags.csv": "tag,campaign\nspring,Spring Sale\n",
    "cities.csv": "country,city,region\nDE,Ulm,South\n",
    "funnels.yaml": "browsing:\n  steps: [page_view, product_view]\n  within: 1d\n",
    "segments.yaml": "buyers: {did: purchase}\n",
    "markets.yaml": "segments:\n  home:\n    countries: [DE]\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files that settings name, and no setting of this machine."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    for name in FIELDS:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def value_of(name: str) -> str:
    """Return a value other than the default, as the environment would have it."""
    field = FIELDS[name]
    kind = next(
        (arg for arg in get_args(field.annotation) if arg is not type(None)), field.annotation
    )
    kind = field.annotation if get_origin(field.annotation) in {Literal, tuple} else kind
    if name in WRITTEN:
        return WRITTEN[name]
    if get_origin(kind) is Literal:
        return next(str(choice) for choice in get_args(kind) if choice != field.default)
    if kind in {int, float, Decimal}:
        return number(field)
    texts: dict[object, str] = {
        bool: str(not field.default),
        date: "2025-01-31",
        Path: f"{name}.file",
    }
    return texts.get(kind, f"some-{name.replace('_', '-')}")


def number(field: FieldInfo) -> str:
    """Return a number within a setting's bounds, other than its default."""
    lower_bounds = [
        Decimal(str(bound.ge if isinstance(bound, Ge) else bound.gt))
        for bound in field.metadata
        if isinstance(bound, Ge | Gt)
    ]
    upper_bounds = [Decimal(str(bound.le)) for bound in field.metadata if isinstance(bound, Le)]
    least, most = max(lower_bounds, default=Decimal(0)), min(upper_bounds, default=None)
    default = None if field.default is None else Decimal(str(field.default))
    candidates = [most, *(least + 1, least + 2), *([] if most is None else [(least + most) / 2])]
    return str(
        next(
            value
            for value in candidates
            if value is not None and value != default and (most is None or value <= most)
        )
    )


def given(names: Sequence[str], monkeypatch: pytest.MonkeyPatch, **others: str) -> Settings:
    """Return the settings with these in the environment, each with a value of its own."""
    for name in names:
        monkeypatch.setenv(PREFIX + name.upper(), value_of(name))
    for name, value in others.items():
        monkeypatch.setenv(PREFIX + name.upper(), value)
    return load_settings()


def load(names: Sequence[str], monkeypatch: pytest.MonkeyPatch, **others: str) -> None:
    """Build the code location with these settings, as `dagster definitions validate` does."""
    settings = given(names, monkeypatch, **others)
    dg.Definitions.validate_loadable(build_definitions(settings))


@pytest.mark.slow
@each("name", sorted(FIELDS))
def test_each_setting_may_be_given_without_the_others(name: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        settings = given((name, *NEEDS.get(name, ())), patch)
    assert getattr(settings, name) != FIELDS[name].default, "the setting was really set"


@pytest.mark.slow
@each("names", GROUPS)
def test_the_code_location_loads_with_some_settings(names: tuple[str, ...]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        load(names, patch)


@pytest.mark.slow
@each("warehouse, choice", [("", 1), *((name, n % 2) for n, name in enumerate(WAREHOUSES))])
def test_the_code_location_loads_with_all_settings_together(warehouse: str, choice: int) -> None:
    left_out = {pair[1 - choice] for pair in ALTERNATIVES} | {"jwt_jwks_url", "jwt_public_key_path"}
    names = [name for name in sorted(FIELDS) if name not in left_out]
    with pytest.MonkeyPatch.context() as patch:
        load(names, patch, warehouse=warehouse)


def test_the_code_location_loads_with_events_from_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    load(
        ["report_email", "smtp_url", "snowflake_password"],
        monkeypatch,
        events="snowflake://shop@account/SHOP/PUBLIC/EVENTS",
    )
