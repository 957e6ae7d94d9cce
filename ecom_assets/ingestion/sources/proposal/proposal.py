"""The mapping that is proposed for files: a shipped one that reads them,
else one by names and values of columns.
"""

import json
import tempfile
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import duckdb

from ecom_assets.core.errors import DefinitionError, EcomError, UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import KINDS
from ecom_assets.core.tables.currencies import digits_of
from ecom_assets.core.tables.formats import counted
from ecom_assets.ingestion.sources.cost_reading import AdSpendFileReading
from ecom_assets.ingestion.sources.customer_api.records import load_customer_mapping
from ecom_assets.ingestion.sources.files.columns import columns_of
from ecom_assets.ingestion.sources.files.currency import CurrencyError
from ecom_assets.ingestion.sources.files.fit import columns_used, has_needed_columns
from ecom_assets.ingestion.sources.files.formats import find_files
from ecom_assets.ingestion.sources.files.mapping import LEFT_OUT, load
from ecom_assets.ingestion.sources.files.mapping_content import OPEN
from ecom_assets.ingestion.sources.files.packed_cells import PackedCell
from ecom_assets.ingestion.sources.files.records import DUPLICATE
from ecom_assets.ingestion.sources.files.shape import ADDED
from ecom_assets.ingestion.sources.files.table_heads import TableKeys, delimiter_of
from ecom_assets.ingestion.sources.files.unpacked import unpacked
from ecom_assets.ingestion.sources.proposal.bare_names import bare
from ecom_assets.ingestion.sources.proposal.drafts.draft import Draft
from ecom_assets.ingestion.sources.proposal.fields import (
    MappingKind,
    column_names,
    found_fields,
    item_field_count,
)
from ecom_assets.ingestion.sources.proposal.packed import packed_columns
from ecom_assets.ingestion.sources.proposal.parts import can_be_amount
from ecom_assets.ingestion.sources.proposal.questions import (
    ACCOUNT,
    ENCODING,
    LIST,
    PLATFORM,
    PLATFORMS,
    ROWS,
    ZONE,
    OpenQuestion,
    account_origin,
    account_question,
    currency_question,
    encoding_question,
    on_one_line,
    possible_encodings,
    quoted,
)
from ecom_assets.ingestion.sources.proposal.record_kinds import (
    LISTED,
    has_time,
    is_list_of_prices,
    is_report_of_sums,
    kind_of,
    likely_kind,
    list_of_events,
    listed_kind,
    newest_orders,
    refused_form,
)
from ecom_assets.ingestion.sources.proposal.unused import unused_columns
from ecom_assets.ingestion.sources.proposal.values import FileValues, ItemList, Value
from ecom_assets.ingestion.sources.reading import CustomerFileReading, file_mappings
from ecom_assets.ingestion.sources.readings import Reading
from ecom_assets.ingestion.sources.record_feed import RecordFeed, feeds


@dataclass(frozen=True)
class ShippedFit:
    """A shipped mapping that reads the files,
    with the lines in which they differ from its layout, and the files as it reads them.
    """

    name: str
    kind: MappingKind
    columns: tuple[str, ...]
    known_count: int
    filled_count: int
    clean_count: int
    row_count: int
    lines: tuple[str, ...] = ()
    reading: "Reading | None" = field(default=None, repr=False, compare=False)
    field_count: int = 0
    """Of customers, how many fields have a value."""

    @property
    def text_lines(self) -> tuple[str, ...]:
        """Return the lines of a mapping that is this one."""
        return (f"extends: {self.name}", *self.lines)

    @property
    def why(self) -> str:
        """Return why it fits, in a sentence."""
        columns = ", ".join(self.columns[:6])
        if not self.row_count:
            return f"{self.name} fits best: it knows {columns}."
        clean = "is" if self.row_count == 1 else "are"
        of_rows = f"{self.clean_count:,} of {counted(self.row_count, 'row')} {clean} clean"
        return f"{self.name} fits best: it knows {columns}; {of_rows}."


