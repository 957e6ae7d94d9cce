"""`ecom mapping`: the mappings that are shipped, and how files are read by one."""

import json
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml

from ecom_assets.atomic_files import replace_bytes
from ecom_assets.cli.options import Json
from ecom_assets.errors import UsageError, did_you_mean
from ecom_assets.settings.settings import load_settings
from ecom_assets.sources.customer_api.files import FileCustomers
from ecom_assets.sources.customer_api.records import FOLDER as CUSTOMERS
from ecom_assets.sources.files.mapping import EVENT, ORDER
from ecom_assets.sources.files.reading import PREVIEW_ROWS, FileReading
from ecom_assets.sources.files.records import refused_warning, rows_line
from ecom_assets.sources.mapping_file import definition_in, is_path, shipped_in, shipped_text
from ecom_assets.sources.proposal.proposal import (
    ZONE,
    MappingProposal,
    OpenQuestion,
    best_shipped,
    of_shipped,
    of_values,
)
from ecom_assets.sources.proposal.values import FileValues


class MappingKind(StrEnum):
    """What a mapping is of."""

    EVENTS = "events"
    ORDERS = "orders"
    CUSTOMERS = "customers"


FOLDERS: Final = {
    MappingKind.EVENTS: EVENT.folder,
    MappingKind.ORDERS: ORDER.folder,
    MappingKind.CUSTOMERS: CUSTOMERS,
}
"""The folder of the shipped mappings, by what they are of."""
Files = Annotated[list[str], typer.Argument(help="Files, folders or globs, as --events and --orders take them.")]
Name = Annotated[str, typer.Argument(help="Name of a shipped mapping.")]
OfOrders = Annotated[bool, typer.Option("--orders", help="The mapping is of order lines, where events have one, too.")]
OfCustomers = Annotated[
    bool, typer.Option("--customers", help="The mapping is of customers, where orders have one, too.")
]


def list_mappings(as_json: Json = False) -> None:
    """List the shipped mappings."""
    rows = [{"of": kind, **_described(folder, name)} for kind, folder in FOLDERS.items() for name in shipped_in(folder)]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    width = max(len(row["name"]) for row in rows)
    for kind in FOLDERS:
        typer.echo(f"{kind.capitalize()}:")
        for row in rows:
            if row["of"] == kind:
                typer.echo(f"  {row['name']:<{width}}  {row['description']}")


def show(
    name: Name,
    of: Annotated[
        MappingKind | None, typer.Option(help="What it is of, where several have the name; default the first.")
    ] = None,
) -> None:
    """Print a shipped mapping, as a file to begin one's own with."""
    folders = {kind: folder for kind, folder in FOLDERS.items() if of in {None, kind}}
    found = [kind for kind, folder in folders.items() if name in shipped_in(folder)]
    if not found:
        known = sorted({shipped for folder in folders.values() for shipped in shipped_in(folder)})
        raise UsageError(f"There is no shipped mapping {name!r}; {did_you_mean(name, known)}.")
    typer.echo(shipped_text(FOLDERS[found[0]], name), nl=False)


def check(
    files: Files,
    mapping: Annotated[str, typer.Option(help="Name of a shipped mapping, or a YAML file.")],
    orders: OfOrders = False,
    customers: OfCustomers = False,
    as_json: Json = False,
) -> None:
    """Read files by a mapping: how many rows are clean, and why others are not."""
    if customers or (not orders and _is_of(CUSTOMERS, "id", mapping)):
        _check_customers(files, mapping, as_json=as_json)
        return
    is_events = not orders and not _is_of(ORDER.folder, ORDER.id, mapping)
    reading = FileReading.open(files, mapping, is_events=is_events)
    if as_json:
        typer.echo(json.dumps(_document(reading), default=str))
        return
    for line in reading_lines(reading):
        typer.echo(line)
    if warning := refused_warning(reading.rows.as_json()):
        typer.echo(f"ecom: warning: {warning}", err=True)


def reading_lines(reading: FileReading) -> list[str]:
    """Return a reading as text: rows and reasons, event types, the first rows."""
    lines = [rows_line(reading.rows.as_json())]
    for why in reading.not_clean:
        lines += [f"  {why.reason} {why.row_count:,}: {why.meaning}", f"    such as {_row_text(why.example)}"]
    if reading.event_types:
        lines += ["", "Event types:"]
        width = max(len(theirs) for theirs, _, _ in reading.event_types)
        lines += [
            f"  {theirs:<{width}}  {count:>9,}  {ours if ours != theirs else '(as it is)'}"
            for theirs, ours, count in reading.event_types
        ]
    return [*lines, "", "First rows, as they are read:", *(f"  {_row_text(row)}" for row in reading.preview)]


def _row_text(row: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in row.items() if value is not None)


