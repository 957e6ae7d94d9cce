"""The summary of a run as `ecom run --json` prints it:
the results of each subject's `queries.py`, by JSON names.
"""

import json
from collections.abc import Collection, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import Final

import typer

from ecom_assets.behaviour.events import recorded
from ecom_assets.behaviour.events.queries import conflict_counts, conflicts, rejected_events
from ecom_assets.behaviour.funnels.daily import DEFAULT_NAME
from ecom_assets.behaviour.funnels.definition import FIVE_STEPS
from ecom_assets.behaviour.funnels.queries import UNITS, daily_funnels, final_carts
from ecom_assets.behaviour.journeys.queries import journey_totals, search_totals, searches
from ecom_assets.behaviour.retention.queries import retention_totals
from ecom_assets.behaviour.sessions.queries import has_paid_events, known_totals, sessions_of
from ecom_assets.cli.platform_run import RunOutcome
from ecom_assets.cli.summary.lines import summary_lines
from ecom_assets.cli.summary.unknown import NOT_COMPUTED, is_accounted_for, unknown_sources
from ecom_assets.cli.terminal import print_answer, print_faults, warn
from ecom_assets.commerce.attribution.queries import (
    Unit,
    VisitCoverage,
    channels_by_model,
    visit_coverage,
)
from ecom_assets.commerce.costs.measures import ProfitMeasures
from ecom_assets.commerce.costs.queries import ESTIMATED, profit_of_days
from ecom_assets.commerce.customers.contracts import CustomerSegments
from ecom_assets.commerce.customers.queries import customer_records, expected_value, segment_totals
from ecom_assets.commerce.marketing import queries as marketing
from ecom_assets.commerce.marketing.measures import MarketingMeasures
from ecom_assets.commerce.orders.held_days import held_day_entry
from ecom_assets.commerce.orders.queries import (
    days_of_run,
    held_days,
    held_order_dates,
    rejected_orders,
    waiting_days,
)
from ecom_assets.commerce.products.queries import stock_totals
from ecom_assets.commerce.reconciliation.queries import difference_totals, restatements
from ecom_assets.commerce.sales.coverage import (
    ORDERS,
    PURCHASES,
    SalesSource,
    find_sales_source,
)
from ecom_assets.commerce.sales.measures import SalesMeasures
from ecom_assets.commerce.sales.queries import (
    has_purchases,
    lines_by_category,
    newest_customer_week,
    sales_of_days,
    sales_totals,
)
from ecom_assets.core.clock import now_utc
from ecom_assets.core.errors import nearest
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.settings.memory import run_sentence
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.check import EXAMPLES
from ecom_assets.core.tables.currencies import rounded
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.measures import summable
from ecom_assets.core.tables.queries import Page, Period, Reading, unfinished_day_of_sources
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.ingestion.sources.activities import not_recorded
from ecom_assets.ingestion.sources.customer_api.records import mapping_of
from ecom_assets.ingestion.sources.order_reports.report_files import activity_types, has_report
from ecom_assets.ingestion.sources.order_reports.source import has_events, has_orders
from ecom_assets.ingestion.sources.presence import given_sources, stored_sources
from ecom_assets.ingestion.sources.proposal.event_type_words import (
    STANDARD_TYPES,
    likely_event_type,
)
from ecom_assets.orchestration.registry import ALL
from ecom_assets.orchestration.rules import chosen_steps, order_rule, segments_of
from ecom_assets.outputs.serving.reading import WarehouseReading

EVENTS_SETTING: Final = "ECOM_EVENTS"
ORDERS_SETTING: Final = "ECOM_ORDERS"
FILLED_BY: Final[dict[str, tuple[str, ...]]] = {
    "activity_status": ("last_login_at", EVENTS_SETTING),
    "engagement_level": ("engagement_score", EVENTS_SETTING),
    "market_segment": ("country", "region", "city"),
    "acquisition_channel": (EVENTS_SETTING,),
    "customer_tier": (ORDERS_SETTING, EVENTS_SETTING),
}
"""What fills each: fields of the customer API, or data of the shop; any of them does."""


