"""`ecom retention`: its options, and the result as text."""

from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from ecom_assets.cli.options import Mapping, Orders, OwnData, Where, day_of
from ecom_assets.cli.question import FileQuestion, about_files
from ecom_assets.errors import UsageError
from ecom_assets.questions.chart import by_text
from ecom_assets.retention.rule import RetentionRule, check_choice, parse_brackets
from ecom_assets.settings.settings import load_settings
from ecom_assets.sources.files.opened import checking
from ecom_assets.tables.conditions import parse_where
from ecom_assets.tables.days import DayRange

RANGES_OF = ("starts", "events")


@dataclass(frozen=True)
class Scope:
    """The scope of a question: its files, days and visitors, and the file to write the list of visitors to.

    Attributes:
        data: The files of events or orders.
        whole_until: Their last complete day, if given.
        days: The days that are asked about.
        range_of: `starts` or None, on which visitors start; or `events`, so that nothing else is looked at.
        timezone: The reporting time zone, if not that of the settings.
        who: The file for the list of who counts in which cell.
        segment: The visitor segment that is asked about; None for all visitors.
    """

    data: OwnData
    whole_until: date | None
    days: DayRange
    range_of: str | None = None
    timezone: str | None = None
    who: Path | None = None
    segment: str | None = None


def answer_retention(scope: Scope, rule: RetentionRule) -> dict[str, Any]:
    """Return the result of `ecom retention`.

    Raises:
        UsageError: Neither or both of events and orders are given, or orders with an event type that they do not have.
    """
    data = scope.data
    if bool(data.events) == bool(data.orders):
        raise UsageError("Retention needs either events or orders; give one of --events PATH and --orders PATH.")
    if data.orders and scope.segment is not None:
        raise UsageError("--segment is about what visitors did, which orders do not have; ask with --events PATH.")
    if data.orders and rule.per != "user":
        raise UsageError(f"--per {rule.per} is a key of events, which orders do not have; ask with --events PATH.")
    if data.orders:
        from ecom_assets.cli.retention_answer import retention_of_orders  # noqa: PLC0415 (loads Ibis)

        settings = load_settings(orders_mapping=data.orders_mapping, timezone=scope.timezone)
        return retention_of_orders(settings, scope, rule)
    settings = load_settings(events_mapping=data.events_mapping, timezone=scope.timezone)
    with checking(data.events, settings) as opened:
        from ecom_assets.cli.retention_answer import retention_of_events  # noqa: PLC0415 (loads Ibis)

        return retention_of_events(opened, scope, rule)


SHOWN_CELLS = 13
Period = Annotated[str | None, typer.Option(help="hour, day, week, month, quarter or year; week if not given.")]
Mode = Annotated[
    str | None, typer.Option(help="on (came in exactly that period), on_or_after, or bracket; on if not given.")
]
Start = Annotated[str | None, typer.Option(help="Event type that puts a visitor into a cohort; any if not given.")]
Return = Annotated[
    str | None, typer.Option("--return", help="Event type that counts as coming back; any if not given.")
]
StartWhere = Annotated[list[str] | None, typer.Option(help="What must hold of a start, as for --where.")]
ReturnWhere = Annotated[list[str] | None, typer.Option(help="What must hold of a return, as for --where.")]
Starting = Annotated[
    str | None,
    typer.Option(
        help="first_time (each visitor in one cohort, by the first start that meets the conditions), first_ever (by "
        "the first event of the start's type, if it meets them), or recurring (in that of each period with a start)."
    ),
]
Clock = Annotated[str | None, typer.Option(help="calendar, or rolling: 1 h, 24 h, 7 d or 30 d from each start.")]
WeekStart = Annotated[str | None, typer.Option(help="Weekday on which weeks begin; monday if not given.")]
Brackets = Annotated[str | None, typer.Option(help="Periods counted as one, such as 0,1-3,4-7; for --mode bracket.")]
Periods = Annotated[int | None, typer.Option(help="Show periods up to this one; all if not given.")]
Preset = Annotated[str | None, typer.Option(help="Defaults of n_day, posthog, amplitude, mixpanel, clickhouse or ga4.")]
WholeUntil = Annotated[
    str | None, typer.Option(help="Last day that the files hold whole; the day before the newest if not given.")
]
RangeOf = Annotated[
    str | None,
    typer.Option(help="What --from, --to and --last limit: starts (later returns count too), or events (all others)."),
]
By = Annotated[
    list[str] | None,
    typer.Option(
        help="Column or properties.key of starts whose values are compared, or COLUMN:bins=5 or COLUMN:edges=20,50; "
        "give it again for further columns."
    ),
]
Limit = Annotated[int | None, typer.Option(help="How many of them, 10 if not given; the rest is (other).")]
Sum = Annotated[str | None, typer.Option("--sum", help="Number column or properties.key of returns to add up.")]
PER_HELP = "user, or properties.key (its values in place of visitors); user if not given."
Per = Annotated[str | None, typer.Option(help=PER_HELP)]
AtLeast = Annotated[int | None, typer.Option(help="How many returns a period or bracket needs; 1 if not given.")]
Who = Annotated[Path | None, typer.Option(help="Write who counts in which cell to this .parquet or .csv file.")]


