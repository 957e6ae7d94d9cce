"""The summary of a run as text: lines for each part of what `cli/summary/run.py` returns."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from ecom_assets.behaviour.events.queries import event_text
from ecom_assets.behaviour.funnels.daily import DEFAULT_NAME
from ecom_assets.behaviour.funnels.text import funnel_chart
from ecom_assets.behaviour.journeys.text import path_line
from ecom_assets.behaviour.sessions.measures import SessionMeasures
from ecom_assets.cli.summary.unknown import unknown_lines
from ecom_assets.commerce.attribution.contracts import MODELS
from ecom_assets.commerce.attribution.queries import coverage_sentence
from ecom_assets.commerce.costs.measures import ProfitMeasures
from ecom_assets.commerce.costs.queries import BRINGS_COSTS, ESTIMATED
from ecom_assets.commerce.customers.measures import ValueMeasures
from ecom_assets.commerce.customers.text import expected_orders, orders_column
from ecom_assets.commerce.orders.held_days import held_line
from ecom_assets.commerce.orders.waiting_days import waiting_sentence
from ecom_assets.commerce.sales.measures import SalesMeasures
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables import formats
from ecom_assets.core.tables.contract import Column
from ecom_assets.core.tables.formats import aligned_percent, counted, quantity
from ecom_assets.core.tables.queries import provisional_lines
from ecom_assets.core.tables.values import batches_of

LOSSES: Final = ("very_few_were_refused", "reasons_are_usual")
"""The checks whose warnings come before all numbers, since rows are missing from those."""
MODELS_SHOWN: Final = ("last_non_direct", "first", "markov")
MISSING_SHOWN: Final = 5
NEXT: Final = (
    "Next: `ecom ui` (or `make ui`) opens the dashboard and Dagster's UI; `ecom explain TABLE` "
    "goes from a number to its rows"
)
AFTER_A_FAILURE: Final = (
    "This run ends with exit code 1, because of what is FAILED above; mend it, and run the same "
    "command again"
)
MOST_NAMED_TABLES: Final = 10
"""The progress of a run names each table already."""
CUSTOMERS_SHOWN: Final = ("tiers", "segments", "quality_bands")
HORIZONS: Final = {
    0: "in the session",
    3_600: "within an hour",
    86_400: "within a day",
    604_800: "within a week",
}
KINDS: Final = {
    "new": "first order ever",
    "returning": "ordered before",
    "refunded": "refunded",
}
"""The customers of a week, as the summary and as people call them."""
WHY: Final = {
    "late_rows": "because rows came late",
    "withdrawn_rows": "because rows were withdrawn",
    "source_restated": "as platforms say now what ads cost",
    "rates_changed": "by other exchange rates",
    "identity": "as it is known since who some visitors are",
    "rows_of_other_days": "as rows of other days came",
    "definition_changed": "though no row came: a setting or a definition changed",
}


def summary_lines(summary: NamedValues) -> list[str]:
    """Return what `ecom run` prints of a summary, a text for each line."""
    lines = ["", f"{summary['days']['from']} to {summary['days']['to']}"]
    lines += [
        f"  {check['sentence']}" for check in summary["checks"]["warned"] if check["name"] in LOSSES
    ]
    lines += [f"  {line}" for line in provisional_lines(summary["provisional_from"])]
    lines += unknown_lines(summary["unknown"], has_failed=not summary["success"])
    for source, days in summary["missing_days"].items():
        more = len(days) - MISSING_SHOWN
        some = ", ".join(days[:MISSING_SHOWN])
        some += f" and {counted(more, 'more day')}" if more > 0 else ""
        lines.append(
            f"  No {source} were received of {some}: what happened then is unknown, and counts "
            "nowhere (ECOM_EMPTY_DAYS=zero counts such days as days without any)"
        )
    if summary["activity_types"]:
        lines.append(
            "  Events are the order report's activities, as "
            f"{', '.join(summary['activity_types'])}: a mapping of your own gives them names, "
            "with --events-mapping (docs/mappings.md). They do not say where visits came from"
        )
    parts = {
        "sessions": _behaviour_lines,
        "cohorts": _retention_lines,
        "sales": _sales_lines,
        "channels": _channel_lines,
        "advertising": _ad_lines,
        "customers": _customer_lines,
        "segments": _value_lines,
        "reconciliation": _reconciliation_lines,
        "restatements": _restatement_lines,
    }
    for name, lines_of in parts.items():
        if summary[name] is not None:
            lines += lines_of(summary)
    lines += _product_lines(summary)
    lines += delivery_lines(summary)
    if summary["missing"]:  # each missing source, with the settings that add it
        lines += ["", *(f"Left out: {reason}" for reason in summary["missing"].values())]
    lines += ["", *_quality_lines(summary), "", *_where_lines(summary)]
    return lines


def _behaviour_lines(summary: NamedValues) -> list[str]:
    sessions = summary["sessions"]
    of_whom = (
        f"of {counted(sessions['visitors'], 'visitor')} in "
        f"{counted(sessions['sessions'], 'session')}"
    )
    lines = [f"  {counted(sessions['events'], 'clean event')} {of_whom}"]
    if sessions["sessions"]:
        of_views = [
            _named(SessionMeasures.bounce_rate, formats.percent(sessions["bounce_rate"])),
            _named(SessionMeasures.pages_per_session, f"{sessions['pages_per_session'] or 0:.1f}"),
        ]
        numbers = [
            *([] if sessions["bounce_rate"] is None else of_views),
            _named(SessionMeasures.median_duration_s, f"{sessions['median_duration_s']:.0f} s"),
        ]
        lines.append(f"  {', '.join(numbers)}")
    return lines + _funnel_lines(summary["funnels"])


FUNNEL_UNITS: Final = {
    "session": "per session, by the day it started",
    "visitor": "per visitor and day: a visitor counts on each day on which they started",
}


def _funnel_lines(funnels: Mapping[str, NamedValues]) -> list[str]:
    """Return a chart of each funnel that has counts."""
    lines = []
    for name, of_units in funnels.items():
        title = "Funnel" if name == DEFAULT_NAME else f"Funnel {name}"
        for unit, steps in of_units.items():
            if steps:
                lines += ["", f"{title} {FUNNEL_UNITS[unit]}", *funnel_chart(steps)]
    return lines


def _retention_lines(summary: NamedValues) -> list[str]:
    """Return the lines of retention and of abandoned carts; none if nothing is complete yet."""
    lines = []
    for period, rates in summary["cohorts"].items():
        shares = [
            f"{period} {cohort['period']} {formats.percent(cohort['rate'])}" for cohort in rates
        ]
        lines += [f"  {', '.join(shares)}"] if shares else []
    if lines:
        lines = ["", "New visitors who came back on that day, in that week or month", *lines]
    carts = summary["carts"]
    if carts:
        lines += ["", "Carts left behind, where the time for a purchase is over"]
    for cart in carts or ():
        name = HORIZONS.get(cart["horizon_s"], f"{cart['horizon_s']} s")
        amount, recovered = cart["abandoned_amount"], cart["recovered"]
        worth = "unknown" if amount is None else _shown(amount)
        of_all = f"{cart['abandoned']:>9,} of {cart['carts']:>9,} {aligned_percent(cart['rate'])}"
        paid = "" if recovered is None else f"; {recovered:,} were paid for after the visit"
        lines.append(f"  {name:15} {of_all}, worth {worth}{paid}")
    return lines


def _sales_lines(summary: NamedValues) -> list[str]:
    sales, week = summary["sales"], summary["retention"]
    waiting = sales["waiting_lines"]
    held = sales["held_order_days"]
    held_lines = (
        [f"  without the order lines of {', '.join(held)} that are held back"] if held else []
    )
    without = [
        *held_lines,
        *([f"  {waiting_sentence(waiting)}"] if waiting else []),
    ]
    title = "Sales" if sales["source"] == "orders" else "Sales, from purchase events"
    if sales["orders"] is None:
        return ["", f"{title}: not known of these days", *without, *_week_lines(week)]
    if not sales["orders"] and week is None:
        return ["", "No sales on these days", *without]
    changed = sales["changed_days"]
    if (changed["from"], changed["to"]) != (summary["days"]["from"], summary["days"]["to"]):
        title += _changed_days(changed)
    of_whom = f"{counted(sales['orders'], 'order')} of {counted(sales['customers'], 'customer')}"
    items = sales["items_sold"]
    amounts = [
        _named(measure, _shown(sales[measure.name]))
        for measure in (
            SalesMeasures.shipped_amount,
            SalesMeasures.refunded_amount,
            SalesMeasures.average_order_value,
        )
    ]
    lines = [
        "",
        title,
        f"  {of_whom}, {quantity(items)} {'item' if items == 1 else 'items'} sold",
        (
            f"  {_named(SalesMeasures.revenue_amount, _shown(sales['revenue_amount']))}: "
            f"{', '.join(amounts)}"
        ),
        *(_profit_lines(summary["profit"]) if sales["source"] == "orders" else ()),
        *without,
    ]
    return lines + _week_lines(week)


def _profit_lines(profit: NamedValues | None) -> list[str]:
    """Return the lines of gross profit and contribution, with what share of sales each is of; what
    would tell it, where nothing says what was sold costs.
    """
    if profit is None:
        return [f"  no profit, as no cost of what was sold is known; {BRINGS_COSTS}"]
    margin, estimated = profit["gross_margin_rate"], profit["estimated_cost_amount"]
    lines = [
        _profit_line(
            profit,
            ProfitMeasures.gross_profit_amount,
            "" if margin is None else f", margin {margin:.1%}",
            profit["cost_coverage_rate"],
            [estimated],
        )
    ]
    if profit["contribution_before_ads_amount"] is not None:
        lines.append(
            _profit_line(
                profit,
                ProfitMeasures.contribution_before_ads_amount,
                "",
                profit["contribution_coverage_rate"],
                [profit[name] for name in ESTIMATED],
            )
        )
    return lines


def _profit_line(
    profit: NamedValues,
    measure: Column,
    more: str,
    coverage: float | None,
    estimated: Iterable[str | None],
) -> str:
    """Return a measure of profit, of which share of sales it is, and how much is estimated."""
    total = sum((Decimal(amount) for amount in estimated if amount), Decimal(0))
    of = "" if coverage is None else f", of {coverage:.1%} of what was sold"
    by_rule = f", with estimated costs of {total:,}" if total else ""
    return f"  {_named(measure, _shown(profit[measure.name]))}{more}{of}{by_rule}"


def _changed_days(changed: NamedValues) -> str:
    if changed["count"] == 1:
        return f" of the day that changed, {changed['from']}"
    return (
        f" of the {changed['count']:,} days that changed, from {changed['from']} to {changed['to']}"
    )


def _week_lines(week: NamedValues | None) -> list[str]:
    if week is None:
        return []
    lines = ["", f"Customers in the week from {week['week_start_date']}"]
    lines += [
        f"  {label:16} {week[kind]['customers']:>8,} with "
        f"{orders_column(week[kind]['orders'], 8)} {_shown(week[kind]['amount']):>16}"
        for kind, label in KINDS.items()
    ]
    if week["unknown"]["orders"]:
        orders, money = week["unknown"]["orders"], _shown(week["unknown"]["amount"])
        lines.append(f"  {'unknown':16} {'':>8}      {orders_column(orders, 8)} {money:>16}")
    without, count = week["lines_without_category"], week["lines"]
    if without:
        verb = "has" if without == 1 else "have"
        problem = f"{without:,} of {count:,} order lines {verb} no category"
        if without == count:
            problem = "no order line has a category"
        advice = "a catalogue names it (ECOM_CATALOGUE, then run these days again)"
        lines.append(f"  {problem}: in mart.customer_retention the item stands for it; {advice}")
    return lines


def _channel_lines(summary: NamedValues) -> list[str]:
    """Return the lines of revenue by channel; none if there is no purchase,
    or if revenue is unknown.
    """
    models, met = summary["channels"]["models"], _coverage(summary["channels"])
    if not models:
        return ["", f"Revenue by channel: {met}"] if met else []
    if any(channel["revenue_amount"] is None for channel in models[MODELS_SHOWN[0]]):
        return []
    amounts = {
        model: {channel["channel"]: Decimal(channel["revenue_amount"]) for channel in models[model]}
        for model in MODELS_SHOWN
    }
    channels = list(dict.fromkeys(channel for model in MODELS_SHOWN for channel in amounts[model]))
    # Zero in the digits of the other amounts, which are those of their currency.
    nothing = Decimal(0).quantize(next(iter(amounts[MODELS_SHOWN[0]].values())))
    head = "".join(f"{model.replace('_', ' '):>18}" for model in MODELS_SHOWN)
    lines = ["", f"{'Revenue by channel':27}{head}"]
    for channel in channels:
        cells = "".join(f"{amounts[model].get(channel, nothing):>18,}" for model in MODELS_SHOWN)
        lines.append(f"  {channel:25}{cells}")
    return [*lines, *([f"  {met}"] if met else [])]


def _coverage(totals: NamedValues) -> str:
    """Return which share of orders has a known visit, as a part of a sentence; empty if unknown."""
    sentence = coverage_sentence(totals["visit_coverage_rate"])
    return sentence[:1].lower() + sentence[1:-1]


def _ad_lines(summary: NamedValues) -> list[str]:
    """Return the lines of what ads cost and brought; none where that is not known of all days, or
    nothing was spent on them.
    """
    ads = summary["advertising"]
    if not Decimal(ads["spend_amount"] or 0):
        return []
    lines = ["", f"Ads: {_shown(ads['spend_amount'])} spent"]
    if ads["roas"] is not None:
        lines.append(
            f"  credited by the model {MODELS[ads['model']]}: "
            f"{_shown(ads['credited_revenue_amount'])}, a ROAS of {ads['roas']:.2f}"
        )
    if met := _coverage(ads):
        lines.append(f"  {met}")
    if ads["platform_roas"] is not None:
        lines.append(
            f"  claimed by the platforms: {_shown(ads['platform_conversion_amount'])}, a ROAS of "
            f"{ads['platform_roas']:.2f}"
        )
    if ads["cost_per_new_customer"] is not None:
        lines.append(
            f"  {counted(ads['new_customer_count'], 'new customer')}, for each of whom "
            f"{_shown(ads['cost_per_new_customer'])} were spent"
        )
    return lines


def _customer_lines(summary: NamedValues) -> list[str]:
    """Return the lines of customers; none if there are no customers."""
    totals = summary["customers"]
    if not totals["count"]:
        return []
    lines = [f"  {name.replace('_', ' '):14} {_by_name(totals[name])}" for name in CUSTOMERS_SHOWN]
    flawed = totals["flawed_fields"]
    lines.append(
        f"  mean score     {totals['mean_data_quality_score']:.2f}; missing or invalid: "
        f"{_by_name(flawed) or 'nothing'}"
    )
    if lacking := [name for name, count in flawed.items() if count == totals["count"]]:
        lines.append(
            f"  No customer has a valid {' or '.join(lacking)}: if your API does not have that, "
            "leave it out of a mapping (ECOM_CUSTOMER_API_MAPPING), and it costs no points."
        )
    lines += [
        f"  {name.replace('_', ' ')} is unknown for all; filled by: {', '.join(sources)}"
        for name, sources in totals["unfilled"].items()
    ]
    if by_api := totals["engagement_sources"]["api"]:
        lines.append(f"  engagement     of {by_api:,} without sessions by the API's score")
    return ["", f"Customers at the end of {totals['as_of']}: {totals['count']:,}", *lines]


def _value_lines(summary: NamedValues) -> list[str]:
    """Return the lines of segments and expected value; none if nobody ordered."""
    lifetime = summary["segments"]
    if not lifetime["customers"]:
        return []
    some = [
        f"{segment['segment']} {segment['customers']:,}"
        for segment in lifetime["segments"]
        if segment["customers"]
    ]
    value = lifetime["value"]
    lines = [
        "",
        f"Customers by segment at the end of {value['as_of_date']}: {lifetime['customers']:,}",
        *(f"  {', '.join(batch)}" for batch in batches_of(some, 6)),
    ]
    if value["no_model_reason"]:
        return [*lines, f"  no expected value: {value['no_model_reason'].replace('_', ' ')}"]
    orders = expected_orders(
        value["expected_alive"], value["expected_orders"], value["horizon_days"]
    )
    lines.append(f"  {orders}")
    if value["lifetime_value_amount"] is not None:
        amount = f"of {value['value_months']} months {_shown(value['lifetime_value_amount'])}"
        lines.append(f"  {_named(ValueMeasures.lifetime_value_amount, amount)}")
    return lines


def _reconciliation_lines(summary: NamedValues) -> list[str]:
    values = summary["reconciliation"]
    if not values["order_count"] + values["event_count"]:
        return []
    counts = (
        f"{counted(values['order_count'], 'order or refund', 'orders and refunds')}, "
        f"{values['matched_count']:,} with an event of the same amount"
    )
    lines = [
        "",
        "Orders against purchase events",
        f"  {counts}; orders less events {values['difference_amount']}",
    ]
    return [
        *lines,
        *(
            f"  {cause:16} {total['count']:>6,} {total['amount']:>14}"
            for cause, total in values["causes"].items()
        ),
    ]


def _restatement_lines(summary: NamedValues) -> list[str]:
    values = summary["restatements"]
    if not values["changed"]:
        return ["", "Published numbers: none changed"]
    causes = ", ".join(f"{number:,} {WHY[cause]}" for cause, number in values["causes"].items())
    largest = values["largest"]
    key = ", ".join(f"{name} {value}" for name, value in largest["row"].items())
    row = f" ({key})" if key else ""
    before, after = (
        "nothing" if value is None else formats.number(value)
        for value in (largest["before"], largest["after"])
    )
    change = (
        f"{largest['table']} {largest['day']} {largest['column']}{row}, from {before} to {after}"
    )
    return ["", f"Published numbers changed: {causes}; the largest change is {change}"]


def _product_lines(summary: NamedValues) -> list[str]:
    """Return the lines of paths, searches and stock, each only if there is data."""
    lines: list[str] = []
    if summary["journeys"] and summary["journeys"]["top_paths"]:
        lines += ["", "Paths through a session", *map(path_line, summary["journeys"]["top_paths"])]
    search = summary["search"]
    if search and search["searches"]:
        terms = ", ".join(
            f"{term['search_term']} {term['searches']:,}" for term in search["top_terms"]
        )
        clicked = formats.percent(search["click_rate"])
        lines += [
            "",
            (
                f"Searches: {search['searches']:,}, {clicked} with a product viewed after; most "
                f"for {terms}"
            ),
        ]
    stock = summary["inventory"]
    if stock is None:
        return lines
    if stock["products"]:
        products = counted(stock["products"], "product")
        lines += ["", f"Stock of {products} on {stock['as_of']}: {_by_name(stock['alerts'])}"]
    if stock["unreadable_lines"]:
        unread = counted(
            stock["unreadable_lines"], "line of the catalogue says", "lines of the catalogue say"
        )
        lines.append(f"  {unread} nothing; see raw.stock")
    return lines


def delivery_lines(totals: NamedValues) -> list[str]:
    """Return the lines of deliveries and of the file of customers."""
    lines = ["", "Delivered"] if totals["deliveries"] else []
    for name, delivery in totals["deliveries"].items():
        outcomes = ", ".join(
            f"{outcome.replace('_', ' ')} {n:,}"
            for outcome, n in sorted(delivery["outcomes"].items())
        )
        lines.append(
            f"  {name:16} {delivery['due']:>9,} due, {delivery['sent']:,} sent now: "
            f"{outcomes or 'none'}"
        )
    if (file := totals["customers_json"]) is not None:
        lines += ["", f"Customers in {file['path']}: {file['customers']:,}"]
    return lines


def _quality_lines(summary: NamedValues) -> list[str]:
    lines = []
    if summary["quarantined"] is not None:
        why = "which rows, why and what to do: ecom explain staging.quarantined_events"
        lines += _quarantine_lines("Quarantined rows", summary, why)
        lines += _conflict_lines(summary["id_conflicts"])
    if (sales := summary["sales"]) is not None and sales["quarantined"] is not None:
        why = "which lines, why and what to do: ecom explain staging.quarantined_orders"
        lines += _quarantine_lines("Quarantined order lines", sales, why)
        lines += [held_line(day) for day in sales["held_days"]]
    customers = summary["customers"]
    if customers is not None and customers["received"]:
        total = f" of {counted(customers['received'], 'record')}"
        lines += _quarantine_lines("Quarantined customers", customers, total=total, width=48)
    lines += _fetched_lines(summary["fetched"])
    return lines + check_lines(summary["checks"], summary["failures"])


def check_lines(checks: NamedValues, failures: Sequence[str] = ()) -> list[str]:
    """Return the lines of checks: their numbers, those that failed or warned, what else failed,
    and what could not be evaluated because of that.
    """
    warned = f", {len(checks['warned'])} warned" if checks["warned"] else ""
    not_evaluated = checks["not_evaluated"]
    left = f", {len(not_evaluated)} could not be evaluated" if not_evaluated else ""
    by_table: dict[str, list[str]] = {}
    for check in not_evaluated:
        by_table.setdefault(check["table"], []).append(check["name"])
    some = list(by_table.items())[:MOST_NAMED_TABLES]
    more = len(by_table) - len(some)
    return [
        f"Checks: {checks['passed']} passed, {len(checks['failed'])} failed{warned}{left}",
        *(f"  FAILED {_check_line(check)}" for check in checks["failed"]),
        *(f"  FAILED {failure}" for failure in failures),
        *(f"  NOT EVALUATED {table}: {', '.join(names)}" for table, names in some),
        *([f"  NOT EVALUATED those of {counted(more, 'more table')}"] if more else []),
        *(f"  WARNING {_warning_line(check)}" for check in checks["warned"]),
    ]


def _warning_line(check: NamedValues) -> str:
    return (
        f"{check['table']} {check['name']}: {check['sentence']}"
        if "sentence" in check
        else _check_line(check)
    )


def _conflict_lines(conflicts: NamedValues) -> list[str]:
    """Return a line of events that share an id and disagree,
    and one for each event of the first id.
    """
    if not conflicts["ids"]:
        return []
    ids = counted(conflicts["ids"], "id is", "ids are")
    same = [
        row
        for row in conflicts["examples"]
        if row["source_event_id"] == conflicts["examples"][0]["source_event_id"]
    ]
    shared = (
        f"Event ids: {ids} shared by {conflicts['events']:,} events that disagree in who, what or "
        "amount"
    )
    return [
        f"{shared}; all count, and ecom doctor shows who they are of",
        *(
            f"  {event_text({**row, 'cart_amount': row['amount'] and Decimal(row['amount'])})}"
            for row in same
        ),
    ]


def _check_line(check: NamedValues) -> str:
    """Describe what a check found, where it has no sentence of its own, or stderr has that."""
    seen = f"Observed {plain(check.get('observed'))}, limit {plain(check.get('limit'))}"
    return (
        f"{check['table']} {check['name']}: {check['description']} {seen}, for example "
        f"{plain(check.get('examples'))}"
    )


def _quarantine_lines(
    title: str, counts: NamedValues, why: str = "", *, total: str = "", width: int = 24
) -> list[str]:
    """Return the lines of quarantined rows by reason, and of duplicates;
    `why` follows if there are any.
    """
    reasons = counts["quarantined"]
    return [
        (
            f"{title}: {sum(reasons.values()):,}{total}; surplus copies left out: "
            f"{counts['duplicates']:,}"
        ),
        *(f"  {reason:{width}} {count:>8,}" for reason, count in reasons.items()),
        *([f"  {why}"] if why and reasons else []),
    ]


def _fetched_lines(fetched: dict[str, dict[str, Any]]) -> list[str]:
    lines = []
    for key, fetch in fetched.items():
        causes = ", ".join(
            f"{cause} {count}" for cause, count in sorted(fetch["retry_counts"].items())
        )
        retried = (
            f", {sum(fetch['retry_counts'].values())} of them retries ({causes})" if causes else ""
        )
        lines.append(f"Fetched for {key}: {counted(fetch['request_count'], 'request')}{retried}")
        if fetch["shortfall"] != "none":
            lines.append(f"  WARNING {key}: {fetch['shortfall']}")
    return lines


def _where_lines(summary: NamedValues) -> list[str]:
    written = set(summary["written"])
    counts = {name: count for name, count in summary["tables"].items() if name in written}
    listed = _by_name(counts) or "none written"
    if len(counts) > MOST_NAMED_TABLES:
        rows = counted(sum(counts.values()), "row")
        listed = f"{len(counts)} written, {rows}; `ecom status` lists them"
    published, published_line = summary["published"], []
    if published and "skipped" in published:
        published_line = [published["skipped"]]
    elif published:
        rows = counted(published["row_count"], "row")
        rows += f" of {counted(len(published['rows_by_table']), 'table')}"
        rows += f", {published['rows_written']:,} of them new"
        version = f"version {published['data_version']}"
        published_line = [f"Published in {published['database']}: {rows}, {version}"]
    return [
        f"Tables in {summary['warehouse']}: {listed}",
        *published_line,
        f"Memory: {summary['memory']}",
        f"Dagster run {summary['run_id']}",
        NEXT if is_well(summary) else AFTER_A_FAILURE,
    ]


def is_well(summary: NamedValues) -> bool:
    """Return whether the run that a summary is of ends with 0."""
    return bool(summary["success"]) and not summary["checks"]["failed"]


def plain(value: object) -> str:
    """Return a value as text: `a 1, b 2` for a mapping, `x; y` for a list, `none` for nothing."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain(item)}" for name, item in value.items()) or "none"
    if isinstance(value, list | tuple | set | frozenset):
        return "; ".join(map(plain, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return "none" if value is None else str(value)


def _named(measure: Column, value: str) -> str:
    """Return a value with what its measure is called."""
    return f"{measure.label.lower()} {value}"


def _shown(amount: str | None) -> str:
    """Return an amount, in the digits that it has."""
    return formats.UNKNOWN if amount is None else f"{Decimal(amount):,}"


def _by_name(counts: Mapping[str, int]) -> str:
    """Return counts with their names before them, in a line."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