def unfilled_columns(settings: Settings) -> dict[str, list[str]]:
    """Return what would fill each column of customers that nothing fills,
    by the name of the column.
    """
    filled = {name for name, _ in mapping_of(settings).fields.mapped()}
    filled |= {EVENTS_SETTING} if has_events(settings) else set()
    filled |= {ORDERS_SETTING} if has_orders(settings) else set()
    return {
        name: [*sources] for name, sources in FILLED_BY.items() if not filled.intersection(sources)
    }


FETCHED: Final = ("request_count", "retry_counts", "rate_limit_wait_s", "received_bytes")
DELIVERED: Final = (
    "due",
    "sent",
    "delivered",
    "rejected",
    "retried",
    "pending",
    "changed_after_delivery",
    "bytes",
)
TOP_PATHS: Final = 5
TOP_TERMS: Final = 3
CUSTOMER_COLUMNS: Final = {
    "tiers": "customer_tier",
    "segments": "market_segment",
    "quality_bands": "quality_band",
    "engagement_sources": "engagement_source",
}
WEEK_COLUMNS: Final = {
    "new": "new_revenue_amount",
    "returning": "returning_revenue_amount",
    "refunded": "refunded_amount",
}
COUNTED_FROM: Final[Mapping[str, tuple[str, ...]]] = {
    "events": (
        "sessions",
        "funnel",
        "funnels",
        "cohorts",
        "carts",
        "channels",
        "journeys",
        "search",
        "quarantined",
        "duplicates",
        "id_conflicts",
        "reconciliation",
    ),
    "orders": ("retention", "reconciliation"),
    "customers": ("customers",),
    "stock": ("inventory",),
}
"""The parts of the summary that are null if a source is missing."""
OF_EVENTS: Final = ("sessions", "funnel", "funnels", "journeys", "search")
"""The parts of the summary that are counted from events of its period only."""
SHOWN_OF_PROFIT: Final = (
    "cost_amount",
    "gross_profit_amount",
    "gross_margin_rate",
    "cost_coverage_rate",
    "contribution_before_ads_amount",
    "contribution_coverage_rate",
    *ESTIMATED,
)
SHOWN_OF_ADS: Final = (
    "spend_amount",
    "credited_revenue_amount",
    "roas",
    "platform_conversion_amount",
    "platform_roas",
)
REFUSED: Final = ("quarantined", "duplicates")
LINES: Final = (*REFUSED, "held_days", "held_order_days", "waiting_lines")
"""What the summary says of order lines that do not count."""
REASONS: Final = {
    "events": "no events; set ECOM_EVENTS",
    "orders": "no order lines; set ECOM_ORDERS or ECOM_ORDER_API_URL",
    "customers": "no customers; set ECOM_CUSTOMER_API_URL",
    "stock": "no stock; set ECOM_CATALOGUE or ECOM_CATALOGUE_API_URL",
}


def show_summary(settings: Settings, outcome: RunOutcome, *, as_json: bool) -> None:
    """Print the summary of the run, and its errors."""
    if outcome.has_begun:
        with closing(new_engine(settings).open()) as engine:
            summary = summarize(engine, settings, outcome)
            advice = _funnel_advice(engine, settings, summary["funnel"])
        lines = () if as_json else summary_lines(summary)
        print_answer(summary, *lines, as_json=as_json)
        if advice:
            typer.echo(advice, err=True)
    elif (
        as_json
    ):  # what prevented its start, such as another run, also prevents reading the warehouse
        print_answer(_ended(outcome), as_json=True)
    warn(*(warning.complaint for warning in outcome.warnings))
    print_faults(outcome.complaints)


