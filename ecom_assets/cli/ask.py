"""The commands of ad-hoc questions over files: their options are the fields of the question,
and its help is theirs.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
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
    is_typed,
    read_days,
)
from ecom_assets.cli.terminal import print_answer, warn
from ecom_assets.core.clock import is_zone
from ecom_assets.core.errors import SourceError, UsageError
from ecom_assets.core.settings.settings import load_settings
from ecom_assets.core.tables.queries import provisional_lines
from ecom_assets.core.tables.values import parse_day
from ecom_assets.ingestion.sources.files.events import FileEvents
from ecom_assets.ingestion.sources.files.formats import join_paths
from ecom_assets.ingestion.sources.files.question_source import (
    EventFileSource,
    RecordFileSource,
    check_format,
    write_rows,
)
from ecom_assets.ingestion.sources.files.records import refused_warning, rows_line, unread_warning
from ecom_assets.ingestion.sources.mapping_file import definition_in
from ecom_assets.interfaces.all_questions import QUESTIONS

FILES: Final = {"more": shared.MorePaths, "events": shared.Events, "mapping": shared.Mapping}
ORDERS: Final = {"orders": shared.Orders, "orders_mapping": shared.Mapping}
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
        if self.kind.only_orders:
            return {"more": shared.MorePaths, **ORDERS}
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
        if field.name not in DAYS:
            return field.option
        own_options = {f"--{name}" for name in self.kind.question.names()}
        return "" if own_options & set(DAYS.values()) else DAYS[field.name]

    def function(self) -> Callable[..., None]:
        """Return the function of the command.

        Typer reads the options of a command from the signature of its function; the options here
        are the fields of a question, so the signature is made from them.
        """

        def ask(**options: Any) -> None:  # noqa: ANN401 (the values of any options)
            self.run(options)

        parameters = [_parameter("context", typer.Context, Parameter.empty)]
        for name, option_type in self.files.items():
            parameters.append(_parameter(name, option_type, None))
        for name, field in self.fields.items():
            default = False if field.kind is bool else None
            parameters.append(_parameter(name, self._option_type(field), default))
        if self.kind.writes:
            option, text = self.kind.writes
            rows_file = Annotated[Path | None, typer.Option(option, help=text)]
            parameters.append(_parameter("out", rows_file, None))
        parameters += [
            _parameter("definition", shared.Definition, None),
            _parameter("strict", shared.Strict, default=False),
            _parameter("as_json", shared.Json, default=False),
        ]
        ask.__doc__ = QUESTIONS[self.kind.name].summary
        ask.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # Typer reads it
        ask.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return ask

    def _option_type(self, field: QuestionField) -> Any:  # noqa: ANN401 (a type for Typer)
        """Return the type of an option: what it takes, its names, and its help with the default."""
        is_repeated = field.kind is list and not field.input.option.is_one
        names = [self.option_of(field)]
        if field.input.option.also:
            names.append(field.input.option.also)
        default = self.kind.question.OF_COMMAND.get(field.name, field.default)
        option = typer.Option(*names, help=_help(field, default, is_repeated=is_repeated))
        if field.kind is bool:
            return Annotated[bool, option]
        if is_repeated:
            return Annotated[list[str] | None, option]
        value_type = str if field.kind is list else field.kind
        return Annotated[value_type | None, option]

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

        def lines() -> list[str]:
            provisional = provisional_lines(document["range"]["provisional_from"])
            written = [f"Written to {out}."] if out else []
            return [*_lines(self.kind, document), *provisional, *written]

        _print_answer(document, lines, as_json=options["as_json"])

    def source(self, options: Mapping[str, Any], timezone: str | None) -> RecordFileSource[Any]:
        """Open the files of the options.

        Raises:
            UsageError: None are given, or both events and orders.
        """
        if self.kind.only_orders and not options["orders"]:
            raise UsageError(
                f"{self.kind.name.capitalize()} is asked of orders; give them with --orders PATH."
            )
        mappings = (options.get("mapping"), options.get("orders_mapping"))
        events, orders = options.get("events"), options.get("orders")
        own = OwnData.read(events, orders, options["more"], mappings)
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
        from ecom_assets.ingestion.sources.files.order_source import FileOrders, OrderFileSource  # noqa: PLC0415 (loads all that orders are joined to)

        return OrderFileSource(
            FileOrders.open(own.orders, settings), self.kind.takes_empty, self.kind.only_orders
        )

    def question(self, values: dict[str, Any], definition: Path | None) -> Question:
        """Return the question of options,
        or of a definition file with the days and visitors of the options.

        Args:
            values: The value of each option that is typed, by the name of its field.
            definition: The definition file, if there is one.

        Raises:
            UsageError: A file and an option say the same, or what must be given is missing.
        """
        kind = self.kind.question
        fields = {field.name: field for field in self.fields.values()}
        options = {name: self.option_of(field) for name, field in fields.items()}
        by_option = {options[name]: value for name, value in values.items()}
        read_days(by_option.get("--from"), by_option.get("--to"), by_option.get("--last"))
        values = {
            name: parse_day(value, f"{options[name]} ") if fields[name].input.is_date else value
            for name, value in values.items()
        }
        raw = definition_of(kind, values)
        if definition is not None:
            in_both = [options[name] for name in values if name not in kind.scope()]
            return self._question_of_file(definition, raw, in_both)
        self._check_needed(values, options)
        question: Question = kind.from_command(kind.folded(raw), {})
        return question

    def _question_of_file(
        self, path: Path, raw: Mapping[str, Any], in_both: Sequence[str]
    ) -> Question:
        """Return the question of a definition file.

        Args:
            path: The file.
            raw: What the options say of days and visitors, as a definition.
            in_both: The options that say what the file says.

        Raises:
            UsageError: There are such options, or the file cannot be read, is not a YAML or JSON
                object, or has a wrong time zone.
        """
        kind = self.kind.question
        if in_both:
            raise UsageError(
                f"--definition says what {', '.join(in_both)} would; leave one of them out."
            )
        first_field = next(iter(self.fields.values()))
        analysis = re.sub(r"^(an?|the) | definition$", "", kind.CALLED)
        in_file = definition_in(path)
        if not isinstance(in_file, dict):
            raise UsageError(
                f"{path} holds no {analysis} definition; begin it with `{first_field.path[0]}:`."
            )
        question: Question = kind.from_command(raw, in_file)
        zone = question.timezone
        if "timezone" not in raw and zone is not None and not is_zone(zone):
            raise UsageError(
                f"`timezone` in {path} is {zone!r}, which is not an IANA time zone; write one such "
                "as Europe/Berlin."
            )
        return question

    def _check_needed(self, values: Mapping[str, Any], options: Mapping[str, str]) -> None:
        """Refuse options without one that must be given, or without which they have no effect."""
        for field in self.fields.values():
            option = options[field.name]
            if field.info.is_required() and field.name not in values:
                called = self.kind.question.CALLED.removesuffix(" definition").capitalize()
                raise UsageError(
                    f"{called} needs either {option} or --definition FILE; give one of them."
                )
            if field.name in values and field.input.option.needs:
                needed, why = field.input.option.needs
                if not values.get(needed):
                    raise UsageError(f"{option} {why}; give {options[needed]}, or leave it out.")


def _print_answer(answer: dict[str, Any], lines: Callable[[], list[str]], *, as_json: bool) -> None:
    """Print a result as JSON or as text. As text, warnings go to stderr; the JSON contains them.

    That many rows were refused goes to stderr in any case. The last line of the text has the number
    of rows that the result counts.
    """
    if refused := refused_warning(answer["rows"]):
        warn(refused)
    if unread := unread_warning(answer["rows"]):
        warn(f"{unread}.")
    warn(*(f"{note}." for note in answer["rows"].get("notes", ())))
    if not as_json:
        warn(*answer.get("warnings", ()))
    text = () if as_json else (*lines(), rows_line(answer["rows"]))
    print_answer(answer, *text, as_json=as_json)


def _lines(kind: Kind[Any, Any], document: dict[str, Any]) -> list[str]:
    """Return the lines of an answer, and of the answer that it is compared with."""
    other_identity, days_before = document["compared"], document["before"]
    if days_before is not None:
        return [
            f"{_days_of(document)}:",
            *_number_lines(kind, document),
            "",
            f"{_days_of(days_before)}:",
            *_number_lines(kind, days_before),
        ]
    if other_identity is not None:
        return [
            f"{visitors_by(document)}:",
            *_number_lines(kind, document),
            "",
            f"{visitors_by(other_identity)}:",
            *_number_lines(kind, other_identity),
        ]
    return _number_lines(kind, document)


def _number_lines(kind: Kind[Any, Any], document: dict[str, Any]) -> list[str]:
    """Return the lines of one answer: only a sentence where nothing is known of its days."""
    sentence = in_place_of_numbers(document)
    return [sentence] if sentence else kind.lines(document)


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
    help_text = HELP.get(field.name, field.help).replace(DURATIONS, UNITS)
    if field.choices:
        help_text += f": {', '.join(field.choices.labels)}"
    if is_repeated:
        help_text += "; give it once for each"
    if default not in (None, "", False) and not isinstance(default, list | tuple):
        help_text += f"; default {default}"
    return f"{help_text}."