def _document(reading: FileReading) -> dict[str, Any]:
    types = [{"source": theirs, "event_type": ours, "count": count} for theirs, ours, count in reading.event_types]
    why = [asdict(reason) for reason in reading.not_clean]
    return {"rows": reading.rows.as_json(), "not_clean": why, "event_types": types, "preview": reading.preview}


def _described(folder: str, name: str) -> dict[str, str]:
    read = yaml.safe_load(shipped_text(folder, name))
    return {"name": name, "description": read.get("description", "")}


def _check_customers(files: list[str], mapping: str, *, as_json: bool) -> None:
    settings = load_settings(customers=",".join(files), customers_mapping=mapping)
    records = FileCustomers(settings).records()
    rejected = dict(Counter(record.reason for record in records if record.customer is None).most_common())
    rows = {"read": len(records), "counted": len(records) - sum(rejected.values()), "rejected": rejected}
    customers = (record.customer for record in records if record.customer)
    hidden = {"payload", "is_number_id", "has_engagement_score"}
    preview = [
        one.model_dump(mode="json", exclude=hidden, exclude_none=True) for one in islice(customers, PREVIEW_ROWS)
    ]
    if as_json:
        typer.echo(json.dumps({"rows": rows, "preview": preview}))
        return
    lines = [rows_line(rows), "", "First customers, as they are read:", *(f"  {_row_text(row)}" for row in preview)]
    typer.echo("\n".join(lines))
    if warning := refused_warning(rows):
        typer.echo(f"ecom: warning: {warning.rstrip(': ')}.", err=True)


def _is_of(folder: str, id_field: str, mapping: str) -> bool:
    """Return whether a mapping is in the folder, and in none of those before it; or a file that has the id."""
    if not is_path(mapping):
        return next((one for one in FOLDERS.values() if mapping in shipped_in(one)), "") == folder
    read = definition_in(Path(mapping))
    fields = read.get("fields") if isinstance(read, dict) else None
    return isinstance(fields, dict) and id_field in fields


def init(
    files: Files,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; default the name of the first file, .yaml.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Time zone of times that say none, such as Europe/Berlin.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of text files; default what they show.")] = None,
    orders: Annotated[
        bool | None, typer.Option("--orders/--events", help="Whether the rows are order lines or events.")
    ] = None,
) -> None:
    """Write a mapping for files: a shipped one that reads them, or one by the names and values of their columns.

    What the files do not say is asked in a terminal; elsewhere it is a marked line that must be completed.
    """
    path = out or Path(f"{Path(files[0].rstrip('/')).name.split('.')[0]}.yaml")
    if path.exists():
        raise UsageError(f"{path} is there already; name another file with --out, or move it away.")
    shipped = best_shipped(files) if encoding is None and orders is None else None
    proposal = of_shipped(shipped) if shipped else of_values(FileValues.read(files, encoding), orders=orders)
    answers = {question.key: answer for question in proposal.questions if (answer := _answer(question, timezone))}
    replace_bytes(path, proposal.text(answers).encode())
    for reason in proposal.why:
        typer.echo(reason)
    _preview(files, proposal, answers)
    _next_step(files, path, proposal, answers)


def _answer(question: OpenQuestion, timezone: str | None) -> str | None:
    if question.key == ZONE and timezone is not None:
        return timezone
    if not sys.stdin.isatty():
        return None
    choices = f" ({', '.join(question.choices)})" if question.choices else ""
    while True:
        answer: str = typer.prompt(f"{question.sentence}{choices}", err=True)
        if not question.choices or answer in question.choices:
            return answer
        typer.echo(f"{answer!r} is none of {', '.join(question.choices)}.", err=True)


def _preview(files: list[str], proposal: MappingProposal, answers: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        mapping = Path(folder) / "preview.yaml"
        mapping.write_text(proposal.text({**proposal.fallback(), **answers}), encoding="utf-8")
        reading = FileReading.open(files, str(mapping), is_events=proposal.is_events)
        lines = reading_lines(reading)
    guessed = [question.key for question in proposal.questions if question.key not in answers]
    if guessed:
        fallback = ", ".join(f"{key} {proposal.fallback()[key]}" for key in guessed)
        typer.echo(f"As it would be read with {fallback}, which is a guess for this preview only:")
    for line in lines:
        typer.echo(line)


def _next_step(files: list[str], path: Path, proposal: MappingProposal, answers: dict[str, str]) -> None:
    typer.echo("")
    still_open = [question for question in proposal.questions if question.key not in answers]
    for question in still_open:
        typer.echo(f"OPEN in {path}: {question.sentence}.")
    option = "--events" if proposal.is_events else "--orders"
    command = f"ecom run {option} {files[0]} {option}-mapping {path}"
    typer.echo(f"Written to {path}. {'Complete the marked lines, then: ' if still_open else 'Next: '}{command}")