def _funnel_advice(engine: Engine, settings: Settings, funnel: NamedValues | None) -> str:
    """Return which steps of the default funnel the events do not have;
    empty if it has all, or counts.
    """
    if funnel is None or settings.funnels is not None:
        return ""
    chosen = chosen_steps(settings)
    if chosen and any(funnel.values()):
        return ""
    reading = WarehouseReading.from_engine(engine, settings, order_rule(settings), now_utc().date())
    types = {
        row["event_type"] for row in reading.state(reading.events().select("event_type").distinct())
    }
    steps = chosen or FIVE_STEPS
    there = [step for step in steps if step in types]
    if not types or len(there) == len(steps):
        return ""
    others = sorted(types - {*steps, *STANDARD_TYPES})
    missing = ", ".join(_missing_step(step, others) for step in steps if step not in types)
    if len(there) < 2:  # noqa: PLR2004 (a funnel leads from a step to another)
        return (
            f"There is no funnel: these events have no {missing}. A mapping gives types their "
            "names (event_types)."
        )
    if not chosen:
        return (
            f"The funnel has the steps {', '.join(there)}, as these events have no {missing}. "
            "ECOM_FUNNEL_STEPS, or funnel_steps in a mapping, chooses others."
        )
    return (
        f"The funnel has no counts: these events have no {missing}. Of the steps that they have: "
        f"ECOM_FUNNEL_STEPS={','.join(there)}, or funnel_steps in the mapping"
    )


def _missing_step(step: str, others: Sequence[str]) -> str:
    """Return a step that no event has, with the event type that may be meant."""
    meant = [event_type for event_type in others if likely_event_type(event_type) == step]
    near = meant[0] if meant else nearest(step, others)
    return f"{step} (did you mean {near!r}?)" if near else step


def _ended(outcome: RunOutcome) -> Answer:
    return {"run_id": outcome.run_id, "success": outcome.success, "failures": outcome.failures}


def summarize(engine: Engine, settings: Settings, outcome: RunOutcome) -> Answer:
    """Return the summary of the run, as `ecom run --json` prints it."""
    reading = WarehouseReading.from_engine(engine, settings, order_rule(settings), now_utc().date())
    period = Period("custom", outcome.days.first, outcome.days.dates[-1])
    known_period, sources = replace(period, known=reading.known), given_sources(settings)
    sources |= stored_sources(engine)
    missing = {source: reason for source, reason in REASONS.items() if source not in sources}
    source = ORDERS if "orders" not in missing else PURCHASES if has_purchases(reading) else None
    sales = _sales(reading, period, source, outcome.days) if source else None
    unit: Unit = "order" if source == ORDERS else "purchase"
    has_money = source != PURCHASES or has_paid_events(reading.events(), reading.state)
    summary = {
        **_ended(outcome),
        "days": {"from": str(period.start_date), "to": str(period.end_date)},
        "provisional_from": _text(
            unfinished_day_of_sources(known_period, reading.timezone, now_utc())
        ),
        "missing_days": _missing_days(reading, period),
        "activity_types": activity_types(engine) if has_report(settings) else [],
        **_behaviour(reading, period),
        "sales": sales,
        "profit": _profit(reading, outcome.days) if source == ORDERS else None,
        "advertising": _advertising(reading, period) if source else None,
        "retention": _customer_week(reading, period),
        "channels": _channels(
            reading, period, unit, has_money=not sales or sales["revenue_amount"] is not None
        ),
        "customers": _customers(reading, period, settings),
        "segments": _segments(reading, source, has_money=has_money),
        "reconciliation": _differences(reading, period),
        "restatements": _restatements(reading, outcome.run_ids),
        "journeys": journey_totals(reading, period, TOP_PATHS),
        "search": _searches(reading, period),
        "inventory": _inventory(reading),
        **rejected_events(reading, period),
        "id_conflicts": _conflicts(reading, period),
        "checks": _checks(outcome),
        "tables": _row_counts(engine),
        # What each fetch took, and a sentence about what it could not read, if there is one.
        "fetched": {
            key: {name: result[name] for name in FETCHED}
            | {"shortfall": result.get("shortfall", "none")}
            for key, result in sorted(outcome.fetched.items())
        },
        "written": list(outcome.written),
        "published": outcome.published,
        **delivery_totals(outcome),
        "warehouse": engine.address,
        "memory": run_sentence(settings),
        "dagster_home": str(settings.dagster_home),
    }
    nulls = dict.fromkeys(part for name in missing for part in COUNTED_FROM[name])
    unknown = unknown_sources(engine, known_period, missing, outcome.written)
    unaccounted = {
        name
        for name, why in unknown.items()
        if why["reason"] == NOT_COMPUTED and not is_accounted_for(engine, period, name)
    }
    summary = _without_promises(
        _without_unknown(summary, unknown.keys(), unaccounted, source), settings
    )
    return {**summary, **nulls, "unknown": unknown, "missing": missing}


