"""`ecom mapping`: the mappings that are shipped, and how files are read by one."""

import sys
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ecom_assets.cli.options import Json
from ecom_assets.core.atomic_files import replace_bytes
from ecom_assets.core.errors import SourceError, UsageError, did_you_mean
from ecom_assets.core.json_text import json_text
from ecom_assets.core.settings.settings import load_settings
from ecom_assets.ingestion.sources.cost_reading import CostFileReading, spent_lines
from ecom_assets.ingestion.sources.customer_api.records import FOLDER as CUSTOMERS
from ecom_assets.ingestion.sources.files.mapping import AD_SPEND, COST, EVENT, ORDER, STOCK
from ecom_assets.ingestion.sources.files.records import refused_warning, rows_line, unread_warning
from ecom_assets.ingestion.sources.files.text_blocks import known_encoding
from ecom_assets.ingestion.sources.mapping_file import (
    EXTENDS,
    definition_in,
    is_path,
    shipped_content,
    shipped_in,
    shipped_text,
)
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import (
    MappingSearch,
    Reading,
    open_questions,
    read_by,
    reading_of,
)
from ecom_assets.ingestion.sources.proposal.questions import (
    ROWS,
    STATES,
    ZONE,
    OpenQuestion,
    on_one_line,
    shown,
)
from ecom_assets.ingestion.sources.proposal.unused import unused_lines
from ecom_assets.ingestion.sources.reading import FileReading, money_lines
from ecom_assets.ingestion.sources.stock_reading import StockFileReading


class ShippedKind(StrEnum):
    """What a shipped mapping is of."""

    EVENTS = "events"
    ORDERS = "orders"
    CUSTOMERS = "customers"
    COSTS = "costs"
    AD_SPEND = "ad_spend"


FOLDERS: Final = {
    ShippedKind.EVENTS: EVENT.folder,
    ShippedKind.ORDERS: ORDER.folder,
    ShippedKind.CUSTOMERS: CUSTOMERS,
    ShippedKind.COSTS: COST.folder,
    ShippedKind.AD_SPEND: AD_SPEND.folder,
}
"""The folder of the shipped mappings, by what they are of."""
FIELD_OF_KIND: Final = {
    MappingKind.STOCK: STOCK.id,
    MappingKind.AD_SPEND: AD_SPEND.id,
    MappingKind.COSTS: "unit_cost_amount",
    MappingKind.CUSTOMERS: "id",
    MappingKind.ORDERS: ORDER.id,
}
"""A field by which a mapping in a file is known, by what it is of; stock may have a cost, too."""
Files = Annotated[
    list[str], typer.Argument(help="Files, folders or globs, as --events and --orders take them.")
]
Name = Annotated[str, typer.Argument(help="Name of a shipped mapping.")]
OfOrders = Annotated[
    bool,
    typer.Option("--orders", help="The mapping is of order lines, where events have one, too."),
]
OfCustomers = Annotated[
    bool,
    typer.Option("--customers", help="The mapping is of customers, where orders have one, too."),
]
OfCosts = Annotated[
    bool, typer.Option("--costs", help="The mapping is of costs, where orders have one, too.")
]
OfStock = Annotated[bool, typer.Option("--stock", help="The mapping is of stock.")]
OfAdSpend = Annotated[bool, typer.Option("--ad-spend", help="The mapping is of what ads cost.")]
ORDERED_BY: Final = {CostFileReading: " by item", StockFileReading: ""}
"""How the first rows of lists of products are ordered, which have no time."""


def list_mappings(as_json: Json = False) -> None:
    """List the shipped mappings."""
    rows = [
        {"of": kind, **_described(folder, name)}
        for kind, folder in FOLDERS.items()
        for name in shipped_in(folder)
    ]
    if as_json:
        typer.echo(json_text(rows))
        return
    width = max(len(row["name"]) for row in rows)
    for kind in FOLDERS:
        typer.echo(f"{kind.replace('_', ' ').capitalize()}:")
        for row in rows:
            if row["of"] == kind:
                typer.echo(f"  {row['name']:<{width}}  {row['description']}")


def show(
    name: Name,
    record_kind: Annotated[
        ShippedKind | None,
        typer.Option("--of", help="What it is of, where several have the name; default the first."),
    ] = None,
) -> None:
    """Print a shipped mapping, as a file to begin your own with."""
    folders = {kind: folder for kind, folder in FOLDERS.items() if record_kind in {None, kind}}
    kinds = [kind for kind, folder in folders.items() if name in shipped_in(folder)]
    if not kinds:
        names = sorted({shipped for folder in folders.values() for shipped in shipped_in(folder)})
        raise UsageError(f"There is no shipped mapping {name!r}; {did_you_mean(name, names)}.")
    typer.echo(shipped_text(FOLDERS[kinds[0]], name), nl=False)


