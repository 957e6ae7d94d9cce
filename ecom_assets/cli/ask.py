"""The commands of ad-hoc questions over files: their options are the fields of the question,
and its help is theirs.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, Final

import ibis.expr.types as ir
import typer
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.questions.answer import (
    Kind,
    answer,
    in_place_of_numbers,
    period_of,
    visitors_by,
)
from ecom_assets.behaviour.questions.fields import DURATIONS, UNITS
from ecom_assets.behaviour.questions.model import Question, QuestionField, definition_of, in_order
from ecom_assets.cli import options as shared
from ecom_assets.cli.options import (
    OwnData,
    day_of,
    is_typed,
    print_answer,
    read_days,
    read_definition,
)
from ecom_assets.core.clock import is_zone
from ecom_assets.core.errors import SourceError, UsageError
from ecom_assets.core.settings.settings import load_settings
from ecom_assets.core.tables.queries import provisional_lines
from ecom_assets.ingestion.sources.files.events import FileEvents
from ecom_assets.ingestion.sources.files.formats import join_paths
from ecom_assets.ingestion.sources.files.question_source import (
    EventFileSource,
    FileOrders,
    OrderFileSource,
    check_format,
    write_rows,
)
from ecom_assets.ingestion.sources.files.records import refused_warning
from ecom_assets.interfaces.all_questions import QUESTIONS, question_named

FILES: Final = {"more": shared.MorePaths, "events": shared.Events, "mapping": shared.Mapping}
ORDERS: Final = {"orders": shared.Orders, "orders_mapping": shared.Mapping}
LAST: Final = {"definition": shared.Definition, "strict": shared.Strict, "as_json": shared.Json}
DAYS: Final = {"start_date": "--from", "end_date": "--to"}
"""The options of the days of a question, unless it has days of its own."""

HELP: Final = {
    "steps": (
        "Event types, separated by commas; * is any event, b? an optional step, which need "
        "not be taken, and one with a comma stands in double quotes, '\"a, b\",c'"
    ),
    "segment": (
        "Only visitors in this visitor segment as of the last day: a name that "
        "ECOM_VISITOR_SEGMENTS declares, a file with one, or FILE#NAME"
    ),
}
"""What options say that take more than the fields do."""


@dataclass(frozen=True)
class FileCommand:
    """The command of a question: its options, and what it does with them."""

    kind: Kind[Any, Any]

    @property
    def files(self) -> Mapping[str, Any]:
        """The options of the files."""
        return FILES | (ORDERS if self.kind.of_orders else {})

    @cached_property
    def fields(self) -> Mapping[str, QuestionField]:
        """The fields that are options, by the name of the parameter:
        those of the question first, then the days.
        """
        fields = [field for field in in_order(self.kind.question) if self.option_of(field)]
        return {field.name.replace(".", "_") + "_": field for field in fields}

    def option_of(self, field: QuestionField) -> str:
        """Return the option of a field; empty for none."""
        if field.name in DAYS and not set(DAYS.values()) & {
            f"--{name}" for name in self.kind.question.names()
        }:
            return DAYS[field.name]
        return "" if field.name in DAYS else field.option

    def option(self, field: QuestionField) -> Any:  # noqa: ANN401 (a type for typer)
        """Return the type of an option: what it takes, its names, and its help with the default."""
        kind = field.kind
        is_repeated = kind is list and not field.input.is_one_option
        value_type = list[str] if is_repeated else str if kind is list else kind
        names = filter(None, [self.option_of(field), field.input.also])
        default = self.kind.question.OF_COMMAND.get(field.name, field.default)
        option = typer.Option(*names, help=_help(field, default, is_repeated=is_repeated))
        return Annotated[value_type if value_type is bool else value_type | None, option]

    def function(self) -> Callable[..., None]:
        """Return the function of the command, with its options in its signature, for typer."""

        def run(**options: Any) -> None:  # noqa: ANN401 (the values of any options)
            self.run(options)

        parameters = [_parameter("context", typer.Context, Parameter.empty)]
        parameters += [_parameter(name, kind, None) for name, kind in self.files.items()]
        parameters += [
            _parameter(name, self.option(field), False if field.kind is bool else None)
            for name, field in self.fields.items()
        ]
        if self.kind.writes:
            option, text = self.kind.writes
            parameters.append(
                _parameter("out", Annotated[Path | None, typer.Option(option, help=text)], None)
            )
        parameters += [
            _parameter(name, kind, None if name == "definition" else False)
            for name, kind in LAST.items()
        ]
        run.__doc__ = QUESTIONS[self.kind.name].summary
        run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    def run(self, options: dict[str, Any]) -> None:
        """Ask the question of the options, and print the answer.

        Raises:
            SourceError: Many rows are refused, and that is an error.
            UsageError: Options cannot be combined, or a value is wrong.
        """
        context, out = options["context"], options.get("out")
        values = {
            field.name: options[name]
            for name, field in self.fields.items()
            if is_typed(context, name)
        }
        question = self.question(values, options["definition"])
        if self.kind.writes:
            check_format(self.kind.writes[0], out)
        source = self.source(options, question.timezone)
        if options["strict"] and (refused := refused_warning(source.files.rows.as_json())):
            raise SourceError(f"{refused} Mend the file or its mapping, or leave out --strict.")
        keep = partial(_written, source.files.con, out) if out else None
        result = answer(self.kind, question, source, keep=keep)
        document = result.model_dump(mode="json", by_alias=True)
        text = import_module(f"{self.kind.question.__module__.rpartition('.')[0]}.text")
        written = [f"Written to {out}."] if out else []
        provisional = provisional_lines(document["range"]["provisional_from"])
        print_answer(
            document,
            lambda: [*_compared_lines(_lines_of(text.lines), document), *provisional, *written],
            as_json=options["as_json"],
        )

    def source(
        self, options: Mapping[str, Any], timezone: str | None
    ) -> EventFileSource | OrderFileSource:
        """Open the files of the options.

        Raises:
            UsageError: None are given, or both events and orders.
        """
        mappings = (options["mapping"], options.get("orders_mapping"))
        own = OwnData.read(options["events"], options.get("orders"), options["more"], mappings)
        if self.kind.of_orders and bool(own.events) == bool(own.orders):
            called = self.kind.name.capitalize()
            raise UsageError(
                f"{called} needs either events or orders; give one of --events PATH and --orders "
                "PATH."
            )
        if own.orders_mapping and not own.orders:
            raise UsageError(
                "--orders-mapping is of order lines; give --orders PATH, or leave it out."
            )
        if not own.orders:
            settings = load_settings(
                events=join_paths(own.events) or None,
                events_mapping=own.events_mapping,
                timezone=timezone,
            )
            return EventFileSource(FileEvents.open(own.events, settings))
        settings = load_settings(
            orders_mapping=own.orders_mapping or own.events_mapping, timezone=timezone
        )
        return OrderFileSource(FileOrders.open(own.orders, settings), self.kind.takes_empty)

    def question(self, values: dict[str, Any], definition: Path | None) -> Question:
        """Return the question of options,
        or of a definition file with the days and visitors of the options.

        Raises:
            UsageError: A file and an option say the same, or what must be given is missing.
        """
        kind = self.kind.question
        fields = {field.name: field for field in self.fields.values()}
        options = {name: self.option_of(field) for name, field in fields.items()}
        texts = {option: values.get(name) for name, option in options.items()}
        read_days(texts.get("--from"), texts.get("--to"), texts.get("--last"))
        values = {
            name: day_of(value, options[name]) if fields[name].input.is_date else value
            for name, value in values.items()
        }
        raw = definition_of(kind, values)
        if definition is None:
            self._check_needed(values, options)
            of_options: Question = kind.from_command(kind.folded(raw), {})
            return of_options
        if own := [options[name] for name in values if name not in kind.scope()]:
            raise UsageError(
                f"--definition says what {', '.join(own)} would; leave one of them out."
            )
        needed_first = next(field.path[0] for field in self.fields.values())
        analysis = re.sub(r"^(an?|the) | definition$", "", kind.CALLED)
        read = read_definition(definition, analysis, needed_first)
        of_file: Question = kind.from_command(raw, read)
        if "timezone" not in raw and of_file.timezone is not None and not is_zone(of_file.timezone):
            raise UsageError(
                f"`timezone` in {definition} is {of_file.timezone!r}, which is not an IANA time "
                "zone; write one such as Europe/Berlin."
            )
        return of_file

    def _check_needed(self, values: Mapping[str, Any], options: Mapping[str, str]) -> None:
        """Refuse options without one that must be given, or without which they have no effect."""
        for field in self.fields.values():
            if field.info.is_required() and field.name not in values:
                called = self.kind.question.CALLED.removesuffix(" definition").capitalize()
                raise UsageError(
                    f"{called} needs either {options[field.name]} or --definition FILE; give one "
                    "of them."
                )
            if field.name in values and field.input.needs and not values.get(field.input.needs[0]):
                needed, why = options[field.input.needs[0]], field.input.needs[1]
                raise UsageError(f"{options[field.name]} {why}; give {needed}, or leave it out.")


def _lines_of(
    lines: Callable[[dict[str, Any]], list[str]],
) -> Callable[[dict[str, Any]], list[str]]:
    """Return a function for the lines of an answer:
    only a sentence where nothing is known of its days.
    """
    return lambda document: (
        [sentence] if (sentence := in_place_of_numbers(document)) else lines(document)
    )


def _compared_lines(
    lines: Callable[[dict[str, Any]], list[str]], document: dict[str, Any]
) -> list[str]:
    """Return the lines of an answer, and of the answers that it is compared with."""
    other, before = document["compared"], document["before"]
    if before is not None:
        return [
            f"{_days_of(document)}:",
            *lines(document),
            "",
            f"{_days_of(before)}:",
            *lines(before),
        ]
    if other is None:
        return lines(document)
    return [
        f"{visitors_by(document)}:",
        *lines(document),
        "",
        f"{visitors_by(other)}:",
        *lines(other),
    ]


def _days_of(document: dict[str, Any]) -> str:
    period = period_of(document)
    return f"{period.start_date} to {period.end_date}"


def _written(con: Backend, out: Path, rows: ir.Table) -> ir.Table:
    """Write the rows behind an answer, and return them from where they can be read again."""
    write_rows(con, rows, out)
    return con.read_parquet(out) if out.suffix == ".parquet" else rows


def _parameter(name: str, kind: Any, default: Any) -> Parameter:  # noqa: ANN401 (any type and value of an option)
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def _help(field: QuestionField, default: object, *, is_repeated: bool) -> str:
    choices = field.choices
    parts = [HELP.get(field.name, field.help).replace(DURATIONS, UNITS)]
    if choices:
        parts.append(f": {', '.join(choices.labels)}")
    if is_repeated:
        parts.append("; give it once for each")
    is_shown = default not in (None, "", False) and not isinstance(default, list | tuple)
    return "".join([*parts, f"; {default} if not given" if is_shown else "", "."])


def __getattr__(name: str) -> Callable[..., None]:
    """Return the function of the command of a question, which is made when it is called."""
    if name not in QUESTIONS:
        raise AttributeError(name)
    return FileCommand(question_named(name)).function()
