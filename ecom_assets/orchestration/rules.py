"""The business rules of the assets, built from the settings."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from ecom_assets.behaviour.events.clean import CleaningRule
from ecom_assets.behaviour.funnels.carts import CartRule
from ecom_assets.behaviour.funnels.daily import DEFAULT_NAME, UNITS, DailyFunnel, StepsOfData
from ecom_assets.behaviour.funnels.definition import FIVE_STEPS, Funnel
from ecom_assets.behaviour.journeys.journeys import JourneyRule
from ecom_assets.behaviour.questions.source import identity_rule
from ecom_assets.behaviour.sessions.contracts import SessionEvents
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.behaviour.visitor_segments.segment import VisitorSegment
from ecom_assets.commerce.attribution.credit import AttributionRule
from ecom_assets.commerce.attribution.order_sums import SumsOfData
from ecom_assets.commerce.attribution.order_visits import ReconciliationRule
from ecom_assets.commerce.costs.contribution import CostRules
from ecom_assets.commerce.customers.customers import CustomerRule, MarketSegments
from ecom_assets.commerce.customers.value import ValueRule
from ecom_assets.commerce.marketing.account_zones import AccountZones
from ecom_assets.commerce.marketing.campaigns import CampaignRule, CampaignTag
from ecom_assets.commerce.orders.held_days import OrderGate
from ecom_assets.commerce.orders.orders import OrderRule
from ecom_assets.commerce.products.stock import InventoryRule
from ecom_assets.core.clock import now_utc
from ecom_assets.core.errors import DefinitionError, SettingError, SourceError
from ecom_assets.core.operations.requests import Requests
from ecom_assets.core.settings.settings import PREFIX, Settings, about_setting
from ecom_assets.core.settings.subjects import account_zone, vendor_day
from ecom_assets.core.tables.places import ReadPlaces
from ecom_assets.core.tables.received import SourceGate
from ecom_assets.core.tables.spellings import KeyKind
from ecom_assets.core.tables.values import parse_duration
from ecom_assets.ingestion.sources.activities import not_recorded
from ecom_assets.ingestion.sources.campaign_tags import read_campaign_tags
from ecom_assets.ingestion.sources.customer_api.records import (
    CustomerMapping,
    load_customer_mapping,
    mapping_of,
)
from ecom_assets.ingestion.sources.events import mapping_name
from ecom_assets.ingestion.sources.files.currency import rates_sql
from ecom_assets.ingestion.sources.files.formats import named_paths
from ecom_assets.ingestion.sources.files.mapping import (
    load_ad_spend_mapping,
    load_cost_mapping,
    load_mapping,
    load_order_mapping,
)
from ecom_assets.ingestion.sources.files.places import known_places, market_segments
from ecom_assets.ingestion.sources.home_notes import remembered_paths
from ecom_assets.ingestion.sources.mapping_file import definition_in
from ecom_assets.ingestion.sources.order_reports.source import checked_days, customers_over
from ecom_assets.ingestion.sources.site_lists import channel_rule
from ecom_assets.ingestion.sources.stock import require_catalogue
from ecom_assets.ingestion.sources.visitor_segments import read_visitor_segments


def rules(settings: Settings) -> dict[str, Any]:
    """Return the rules that assets take, by parameter name."""
    with about_setting("session_rule"):
        session_rule = SessionRule.preset(settings.session_rule).require_incremental()
    return {
        "cleaning_rule": CleaningRule(
            event_types=load_mapping(mapping_name(settings)).accepted_types(settings.event_types),
            late_days=settings.late_days,
            max_amount=settings.largest_amount,
            timezone=settings.timezone,
            first_day=settings.first_plausible_day,
        ),
        "identity_rule": identity_rule(settings),
        "user_key": user_key(settings),
        "order_rule": order_rule(settings),
        "session_rule": session_rule,
        "customer_rule": customer_rule(settings),
        "market_segments": segments_of(settings),
        "places": places_of(settings),
        "value_rule": ValueRule(
            value_months=settings.value_months, discount_rate=settings.value_discount_rate
        ),
        "funnels": funnel_rule(settings),
        "declared_segments": declared_segments(settings),
        "reconciliation_rule": ReconciliationRule(),
        "sent_sums": SumsOfData(),
        "journey_rule": JourneyRule(),
        "inventory_rule": InventoryRule(
            reorder_days=settings.reorder_days,
            delivery_days=settings.delivery_days,
            vendor_days=tuple(
                (vendor, int(days))
                for vendor, days in map(vendor_day, settings.vendor_delivery_days)
            ),
        ),
        "empty_days": settings.empty_days,
        "channel_rule": channel_rule(settings),
        "not_recorded": not_recorded(settings),
        "attribution_rule": AttributionRule.of_days(settings.attribution_lookback_days),
        "order_gate": OrderGate(customers_over(settings), partial(checked_days, settings)),
        "clock": now_utc,
        "requests": Requests(settings.home),
        "timezone": settings.timezone,
        "week_start": settings.week_start,
        "cart_rule": CartRule(cart_value=settings.cart_value),
        "cost_rules": cost_rules(settings),
        "other_cost_rules": settings.other_cost_rules,
        "campaign_rule": campaign_rule(settings),
        "account_zones": account_zones(settings),
    }


def require_rules(settings: Settings) -> None:
    """Raise the error of a setting whose rule cannot be made, or whose file cannot be read,
    before anything is begun.

    Raises:
        SettingError: The sentence says what is wrong, and what to do.
        MappingError: There is no such mapping, or it is invalid.
    """
    rules(settings)
    load_mapping(settings.events_mapping)
    load_order_mapping(settings.orders_mapping)
    load_cost_mapping(settings.costs_mapping)
    for name in named_paths(settings.ad_spend):
        load_ad_spend_mapping(name)
    for name in (settings.customers_mapping, settings.customer_api_mapping):
        load_customer_mapping(name)
    try:
        if settings.catalogue:
            require_catalogue(settings.catalogue)
        if settings.rates:
            with duckdb.connect() as con:
                rates_sql(con, settings.rates)
    except SourceError as error:
        raise SettingError(str(error)) from error


def user_key(settings: Settings) -> KeyKind:
    """Return what the id of a user of events is."""
    return load_mapping(mapping_name(settings)).user_key


def source_gate(settings: Settings) -> SourceGate:
    """Return the thresholds at which the source guard stops a run."""
    return SourceGate(settings.gate_refused_share, settings.gate_fall_share)


def order_rule(settings: Settings) -> OrderRule:
    """Return the rule that decides which order lines are clean."""
    return OrderRule(
        settings.max_amount,
        first_day=settings.first_plausible_day,
        currency=settings.set_currency,
    )


def cost_rules(settings: Settings) -> CostRules:
    """Return the rules for what orders cost where no source says it."""
    return CostRules(
        settings.payment_fee_rules, settings.shipping_cost_rules, settings.commission_rules
    )


def campaign_rule(settings: Settings) -> CampaignRule:
    """Return how visits from ads meet campaigns."""
    tags: tuple[CampaignTag, ...] = ()
    if settings.campaign_tags is not None:
        with about_setting("campaign_tags"):
            tags = read_campaign_tags(settings.campaign_tags)
    with about_setting("brand_campaigns"):
        return CampaignRule(tags, settings.brand_campaigns)


def account_zones(settings: Settings) -> AccountZones:
    """Return the zone of the shop, and those of ad accounts that the shop knows."""
    zones = map(account_zone, settings.ad_account_time_zones)
    by_account = {(platform, account_id): zone for platform, account_id, zone in zones}
    return AccountZones(settings.timezone, by_account)


def customer_rule(settings: Settings) -> CustomerRule:
    """Return the thresholds for active, engaged and premium customers."""
    expected_fields = customer_mapping(settings).expected_fields
    with about_setting("tier_enterprise_amount"):
        return CustomerRule(
            active_days=settings.customer_active_days,
            expected_fields=expected_fields,
            premium_amount=settings.tier_premium_amount,
            enterprise_amount=settings.tier_enterprise_amount,
            timezone=settings.timezone,
        )


def customer_mapping(settings: Settings) -> CustomerMapping:
    """Return the mapping of the customer API; without one,
    that with which the stored customers were fetched.
    """
    paths = remembered_paths(settings)
    noted = paths.get(f"{PREFIX}CUSTOMERS_MAPPING") or paths.get(f"{PREFIX}CUSTOMER_API_MAPPING")
    if noted and settings.has_own_data and not (settings.customers or settings.customer_api_url):
        return load_customer_mapping(noted)
    return mapping_of(settings)


def segments_of(settings: Settings) -> MarketSegments:
    """Return the market segments that map an address to a market."""
    with about_setting("market_segments"):
        return market_segments(settings.market_segments)


def places_of(settings: Settings) -> ReadPlaces:
    """Return what reads the lists of countries, regions and cities."""
    if settings.cities is not None:
        with about_setting("cities"):
            known_places(settings.cities)
    return partial(known_places, settings.cities)


def declared_segments(settings: Settings) -> tuple[VisitorSegment, ...]:
    """Return the visitor segments that ECOM_VISITOR_SEGMENTS declares, in the platform's words;
    none without it.
    """
    if settings.visitor_segments is None:
        return ()
    with about_setting("visitor_segments"):
        declared = read_visitor_segments(settings.visitor_segments)
    translate = load_mapping(mapping_name(settings)).translate
    return tuple(funnel.translated(translate) for funnel in declared.values())


def funnel_rule(settings: Settings) -> tuple[DailyFunnel, ...] | StepsOfData:
    """Return the funnels of the mart;
    those of which nobody has chosen the steps have the steps of the data.
    """
    funnels = daily_funnels(settings)
    is_chosen = settings.funnels is not None or chosen_steps(settings)
    return funnels if is_chosen else StepsOfData(funnels)


def chosen_steps(settings: Settings) -> tuple[str, ...]:
    """Return the steps that ECOM_FUNNEL_STEPS or the mapping chooses for the default funnel;
    none if neither does.
    """
    return settings.funnel_steps or load_mapping(mapping_name(settings)).funnel_steps


def event_labels(settings: Settings) -> Mapping[str, str]:
    """Return what the mapping of events calls event types and properties, whatever reads them."""
    labels: Mapping[str, str] = load_mapping(settings.events_mapping).labels
    return labels


def daily_funnels(settings: Settings) -> tuple[DailyFunnel, ...]:
    """Return the funnels of the mart.

    These are the funnels that ECOM_FUNNELS declares. Without it there is one funnel, whose steps
    come from ECOM_FUNNEL_STEPS, else from the mapping, else from the default five-step funnel.

    Raises:
        SettingError: A funnel cannot be computed, or both settings are used.
    """
    if settings.funnels is not None:
        with about_setting("funnels"):
            if settings.funnel_steps:
                raise DefinitionError(
                    "ECOM_FUNNEL_STEPS declares a funnel too; use one of the two settings."
                )
            return read_funnels(settings.funnels)
    names = chosen_steps(settings)
    steps = [{"event_type": name} for name in names or FIVE_STEPS]
    with about_setting("funnel_window"):
        parse_duration(settings.funnel_window)
    with about_setting("funnel_steps"):
        return (
            DailyFunnel(
                DEFAULT_NAME,
                Funnel.from_mapping({"steps": steps, "within": settings.funnel_window}),
            ),
        )


MOST_FUNNELS = 50
"""Each funnel is a separate query; with more, they would dominate the time of a daily run."""


def read_funnels(path: Path) -> tuple[DailyFunnel, ...]:
    """Return the funnels that a file declares, in its order; without `per`,
    both sessions and visitors are counted.

    Raises:
        DefinitionError: The file cannot be read, declares none or too many, or a funnel cannot be
            computed daily.
    """
    read = definition_in(path)
    if not isinstance(read, dict) or not 1 <= len(read) <= MOST_FUNNELS:
        raise DefinitionError(
            f"{path} declares no funnels; give 1 to {MOST_FUNNELS} names, each with its `steps`."
        )
    return tuple(_funnel(path, name, raw) for name, raw in read.items())


def _funnel(path: Path, name: object, raw: object) -> DailyFunnel:
    if not isinstance(name, str) or not name.strip():
        raise DefinitionError(f"{path} names a funnel {name!r}; a name is a text.")
    try:
        funnel = Funnel.from_mapping(raw)
        says_per = isinstance(raw, dict) and raw.get("per") is not None
        units = (UNITS[funnel.per],) if says_per and funnel.per in UNITS else tuple(UNITS.values())
        daily = DailyFunnel(name, funnel, units)
        daily.check_columns(SessionEvents.columns)
    except DefinitionError as error:
        raise DefinitionError(f"{path}, funnel {name!r}: {error}") from error
    return daily
