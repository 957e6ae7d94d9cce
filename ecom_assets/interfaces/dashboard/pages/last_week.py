"""Last week: how the last day, the last week and this month were, and why revenue changed.

Each number stands beside those of the week or month before, and of a year before.
"""

from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

from pydantic import BaseModel

from ecom_assets.behaviour.sessions.contracts import EngagementDaily
from ecom_assets.commerce.costs.contracts import ProfitDaily
from ecom_assets.commerce.findings.contracts import ShopFindings
from ecom_assets.commerce.findings.queries import FoundKind
from ecom_assets.commerce.sales.contracts import RevenueDaily
from ecom_assets.commerce.sales.coverage import Source
from ecom_assets.commerce.sales.measures import HEADLINES
from ecom_assets.core.errors import UsageError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import ONE_DAY
from ecom_assets.core.tables.queries import (
    NoSourceError,
    Period,
    changes,
    unfinished_day_of_sources,
)
from ecom_assets.interfaces.api.parameters import SlicedOfChosenDays
from ecom_assets.interfaces.api.routes import behaviour, findings, profit, sales
from ecom_assets.interfaces.boards.model import (
    GOAL_MEASURES,
    FindingDecision,
    MonthGoal,
    shop_numbers,
)
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Caption,
    Chart,
    Custom,
    DataTable,
    Notice,
    Several,
    TableColumn,
    Tile,
    Tiles,
    Why,
    meaning,
    of_share,
)
from ecom_assets.interfaces.dashboard.formats import change_of_money, day_range, money
from ecom_assets.interfaces.dashboard.page import (
    Action,
    ActionRequest,
    DashboardPage,
    PageParameters,
    Section,
    View,
)
from ecom_assets.interfaces.dashboard.pages.mapping import reminder
from ecom_assets.interfaces.dashboard.sessions import PREFIX
from ecom_assets.interfaces.weeks.calendar_periods import (
    CalendarPeriod,
    PeriodName,
    calendar_periods,
)
from ecom_assets.interfaces.weeks.causes import of_sources
from ecom_assets.interfaces.weeks.weekly import changes_of
from ecom_assets.interfaces.weeks.wording import FACTORS, MOST_FINDINGS, cause_name

SOURCES: Final[tuple[Source, Source]] = ("sales", "events")
COMPARED: Final[Mapping[FoundKind, str]] = {
    "visits": "visits by channel",
    "conversion": "steps of funnels and carts",
    "refunds": "refunds by product",
    "stock": "stock",
    "ads": "ads below their break-even",
    "meeting": "orders that meet visits",
}
"""What is looked at, as people say it."""
NOT_MISSED: Final = ("stock", "ads", "meeting")
"""What a shop need not have, and others may not see."""
DECIDED: Final = "Done, put off or dismissed: {}; they come back when they become worse."
NO_PERIOD: Final = "The data have no whole {} yet."


@dataclass(frozen=True)
class KeyNumbers:
    """Numbers of one route and one source: where they stand in its answer, and their table."""

    source: Source
    route: Callable[..., Answer]
    part: str
    model: type[BaseModel]
    names: tuple[str, ...]
    table: Contract
    page: str
    scope: Scope = Scope.READ


KEY_NUMBERS: Final = (
    KeyNumbers("sales", sales.sales, "sales", sales.SalesNumbers, HEADLINES, RevenueDaily, "sales"),
    KeyNumbers(
        "sales",
        profit.profit,
        "profit",
        profit.ProfitNumbers,
        ("gross_profit_amount",),
        ProfitDaily,
        "profit",
        Scope.COSTS,
    ),
    KeyNumbers(
        "events",
        behaviour.engagement,
        "engagement",
        behaviour.EngagementNumbers,
        ("session_count", "session_conversion_rate"),
        EngagementDaily,
        "sessions",
    ),
)
"""Orders and visits in one line; conversion in one of its meanings, so that nobody compares two."""
SERIES: Final = TableColumn("series", "Days")
POINTS: Final = (
    TableColumn("start_date", "Day", "date"),
    SERIES,
    TableColumn.from_field(sales.Point, "revenue_amount"),
)
CAUSES: Final = (
    TableColumn("name", "What changed", href="href"),
    TableColumn("contribution_amount", "Added to revenue", "money"),
)
EXPLORED_BY: Final = {
    "marketing_channel": "channel",
    "item_category": "category",
    "customers": "customer_type",
    "sales_channel": "sales_channel",
    "country": "country",
}
"""The dimension of the Sales explorer that shows each dimension of a change."""


