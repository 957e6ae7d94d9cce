"""`ecom export`: deliver by a Dagster run of the exports, or write the payloads to files."""

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.cli.options import Json, read_days
from ecom_assets.cli.platform_run import PlatformRun, RunOutcome, ready_definitions
from ecom_assets.cli.progress import RunProgress
from ecom_assets.cli.summary.lines import delivery_lines
from ecom_assets.cli.summary.run import delivery_totals
from ecom_assets.cli.terminal import print_answer, print_faults
from ecom_assets.core.errors import UsageError, did_you_mean
from ecom_assets.core.rows import Answer, NamedValues
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.core.tables.days import DayRange, Days
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.ingestion.sources.presence import with_origin
from ecom_assets.orchestration.registry import ALL
from ecom_assets.outputs.delivery.assets import ACCEPTED, DELIVERY_TABLES, key_of
from ecom_assets.outputs.delivery.contracts import DEAD, DeadLetters
from ecom_assets.outputs.delivery.ledger.sent_ids import declared_key
from ecom_assets.outputs.delivery.pending import DryDestination, due_at
from ecom_assets.outputs.delivery.tools.all import SETTING_OF, TOOLS, set_tools
from ecom_assets.resources import delivery_context_of, delivery_resource

CUSTOMERS = "customers-json"
PLACES = (*SETTING_OF, CUSTOMERS)


@dataclass(frozen=True)
class ExportRequest:
    """What goes out, of which days and how: `places` are names of tools, and `customers-json`."""

    places: tuple[str, ...]
    requested_days: DayRange
    is_dry: bool
    retries_dead_letters: bool

    def __post_init__(self) -> None:
        """Check the destinations.

        Raises:
            UsageError: A destination is unknown, or a dry run includes customers-json.
        """
        for name in self.places:
            if name not in PLACES:
                raise UsageError(
                    f"--to {name!r} is not a place to export to; {did_you_mean(name, PLACES)}."
                )
        if self.is_dry and CUSTOMERS in self.places:
            raise UsageError(
                "--dry-run writes payloads, and customers-json has none, because it is a file; "
                "leave one of them out."
            )

    @property
    def names(self) -> list[str]:
        """Return the names of the export assets."""
        tools = [name for name in self.places if name != CUSTOMERS]
        result = [f"{tool}_{kind}" for tool in tools for kind in ("events", "users")]
        return [*result, *(["customers_json"] if CUSTOMERS in self.places else [])]


def _prepared(request: ExportRequest) -> tuple[Settings, Days]:
    """Return the settings and the days,
    after checking the whole request before anything is sent.
    """
    settings = load_settings()
    engine = new_engine(settings)
    nothing = UsageError(
        f"There is no warehouse yet at {engine.address}, so there is nothing to export; run "
        "`ecom run`."
    )
    if not engine.exists():
        raise nothing
    with closing(engine.open()) as opened:
        # A server's database is there before any table of ours is.
        if not any(opened.has(contract) for contract in ALL):
            raise nothing
        settings = with_origin(opened, settings)
        days = _days(opened, settings.first_day, request.requested_days)
    unset = [name for name in request.places if name in SETTING_OF.keys() - set_tools(settings)]
    if unset and not request.is_dry:
        raise UsageError(
            f"{SETTING_OF[unset[0]]} is not set, so nothing can go to {unset[0]}; set it, or look "
            "at payloads with --dry-run."
        )
    return settings, days


def _days(engine: Engine, first_day: date, requested_days: DayRange) -> Days:
    """Return the requested days, by default all days from the first to the last event."""
    events = engine.table(CleanEvents)
    rows = rows_of(events.agg(first=events.event_date.min(), last=events.event_date.max()))[0]
    first = requested_days.first or rows["first"] or requested_days.last or first_day
    last = requested_days.last or rows["last"] or first
    if last < first:
        raise UsageError(
            f"There are no events from {first} on: the last are of {last}; give other days."
        )
    whole = Days.between(max(first, first_day), last)
    return Days.from_dates([*whole.dates, last])


def _dry(settings: Settings, request: ExportRequest, days: Days) -> dict[str, Any]:
    unset = SETTING_OF.keys() - set_tools(settings)
    fill = {name: value for tool in unset for name, value in TOOLS[tool].placeholders.items()}
    folder = settings.home.absolute() / "dry_run"
    dry_runs: dict[str, Any] = {}
    with (
        closing(delivery_context_of(settings.model_copy(update=fill))) as delivery_context,
        closing(new_engine(settings).open()) as engine,
    ):
        store, sent_at = delivery_context.store_if_any, delivery_context.sending_at()
        for name in request.names:
            destination = delivery_context.destinations[name]
            due = due_at(destination, engine, settings)
            result = DryDestination(
                destination, due, store, sent_at, declared_key(settings, name)
            ).write(days, folder)
            reasons = [
                {"reason": reason, "words": sentence, "n": count}
                for (reason, sentence), count in result.refused.most_common()
            ]
            dry_runs[name] = {**vars(result), "folder": str(result.folder), "refused": reasons}
    return {"dry_run": dry_runs}


