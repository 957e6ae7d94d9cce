"""The mapping that is proposed for files: a shipped one that reads them, else one by names and values of columns."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from ecom_assets.errors import EcomError
from ecom_assets.sources.files.columns import columns_of
from ecom_assets.sources.files.fit import columns_used, needed_columns
from ecom_assets.sources.files.formats import find_files
from ecom_assets.sources.files.mapping import EVENT, ORDER, EventMapping, OrderMapping, RecordMapping, load, shipped
from ecom_assets.sources.files.reading import FileReading
from ecom_assets.sources.files.records import DUPLICATE
from ecom_assets.sources.files.text_blocks import UTF_8
from ecom_assets.sources.files.unpacked import unpacked
from ecom_assets.sources.proposal.fields import FoundField, found_fields, is_of_orders, known_event_type
from ecom_assets.sources.proposal.values import WHOLE, FileValues

UNIT_PRICE = "unit_price"
OPEN = "?"
"""What stands in a mapping for an answer that nobody has given: it is refused until it is replaced."""
ZONE, FORMAT, DECIMAL, THOUSANDS = "timezone", "date format", "decimal separator", "thousands separator"
OTHER_SEPARATOR = {".": ",", ",": "."}
AMOUNTS = ("cart_value", "payment_amount", UNIT_PRICE, "quantity")
ZONES = "a name such as Europe/Berlin or UTC"
LOCAL_EPOCHS = {
    "mixpanel": "Times of Mixpanel projects created before 2023 are of the project's zone, written as UTC. The zone of "
    "the project (UTC for a project created since)"
}
"""Shipped mappings whose files do not say how their epochs are to be read, with what to ask."""


@dataclass(frozen=True)
class OpenQuestion:
    """What the files do not say: its key, a sentence, and the answers that are possible; any, if there are none."""

    key: str
    sentence: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class ShippedFit:
    """A shipped mapping that reads the files."""

    name: str
    is_events: bool
    columns: tuple[str, ...]
    known_count: int
    filled_count: int
    clean_count: int
    row_count: int


def best_shipped(paths: Sequence[str]) -> ShippedFit | None:
    """Return the shipped mapping by which the most rows are clean, then the most fields filled; then the simplest."""
    fits = [
        fit for kind in (EventMapping, OrderMapping) for name in shipped(kind) if (fit := _tried(paths, kind, name))
    ]
    return max(fits, key=lambda fit: (fit.clean_count, fit.filled_count, -fit.known_count), default=None)


def _tried(paths: Sequence[str], kind: type[RecordMapping], name: str) -> ShippedFit | None:
    try:
        mapping = load(kind, name)
        with duckdb.connect() as con:
            file = next(unpacked(find_files(paths)))
            columns = columns_of(con, file, mapping).columns.keys()
            known = {column for used in columns_used(con, mapping).values() for column in used}
            if not needed_columns(con, mapping) <= columns:
                return None
        reading = FileReading.open(paths, name, is_events=kind is EventMapping)
        rows = reading.rows
    except EcomError:
        return None
    clean_count = rows.counted + rows.rejected.get(DUPLICATE, 0)  # a copy of a row that is counted is clean, too
    if clean_count * 2 < rows.read:
        return None
    return ShippedFit(
        name,
        is_events=kind is EventMapping,
        columns=tuple(sorted(known & columns)),
        known_count=len(known),
        filled_count=reading.filled_count,
        clean_count=clean_count,
        row_count=rows.read,
    )


@dataclass(frozen=True)
class MappingProposal:
    """A mapping as text, with lines for what is open."""

    is_events: bool
    why: tuple[str, ...]
    questions: tuple[OpenQuestion, ...]
    _lines: tuple[str, ...] = field(repr=False)

    def text(self, answers: Mapping[str, str]) -> str:
        """Return the mapping with answers; a question without one is a marked line."""
        lines = []
        answers = {**answers, THOUSANDS: OTHER_SEPARATOR.get(answers.get(DECIMAL, ""), "")}
        for line in self._lines:
            for question in (*self.questions, OpenQuestion(THOUSANDS, "the other one of . and ,")):
                answer = answers.get(question.key, "")
                mark = f"{{{question.key}}}"
                if mark in line:
                    line = line.replace(mark, answer or OPEN)  # noqa: PLW2901 (several questions can be in a line)
                    line += "" if answer else f"  # OPEN: {question.sentence}"  # noqa: PLW2901 (as above)
            lines.append(line)
        return "\n".join([*(f"# {reason}" for reason in self.why), *lines, ""])

    def fallback(self) -> dict[str, str]:
        """Return answers for a preview only."""
        return {question.key: (*question.choices, "UTC")[0] for question in self.questions}


def of_shipped(fit: ShippedFit) -> MappingProposal:
    """Return a mapping that extends a shipped one."""
    known = ", ".join(fit.columns[:6])
    why = f"{fit.name} fits best: it knows {known}; of {fit.row_count:,} rows {fit.clean_count:,} are clean."
    lines = [f"extends: {fit.name}"]
    questions: tuple[OpenQuestion, ...] = ()
    if fit.name in LOCAL_EPOCHS:
        questions = (OpenQuestion(ZONE, LOCAL_EPOCHS[fit.name]),)
        lines += ["fields:", f'  event_timestamp: {{timezone: "{{{ZONE}}}"}}']
    return MappingProposal(fit.is_events, (why,), questions, tuple(lines))


def of_values(values: FileValues, *, orders: bool | None = None) -> MappingProposal:
    """Return a mapping by the names and values of columns.

    Args:
        values: The values of the files.
        orders: Whether rows are order lines; None to decide by what they have.
    """
    is_events = not (is_of_orders(values) if orders is None else orders)
    return _Draft(values, is_events, found_fields(values, EVENT if is_events else ORDER)).proposal()


@dataclass
class _Draft:
    values: FileValues
    is_events: bool
    found: dict[str, FoundField]
    questions: list[OpenQuestion] = field(default_factory=list)

    def proposal(self) -> MappingProposal:
        kind = EVENT if self.is_events else ORDER
        values = self.values
        what = "events" if self.is_events else "order lines"
        why = [f"No shipped mapping reads this file; proposed by its names and values, as {what}."]
        lines = [] if values.delimiter == "," else [f"delimiter: {json.dumps(values.delimiter)}"]
        if values.encoding not in {None, UTF_8}:
            lines.append(f"encoding: {values.encoding}  # its lines are not UTF-8")
        names = [name for name in kind.required if name != kind.id]
        names += [name for name in self.found if name not in {*names, kind.id, UNIT_PRICE}]
        if self.is_events and not {"user_id", "session_id"} & {*names}:
            names.append("user_id")
        fields = [self._id(kind.id), *(line for name in names if (line := self._field(name)))]
        lines += [*self._numerals(), "fields:", *fields]
        lines += self._event_types() if self.is_events else self._statuses()
        lines.append("other_columns: properties" if self.is_events else "other_columns: ignore")
        why += [f"  {match.field}: {match.why}" for match in self.found.values()]
        return MappingProposal(self.is_events, tuple(why), tuple(self.questions), tuple(lines))

    def _ask(self, key: str, sentence: str, choices: tuple[str, ...] = ()) -> str:
        if key not in {question.key for question in self.questions}:
            self.questions.append(OpenQuestion(key, sentence, choices))
        return f"{{{key}}}"

    def _id(self, name: str) -> str:
        if name in self.found:
            return self._field(name)
        columns = list(dict.fromkeys(value.path[0] for value in self.values.values))
        return (
            f"  {name}: {{hash_of: {json.dumps(columns, ensure_ascii=False)}, optional: ['*']}}  # no column is unique"
        )

    def _field(self, name: str) -> str:
        if name in {EVENT.time, ORDER.time}:
            return self._time(name)
        if name == "payment_amount" and name not in self.found and {UNIT_PRICE, "quantity"} <= self.found.keys():
            return self._price_times_quantity()
        if name not in self.found:
            missing = self._ask(name, f"the column that has the {name}")
            return f'  {name}: "{missing}"'
        value = self.found[name].value
        is_email = name in {"user_id", "customer_id"} and self.values.are_emails(value)
        if value.is_column:
            return f"  {name}: {_origin(name, value.path[0], 'trim: true, lower: true' if is_email else '')}"
        sql = f"lower(trim({value.sql}))" if is_email else value.sql
        return f"  {name}: {{expression: {json.dumps(sql, ensure_ascii=False)}, optional: true}}"

    def _time(self, name: str) -> str:
        if name not in self.found:
            return f'  {name}: "{self._ask(name, "the column that has the time")}"'
        value = self.found[name].value
        forms = self.values.time_formats(value)
        parts = [f"column: {json.dumps(value.path[0], ensure_ascii=False)}"]
        if not value.is_column:
            parts = [f"expression: {json.dumps(value.sql, ensure_ascii=False)}"]
        if len(forms) > 1:
            example = self.values.counts(value, 1)[0][0]
            form = self._ask(FORMAT, f"how times such as {example} are written", tuple(forms))
            parts.append(f'format: "{form}"')
        elif forms[0] != "iso":
            parts.append(f"format: {json.dumps(forms[0])}")
        if not forms[0].startswith("epoch") and not (forms == ["iso"] and self.values.has_zone(value)):
            example = self.values.counts(value, 1)[0][0]
            zone = self._ask(ZONE, f"the time zone of times such as {example}, {ZONES}")
            parts.append(f'timezone: "{zone}"')
        return f"  {name}: {{{', '.join(parts)}}}"

    def _numerals(self) -> list[str]:
        """Return the lines that say how numbers are written; none if as the platform writes them."""
        amounts = [self.found[name].value for name in AMOUNTS if name in self.found]
        forms = {value: forms for value in amounts if (forms := self.values.number_forms(value)) != [WHOLE]}
        lines = ["currency_signs: remove"] if any(map(self.values.has_signs, amounts)) else []
        if not forms:
            return lines
        first = next(iter(forms))
        common = [form for form in forms[first] if all(form in others for others in forms.values())] or forms[first]
        if len({form[0] for form in common}) > 1:
            example = self.values.counts(first, 1)[0][0]
            decimal = self._ask(DECIMAL, f"the sign before the decimals of amounts such as {example}", (".", ","))
            return [*lines, f'decimal: "{decimal}"', f'thousands: "{{{THOUSANDS}}}"']
        if WHOLE in common:
            return lines
        decimal = common[0][0]
        return [*lines, f'decimal: "{decimal}"', f'thousands: "{OTHER_SEPARATOR[decimal]}"']

    def _price_times_quantity(self) -> str:
        price, quantity = self.found[UNIT_PRICE].value, self.found["quantity"].value
        column, times = (json.dumps(value.path[0], ensure_ascii=False) for value in (price, quantity))
        if price.is_column and quantity.is_column:
            return f"  payment_amount: {{column: {column}, times: {times}}}"
        product = f"({price.sql})::DECIMAL(18, 4) * ({quantity.sql})::DECIMAL(18, 4)"
        return f"  payment_amount: {{expression: {json.dumps(product, ensure_ascii=False)}}}  # price and quantity"

    def _event_types(self) -> list[str]:
        if "event_type" not in self.found:
            return []
        counts = self.values.counts(self.found["event_type"].value)
        known = [(theirs, known_event_type(theirs), count) for theirs, count in counts]
        lines = [
            f"  {json.dumps(theirs, ensure_ascii=False)}: {ours}  # {count:,} rows"
            for theirs, ours, count in known
            if ours and ours != theirs
        ]
        stay = [f"  # {theirs}: {count:,} rows, stays as it is" for theirs, ours, count in known if not ours]
        return ["event_types:" if lines else "# event_types:", *lines, *stay] if lines or stay else []

    def _statuses(self) -> list[str]:
        if "status" not in self.found:
            return []
        counts = self.values.counts(self.found["status"].value, 50)
        refunded = ("refund", "return", "retour", "erstattet", "rembours", "devuel", "storno", "cancel")
        lines = []
        for theirs, count in counts:
            ours = "refunded" if any(word in theirs.lower() for word in refunded) else "shipped"
            lines.append(f"  {json.dumps(theirs, ensure_ascii=False)}: {ours}  # {count:,} rows; check this")
        return ["statuses:", *lines]


def _origin(name: str, column: str, operations: str) -> str:
    quoted = json.dumps(column, ensure_ascii=False)
    needed = name in {*EVENT.required, *ORDER.required, EVENT.id, ORDER.id}
    options = [part for part in (operations, "" if needed else "optional: true") if part]
    return f"{{column: {quoted}, {', '.join(options)}}}" if options else quoted