def period_named(view: View, name: PeriodName, source: Source) -> CalendarPeriod | None:
    """Return a calendar period of a source; None if there is none that is whole."""
    reading, settings = view.context.reading, view.context.settings
    known = of_sources(reading, Period("custom", reading.newest_date, reading.newest_date), source)
    newest = max((days.last for days in known.known.values() if days.last), default=None)
    if newest is None:
        return None
    until_newest = replace(known, start_date=newest, end_date=newest)
    open_from = unfinished_day_of_sources(
        until_newest, reading.timezone, reading.published.published_at
    )
    return calendar_periods(until_newest, settings.week_start, open_from).get(name)


def numbers_of(name: PeriodName) -> Callable[[View], Block]:
    """Return the section with the numbers of a calendar period."""

    def build(view: View) -> Block:
        by_days: dict[CalendarPeriod, list[Tile]] = {}
        missing: list[NoSourceError] = []
        for numbers in KEY_NUMBERS:
            period = period_named(view, name, numbers.source)
            if period is None or not view.may(numbers.scope):
                continue
            try:
                by_days.setdefault(period, []).extend(_tiles(view, numbers, period))
            except NoSourceError as error:
                missing.append(error)
        shown = {period: tiles for period, tiles in by_days.items() if tiles}
        if not shown and missing:
            raise missing[0]
        blocks: list[Block] = []
        for period, tiles in shown.items():
            days, before, year_before = (
                _written(days) for days in (period.days, period.before, period.year_before)
            )
            blocks += [
                Caption(f"{days}, beside {before}; a year before is {year_before}."),
                Tiles(tiles),
            ]
        return Several(blocks) if blocks else _no_period(name)

    return build


def _no_period(name: PeriodName) -> Notice:
    return Notice(NO_PERIOD.format(name), "info", is_shown_once=True)


def _written(days: tuple[date, date]) -> str:
    first, last = days
    return f"{first:%A}, {day_range(first, last)}" if first == last else day_range(first, last)


def _tiles(view: View, numbers: KeyNumbers, period: CalendarPeriod) -> Iterator[Tile]:
    now, before, year_before = (
        _answer(view, numbers.route, days)
        for days in (period.days, period.before, period.year_before)
    )
    change, year_change = (_changes(now, other, numbers) for other in (before, year_before))
    for name in numbers.names:
        yield Tile.from_field(
            numbers.model,
            name,
            now[numbers.part][name],
            meaning(now, name),
            previous=before[numbers.part][name],
            change=change[name],
            year_before=year_before[numbers.part][name],
            year_change=year_change[name],
            why=Why(numbers.table, name, _as_parameters(period.days)),
            href=view.address(numbers.page, **_as_parameters(period.days)),
            **of_share(numbers.model, name, now[numbers.part], before[numbers.part]),
        )


def _answer(view: View, route: Callable[..., Answer], days: tuple[date, date]) -> Answer:
    """Return the answer of a route for some days."""

    def ask() -> Answer:
        return view.answer(route, start_date=days[0], end_date=days[1])

    answer = _once(view, (route.__name__, days), ask)
    view.ranges.append(answer["range"])
    return answer


def _once(view: View, key: tuple[str, tuple[date, date]], compute: Callable[[], Answer]) -> Answer:
    """Return what is computed once for each publication, as nobody's rights change it."""
    published, state = view.context.reading.published, view.request.app.state
    version = (published.data_version, published.published_at)
    kept: dict[Any, Answer]
    kept_version, kept = getattr(state, "last_week", (None, {}))
    if kept_version != version:  # both at once, as requests over an older publication may go on
        kept = {}
        state.last_week = version, kept
    if key not in kept:
        kept[key] = compute()
    return kept[key]


def _changes(
    now: NamedValues, before: NamedValues, numbers: KeyNumbers
) -> Mapping[str, float | None]:
    """Return how numbers changed; None unless the data hold all days of both."""
    is_comparable = now["range"]["data"] == before["range"]["data"] == "whole"
    if not is_comparable:
        return dict.fromkeys(numbers.names)
    return changes(now[numbers.part], before[numbers.part], numbers.names)


def _as_parameters(days: tuple[date, date]) -> dict[str, str]:
    return {"start_date": str(days[0]), "end_date": str(days[1])}