@about_files
def retention(
    request: FileQuestion,
    orders: Orders = None,
    orders_mapping: Mapping = None,
    period: Period = None,
    mode: Mode = None,
    start: Start = None,
    returning: Return = None,
    where: Where = None,
    start_where: StartWhere = None,
    return_where: ReturnWhere = None,
    starting: Starting = None,
    clock: Clock = None,
    week_start: WeekStart = None,
    brackets: Brackets = None,
    periods: Periods = None,
    by: By = None,
    limit: Limit = None,
    sum_of: Sum = None,
    per: Per = None,
    at_least: AtLeast = None,
    range_of: RangeOf = None,
    preset: Preset = None,
    whole_until: WholeUntil = None,
    who: Who = None,
) -> None:
    """Count who of each period's new visitors, or customers, came back, and what they were worth."""
    given = _given(locals())
    own = OwnData.read(request.events, orders, request.more, (request.mapping, orders_mapping))
    until, days = day_of(whole_until, "--whole-until"), _days(request.days, range_of)
    scope, rule = Scope(own, until, days, range_of, request.timezone, who, request.segment), _rule(request, given)
    if range_of == "events" and rule.starting == "first_ever":
        raise UsageError(
            "--starting first_ever is known of all data, but --range-of events leaves days out; use starts."
        )
    answer = answer_retention(scope, rule)
    request.print(answer, lambda: retention_lines(answer, who))


PARAMETERS = {"returning_where": "return_where", "last_period": "periods"}
"""The parameters of the command that are not called as the key of a definition."""


def _given(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the command's parameters by the key of a definition."""
    keys = [*(field.name for field in fields(RetentionRule)), "preset"]
    return {key: parameters[PARAMETERS.get(key, key)] for key in keys}


def _days(days: DayRange, range_of: str | None) -> DayRange:
    if range_of is not None:
        check_choice("range", range_of, RANGES_OF)
        if not days.is_given:
            raise UsageError("--range-of says what --from, --to or --last limit; give one of them, or leave it out.")
    return days


WHERES = ("where", "start_where", "returning_where")
OTHER_NAMES = {"returning": "return", "returning_where": "return-where", "last_period": "periods", "sum_of": "sum"}
"""The options that are not called as in a definition."""


def _rule(request: FileQuestion, options: dict[str, Any]) -> RetentionRule:
    """Return the rule from a definition file, or from a preset and the options.

    Raises:
        UsageError: Options do not go together.
    """
    given = request.query(options, "retention", "period", OTHER_NAMES)
    return _from_options(given) if request.definition is None else RetentionRule.from_mapping(given)


def _from_options(given: dict[str, Any]) -> RetentionRule:
    if "brackets" in given and given.get("mode", "bracket") != "bracket":
        raise UsageError(f"--brackets belong to --mode bracket, not to {given['mode']}; leave one of them out.")
    if "limit" in given and "by" not in given:
        raise UsageError("--limit sets how many values of --by are shown; give --by, or leave it out.")
    if "brackets" in given:
        given |= {"mode": "bracket", "brackets": parse_brackets(given["brackets"])}
    conditions = {name: parse_where(given[name]) for name in WHERES if name in given}
    return RetentionRule.preset(given.pop("preset", "n_day")).changed(**given | conditions)


def retention_lines(answer: dict[str, Any], who: Path | None = None) -> list[str]:
    """Return a triangle of shares, one line per cohort; `*` marks shares that may still rise."""
    rule, cohorts, sums = answer["definition"], answer["cohorts"], answer["totals"]
    began = rule["start"] or "any event"
    written = [f"Written to {who}."] if who else []
    if not cohorts:
        return [f"Nobody began with {began}, so there is no cohort.", *written]
    width = max(10, *(len(one["cohort"]) for one in cohorts))
    titles = [one["period"] for one in sums[:SHOWN_CELLS]]
    scope = f"Began with {began}, came back with {rule['returning'] or 'any event'}, by {rule['period']}"
    often = [f"at least {rule['at_least']} times"] if "at_least" in rule else []
    starting = [rule["starting"]] if "starting" in rule else []
    how = ", ".join([rule["mode"], *often, *starting, f"{rule['clock']} clock"])
    lines = [f"{scope}: {how}; * is not whole yet"]
    lines.append(f"{'cohort':{width}} {'size':>9} " + "".join(f"{title:>7} " for title in titles).rstrip())
    for one in cohorts:
        shares = zip(one["returned"], one["complete"], strict=True)
        shown = [f"{count / one['size']:7.1%}{' ' if whole else '*'}" for count, whole in shares]
        lines.append(f"{one['cohort']:{width}} {one['size']:>9,} " + "".join(shown[:SHOWN_CELLS]).rstrip())
    lines += _total_lines(answer, width)
    if len(sums) > SHOWN_CELLS:
        lines.append(f"Shown are {SHOWN_CELLS} of {len(sums)} periods; --json has all.")
    return lines + written


def _total_lines(answer: dict[str, Any], width: int) -> list[str]:
    """Return a line per total, and one per value of the breakdown with its share."""
    sums = answer["totals"]
    lines = [_line("whole", "share", [_share(one["rate"]) for one in sums], width)]
    for key, name in (("lifetime_value", "revenue"), ("sum_per_visitor", "sum")):
        if any(one.get(key) is not None for one in sums):
            lines.append(_line("per head", name, [_money(one[key]) for one in sums], width))
    parts = answer.get("breakdown", [])
    if not parts:
        return lines
    width = max(width, *(len(part["value"]) for part in parts))
    lines.append(f"Of whole cohorts, by {by_text(answer['definition']['by'])}")
    for part in parts:
        size = sum(one["size"] for one in part["cohorts"])
        lines.append(_line(part["value"], f"{size:,}", [_share(one["rate"]) for one in part["totals"]], width))
    return lines


def _line(name: str, what: str, values: list[str], width: int) -> str:
    return (f"{name:{width}} {what:>9} " + "".join(f"{value:>7} " for value in values[:SHOWN_CELLS])).rstrip()


def _share(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1%}"


def _money(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"
