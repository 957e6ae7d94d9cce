"""`ecom explain`: show why a number is what it is,
down to the received rows that it was counted from.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from typing import Annotated

import typer

from ecom_assets.cli.options import Json
from ecom_assets.cli.terminal import print_answer
from ecom_assets.commerce.quality.reasons import sentence_of
from ecom_assets.core.errors import WorkError
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.settings.settings import Settings, load_settings, prepare_dagster_home
from ecom_assets.core.tables.conditions import parse_where
from ecom_assets.core.tables.contract import HIDDEN, Contract
from ecom_assets.core.tables.formats import aligned, counted, shortened
from ecom_assets.core.warehouse.day_notes import WrittenSlices
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.interfaces.explain.answer import ExplainReader, explain, keeper_on
from ecom_assets.interfaces.explain.notes import Notes, stored_notes
from ecom_assets.interfaces.explain.question import SIGN_IN_COLUMNS, RowsQuestion, table_named
from ecom_assets.orchestration.rules import rules
from ecom_assets.outputs.serving.reading import WarehouseReading

MOST_WIDTH = 40
"""The most characters of a value in a table of rows."""
SHOWN_RUNS = 5


def reader_of(engine: Engine, settings: Settings) -> ExplainReader:
    """Return what reads the open warehouse for answers."""
    reading = WarehouseReading(engine, date.min, settings.timezone, settings.known_currency)
    return ExplainReader(
        reading, _notes(engine, settings), engine.has, rules(settings), keeper_on(engine.con)
    )


def _notes(engine: Engine, settings: Settings) -> Notes:
    """Return the notes of writers in the warehouse, or else those in Dagster's history,
    if there is one.
    """
    if engine.has(WrittenSlices) or not settings.dagster_home.exists():
        return stored_notes(engine.query, engine.has, engine.name_of)
    from dagster import DagsterInstance  # noqa: PLC0415 (large)

    from ecom_assets.outputs.serving.run_history import RunHistory  # noqa: PLC0415 (loads Dagster)

    def written(contract: Contract, days: list[date]) -> list[Row]:
        with DagsterInstance.get() as instance:
            return RunHistory(instance).writes(contract, days)

    def computed(contract: Contract) -> list[Row]:
        with DagsterInstance.get() as instance:
            return RunHistory(instance).computations(contract)

    prepare_dagster_home(settings)
    return Notes(written, computed)


def explain_command(
    table: Annotated[
        str, typer.Argument(help="A table, such as mart.revenue_daily.", show_default=False)
    ],
    column: Annotated[
        str, typer.Option(help="The number to go down from, such as order_count.")
    ] = "",
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="What must hold of the rows, such as 'order_date = 2026-01-31'; once for each "
            "condition."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, max=1000, help="Most received rows to show.")] = 10,
    offset: Annotated[
        int, typer.Option(min=0, help="Received rows to leave out at the start.")
    ] = 0,
    sql: Annotated[
        bool, typer.Option("--sql", help="Show the SQL that computed the table, too.")
    ] = False,
    personal: Annotated[
        bool, typer.Option("--personal", help="Show personal data, which are hidden else.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show why a number is what it is: definition, runs, SQL,
    and the received rows that it was counted from.

    Without --column it lists the numbers of the table and how each is made, and its other columns.
    With it, the way down is shown table by table, with what the rows of each come to; the last ones
    are rows as they were received.
    """
    question = RowsQuestion(
        table_named(table),
        parse_where(where or []),
        column,
        limit,
        offset,
        personal,
        with_costs=True,
    )
    settings = load_settings()
    engine = new_engine(settings, read_only=True)
    if not engine.exists():
        raise WorkError(f"There is no warehouse yet at {engine.address}; run `ecom run`.")
    with closing(engine.open()):
        answer = explain(question, reader_of(engine, settings))
    print_answer(answer, *lines_of(answer, with_sql=sql), as_json=as_json)


def lines_of(answer: Answer, *, with_sql: bool) -> Iterator[str]:
    """Yield the lines of an answer in a terminal."""
    table, made = answer["table"], answer["made_of"]
    yield f"{table['name']}: {table['grain']}"
    if table["definition"]:
        yield f"Defined in {table['definition']}"
    yield from _made_lines(made, has_rows=answer["row_count"] > 0)
    number = answer.get("number")
    yield ""
    yield f"{counted(answer['row_count'], 'row meets', 'rows meet')} the conditions:"
    yield from _grid(answer["rows"], None if number is None else [*table["key"], number["column"]])
    yield from _reasons(answer["rows"])
    if number is None:
        yield from _numbers(answer)
    else:
        yield from _number_lines(number)
    if with_sql:
        yield from [
            "",
            "SQL of the newest write:",
            made["sql"] or "It was not noted; a run with this version notes it.",
        ]