def goals(view: View) -> Block:
    """Return how far the month is towards its goals, and the form of another one."""
    sales_month, events_month = (period_named(view, "month", source) for source in SOURCES)
    newest = max(
        (period.days[1] for period in (sales_month, events_month) if period),
        default=view.context.reading.newest_date,
    )
    month = f"{newest:%Y-%m}"
    kept = BoardStore(view.context.settings).newest(MonthGoal)
    of_month = [version.item for version in kept if version.item.month == month]
    rows = [row for goal in of_month if (row := _towards(view, goal)) is not None]
    others = [
        f"{money(goal.amount, goal.currency)} of {goal.title}"
        for goal in of_month
        if _is_in_other_currency(view, goal)
    ]
    measures = [
        (name, shop_numbers()[name].measure.label)
        for name in GOAL_MEASURES
        if view.may(Scope.COSTS) or not shop_numbers()[name].is_cost
    ]
    values = {
        "month": month,
        "measures": measures,
        "rows": rows,
        "others": others,
        "can_write": view.may(Scope.WRITE),
    }
    return Custom("goals.html", values)


def _towards(view: View, goal: MonthGoal) -> Answer | None:
    """Return what a number came to so far beside its goal; None where it is unknown or withheld."""
    numbers = next(number for number in KEY_NUMBERS if goal.measure in number.names)
    period = period_named(view, "month", numbers.source)
    if _is_in_other_currency(view, goal):
        return None
    if period is None or not view.may(numbers.scope) or f"{period.days[1]:%Y-%m}" != goal.month:
        return None
    try:
        value = _answer(view, numbers.route, period.days)[numbers.part][goal.measure]
    except NoSourceError:
        return None
    if value is None:
        return None
    last = period.days[1]
    return {
        "label": shop_numbers()[goal.measure].measure.label,
        "format": shop_numbers()[goal.measure].measure.shown_as,
        "value": value,
        "amount": goal.amount,
        "share": float(Decimal(value) / goal.amount),
        "day_share": last.day / monthrange(last.year, last.month)[1],
    }


def _is_in_other_currency(view: View, goal: MonthGoal) -> bool:
    """Return whether a goal was set when the shop had another currency."""
    return bool(goal.currency) and goal.currency != view.currency


def save_goal(request: ActionRequest) -> str:
    """Keep the goal of a number for a month in place of the one that there is."""
    sent = request.form
    fields = {name: sent.get(name, "").strip() for name in ("measure", "month", "amount")}
    is_money = fields["measure"].endswith("_amount")
    with request.request_context() as context:
        currency = context.currency if is_money else ""
    goal = MonthGoal.from_mapping({**fields, "currency": currency})
    request.board_store.replace(goal.own_slug, goal, request.caller)
    return f"The goal is kept: {goal.title}."


def revenue_by_day(name: PeriodName) -> Callable[[View], Block]:
    """Return the section that draws the revenue of a calendar period beside that of the others."""

    def build(view: View) -> Block:
        period = period_named(view, name, "sales")
        if period is None:
            return _no_period(name)
        rows = [
            row
            for days in (period.days, period.before, period.year_before)
            for row in _points(view, days, period.days)
        ]
        return Chart(
            charts.lines("start_date", "revenue_amount", "series", kind="money"),
            rows,
            POINTS,
            "Revenue of each day as a line, and those of the days beside it as further lines.",
            csv=view.csv(
                "/analytics/revenue/trend", start_date=period.days[0], end_date=period.days[1]
            ),
            why=Why(RevenueDaily, "revenue_amount", _as_parameters(period.days)),
        )

    return build


def _points(view: View, days: tuple[date, date], shown_on: tuple[date, date]) -> Iterator[Row]:
    """Yield the revenue of days, drawn on the days of another period from its first on."""
    answer = _answer(view, sales.revenue_trend, days)
    if answer["range"]["data"] == "none":
        return
    most = (shown_on[1] - shown_on[0]).days
    for number, point in enumerate(answer["points"]):
        if number <= most:
            yield {
                "start_date": shown_on[0] + number * ONE_DAY,
                "series": day_range(*days),
                "revenue_amount": point["revenue_amount"],
            }


def causes(view: View) -> Block:
    """Return what changed the revenue of the last week, each with the page that shows it."""
    week = period_named(view, "week", "sales")
    if week is None:
        return _no_period("week")
    period = Period("custom", *week.days)
    result = _once(view, ("causes", week.days), lambda: changes_of(view.context.reading, period))
    change = result["causes"]["revenue_change_amount"]
    if change is None:
        return Notice("The week before is not known in full, so nothing can be compared.", "info")
    days = _as_parameters(week.days)
    rows = [_cause(view, cause, days) for cause in result["largest_causes"]]
    blocks: list[Block] = [
        Caption(
            f"Revenue changed by {change_of_money(change, view.currency)} against the week before."
        )
    ]
    blocks += [Caption(_factors(parts, view.currency)) for parts in result["causes"]["factors"]]
    if rows:
        blocks.append(DataTable(rows, CAUSES, note="A change has a cause in each dimension."))
    return Several(blocks)