def _dry_lines(document: dict[str, Any]) -> list[str]:
    lines = ["Nothing was sent. What would be:"]
    for name, dry_run in document["dry_run"].items():
        counts = (
            f"{dry_run['would_send']:,} of {dry_run['due']:,} due, "
            f"{dry_run['would_refuse']:,} cannot go, {dry_run['known']:,} known"
        )
        lines.append(f"  {name:16} {counts}: {Path(dry_run['folder'])}")
        if dry_run["refused"]:
            lines.append(f"    cannot go{_why(dry_run['refused'], 'in its files _refused')}")
    return lines


def failures_of(outcome: RunOutcome, totals: Answer, refused: Sequence[str]) -> list[str]:
    """Return a sentence for everything for which the command ends with an error."""
    refusing = {
        check.table.partition("/")[2] for check in outcome.failed_checks if check.name == ACCEPTED
    }
    waiting = sum(
        delivery["pending"]
        for name, delivery in totals["deliveries"].items()
        if name not in refusing
    )
    later = (
        [f"{waiting:,} records wait, as a tool did not take them; run the same again later."]
        if waiting
        else []
    )
    return [*outcome.complaints, *later, *refused]


LIKE_A_DAY = re.compile(r"\d{4}-\d")


def export(
    to: Annotated[
        list[str],
        typer.Option(
            "--to",
            help=f"{', '.join(TOOLS)} or {CUSTOMERS}; a day is the last day, YYYY-MM-DD, included.",
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write payloads to files, and send nothing.")
    ] = False,
    retry_dead_letters: Annotated[
        bool, typer.Option("--retry-dead-letters", help="Send again what the tool has refused.")
    ] = False,
    first: Annotated[
        str | None, typer.Option("--from", help="First day, YYYY-MM-DD; default all there are.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Deliver events and user properties to other tools, each record once;
    or write all customers to a JSON file.
    """
    names, last = split_days(to)
    requested_days = read_days(first, last)
    request = ExportRequest(
        names, requested_days, is_dry=dry_run, retries_dead_letters=retry_dead_letters
    )
    settings, days = _prepared(request)
    if dry_run:
        document = _dry(settings, request, days)
        print_answer(document, *_dry_lines(document), as_json=as_json)
        return
    progress, is_for_tools = RunProgress(quiet=as_json), bool(set(names) - {CUSTOMERS})
    if is_for_tools and not settings.has_own_data:
        progress.say(
            "This is the sandbox shop: its records go to stand-ins of the tools in this process."
        )
    delivery_context = delivery_resource(settings, retry_rejected=request.retries_dead_letters)
    definitions = ready_definitions(settings, progress, delivery_context=delivery_context)
    chosen = [key_of(name) for name in request.names]
    chosen += [asset.key for asset in DELIVERY_TABLES] if is_for_tools else []
    outcome = PlatformRun(settings, progress, definitions, sorted(chosen), days).materialize()
    totals = delivery_totals(outcome)
    failures = failures_of(outcome, totals, refusals(settings, totals["deliveries"]))
    document = {
        "run_id": outcome.run_id,
        "success": not failures,
        "failures": failures,
        **totals,
    }
    print_answer(document, *delivery_lines(totals), as_json=as_json)
    print_faults(failures)
    if failures:
        raise typer.Exit(1)


def refusals(settings: Settings, deliveries: Mapping[str, NamedValues]) -> list[str]:
    """Return a sentence for each destination that has nothing, as every due record was refused:
    how many, and why.
    """
    nothing_went = [
        name
        for name, delivery in deliveries.items()
        if delivery["due"]
        and not any(count for outcome, count in delivery["outcomes"].items() if outcome not in DEAD)
    ]
    if not nothing_went:
        return []
    with closing(new_engine(settings).open()) as engine:
        dead = engine.table(DeadLetters)
        dead = dead.filter(dead.destination.isin(nothing_went))
        counts = dead.group_by("destination", "reason", "words").agg(n=dead.count())
        rows = engine.rows_of(counts.order_by(counts.n.desc(), "destination", "reason"))
    return [
        f"{name}: nothing was sent, as all {deliveries[name]['due']:,} records were refused"
        + _why([row for row in rows if row["destination"] == name], "in export.dead_letters")
        for name in nothing_went
    ]


def _why(rows: Sequence[NamedValues], location: str) -> str:
    """Return the most frequent reason why records were refused, and where the others are."""
    if not rows:
        return f"; the reasons are {location}."
    first, *more = rows
    also = f" ({len(more):,} other reasons are {location})" if more else ""
    return (
        f", most ({first['n']:,}) as {first['reason']}: "
        f"{first['words'] or 'the tool gave no reason.'}{also}"
    )


def split_days(to: list[str]) -> tuple[tuple[str, ...], str | None]:
    """Return the destinations and the last day, both of which `--to` accepts.

    Raises:
        UsageError: There is more than one day, or no destination.
    """
    days = [text for text in to if LIKE_A_DAY.match(text)]
    names = tuple(dict.fromkeys(text for text in to if text not in days))
    if len(days) > 1:
        raise UsageError(f"--to {days[0]} and --to {days[1]} are both last days; give one of them.")
    if not names:
        raise UsageError(
            f"--to {to[0]} is a last day, but not a destination; add --to {PLACES[0]}, or another "
            "tool."
        )
    return names, days[0] if days else None