def shipped_fits(
    paths: Sequence[str], settings: Settings, kind: MappingKind | None = None
) -> list[ShippedFit]:
    """Return the shipped mappings of a kind that read files, the best first.

    The best is the one by which the most rows are clean, then the most fields filled; then the
    simplest. Mappings of customers need little more than an address, so they count only where
    nothing else reads the files.
    """
    with duckdb.connect() as con:
        tried = [
            _tried(con, paths, feed, name, settings)
            for of_rows, feed in feeds().items()
            if feed.mapping and (feed.is_recognised if kind is None else of_rows == kind)
            for name in feed.shipped
        ]
        fits = [fit for fit in tried if fit is not None]
        if not fits and kind in {None, MappingKind.CUSTOMERS}:
            fits = [
                fit
                for name in file_mappings()
                if (fit := _tried_customers(con, paths, name, settings)) is not None
            ]
    return sorted(
        fits, key=lambda fit: (fit.clean_count, fit.filled_count, -fit.known_count), reverse=True
    )


NOT_AGAINST: Final = ("missing_cost", "total_line", "without_consent", LEFT_OUT)
ASKED: Final = ("missing_account", "missing_currency")
"""Reject reasons of rows that are clean once a question is answered."""


def _tried(
    con: duckdb.DuckDBPyConnection,
    paths: Sequence[str],
    feed: RecordFeed,
    name: str,
    settings: Settings,
) -> ShippedFit | None:
    """Return the fit of a mapping,
    also if a spreadsheet has saved the files with its own delimiter.
    """
    kind = MappingKind(feed.upload.name)
    try:
        mapping = load(feed.model, name)
        file = next(unpacked(find_files(paths)))
        lines: tuple[str, ...] = ()
        if mapping.delimiter == "," and (own := delimiter_of(file)) != ",":
            mapping, lines = (
                mapping.model_copy(update={"delimiter": own}),
                (f"delimiter: {json.dumps(own)}",),
            )
        found = columns_of(con, file, mapping.table_keys)
        columns = found.columns.keys()
        is_document = file.format == "ndjson" and mapping.shape is not None
        # Names that a mapping brings along are no sign that the file has these columns.
        has_other_rows = bool(mapping.table_keys.header) and not found.first_rows
        if has_other_rows or not has_needed_columns(mapping, columns, is_document=is_document):
            return None
        used = columns_used(mapping).values()
        mapped_columns = {column for names in used for column in names} - {*ADDED}
        with tempfile.TemporaryDirectory() as folder:
            extended = Path(folder) / f"{name}.yaml"
            extended.write_text("\n".join([f"extends: {name}", *lines, ""]), encoding="utf-8")
            reading = feed.read(paths, str(extended) if lines else name, settings)
            assert not isinstance(reading, CustomerFileReading)  # noqa: S101 (tried by itself)
            rows, filled_count = reading.rows, reading.filled_count
    except CurrencyError:  # it is read so, once the settings let it
        known = tuple(sorted(mapped_columns & columns))
        return ShippedFit(name, kind, known, len(mapped_columns), 0, 0, 0, lines)
    except EcomError:
        return None
    clean_count = rows.counted + rows.rejected.get(
        DUPLICATE, 0
    )  # a copy of a row that is counted is clean, too
    clean_count += sum(rows.rejected.get(reason, 0) for reason in ASKED)
    # Products whose cost nobody has set, visitors without consent, and rows that the mapping leaves
    # out, such as cancelled orders, say nothing against it.
    known_count = clean_count + sum(rows.rejected.get(reason, 0) for reason in NOT_AGAINST)
    if known_count * 2 < rows.read or not clean_count:
        return None
    return ShippedFit(
        name,
        kind,
        tuple(sorted(mapped_columns & columns)),
        len(mapped_columns),
        filled_count,
        clean_count,
        rows.read,
        lines,
        reading,
    )


