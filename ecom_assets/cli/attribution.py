"""`ecom attribution`: credit channels for the purchases in files."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import ibis
import ibis.expr.types as ir
import typer
from ibis.backends.duckdb import Backend

from ecom_assets.attribution import credit
from ecom_assets.attribution.channels import ChannelRule
from ecom_assets.attribution.conversions import purchases
from ecom_assets.attribution.markov import removal_effect_rows, removal_effects, step_spans, steps_on
from ecom_assets.attribution.rule import PRESETS, AttributionRule, model_name
from ecom_assets.attribution.touches import touches, whole_arrivals
from ecom_assets.cli.options import (
    DURATIONS,
    Events,
    Json,
    Mapping,
    MorePaths,
    PresetName,
    SegmentName,
    SessionRuleName,
    Timezone,
    all_paths,
    print_answer,
    with_preset_values,
)
from ecom_assets.cli.options import Where as Conditions
from ecom_assets.cli.own_files import FileEvents
from ecom_assets.cli.ranges import From, Last, QuestionDays, To
from ecom_assets.cli.row_days import Ends, days_definition, ends_of, of_days
from ecom_assets.cli.visitor_segments import AskedSegment
from ecom_assets.sessions.rule import SessionRule
from ecom_assets.sessions.sessions import session_events
from ecom_assets.settings.settings import Settings, load_settings
from ecom_assets.sources.site_lists import source_lists
from ecom_assets.tables.columns import holds
from ecom_assets.tables.conditions import EVERYTHING, Where, parse_where, with_event_types
from ecom_assets.tables.days import Days

ALL_TIME_DAYS = 36_500
"""Makes all days of the files one period, so that the Markov chain is built from all paths."""
NO_ADDRESSES = "No event has a page with UTM parameters or a referrer from elsewhere, so every visit is Direct."
NO_PURCHASES = "There is no purchase to give credit for."


@dataclass(frozen=True)
class Asked:
    """What is asked beside the rule: of which files, conditions and days, by which model, and how sessions are cut."""

    paths: list[str]
    settings: Settings
    model: str
    session_rule: str
    where: Where
    days: QuestionDays
    segment: str | None = None


def answer_attribution(asked: Asked, rule: AttributionRule) -> dict[str, Any]:
    """Return the result of `ecom attribution`."""
    name, settings = model_name(asked.model), asked.settings
    rule = replace(rule, period_days=ALL_TIME_DAYS)
    files = FileEvents.open(asked.paths, settings)
    asked = replace(asked, where=with_event_types(asked.where, files.mapping.translate))
    clean = files.clean()
    ends, warnings = ends_of(clean, "event_date", asked.days)
    only = AskedSegment.read(asked.segment, files)
    events = only.events(clean, ends[1])
    events = events if asked.where == EVERYTHING else events.filter(holds(events, asked.where))
    result = _prepare(files.con, events, settings, SessionRule.preset(asked.session_rule), ends)
    bought = of_days(result.bought, "converted_date", ends)
    counted = bought.agg(conversions=bought.is_refund.ifelse(0, 1).sum().fill_null(0))
    numbers = files.con.to_pyarrow(counted).to_pylist()[0]
    channels = _credit(files.con, result, name, rule) if numbers["conversions"] else []
    notes = [] if numbers["conversions"] else [NO_PURCHASES]
    answer = {
        "model": name,
        "definition": {
            **_definition(rule, settings),
            "session_rule": asked.session_rule,
            **_asked_definition(asked, ends),
        },
        "conversions": int(numbers["conversions"]),
        "channels": channels,
        "notes": notes + ([] if result.is_told else [NO_ADDRESSES]),
        **({"warnings": warnings} if warnings else {}),
    }
    return only.complete(answer, clean) | {"rows": files.rows.as_json()}


@dataclass(frozen=True)
class _Prepared:
    """Purchases, touches, the last day, whether any session has a known source, and the days to give credit on."""

    bought: ir.Table
    touched: ir.Table
    last: Days
    is_told: bool
    ends: Ends


def _asked_definition(asked: Asked, ends: Ends) -> dict[str, Any]:
    return days_definition(ends) | ({"where": asked.where.to_mapping()} if asked.where != EVERYTHING else {})


def _definition(rule: AttributionRule, settings: Settings) -> dict[str, Any]:
    definition = {name: value for name, value in asdict(rule).items() if name != "period_days"}
    lists = source_lists().version
    return definition | {"source_lists": lists, "ai_assistants": settings.ai_assistant_channel}


def _prepare(con: Backend, clean: ir.Table, settings: Settings, cut_by: SessionRule, ends: Ends) -> _Prepared:
    """Return what credit is computed from; sessions that started after the last day asked for are not looked at."""
    rule = ChannelRule(source_lists(), settings.own_domains, settings.ai_assistant_channel)
    placed = session_events(clean, cut_by, by_day=False)
    started = placed.event_date.min().over(ibis.window(group_by=["visitor_id", "piece_started_at"]))
    names = ("event_id", "visitor_id", "event_at", "piece_started_at", "event_number", "event_type", "cart_amount")
    placed = placed.select(*names, "page_url", "referrer_url", "is_bot", event_date=started)
    placed = _kept(con, "placed", of_days(placed, "event_date", (None, ends[1])))
    arrived = _kept(con, "arrived", whole_arrivals(placed, rule))
    touched = _kept(con, "touched", touches(_sessions(placed), arrived, rule))
    last = con.to_pyarrow(placed.event_date.max()).as_py()
    is_told = bool(con.to_pyarrow(arrived.count()).as_py())
    return _Prepared(_kept(con, "bought", purchases(placed)), touched, Days((last,) if last else ()), is_told, ends)


def _sessions(placed: ir.Table) -> ir.Table:
    whole = placed.group_by("visitor_id", "piece_started_at").agg(
        started_date=placed.event_date.min(),
        ended_at=placed.event_at.max(),
        event_count=placed.count(),
        refund_count=(placed.event_type == "refund").ifelse(1, 0).sum(),
        is_bot=placed.is_bot.ifelse(1, 0).max() == 1,
    )
    second = whole.piece_started_at.truncate("s").epoch_seconds().cast("int64").cast("string")
    return whole.mutate(session_id=whole.visitor_id.concat("-").concat(second), ended_date=whole.started_date).rename(
        started_at="piece_started_at"
    )


def _kept(con: Backend, name: str, rows: ir.Table) -> ir.Table:
    return con.create_table(name, rows, temp=True)


def _credit(con: Backend, result: _Prepared, model: str, rule: AttributionRule) -> list[dict[str, Any]]:
    everything = result.last.widened(before=ALL_TIME_DAYS)
    # A refund on the days that are asked for may be of an earlier purchase, so the days are chosen from the result.
    paths = of_days(credit.paths(result.bought, result.touched, rule, everything), "converted_date", result.ends)
    walked = _kept(con, "walked", paths)
    if model == "markov":
        return _by_markov(con, walked, result, rule)
    units = credit.shared(walked, rule, [model])
    sums = units.group_by("channel").agg(credit=units[f"credit_{model}"].sum(), cents=units[f"cents_{model}"].sum())
    rows = con.to_pyarrow(sums).to_pylist()
    return _shown((row["channel"], int(row["credit"]), int(row["cents"]), {}) for row in rows)


def _by_markov(con: Backend, walked: ir.Table, prepared: _Prepared, rule: AttributionRule) -> list[dict[str, Any]]:
    last = prepared.last
    spans = _kept(con, "spans", step_spans(prepared.bought, prepared.touched, rule, last))
    steps = con.to_pyarrow(steps_on(spans, last)).to_pylist()
    counts = {(row["here"], row["there"]): int(row["step_count"]) for row in steps}
    result = removal_effects(counts, credit.UNITS_OF_ONE)
    day = ibis.literal(last.first)
    con.create_table("effects", removal_effect_rows([(last.first, "purchase", result)]), temp=True)
    whole = walked.mutate(converted_date=day, anchor_date=day)
    units = credit.by_removal_effects(whole, con.table("effects"))
    effects = {one.channel: {"removal_effect": one.effect} for one in result}
    rows = con.to_pyarrow(units).to_pylist()
    return _shown((r["channel"], int(r["credit"]), int(r["cents"]), effects.get(r["channel"], {})) for r in rows)


def _shown(rows: Iterable[tuple[str, int, int, dict[str, Any]]]) -> list[dict[str, Any]]:
    shown = [
        {"channel": channel, "credit": units / credit.UNITS_OF_ONE, "revenue": cents / 100, **more}
        for channel, units, cents, more in rows
        if units or cents
    ]
    return sorted(shown, key=lambda one: (-one["credit"], one["channel"]))


def attribution_command(
    context: typer.Context,
    more: MorePaths = None,
    events: Events = None,
    mapping: Mapping = None,
    model: Annotated[
        str,
        typer.Option(help="first, last, last_non_direct, linear, position, j, time_decay or markov."),
    ] = "last_non_direct",
    lookback: Annotated[str, typer.Option(help=f"How long before a purchase a visit counts: {DURATIONS}.")] = "30d",
    half_life: Annotated[
        str, typer.Option(help=f"In which a visit's weight halves, with time_decay: {DURATIONS}.")
    ] = "7d",
    two_touches: Annotated[
        str, typer.Option(help="position and j of two visits: normalised (Mixpanel) or split (Amplitude).")
    ] = "normalised",
    session_rule: SessionRuleName = "ga4",
    where: Conditions = None,
    first: From = None,
    to: To = None,
    last: Last = None,
    timezone: Timezone = None,
    segment: SegmentName = None,
    preset: PresetName = None,
    as_json: Json = False,
) -> None:
    """Credit the purchases in files, and what they brought, to the channels that led to them."""
    from ecom_assets.tables.durations import parse_duration  # noqa: PLC0415 (only needed here)

    given: dict[str, Any] = {"model": model, "lookback": lookback, "half_life": half_life, "two_touches": two_touches}
    given |= {"session_rule": session_rule, "preset": preset}
    used = with_preset_values(context, PRESETS, "attribution", given)
    windows = {f"{name}_s": parse_duration(used[name]) for name in ("lookback", "half_life")}
    rule = AttributionRule(**windows, two_touches=used["two_touches"])
    condition, days = parse_where(where) if where else EVERYTHING, QuestionDays.read(first, to, last)
    settings = load_settings(events_mapping=mapping, timezone=timezone)
    asked = Asked(all_paths(events, more), settings, used["model"], used["session_rule"], condition, days, segment)
    answer = answer_attribution(asked, rule)
    print_answer(answer, lambda: _lines(answer), as_json=as_json)


def _lines(answer: dict[str, Any]) -> list[str]:
    lines = [f"{answer['conversions']:,} purchases, by {answer['model']}"]
    lines += [f"  {one['channel']:26} {one['credit']:>14,.2f} {one['revenue']:>16,.2f}" for one in answer["channels"]]
    return [*lines, *answer["notes"]]