NEEDED_BY: Final[Mapping[str, str]] = {
    "channels": recorded.ADDRESSES,
    "search": recorded.SEARCHES,
    "carts": recorded.CARTS,
    "reconciliation": recorded.PURCHASES,
}
"""What events must record for a part of the summary to be known."""


def _without_promises(summary: Answer, settings: Settings) -> Answer:
    """Return the summary without what events do not record, such as activities of an order report:
    without views, every visit would be a bounce, and without addresses Direct.
    """
    lacks = not_recorded(settings)
    unknown = dict.fromkeys(part for part, need in NEEDED_BY.items() if need in lacks)
    sessions = summary["sessions"] and known_totals(summary["sessions"], lacks)
    return {**summary, "sessions": sessions, **unknown}


def _without_unknown(
    summary: Answer, unknown: Set[str], unaccounted: Set[str], source: SalesSource | None
) -> Answer:
    """Return the summary with null for what is counted from sources of which
    nothing is known in its period.

    Of those in `unaccounted`, refused rows and copies are not counted either.
    """
    nulls = dict.fromkeys(OF_EVENTS if "events" in unknown else ())
    if "events" in unaccounted:
        nulls |= dict.fromkeys((*REFUSED, "id_conflicts"))
    if {"events", "orders"} <= unknown:
        nulls["reconciliation"] = None
    sales = summary["sales"]
    if ORDERS in unknown:
        nulls["profit"] = None
    if sales and (ORDERS if source == ORDERS else "events") in unknown:
        sales |= dict.fromkeys(name for name in sales if name not in LINES and name != "source")
        if ORDERS in unaccounted:
            sales |= dict.fromkeys(REFUSED)
    return {**summary, **nulls}


def _conflicts(reading: Reading, period: Period) -> Answer:
    """Return the events of a period that share an id and disagree: their numbers,
    and the first without its person.
    """
    counts = conflict_counts(reading, period)
    rows = (
        conflicts(reading, period, Page(EXAMPLES), may_see_people=False)["conflicts"]
        if counts["id_count"]
        else []
    )
    names = ("source_event_id", "event_id", "event_type", "sent_by")
    examples = [
        {
            "event_date": str(row["event_date"]),
            **{name: row[name] for name in names},
            "amount": _money(row["cart_amount"], reading.currency),
        }
        for row in rows
    ]
    return {"ids": counts["id_count"], "events": counts["event_count"], "examples": examples}


def _missing_days(reading: Reading, period: Period) -> dict[str, list[str]]:
    """Return the days of the period of which nothing was received, by source,
    where there are any.
    """
    days_by_source = {
        name: days.within(period.start_date, period.end_date)
        for name, days in reading.known.items()
    }
    return {
        name: [str(day) for day in days.missing]
        for name, days in sorted(days_by_source.items())
        if days.missing
    }


def _behaviour(reading: Reading, period: Period) -> Answer:
    funnels = daily_funnels(reading, period)
    return {
        "sessions": sessions_of(reading, period),
        "funnel": funnels.get(DEFAULT_NAME)
        or next(iter(funnels.values()), {unit: [] for unit in UNITS}),
        "funnels": funnels,
        "cohorts": retention_totals(reading),
        "carts": [
            {
                "unit": row["unit"],
                **{name: int(row[name]) for name in ("horizon_s", "carts", "abandoned")},
                "recovered": None if row["recovered"] is None else int(row["recovered"]),
                "rate": row["rate"],
                "abandoned_amount": _money(row["abandoned_amount"], reading.currency),
            }
            for row in final_carts(reading, period)
        ],
    }