def _tried_customers(
    con: duckdb.DuckDBPyConnection, paths: Sequence[str], name: str, settings: Settings
) -> ShippedFit | None:
    try:
        if _known_in_head(con, paths, name) < _FEWEST_OF_CUSTOMERS:
            return None
        reading = CustomerFileReading.open(paths, name, settings)
    except EcomError:
        return None
    columns, mapped_columns = reading.known_columns
    if len(columns) < _FEWEST_OF_CUSTOMERS or reading.clean_count * 2 < reading.row_count:
        return None
    return ShippedFit(
        name,
        MappingKind.CUSTOMERS,
        columns,
        len(mapped_columns),
        reading.filled_count,
        reading.clean_count,
        reading.row_count,
        reading=reading,
        field_count=len(reading.filled_fields),
    )


_FEWEST_OF_CUSTOMERS: Final = 4
"""Columns of customers that a file must have, such as id and names: an address alone is in every
file of orders, too.
"""


def _known_in_head(con: duckdb.DuckDBPyConnection, paths: Sequence[str], name: str) -> int:
    """Return of how many paths of a mapping of customers the head of the first file may have the
    value; of other files than CSV of all, as only their records show it.

    Raises:
        EcomError: The files cannot be read.
    """
    mapped = load_customer_mapping(name).paths
    file = next(unpacked(find_files(paths)))
    if file.format != "csv":
        return len(mapped)
    columns = columns_of(con, file, TableKeys()).columns
    heads = {column.casefold() for column in columns}
    names = ({path.casefold(), path.casefold().split(".")[0]} for path in mapped)
    return sum(bool(heads & either) for either in names)


NO_LIST, FIRST_ITEM = "none", "first"
OWN: Final = "own"
"""In place of the name of a shipped mapping: one by the names and values of the columns."""
LOCAL_EPOCHS: Final = {
    "mixpanel": (
        "Times of Mixpanel projects created before 2023 are of the project's zone, "
        "written as UTC. The zone of the project (UTC for a project created since)"
    )
}
"""Shipped mappings whose files do not say how their epochs are to be read, with what to ask."""


@dataclass(frozen=True)
class MappingProposal:
    """A mapping as text, in which what is open is marked, and all questions, answered or not."""

    kind: MappingKind
    why: tuple[str, ...]
    questions: tuple[OpenQuestion, ...]
    lines: tuple[str, ...] = field(repr=False)
    unused: tuple[str, ...] = ()
    """What is in each column that no field uses, in a sentence, the most telling first."""

    @property
    def text(self) -> str:
        """Return the mapping as YAML."""
        unused = [f"#   {line}" for line in self.unused]
        return "\n".join(
            [
                *(f"# {on_one_line(reason)}" for reason in self.why),
                *self.lines,
                *(["# Not used, by no field:", *unused] if unused else []),
                "",
            ]
        )


def open_questions(proposal: MappingProposal, answers: Mapping[str, str]) -> list[OpenQuestion]:
    """Return the questions that are marked in the mapping, as nobody has answered them."""
    return [q for q in proposal.questions if q.key not in answers and not q.is_optional]


