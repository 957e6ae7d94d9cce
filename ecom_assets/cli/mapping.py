"""`ecom mapping`: the mappings that are shipped, and how files are read by one."""

import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ecom_assets.cli.options import Json
from ecom_assets.cli.run import run
from ecom_assets.cli.terminal import ask_until, print_answer, warn
from ecom_assets.core.atomic_files import replace_bytes
from ecom_assets.core.errors import SourceError, UsageError, did_you_mean
from ecom_assets.core.rows import Row
from ecom_assets.core.settings.settings import PREFIX, load_settings
from ecom_assets.core.settings.uploaded import KINDS
from ecom_assets.ingestion.sources.cost_reading import CostFileReading, spent_lines
from ecom_assets.ingestion.sources.files.records import refused_warning, rows_line, unread_warning
from ecom_assets.ingestion.sources.files.text_blocks import known_encoding
from ecom_assets.ingestion.sources.mapping_file import (
    EXTENDS,
    definition_in,
    is_path,
    shipped_content,
    shipped_text,
)
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import (
    MappingSearch,
    open_questions,
    read_by,
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
from ecom_assets.ingestion.sources.readings import Reading
from ecom_assets.ingestion.sources.record_feed import feeds
from ecom_assets.ingestion.sources.stock_reading import StockFileReading

Files = Annotated[
    list[str], typer.Argument(help="Files, folders or globs, as --events and --orders take them.")
]
Name = Annotated[str, typer.Argument(help="Name of a shipped mapping.")]
ORDERED_BY: Final = {CostFileReading: " by item", StockFileReading: ""}
"""How the first rows of lists of products are ordered, which have no time."""


def _with_kinds(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with an option for each kind of record, which says what its rows are, as
    `kind`; None by none.
    """

    @wraps(command)
    def command_with_kind(**options: Any) -> None:  # noqa: ANN401 (the values of any options)
        named = [kind for kind in KINDS if options.pop(kind)]
        if len(named) > 1:
            first, second = (KINDS[kind].option for kind in named[:2])
            raise UsageError(f"Rows are of one kind; give {first} or {second}, not both.")
        command(**options, kind=named[0] if named else None)

    parameters = [*signature(command, eval_str=True).parameters.values()]
    index = next(n for n, parameter in enumerate(parameters) if parameter.name == "kind")
    parameters[index : index + 1] = [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=False,
            annotation=Annotated[
                bool, typer.Option(kind.option, help=f"The rows are {kind.noun}.")
            ],
        )
        for name, kind in KINDS.items()
    ]
    command_with_kind.__signature__ = signature(command).replace(parameters=parameters)  # type: ignore[attr-defined]  # Typer reads it
    command_with_kind.__annotations__ = {
        parameter.name: parameter.annotation for parameter in parameters
    }
    return command_with_kind


def list_mappings(as_json: Json = False) -> None:
    """List the shipped mappings."""
    rows = [
        {
            "of": kind,
            "name": name,
            "description": shipped_content(feed.folder, name).get("description", ""),
        }
        for kind, feed in feeds().items()
        for name in feed.shipped
    ]
    width, lines = max(len(row["name"]) for row in rows), []
    for kind in feeds():
        lines.append(f"{kind.replace('_', ' ').capitalize()}:")
        lines += [
            f"  {row['name']:<{width}}  {row['description']}" for row in rows if row["of"] == kind
        ]
    print_answer(rows, *lines, as_json=as_json)


def show(
    name: Name,
    record_kind: Annotated[
        MappingKind | None,
        typer.Option("--of", help="What it is of, where several have the name; default the first."),
    ] = None,
) -> None:
    """Print a shipped mapping, as a file to begin your own with."""
    of_kind = [feed for kind, feed in feeds().items() if record_kind in {None, kind}]
    folders = [feed.folder for feed in of_kind if name in feed.shipped]
    if not folders:
        names = sorted({shipped for feed in of_kind for shipped in feed.shipped})
        raise UsageError(f"There is no shipped mapping {name!r}; {did_you_mean(name, names)}.")
    typer.echo(shipped_text(folders[0], name), nl=False)


@_with_kinds
def check(
    files: Files,
    mapping: Annotated[str, typer.Option(help="Name of a shipped mapping, or a YAML file.")],
    *,
    kind: str | None,
    as_json: Json = False,
) -> None:
    """Read files by a mapping: how many rows are clean, and why others are not."""
    reading = feeds()[kind or _kind_of(mapping)].read(files, mapping, load_settings())
    types = [
        {"source": source_type, "event_type": event_type, "count": count}
        for source_type, event_type, count in reading.event_types
    ]
    answer = {
        "rows": reading.rows_json,
        "not_clean": [asdict(reason) for reason in reading.not_clean],
        "event_types": types,
        "preview": reading.preview,
    }
    if as_json:
        print_answer(answer, as_json=True)
        return
    print_answer(answer, *reading_lines(reading), as_json=False)
    if warning := refused_warning(reading.rows_json):
        warn(warning)
    if warning := unread_warning(reading.rows_json):
        warn(f"{warning}.")


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


def _row_text(row: Row) -> str:
    return ", ".join(f"{name}={shown(value)}" for name, value in row.items() if value is not None)


def _kind_of(mapping: str) -> str:
    """Return what a shipped mapping, the first of its name, or one in a file is of; what nothing
    says is read as events.
    """
    if not is_path(mapping):
        kinds = (kind for kind, feed in feeds().items() if mapping in feed.shipped)
        return next(kinds, MappingKind.EVENTS)
    content = definition_in(Path(mapping))
    if not isinstance(content, dict):
        return MappingKind.EVENTS
    if EXTENDS in content:
        return _kind_of(str(content[EXTENDS]))
    fields = content.get("fields")
    names = fields if isinstance(fields, dict) else {}
    # Documents last: the id of a customer is called as that of an order line may be.
    in_order = sorted(feeds(), key=lambda kind: feeds()[kind].mapping is None)
    return next((kind for kind in in_order if feeds()[kind].id in names), MappingKind.EVENTS)


@_with_kinds
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
    *,
    kind: str | None,
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
    text_encoding = known_encoding(encoding) if encoding else None
    of_kind = MappingKind(kind) if kind else None
    search = MappingSearch(files, load_settings(), of_kind, text_encoding)
    if (listed := search.listed_kind) is not None:
        search = replace(search, kind=listed)
    from_options = _answers_of_options(search, answer or [])
    answers = _answered(search, {**({ZONE: timezone} if timezone else {}), **from_options})
    proposal = search.proposal(answers)
    replace_bytes(path, proposal.text.encode())
    for reason in proposal.why:
        typer.echo(on_one_line(reason))
    for line in unused_lines(proposal.unused):
        typer.echo(line)
    _print_preview(search, answers)
    still_open = open_questions(proposal, answers)
    _print_next_step(files, path, still_open, proposal.kind)


def _answers_of_options(search: MappingSearch, options: list[str]) -> dict[str, str]:
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
                *options, last = (known.option for known in KINDS.values())
                raise UsageError(
                    "The file does not say whether its rows are events, order lines or customers; "
                    f"add {', '.join(options)} or {last}."
                )
            break
        answers = {**answers, still_open[0].key: _answer_to(still_open[0])}
    return answers


def _answer_to(question: OpenQuestion) -> str:
    typer.echo(f"{question.sentence[:1].upper()}{question.sentence[1:]}.", err=True)
    for number, choice in enumerate(question.choices, start=1):
        typer.echo(f"  {number} {shown(choice)}", err=True)
    default = question.guess if question.is_optional else None
    return ask_until(
        question.label, lambda text: question.checked(question.choice_of(text)), default
    )


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
    upload_kind = KINDS[kind]
    if not upload_kind.mapping:  # no setting takes one, as of stock
        typer.echo(
            f"Written to {path}. Next: ecom init loads {files[0]}, as the page of uploads does."
        )
        return
    command = f"ecom run {upload_kind.option} {files[0]} {upload_kind.option}-mapping {path}"
    if kind not in signature(run).parameters:
        name = f"{PREFIX}{kind.upper()}"
        command = f"{name}={files[0]} {name}_MAPPING={path} ecom run"
    if upload_kind.is_named_with_mapping:
        command = f"ecom run {upload_kind.option} {path}={files[0]}"
    typer.echo(
        f"Written to {path}. "
        f"{'Complete the marked lines, then: ' if still_open else 'Next: '}{command}"
    )