def _made_lines(made: Answer, *, has_rows: bool) -> Iterator[str]:
    for run in made["runs"][:SHOWN_RUNS]:
        days = f", {run['day_count']} days of these rows" if run["day_count"] > 1 else ""
        yield (
            f"Written by run {run['run_id'] or 'unknown'} at "
            f"{run['written_at'] or 'an unknown time'} UTC with ecom_assets "
            f"{run['code_version'] or 'of an unknown version'}, data version "
            f"{run['data_version']}{days}"
        )
    if len(made["runs"]) > SHOWN_RUNS:
        yield f"… and by {len(made['runs']) - SHOWN_RUNS} runs more (see --json)"
    if not has_rows:
        yield "There are no such rows, so no run wrote them."
    elif not made["runs"]:
        yield "Which runs wrote these rows was not noted; a run with this version notes it."
    if made["upstream"]:
        yield f"Computed from {', '.join(upstream['table'] for upstream in made['upstream'])}"


def _reasons(rows: list[Answer]) -> Iterator[str]:
    """Return the reject reasons of quarantined rows, with what they mean and what to do."""
    reasons = sorted({row["reject_reason"] for row in rows if row.get("reject_reason")})
    for reason in reasons:
        yield f"  {reason}: {sentence_of(reason)}"
    if reasons and any(HIDDEN in row.values() for row in rows):
        yield f"  {HIDDEN} is personal data, and so is a whole line; --personal shows it."


def _numbers(answer: Answer) -> Iterator[str]:
    yield ""
    yield "Numbers, to go down from with --column:"
    for number in answer["numbers"]:
        unit, how = number["unit"] or "number", number["how"] or "not computed"
        yield f"  {number['column']} [{unit}]: {number['description']} ({how})"
    yield ""
    yield "Other columns:"
    for column in answer["table"]["other_columns"]:
        described = f"{column['column']} [{column['type']}]: {column['description']}"
        more = ["may be null"] if column["is_nullable"] else []
        yield f"  {'; '.join([described, *more, *column['limits']])}"


def _number_lines(number: Answer) -> Iterator[str]:
    yield ""
    yield f"{number['column']} = {'unknown (null)' if number['value'] is None else number['value']}"
    yield f"  {number['description']} [{number['unit'] or 'number'}]"
    yield f"  {number['how']}"
    if number["note"]:
        yield f"  {number['note']}"
    if number["from_columns"]:
        yield f"  go down from {', '.join(number['from_columns'])} instead"
    for part in number["down"]:
        yield from _part_lines(part)
    if number["adds_up"] is not None:
        result = (
            "give the number again"
            if number["adds_up"]
            else "do NOT give the number: was it computed before?"
        )
        yield f"  The received rows {result}."
    for restatement in number["restatements"]:
        yield (
            f"  Restated at {restatement['restated_at']} by run {restatement['run_id']}: "
            f"{restatement['before_value']} became {restatement['after_value']} "
            f"({restatement['cause']})"
        )


def _part_lines(part: Answer) -> Iterator[str]:
    yield ""
    for level in part["levels"]:
        gives = "" if level["gives"] is None else f", {part['of']}: {level['gives']}"
        yield f"  ↓ {level['table']}: {counted(level['row_count'], 'row')}{gives}"
    if part["ends"]:
        yield f"  {part['ends']}"
    received = part["received"]
    if received and received["rows"]:
        first = received["offset"] + 1
        yield ""
        yield (
            f"  Rows {first:,} to {first + len(received['rows']) - 1:,} of "
            f"{received['row_count']:,} of {received['table']}:"
        )
        yield from _grid(received["rows"], None)
        if received["sign_ins"]:
            yield from [
                "",
                (
                    "  Events that belong to a user by another event, a sign-in on their device "
                    "or an alias of their user:"
                ),
            ]
            yield from _grid(received["sign_ins"], list(SIGN_IN_COLUMNS))


def _grid(rows: list[Answer], columns: list[str] | None) -> Iterator[str]:
    """Return rows under the names of their columns;
    those that are empty in every row are left out.
    """
    names = [
        name
        for name in (columns or (rows[0] if rows else []))
        if any(row[name] is not None for row in rows)
    ]
    names.sort(
        key=lambda name: name != "reject_reason"
    )  # of a quarantined row, the reason is what people look for
    texts = [["" if row[name] is None else str(row[name]) for name in names] for row in rows]
    cells = [[shortened(text, MOST_WIDTH) for text in line] for line in texts]
    if cells:
        yield from (f"  {line}" for line in aligned([names, *cells]))