@dataclass(frozen=True)
class MappingSearch:
    """Files for which a mapping is looked for: answers lead to a proposal,
    which can have further questions.
    """

    paths: Sequence[str]
    settings: Settings
    kind: MappingKind | None = None
    """What the rows are; None to decide by what they have."""
    encoding: str | None = None
    """The encoding of text files; None to decide by their bytes."""
    _read: dict[Hashable, FileValues] = field(default_factory=dict, repr=False)
    _proposed: dict[tuple[str, frozenset[tuple[str, str]]], MappingProposal] = field(
        default_factory=dict, repr=False
    )
    """Proposals by the mapping and the answers: several questions begin with the same answers."""

    @cached_property
    def fits(self) -> list[ShippedFit]:
        """Return the shipped mappings that read the files, the best first.

        Lists of customers look alike: one that says more than a mapping takes is of another layout.
        """
        fits = [] if self.encoding else shipped_fits(self.paths, self.settings, self.kind)
        if not fits or fits[0].kind is not MappingKind.CUSTOMERS:
            return fits
        found = found_fields(self.look, MappingKind.CUSTOMERS)
        return [fit for fit in fits if fit.field_count >= len(found)]

    def proposal(self, answers: Mapping[str, str], mapping: str = "") -> MappingProposal:
        """Return the mapping with the answers so far.

        Args:
            answers: The answers, by the keys of the questions.
            mapping: The name of a shipped mapping that fits, `OWN` for none of them; empty for the
                best.

        Raises:
            UsageError: An answer is not possible, or the files have nothing that a mapping needs.
            SourceError: They cannot be read.
        """
        of_answers = mapping, frozenset(answers.items())
        if of_answers not in self._proposed:
            fits = [] if mapping == OWN else self.fits
            named = [fit for fit in fits if fit.name == mapping]
            self._proposed[of_answers] = (
                self._of_shipped((named or fits)[0], answers) if fits else self._of_values(answers)
            )
        return self._proposed[of_answers]

    def accepted(
        self, answers: Mapping[str, str], mapping: str = ""
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return the answers to questions that come up,
        and what is wrong with those that are not possible.
        """
        result: dict[str, str] = {}
        problems: dict[str, str] = {}
        while True:
            questions = self.proposal(result, mapping).questions
            left = answers.keys() - result.keys() - problems.keys()
            new = [question for question in questions if question.key in left]
            if not new:
                return result, problems
            try:
                result[new[0].key] = new[0].checked(answers[new[0].key])
            except UsageError as error:
                problems[new[0].key] = str(error)

    def _of_shipped(self, fit: ShippedFit, answers: Mapping[str, str]) -> MappingProposal:
        """Return a mapping that extends a shipped one."""
        lines = [*fit.text_lines]
        questions: tuple[OpenQuestion, ...] = ()
        if fit.name in LOCAL_EPOCHS:
            questions = (OpenQuestion(ZONE, LOCAL_EPOCHS[fit.name]),)
            _check(questions, answers)
            zone = answers.get(ZONE)
            mark = "" if zone else f"  # OPEN: {LOCAL_EPOCHS[fit.name]}"
            lines += ["fields:", f"  event_timestamp: {{timezone: {quoted(zone or OPEN)}}}{mark}"]
        if isinstance(fit.reading, AdSpendFileReading):
            questions = (*_platform_of(fit), *_of_ads(fit.reading))
            _check(questions, answers)
            lines += _ad_lines(questions, answers)
        return MappingProposal(fit.kind, (fit.why,), questions, tuple(lines))

    def _of_values(self, answers: Mapping[str, str]) -> MappingProposal:
        """Return a mapping by the names and values of columns."""
        encodings = encoding_question(self._possible_encodings)
        encoding = (
            self.encoding or answers.get(ENCODING) or next(iter(self._possible_encodings), None)
        )
        table, beside = self._tables(encoding)
        kind, rows = self._kind_of(self._values(encoding, table=table), answers)
        values, item_list = self._rows_of(self._values(encoding, table=table), kind, answers)
        draft: Draft = feeds()[kind].draft_class(values, kind, answers)
        lines = draft.lines()
        questions = (
            *(question for question in (encodings, rows, item_list) if question is not None),
            *draft.questions,
        )
        _check(questions, answers)
        if item_list is not None and LIST not in answers:
            lines = _with_open_list(lines, item_list, kind)
        if encodings is not None and ENCODING not in answers:
            lines = [line for line in lines if not line.startswith("encoding: ")]
            lines.insert(0, f'encoding: "{OPEN}"  # OPEN: {on_one_line(encodings.sentence)}')
        why = [
            (
                "No shipped mapping reads this file; proposed by its names and values, as "
                f"{KINDS[kind].noun}."
            )
        ]
        why += [
            f"  {note}"
            for note in (values.note, *(_beside(name, other) for name, other in beside.items()))
            if note
        ]
        why += [f"  each element of {values.spread} is an order line"] if values.spread else []
        why += [f"  {match.field}: {match.why}" for match in draft.found.values()]
        why += [f"  {note}" for note in draft.notes]
        # All other columns of events are their properties.
        unused = (
            () if kind is MappingKind.EVENTS else unused_columns(values, lines, draft.asked_columns)
        )
        return MappingProposal(kind, tuple(why), questions, tuple(lines), unused)

    def guesses(self, answers: Mapping[str, str], mapping: str = "") -> dict[str, str]:
        """Return answers for a preview only: those that are there,
        and a guess for each question that is open.
        """
        result = dict(answers)
        while still_open := [
            question
            for question in self.proposal(result, mapping).questions
            if question.key not in result and question.guess and not question.is_optional
        ]:
            result |= {question.key: question.guess for question in still_open}
        return result

    @cached_property
    def look(self) -> FileValues:
        """Return what the first of the files looks like: its format, encoding and delimiter,
        and its values.
        """
        return self._values(self.encoding or next(iter(self._possible_encodings), None))

    @cached_property
    def listed_kind(self) -> MappingKind | None:
        """Return what a list of products says of them, where nothing says what else it is."""
        return None if self.kind or self.fits else listed_kind(self.look)

    @cached_property
    def _possible_encodings(self) -> dict[str, str]:
        return {} if self.encoding else possible_encodings(next(unpacked(find_files(self.paths))))

    def _values(
        self,
        encoding: str | None,
        spread: str = "",
        table: str = "",
        packed: Mapping[str, PackedCell] | None = None,
        explode: str = "",
    ) -> FileValues:
        key = encoding, spread, table, (*(packed or {}).items(),), explode
        if key not in self._read:
            values = FileValues.read(self.paths, encoding, spread, table, packed, explode)
            is_whole = _amounts_without_cents(values, self.settings.currency)
            values = replace(values, is_whole=is_whole) if is_whole else values
            if values.has_several_files and (self.kind or kind_of(values)) is MappingKind.ORDERS:
                values = newest_orders(values)
            self._read[key] = values
        return self._read[key]

    def _tables(self, encoding: str | None) -> tuple[str, dict[str, MappingKind]]:
        """Return the table of the kind that is asked for,
        and those of other kinds that stand beside it.

        Tables are the lists of records in a JSON document, and the sheets of a workbook.
        """
        first = self._values(encoding)
        names = first.sheet.other_sheets if first.sheet else first.lists.others
        kinds = {
            name: kind
            for name in names
            if (kind := self._kind_of_table(encoding, name)) is not None
        }
        own = kind_of(first)
        if self.kind is None or own is self.kind:
            return "", {name: kind for name, kind in kinds.items() if kind is not own}
        fitting = [name for name, kind in kinds.items() if kind is self.kind]
        return (fitting[0] if fitting else ""), {}

    def _kind_of_table(self, encoding: str | None, name: str) -> MappingKind | None:
        try:
            values = self._values(encoding, table=name)
        except EcomError:
            return None
        kind = kind_of(values)  # a list of names beside events has no times
        return kind if kind is not MappingKind.EVENTS or has_time(values) else None

    def _kind_of(
        self, values: FileValues, answers: Mapping[str, str]
    ) -> tuple[MappingKind, OpenQuestion | None]:
        if reason := refused_form(values):
            raise DefinitionError(reason)
        kind = self.kind or kind_of(values)
        is_open = kind is None or (kind is MappingKind.EVENTS and not self.kind)
        if kind and not (is_open and is_report_of_sums(values)):
            return kind, None
        if is_open and is_report_of_sums(values):
            raise DefinitionError(
                "The file has one row a day, or one for each page of a day, and numbers beside "
                "it: it is a report of sums, of which no row is an event or an order. Export the "
                "list that it adds up, or say what its "
                "rows are (--ad-spend, --stock or another option of ecom mapping init, or what the "
                "file is on the page of uploads)."
            )
        if is_list_of_prices(values):
            raise DefinitionError(
                "The file is a list of products with their prices: no row says what happened, or "
                "who bought. What products cost the shop is a list of costs (--costs of ecom "
                "mapping init, or what the file is on the page of uploads); what they were sold "
                "for is read from orders: export these."
            )
        kinds = tuple(kind for kind in MappingKind if kind not in LISTED)
        question = OpenQuestion(ROWS, "what the rows are", kinds, likely_kind(values))
        return MappingKind(question.checked(answers.get(ROWS, question.guess))), question

    def _rows_of(
        self, values: FileValues, kind: MappingKind, answers: Mapping[str, str]
    ) -> tuple[FileValues, OpenQuestion | None]:
        """Return the values of what is a row, and the question about lists, if there is one."""
        plain = values
        if kind is MappingKind.EVENTS and (events := list_of_events(values)):
            return self._each_event(values, events), None
        if kind is MappingKind.ORDERS and (packed := packed_columns(values)):
            values = self._values(values.encoding, table=values.table, packed=packed)
        lists = {
            item_list: count
            for item_list in values.lists.items
            if (count := item_field_count(item_list.members))
            or _may_be_lines(kind, item_list)
            or item_list.path in values.packed
        }
        if kind is MappingKind.ORDERS and lists:
            rows, question = self._order_rows(values, lists, answers)
            return (rows if rows.spread else plain.without_lists()), question
        if kind is not MappingKind.EVENTS or not lists:
            return values.without_lists(), None
        items = max(lists, key=lambda item_list: lists[item_list])
        if items.most == 1:
            return values, None
        sentence = (
            f"which product an event has, as its list {items.path} has up to {items.most}: the "
            "first one, or none"
        )
        question = OpenQuestion(LIST, sentence, (FIRST_ITEM, NO_LIST), FIRST_ITEM)
        return (values if answers.get(LIST) == FIRST_ITEM else values.without_lists()), question

    def _each_event(self, values: FileValues, path: str) -> FileValues:
        """Return the values of the elements of a list that are events, such as those of a visit.

        Raises:
            DefinitionError: They have no times of their own.
        """
        read = self._values(values.encoding, table=values.table, explode=path)
        own = (value for value in read.values if value.name.startswith(f"{path}."))
        if any(map(read.time_formats, own)):
            return read
        raise DefinitionError(
            f"Each record of the file is a visit, and its list {path} says what happened in it, "
            f"but no member of {path} is a time that can be read: times that are counted from the "
            "begin of the visit are none. Export a row for each element, with its time (in SQL "
            f"UNNEST({path}), and the begin of the visit plus the time of the element)."
        )

    def _order_rows(
        self, values: FileValues, lists: Mapping[ItemList, int], answers: Mapping[str, str]
    ) -> tuple[FileValues, OpenQuestion | None]:
        paths = [
            item_list.path for item_list in sorted(lists, key=lambda item_list: -lists[item_list])
        ]
        likely = [item_list.path for item_list, count in lists.items() if count > 1]
        if len(values.packed) == 1:  # it was looked for as the list of items
            paths = [*values.packed]
            likely = [name for name, cell in values.packed.items() if not cell.are_names]
        if len(likely) == 1:
            return self._values(values.encoding, likely[0], values.table, values.packed), None
        sentence = f"of which list each element is an order line ({NO_LIST}: a line per order)"
        guess = paths[0] if values.packed or any(lists.values()) else NO_LIST
        question = OpenQuestion(LIST, sentence, (*paths, NO_LIST), guess)
        path = answers.get(LIST, NO_LIST)
        if path == NO_LIST:
            return values.without_lists(), question
        return self._values(values.encoding, path, values.table, values.packed), question


def _amounts_without_cents(values: FileValues, currency: str) -> Callable[[Value], bool] | None:
    """Return which numbers are amounts of a shop's currency, where it has no cents and the file
    names no other one; None where it has.
    """
    names = {*map(bare, column_names()[MappingKind.ORDERS]["currency"])}
    named = (value for value in values.values if bare(value.last_name) in names)
    codes = {code.upper() for value in named for code, _ in values.counts(value)}
    if digits_of(currency) or codes - {currency}:
        return None

    def is_whole(value: Value) -> bool:
        said = {*values.currencies(value), value.currency or currency}
        return can_be_amount(value) and said <= {currency}

    return is_whole


def _may_be_lines(kind: MappingKind, item_list: ItemList) -> bool:
    """Return whether elements of a list may be order lines, though none of their names says so."""
    return kind is MappingKind.ORDERS and len(item_list.members) > 1


def _platform_of(fit: ShippedFit) -> tuple[OpenQuestion, ...]:
    """Return the question where ads were bought, of a layout that says one place of all files and
    whose impressions or clicks the file does not have: it may be another vendor's.
    """
    fields = load(feeds()[fit.kind].model, fit.name).fields
    numbers = [fields.impression_count, fields.click_count]
    columns = [{value.column, *(value.first_of or ())} - {None} for value in numbers if value]
    if not fields.platform.constant or all(names & {*fit.columns} for names in columns):
        return ()
    sentence = f"where the ads were bought, as the file has not all columns of {fit.name}"
    return (OpenQuestion(PLATFORM, sentence, PLATFORMS, fields.platform.constant),)


def _of_ads(reading: AdSpendFileReading) -> tuple[OpenQuestion, ...]:
    """Return the questions about what no row of a report of ads says."""
    questions = (account_question(), currency_question())
    return tuple(question for question in questions if reading.says_nothing_of(question.key))


def _ad_lines(questions: Sequence[OpenQuestion], answers: Mapping[str, str]) -> list[str]:
    """Return the lines with which a mapping says what no row of a report of ads says."""
    lines = []
    for question in questions:
        answer = answers.get(question.key)
        mark = "" if answer else f"  # OPEN: {on_one_line(question.sentence)}"
        is_account = question.key == ACCOUNT
        origin = account_origin(answer) if is_account else f"{{constant: {quoted(answer or OPEN)}}}"
        lines.append(f"  {question.key}: {origin}{mark}")
    return ["fields:", *lines] if lines else []


def _beside(name: str, kind: MappingKind) -> str:
    """Return what else is in a file, and how it is read."""
    other = KINDS[kind]
    return (
        f"{name!r} of the file has {other.noun}: ecom mapping init FILE {other.option} reads them"
    )


def _check(questions: Sequence[OpenQuestion], answers: Mapping[str, str]) -> None:
    for question in questions:
        if question.key in answers:
            question.checked(answers[question.key])


def _with_open_list(lines: Sequence[str], question: OpenQuestion, kind: MappingKind) -> list[str]:
    """Return the lines of a mapping with one that is refused until it
    says what becomes of a list.
    """
    key = "rows" if kind is MappingKind.ORDERS else "explode"
    remedy = (
        "rows: {line: PATH OF THE LIST}, or no such line"
        if key == "rows"
        else "no such line, or init again"
    )
    return [f'{key}: "{OPEN}"  # OPEN: {on_one_line(question.sentence)}: write {remedy}', *lines]


@contextmanager
def read_by(
    search: MappingSearch, proposal: MappingProposal, folder: Path | None = None
) -> Iterator[Reading]:
    """Read the files by a proposal, whose mapping stands in a temporary folder meanwhile.

    Raises:
        EcomError: They cannot be read by it.
    """
    is_shipped = proposal.lines[0].startswith("extends: ")
    same = [fit for fit in search.fits if fit.text_lines == proposal.lines] if is_shipped else []
    if same and same[0].reading is not None:  # it was read when it was tried
        yield same[0].reading
        return
    with tempfile.TemporaryDirectory(dir=folder) as temporary_folder:
        mapping = Path(temporary_folder) / "preview.yaml"
        mapping.write_text(proposal.text, encoding="utf-8")
        yield feeds()[proposal.kind].read(search.paths, str(mapping), search.settings)