def check(
    files: Files,
    mapping: Annotated[str, typer.Option(help="Name of a shipped mapping, or a YAML file.")],
    orders: OfOrders = False,
    customers: OfCustomers = False,
    costs: OfCosts = False,
    stock: OfStock = False,
    ad_spend: OfAdSpend = False,
    as_json: Json = False,
) -> None:
    """Read files by a mapping: how many rows are clean, and why others are not."""
    named = {
        MappingKind.STOCK: stock,
        MappingKind.AD_SPEND: ad_spend,
        MappingKind.COSTS: costs,
        MappingKind.CUSTOMERS: customers,
        MappingKind.ORDERS: orders,
    }
    kind = next((kind for kind, is_named in named.items() if is_named), None) or _kind_of(mapping)
    reading = reading_of(kind, files, mapping, load_settings())
    if as_json:
        typer.echo(json_text(_document(reading), default=str))
        return
    for line in reading_lines(reading):
        typer.echo(line)
    if warning := refused_warning(reading.rows_json):
        typer.echo(f"ecom: warning: {warning}", err=True)
    if warning := unread_warning(reading.rows_json):
        typer.echo(f"ecom: warning: {warning}.", err=True)


def reading_lines(reading: Reading) -> list[str]:
    """Return a reading as text: rows and reasons, event types, the first rows."""
    empty = reading.empty_fields if isinstance(reading, FileReading) else ()
    lines = [rows_line(reading.rows_json, empty)]
    lines += [f"  {note}." for note in reading.rows_json.get("notes", ())]
    for why in reading.not_clean:
        lines.append(f"  {why.reason} {why.row_count:,}{': ' if why.meaning else ''}{why.meaning}")
        lines += [f"    such as {_row_text(why.example)}"] if why.example else []
    lines += money_lines(reading) or spent_lines(reading)
    if reading.event_types:
        lines += ["", "Event types:"]
        width = max(len(source_type) for source_type, _, _ in reading.event_types)
        lines += [
            f"  {source_type:<{width}}  {count:>9,}  "
            f"{event_type if event_type != source_type else '(as it is)'}"
            for source_type, event_type, count in reading.event_types
        ]
    return [
        *lines,
        "",
        f"First rows{ORDERED_BY.get(type(reading), ' by time')}, as they are read:",
        *(f"  {_row_text(row)}" for row in reading.preview),
    ]


def _row_text(row: dict[str, Any]) -> str:
    return ", ".join(f"{name}={shown(value)}" for name, value in row.items() if value is not None)


def _document(reading: Reading) -> dict[str, Any]:
    types = [
        {"source": source_type, "event_type": event_type, "count": count}
        for source_type, event_type, count in reading.event_types
    ]
    why = [asdict(reason) for reason in reading.not_clean]
    return {
        "rows": reading.rows_json,
        "not_clean": why,
        "event_types": types,
        "preview": reading.preview,
    }


def _described(folder: str, name: str) -> dict[str, str]:
    return {"name": name, "description": shipped_content(folder, name).get("description", "")}


def _kind_of(mapping: str) -> MappingKind:
    """Return what a shipped mapping, the first of its name, or one in a file is of; what nothing
    says is read as events.
    """
    if not is_path(mapping):
        kinds = (kind for kind, folder in FOLDERS.items() if mapping in shipped_in(folder))
        return MappingKind(next(kinds, ShippedKind.EVENTS))
    content = definition_in(Path(mapping))
    if not isinstance(content, dict):
        return MappingKind.EVENTS
    if EXTENDS in content:
        return _kind_of(str(content[EXTENDS]))
    fields = content.get("fields")
    names = fields if isinstance(fields, dict) else {}
    kinds_of_fields = (kind for kind, field in FIELD_OF_KIND.items() if field in names)
    return next(kinds_of_fields, MappingKind.EVENTS)


def init(
    files: Files,
    out: Annotated[
        Path | None,
        typer.Option(help="The file to write; default the name of the first file, .yaml."),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Time zone of times that say none, such as Europe/Berlin.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of text files; default what they show.")
    ] = None,
    orders: Annotated[
        bool | None,
        typer.Option("--orders/--events", help="Whether the rows are order lines or events."),
    ] = None,
    customers: OfCustomers = False,
    costs: OfCosts = False,
    stock: OfStock = False,
    ad_spend: OfAdSpend = False,
    answer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="The answer to a question by its key, which an open line names; repeatable.",
        ),
    ] = None,
) -> None:
    """Write a mapping for files: a shipped one that reads them,
    or one by the names and values of their columns.

    What the files do not say, and no `--answer` does, is asked in a terminal; elsewhere it is a
    marked line that must be completed.
    """
    path = out or Path(f"{Path(files[0].rstrip('/')).name.split('.')[0]}.yaml")
    if path.exists():
        raise UsageError(f"{path} is there already; name another file with --out, or move it away.")
    named = {
        MappingKind.CUSTOMERS: customers,
        MappingKind.COSTS: costs,
        MappingKind.STOCK: stock,
        MappingKind.AD_SPEND: ad_spend,
        MappingKind.ORDERS: orders,
        MappingKind.EVENTS: orders is False,
    }
    kind = next((kind for kind, is_named in named.items() if is_named), None)
    text_encoding = known_encoding(encoding) if encoding else None
    search = MappingSearch(files, load_settings(), kind, text_encoding)
    if (listed := search.listed_kind) is not None:
        search = replace(search, kind=listed)
    given = _given(search, answer or [])
    answers = _answered(search, {**({ZONE: timezone} if timezone else {}), **given})
    proposal = search.proposal(answers)
    replace_bytes(path, proposal.text.encode())
    for reason in proposal.why:
        typer.echo(on_one_line(reason))
    for line in unused_lines(proposal.unused):
        typer.echo(line)
    _print_preview(search, answers)
    still_open = open_questions(proposal, answers)
    _print_next_step(files, path, still_open, proposal.kind)