def _sales(reading: Reading, period: Period, source: SalesSource, days: Days) -> Answer:
    """Return the sales of all days that a run changed; sales from purchase events have no
    quarantined or held lines.

    Orders change the days on which they were placed, which may lie before those on which they
    arrived, `days`. In `changed_days` are the first and the last of all, and their number.
    `held_days` are all arrival days that are held, in or outside the period. `held_order_days` are
    the days of the period on which held lines were ordered. `waiting_lines` are all lines that wait
    until the rest of their day is loaded, by both of their days.
    """
    changed = days_of_run(reading, days) if source == ORDERS else days
    sold = (
        sales_of_days(reading, changed)
        if changed != days
        else sales_totals(reading, period, source)
    )
    amounts = [
        name for name, measure in summable(SalesMeasures).items() if measure.shown_as == "money"
    ]
    lines: Row = dict.fromkeys(LINES)
    if source == ORDERS:
        lines = {
            **rejected_orders(reading, period),
            "held_days": [held_day_entry(row) for row in held_days(reading)],
            "held_order_days": [str(day) for day in held_order_dates(reading, period)],
            "waiting_lines": waiting_days(reading),
        }
    return {
        "source": source,
        "changed_days": {
            "from": str(changed.first),
            "to": str(changed.dates[-1]),
            "count": len(changed.dates),
        },
        "orders": sold["order_count"],
        "customers": sold["customer_count"],
        "items_sold": sold["sold_item_count"],
        **{name: _money(sold[name], reading.currency) for name in amounts},
        **lines,
    }


def _profit(reading: Reading, days: Days) -> Answer | None:
    """Return the profit of all days that a run changed; None where no cost is known."""
    numbers = profit_of_days(reading, days_of_run(reading, days))
    if numbers is None:
        return None
    return _measured(numbers, ProfitMeasures, SHOWN_OF_PROFIT, reading.currency)


def _measured(
    numbers: NamedValues, measures: type, shown: Collection[str], currency: str
) -> Answer:
    """Return the numbers of the measures that the summary shows, money as text."""
    return {
        name: _money(numbers[name], currency) if measure.shown_as == "money" else numbers[name]
        for name, measure in summable(measures).items()
        if name in shown
    }


def _advertising(reading: Reading, period: Period) -> Answer | None:
    """Return what ads cost and brought in a period, and what customers cost that are new in it;
    None without ad spend, or where a run over some tables has computed no sales yet.
    """
    if not marketing.has_spend(reading) or find_sales_source(reading) is None:
        return None
    answer = marketing.marketing(reading, period)
    whole = answer["shop"]
    return _measured(answer["ads"], MarketingMeasures, SHOWN_OF_ADS, reading.currency) | {
        "model": answer["model"],
        "visit_coverage_rate": answer["visit_coverage_rate"],
        "new_customer_count": whole["new_customer_count"],
        "cost_per_new_customer": _money(whole["cost_per_new_customer"], reading.currency),
    }


def _customer_week(reading: Reading, period: Period) -> Answer | None:
    week = newest_customer_week(reading, period)
    if week is None:
        return None
    kinds = {
        kind: {
            "customers": int(week[f"{kind}_customers_count"]),
            "orders": int(week[f"{kind}_orders_count"]),
            "amount": _money(week[amount], reading.currency),
        }
        for kind, amount in WEEK_COLUMNS.items()
    }
    lines, without = lines_by_category(reading, period)
    return {
        "week_start_date": str(week["week_start_date"]),
        **kinds,
        "unknown": {
            "orders": int(week["unknown_customer_orders_count"] or 0),
            "amount": _money(week["unknown_customer_revenue_amount"] or 0, reading.currency),
        },
        "lines": lines,
        "lines_without_category": without,
    }


def _channels(reading: Reading, period: Period, unit: Unit, *, has_money: bool) -> Answer:
    """Return what each model credits to channels; nothing where too few orders have visits to say
    what brought them.
    """
    met = visit_coverage(reading, period) if unit == "order" else VisitCoverage()
    models = {
        model: [
            {
                "channel": row["channel"],
                "credit": float(row["credit"]),
                "revenue_amount": _money(row["revenue_amount"], reading.currency)
                if has_money
                else None,
            }
            for row in rows
        ]
        for model, rows in channels_by_model(reading, period, unit).items()
        if not met.is_too_low
    }
    return {"unit": unit, "visit_coverage_rate": met.rate, "models": models}


