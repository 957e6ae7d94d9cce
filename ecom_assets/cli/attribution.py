"""`ecom attribution`: credit channels for the purchases in files."""

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Annotated, Any

import ibis
import ibis.expr.types as ir
import typer
from ibis.backends.duckdb import Backend

from ecom_assets.attribution import credit
from ecom_assets.attribution.channels import ChannelRule
from ecom_assets.attribution.conversions import purchases
from ecom_assets.attribution.markov import removal_effect_rows, removal_effects, step_spans, steps_on
from ecom_assets.attribution.rule import AttributionRule, model_name
from ecom_assets.attribution.touches import touches, whole_arrivals
from ecom_assets.cli.options import (
    DURATIONS,
    Events,
    Json,
    Mapping,
    MorePaths,
    SessionRuleName,
    all_paths,
    print_answer,
)
from ecom_assets.cli.own_files import FileEvents
from ecom_assets.sessions.rule import SessionRule
from ecom_assets.sessions.sessions import session_events
from ecom_assets.settings.settings import Settings, load_settings
from ecom_assets.sources.site_lists import source_lists
from ecom_assets.tables.days import Days

ALL_TIME_DAYS = 36_500
"""Makes all days of the files one period, so that the Markov chain is built from all paths."""
NO_ADDRESSES = "No event has a page with UTM parameters or a referrer from elsewhere, so every visit is Direct."
NO_PURCHASES = "There is no purchase to give credit for."


def answer_attribution(
    paths: list[str], mapping: str | None, model: str, rule: AttributionRule, session_rule: str
) -> dict[str, Any]:
    """Return the result of `ecom attribution`."""
    name = model_name(model)
    rule = replace(rule, period_days=ALL_TIME_DAYS)
    cut_by = SessionRule.preset(session_rule)
    settings = load_settings(events_mapping=mapping)
    files = FileEvents.open(paths, settings)
    bought, touched, days, is_told = _prepare(files, settings, cut_by)
    counted = bought.agg(
        conversions=bought.is_refund.ifelse(0, 1).sum().fill_null(0),
        refunds=bought.is_refund.ifelse(1, 0).sum().fill_null(0),
    )
    numbers = files.con.to_pyarrow(counted).to_pylist()[0]
    channels = _credit(files.con, bought, touched, name, rule, days) if numbers["conversions"] else []
    notes = [] if numbers["conversions"] else [NO_PURCHASES]
    return {
        "model": name,
        "definition": {**_definition(rule, settings), "session_rule": session_rule},
        "conversions": int(numbers["conversions"]),
        "channels": channels,
        "notes": notes + ([] if is_told else [NO_ADDRESSES]),
        "rows": files.rows.as_json(),
    }


def _definition(rule: AttributionRule, settings: Settings) -> dict[str, Any]:
    told = {name: value for name, value in asdict(rule).items() if name != "period_days"}
    lists = source_lists().version
    return told | {"source_lists": lists, "ai_assistants": settings.ai_assistant_channel}


def _prepare(files: FileEvents, settings: Settings, cut_by: SessionRule) -> tuple[ir.Table, ir.Table, Days, bool]:
    """Return purchases, touches, the last day, and whether any session has a known source."""
    rule = ChannelRule(source_lists(), settings.own_domains, settings.ai_assistant_channel)
    placed = session_events(files.clean(), cut_by, by_day=False)
    started = placed.event_date.min().over(ibis.window(group_by=["visitor_id", "piece_started_at"]))
    names = ("event_id", "visitor_id", "event_at", "piece_started_at", "event_number", "event_type", "cart_amount")
    placed = placed.select(*names, "page_url", "referrer_url", "is_bot", event_date=started)
    placed = _kept(files.con, "placed", placed)
    arrived = _kept(files.con, "arrived", whole_arrivals(placed, rule))
    touched = _kept(files.con, "touched", touches(_sessions(placed), arrived, rule))
    last = files.con.to_pyarrow(placed.event_date.max()).as_py()
    is_told = bool(files.con.to_pyarrow(arrived.count()).as_py())
    return _kept(files.con, "bought", purchases(placed)), touched, Days((last,) if last else ()), is_told


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


def _credit(
    con: Backend, bought: ir.Table, touched: ir.Table, model: str, rule: AttributionRule, last: Days
) -> list[dict[str, Any]]:
    everything = last.widened(before=ALL_TIME_DAYS)
    walked = _kept(con, "walked", credit.paths(bought, touched, rule, everything))
    if model == "markov":
        return _by_markov(con, walked, bought, touched, rule, last)
    units = credit.shared(walked, rule, [model])
    sums = units.group_by("channel").agg(credit=units[f"credit_{model}"].sum(), cents=units[f"cents_{model}"].sum())
    rows = con.to_pyarrow(sums).to_pylist()
    return _shown((row["channel"], int(row["credit"]), int(row["cents"]), {}) for row in rows)


def _by_markov(
    con: Backend, walked: ir.Table, bought: ir.Table, touched: ir.Table, rule: AttributionRule, last: Days
) -> list[dict[str, Any]]:
    spans = _kept(con, "spans", step_spans(bought, touched, rule, last))
    steps = con.to_pyarrow(steps_on(spans, last)).to_pylist()
    counts = {(row["here"], row["there"]): int(row["step_count"]) for row in steps}
    found = removal_effects(counts, credit.UNITS_OF_ONE)
    day = ibis.literal(last.first)
    con.create_table("effects", removal_effect_rows([(last.first, "purchase", found)]), temp=True)
    whole = walked.mutate(converted_date=day, anchor_date=day)
    units = credit.by_removal_effects(whole, con.table("effects"))
    effects = {one.channel: {"removal_effect": one.effect} for one in found}
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
    as_json: Json = False,
) -> None:
    """Credit the purchases in files, and what they brought, to the channels that led to them."""
    from ecom_assets.tables.durations import parse_duration  # noqa: PLC0415 (only needed here)

    rule = AttributionRule(
        lookback_s=parse_duration(lookback), half_life_s=parse_duration(half_life), two_touches=two_touches
    )
    answer = answer_attribution(all_paths(events, more), mapping, model, rule, session_rule)
    print_answer(answer, lambda: _lines(answer), as_json=as_json)


def _lines(answer: dict[str, Any]) -> list[str]:
    lines = [f"{answer['conversions']:,} purchases, by {answer['model']}"]
    lines += [f"  {one['channel']:26} {one['credit']:>14,.2f} {one['revenue']:>16,.2f}" for one in answer["channels"]]
    return [*lines, *answer["notes"]]