def _given(search: MappingSearch, options: list[str]) -> dict[str, str]:
    """Return the answers of `--answer`, by the keys of their questions.

    Raises:
        UsageError: One has no key, answers nothing that is asked, or is not possible.
    """
    parted = [option.partition("=") for option in options]
    if without := [key for key, equals, _ in parted if not equals]:
        raise UsageError(f"--answer {without[0]} has no answer; give --answer {without[0]}=ANSWER.")
    answers = {key.strip(): value.strip() for key, _, value in parted}
    accepted, problems = search.accepted(answers)
    if problems:
        key, problem = next(iter(problems.items()))
        raise UsageError(f"--answer {key}: {problem}")
    if unasked := [key for key in answers if key not in accepted]:
        keys = [question.key for question in search.proposal(accepted).questions]
        raise UsageError(
            f"--answer {unasked[0]}: nothing with this key is asked of the file; "
            f"{did_you_mean(unasked[0], keys) if keys else 'it has no questions'}."
        )
    return accepted


def _answered(search: MappingSearch, answers: dict[str, str]) -> dict[str, str]:
    """Return the answers of the person at the terminal; elsewhere those that are there."""
    while True:
        questions = search.proposal(answers).questions
        still_open = [question for question in questions if question.key not in answers]
        if not still_open:
            break
        if not sys.stdin.isatty():
            # What is asked only where somebody can answer stays as the file would be read without.
            if any(question.key == ROWS for question in still_open):
                raise UsageError(
                    "The file does not say whether its rows are events, order lines or customers; "
                    "add --events, --orders, --customers, --costs, --stock or --ad-spend."
                )
            break
        answers = {**answers, still_open[0].key: _answer(still_open[0])}
    return answers


def _answer(question: OpenQuestion) -> str:
    typer.echo(f"{question.sentence[:1].upper()}{question.sentence[1:]}.", err=True)
    for number, choice in enumerate(question.choices, start=1):
        typer.echo(f"  {number} {shown(choice)}", err=True)
    default = question.guess if question.is_optional else None
    while True:
        answer: str = typer.prompt(question.label, default=default, err=True)
        try:
            return question.checked(_chosen(question, answer))
        except UsageError as error:
            typer.echo(str(error), err=True)


def _chosen(question: OpenQuestion, answer: str) -> str:
    """Return the choice that a number stands for, unless a choice is called so."""
    is_number = answer.isdecimal() and answer not in question.choices
    position = int(answer) if is_number else 0
    return question.choices[position - 1] if 0 < position <= len(question.choices) else answer


def _print_preview(search: MappingSearch, answers: dict[str, str]) -> None:
    guesses = search.guesses(answers)
    # A column that is guessed is no question any more in the proposal with the guesses.
    labels = {
        question.key: question.label
        for question in open_questions(search.proposal(answers), answers)
    }
    guessed = [
        f"{labels[key].lower()} {shown(value)}" for key, value in guesses.items() if key in labels
    ]
    if guessed:
        typer.echo(
            f"As it would be read with {', '.join(guessed)}, which is a guess for this preview "
            "only:"
        )
    try:
        with read_by(search, search.proposal(guesses)) as reading:
            typer.echo("\n".join(reading_lines(reading)))
    except (
        SourceError
    ) as error:  # such as amounts of several currencies: settings decide, not the mapping
        typer.echo(f"A run would be refused as it is set now: {error}")


def _print_next_step(
    files: list[str], path: Path, still_open: list[OpenQuestion], kind: MappingKind
) -> None:
    typer.echo("")
    for question in still_open:
        typer.echo(
            f"OPEN in {path}: {on_one_line(question.sentence)}; or add --answer "
            f"{question.key}=ANSWER to the command."
        )
    if still_open and all(question.key in STATES for question in still_open):
        typer.echo("Until then their rows are refused, and each run says how much money that is.")
    if kind is MappingKind.STOCK:  # no setting takes a mapping of stock
        typer.echo(
            f"Written to {path}. Next: ecom init loads {files[0]}, as the page of uploads does."
        )
        return
    command = f"ecom run --{kind} {files[0]} --{kind}-mapping {path}"
    if kind is MappingKind.AD_SPEND:
        command = f"ecom run --ad-spend {path}={files[0]}"
    typer.echo(
        f"Written to {path}. "
        f"{'Complete the marked lines, then: ' if still_open else 'Next: '}{command}"
    )
