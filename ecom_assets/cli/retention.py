"""`ecom retention`: its options, and the result as text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any

import typer

from ecom_assets.cli.options import Events, Json, Mapping, MorePaths, Orders, OwnData, day_of, print_answer
from ecom_assets.cli.own_files import FileEvents, FileOrders
from ecom_assets.errors import UsageError
from ecom_assets.events.missing_types import missing_type_warnings
from ecom_assets.retention.cells import event_activity, order_activity
from ecom_assets.retention.queries import Question, answer_activity, check_types, types_in_doubt
from ecom_assets.retention.rule import RetentionRule, parse_brackets
from ecom_assets.settings.settings import Settings, load_settings
from ecom_assets.sources.files.records import RecordFiles

ORDER_TYPES = ("purchase", "refund")


@dataclass(frozen=True)
class Asked:
    """The files of events or orders, and their last complete day, if given."""

    data: OwnData
    whole_until: date | None


def answer_retention(asked: Asked, rule: RetentionRule) -> dict[str, Any]:
    """Return the result of `ecom retention`.

    Raises:
        UsageError: Neither or both of events and orders are given, or orders with an event type that they do not have.
    """
    data = asked.data
    if bool(data.events) == bool(data.orders):
        raise UsageError("Retention is asked of events or of orders; give one of --events PATH and --orders PATH.")
    if data.orders:
        settings = load_settings(orders_mapping=data.orders_mapping)
        return _of_orders(data.orders, settings, rule, asked.whole_until)
    return _of_events(data.events, load_settings(events_mapping=data.events_mapping), rule, asked.whole_until)


def _of_events(
    paths: Sequence[str], settings: Settings, rule: RetentionRule, whole_until: date | None
) -> dict[str, Any]:
    files = FileEvents.open(paths, settings)
    start, returning = (name and files.mapping.translate(name) for name in (rule.start, rule.returning))
    rule = replace(rule, start=start, returning=returning)
    events = files.clean()
    question = Question(files.con, event_activity(events, rule), rule, settings.timezone, _day_count(files.files))
    answer = answer_activity(question, whole_until)
    doubted = types_in_doubt(rule, answer)
    warnings = missing_type_warnings(files.con, events, doubted, files.mapping.own_words())
    return answer | {"warnings": warnings, "rows": files.rows.as_json()}


def _of_orders(
    paths: Sequence[str], settings: Settings, rule: RetentionRule, whole_until: date | None
) -> dict[str, Any]:
    """Return the retention of orders, whose event types are purchase (the default) and refund."""
    rule = rule.changed(start=rule.start or "purchase", returning=rule.returning or "purchase")
    check_types([name for name in (rule.start, rule.returning) if name], ORDER_TYPES)
    files = FileOrders.open(paths, settings)
    activity = order_activity(files.clean(), rule)
    question = Question(files.con, activity, rule, settings.timezone, _day_count(files.files))
    return answer_activity(question, whole_until) | {"warnings": [], "rows": files.rows.as_json()}


def _day_count(files: RecordFiles) -> int:
    arrived = files.received_days()
    return (arrived[1] - arrived[0]).days + 1 if arrived else 0


SHOWN_CELLS = 13
Period = Annotated[str | None, typer.Option(help="day, week or month; week if not given.")]
Mode = Annotated[
    str | None, typer.Option(help="on (came in exactly that period), on_or_after, or bracket; on if not given.")
]
Start = Annotated[str | None, typer.Option(help="Event type whose first occurrence begins a cohort; any if not given.")]
Return = Annotated[
    str | None, typer.Option("--return", help="Event type that counts as coming back; any if not given.")
]
Clock = Annotated[str | None, typer.Option(help="calendar, or rolling: 24 h, 7 d or 30 d from each visitor's start.")]
WeekStart = Annotated[str | None, typer.Option(help="Weekday on which weeks begin; monday if not given.")]
Brackets = Annotated[str | None, typer.Option(help="Periods counted as one, such as 0,1-3,4-7; for --mode bracket.")]
Periods = Annotated[int | None, typer.Option(help="Tell periods up to this one; all if not given.")]
Preset = Annotated[str, typer.Option(help="n_day, amplitude, mixpanel or posthog: their defaults.")]
WholeUntil = Annotated[
    str | None, typer.Option(help="Last day that the files hold whole; the day before the newest if not given.")
]


def retention(
    more: MorePaths = None,
    events: Events = None,
    mapping: Mapping = None,
    orders: Orders = None,
    orders_mapping: Mapping = None,
    period: Period = None,
    mode: Mode = None,
    start: Start = None,
    returning: Return = None,
    clock: Clock = None,
    week_start: WeekStart = None,
    brackets: Brackets = None,
    periods: Periods = None,
    preset: Preset = "n_day",
    whole_until: WholeUntil = None,
    as_json: Json = False,
) -> None:
    """Count who of each period's new visitors, or customers, came back, and what they were worth."""
    if brackets and mode not in {None, "bracket"}:
        raise UsageError(f"--brackets belong to --mode bracket, not to {mode}; leave one of them out.")
    given = {"period": period, "start": start, "returning": returning, "clock": clock, "week_start": week_start}
    rule = RetentionRule.preset(preset).changed(
        mode="bracket" if brackets else mode,
        brackets=parse_brackets(brackets) if brackets else None,
        last_period=periods,
        **given,
    )
    own = OwnData.read(events, orders, more, (mapping, orders_mapping))
    answer = answer_retention(Asked(own, day_of(whole_until, "--whole-until")), rule)
    print_answer(answer, lambda: retention_lines(answer), as_json=as_json)


def retention_lines(answer: dict[str, Any]) -> list[str]:
    """Return a triangle of shares, one line per cohort; `*` marks shares that may still rise."""
    rule, cohorts, sums = answer["definition"], answer["cohorts"], answer["totals"]
    began = rule["start"] or "any event"
    if not cohorts:
        return [f"Nobody began with {began}, so there is no cohort."]
    titles = [one["period"] for one in sums[:SHOWN_CELLS]]
    asked = f"Began with {began}, came back with {rule['returning'] or 'any event'}, by {rule['period']}"
    lines = [f"{asked}: {rule['mode']}, {rule['clock']} clock; * is not whole yet"]
    lines.append(f"{'cohort':10} {'size':>9} " + "".join(f"{title:>7} " for title in titles).rstrip())
    for one in cohorts:
        shares = zip(one["returned"], one["complete"], strict=True)
        shown = [f"{count / one['size']:7.1%}{' ' if whole else '*'}" for count, whole in shares]
        lines.append(f"{one['cohort']:10} {one['size']:>9,} " + "".join(shown[:SHOWN_CELLS]).rstrip())
    lines.append(_line("whole", "share", [_share(one["rate"]) for one in sums]))
    if any(one["lifetime_value"] is not None for one in sums):
        lines.append(_line("per head", "revenue", [_money(one["lifetime_value"]) for one in sums]))
    if len(sums) > SHOWN_CELLS:
        lines.append(f"Shown are {SHOWN_CELLS} of {len(sums)} periods; --json tells all.")
    return lines


def _line(name: str, what: str, values: list[str]) -> str:
    return (f"{name:10} {what:>9} " + "".join(f"{value:>7} " for value in values[:SHOWN_CELLS])).rstrip()


def _share(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1%}"


def _money(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"