def _factors(parts: Sequence[NamedValues], currency: str) -> str:
    added = (
        f"{FACTORS[part['factor']].lower()} "
        f"{change_of_money(part['contribution_amount'], currency)}"
        for part in parts
    )
    sentence = ", ".join(added)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _cause(view: View, cause: NamedValues, days: Mapping[str, str]) -> Answer:
    by = EXPLORED_BY.get(cause["dimension"])
    href = (
        view.address("sales-explorer", by=by, measures="revenue_amount", compare="before", **days)
        if by
        else view.address("sessions", **days)
    )
    return {
        "name": cause_name(cause),
        "contribution_amount": cause["contribution_amount"],
        "href": href,
    }


def what_to_look_at(view: View) -> Block:
    """Return at most five rows that are worth a look, after what makes other numbers wrong."""
    answer = findings.findings(
        view.context, SlicedOfChosenDays()
    )  # its day is not that of the page
    undecided = [row for row in answer["findings"] if row["decision"] is None]
    decided = len(answer["findings"]) - len(undecided)
    rows = [
        row | {"href": f"{PREFIX}/{row['address']}", "why": _why_of_finding(view, row)}
        for row in undecided[:MOST_FINDINGS]
    ]
    left = len(undecided) - len(rows)
    notes = [f"And {left} more." if left else "", DECIDED.format(decided) if decided else ""]
    values = {
        "late_sources": answer["late_sources"],
        "failing_check_count": answer["failing_check_count"],
        "rows": rows,
        "can_write": view.may(Scope.WRITE),
        "nothing": nothing_found(answer["compared_kinds"]),
        "note": " ".join(note for note in notes if note),
    }
    return Custom("findings.html", values)


def nothing_found(compared: Sequence[FoundKind]) -> str:
    """Return in what there is nothing to look at, and what could not be compared."""
    nothing = ", ".join(label for kind, label in COMPARED.items() if kind in compared)
    missing = ", ".join(
        label for kind, label in COMPARED.items() if kind not in compared and kind not in NOT_MISSED
    )
    sentences = (
        f"Nothing to look at in {nothing}." if nothing else "",
        f"Not compared, as they lack five weeks of days: {missing}." if missing else "",
    )
    return " ".join(filter(None, sentences))


def _why_of_finding(view: View, row: NamedValues) -> str:
    if row["kind"] == "ads":  # no row of the table
        return ""
    key = {name: str(row[name]) for name in ShopFindings.key}
    return view.why(Why(ShopFindings, "observed_number", key))


def decide(request: ActionRequest) -> str:
    """Keep that a row is done, put off, or dismissed with a reason."""
    sent = {name: request.form.get(name, "").strip() for name in ("finding", "decision", "reason")}
    with request.request_context() as context:
        answer = findings.findings(context, SlicedOfChosenDays())
    row = next((row for row in answer["findings"] if row["id"] == sent["finding"]), None)
    if row is None:
        raise UsageError("This is no longer among what to look at; nothing was kept.")
    until = request.form.get("until", "").strip() if sent["decision"] == "put_off" else ""
    decision = FindingDecision.from_mapping(
        {
            **sent,
            "finding_title": row["title"],
            "until": until or None,
            "last_date": row["last_date"].isoformat(),
            "distance": row["distance"],
        }
    )
    request.board_store.replace(decision.own_slug, decision, request.caller)
    return f"The decision is kept. {decision.title}."


PAGE: Final = DashboardPage(
    "last-week",
    "Last week",
    position=5,
    summary="How the last day, the last week and this month were, and why revenue changed.",
    asks=PageParameters,
    has_comparison=False,
    actions=(Action("goal", save_goal, Scope.WRITE), Action("decide", decide, Scope.WRITE)),
    sections=(
        Section("Files that are due", reminder, is_titled=False),
        Section("What to look at", what_to_look_at),
        Section("The week", numbers_of("week")),
        Section("Why revenue changed", causes, "half"),
        Section("Revenue of the week by day", revenue_by_day("week"), "half"),
        Section("The last day", numbers_of("day")),
        Section("This month so far", numbers_of("month")),
        Section("Goals of the month", goals),
        Section("Revenue of the month by day", revenue_by_day("month")),
    ),
)