def _customers(reading: Reading, period: Period, settings: Settings) -> Answer:
    result = customer_records(reading, segments_of(settings).names, period)
    return {
        "count": result["total_customers"],
        "as_of": _text(result["as_of_date"]),
        **{name: result[column] for name, column in CUSTOMER_COLUMNS.items()},
        **{
            name: result[name]
            for name in (
                "mean_data_quality_score",
                "flawed_fields",
                "received",
                "quarantined",
                "duplicates",
            )
        },
        "unfilled": unfilled_columns(settings),
    }


def _segments(reading: Reading, source: SalesSource | None, *, has_money: bool) -> Answer | None:
    """Return customers by segment, and their expected value;
    None if there is no customer and no source of sales.
    """
    result = segment_totals(
        reading.table(CustomerSegments),
        reading.state,
        has_money=has_money,
        currency=reading.currency,
    )
    if not result["customers"] and source is None:
        return None
    value = expected_value(reading)
    amount = _money(value["lifetime_value_amount"], reading.currency)
    return {
        **result,
        "value": value
        | {"as_of_date": _text(value["as_of_date"]), "lifetime_value_amount": amount},
    }


def _differences(reading: Reading, period: Period) -> Answer:
    result = difference_totals(reading, period)
    causes = result.pop("causes")
    numbers = {
        name: _money(number or 0, reading.currency)
        if name.endswith("_amount")
        else int(number or 0)
        for name, number in result.items()
    }
    by_cause = {
        cause: {
            "count": int(total["count"]),
            "amount": _money(total["amount"] or 0, reading.currency),
        }
        for cause, total in causes.items()
    }
    return {**numbers, "causes": by_cause}


def _restatements(reading: Reading, run_ids: Sequence[str]) -> Answer:
    result = restatements(reading, run_ids)
    if not (row := result["largest"]):
        return result
    largest = {
        "table": row["table_name"],
        "day": str(row["restated_date"]),
        "row": json.loads(row["row_key"]),
        "column": row["column_name"],
        "before": row["before_value"],
        "after": row["after_value"],
        "cause": row["cause"],
        "late_rows": int(row["late_row_count"]),
        "late_row_ids": json.loads(row["late_row_ids"] or "[]"),
    }
    return {**result, "largest": largest}


def _searches(reading: Reading, period: Period) -> Answer:
    totals, top = search_totals(reading, period), searches(reading, period, Page(TOP_TERMS))
    terms = [
        {
            "search_term": term["search_term"],
            "searches": term["search_count"],
            "clicked": term["clicked_search_count"],
        }
        for term in top["searches"]
    ]
    return {
        "searches": totals["search_count"],
        "click_rate": totals["click_rate"],
        "top_terms": terms,
    }


def _inventory(reading: Reading) -> Answer:
    result = stock_totals(reading)
    return {"as_of": _text(result.pop("as_of_date")), **result}


def _checks(outcome: RunOutcome) -> Answer:
    failed, warned = outcome.failed_checks, outcome.warnings
    return {
        "passed": len(outcome.checks) - len(failed) - len(warned),
        "failed": [check.as_json() for check in failed],
        "warned": [check.as_json() for check in warned],
        "not_evaluated": [{"table": table, "name": name} for table, name in outcome.not_evaluated],
    }


def _row_counts(engine: Engine) -> dict[str, int]:
    for table in ALL:
        engine.ensure(table)
    counts = engine.row_counts(ALL)
    return {table.qualified_name(): counts[table.qualified_name()] for table in ALL}


def delivery_totals(outcome: RunOutcome) -> Answer:
    """Return what the exports report: deliveries by destination, and the file of customers."""
    delivered, file = outcome.delivered, outcome.delivered.get("customers_json")
    return {
        "deliveries": {
            name: {
                **{count: int(delivery[count]) for count in DELIVERED},
                "seconds": float(delivery["seconds"]),
                "records_per_s": int(delivery["records_per_s"]),
                "outcomes": delivery["outcomes"],
            }
            for name, delivery in sorted(delivered.items())
            if "outcomes" in delivery
        },
        "customers_json": None
        if file is None
        else {
            "path": str(file["path"]),
            "customers": int(file["row_count"]),
            "bytes": int(file["bytes"]),
        },
    }


def _money(amount: Decimal | int | None, currency: str) -> str | None:
    return None if amount is None else str(rounded(Decimal(amount), currency))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
