"""The values of a file as text, and what they are: times in which formats,
numbers with which separators.

Of JSON: where the records of a document lie, and the lists of items that records have.
"""

import re
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, cached_property
from itertools import islice
from os.path import commonprefix
from typing import Any, Final, TypeVar
from zlib import crc32

import duckdb

from ecom_assets.commerce.marketing.spend import TOTAL
from ecom_assets.core.clock import today_in
from ecom_assets.core.errors import SourceError
from ecom_assets.core.tables import formats
from ecom_assets.core.tables.placeholders import NULLS
from ecom_assets.core.tables.values import FIRST_PLAUSIBLE, LAST_PLAUSIBLE, NO, YES, batches_of
from ecom_assets.core.warehouse.local import within_child
from ecom_assets.core.warehouse.sql_text import (
    date_literal,
    ident,
    instant,
    select,
    text,
    wall_time,
)
from ecom_assets.ingestion.sources.files.columns import columns_of
from ecom_assets.ingestion.sources.files.currency import SIGNS_OF_SEVERAL
from ecom_assets.ingestion.sources.files.damage import with_encoding
from ecom_assets.ingestion.sources.files.formats import InputFile, find_files
from ecom_assets.ingestion.sources.files.mapping import EventMapping
from ecom_assets.ingestion.sources.files.mapping_content import HEADER_CURRENCIES
from ecom_assets.ingestion.sources.files.packed_cells import PackedCell
from ecom_assets.ingestion.sources.files.plain import CURRENCY_SIGNS, Numerals, currency_sql
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.files.shape import WHOLE as RECORD
from ecom_assets.ingestion.sources.files.shape import RowShape, at, json_in, shaped_records
from ecom_assets.ingestion.sources.files.sql import json_pointer
from ecom_assets.ingestion.sources.files.table_heads import TableKeys, delimiter_of
from ecom_assets.ingestion.sources.files.unpacked import sheet_of, unpacked
from ecom_assets.ingestion.sources.files.workbooks import SheetTable
from ecom_assets.ingestion.sources.proposal.bare_names import bare
from ecom_assets.ingestion.sources.proposal.months import (
    TimeSpelling,
    days_of_spreadsheet,
    in_english_sql,
    time_spelling_in,
)
from ecom_assets.ingestion.sources.proposal.questions import shown
from ecom_assets.ingestion.sources.proposal.zones import without_zone, without_zones

_SAMPLE = 1000
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class ItemList:
    """A list of objects in records: its path, the most elements that a record of the sample has,
    and their members.
    """

    path: str
    most: int
    members: frozenset[str]


@dataclass(frozen=True)
class RecordLists:
    """The path of the records in a document, empty if they are its lines,
    and the lists that records have.

    `others` are the paths of other lists of records that stand beside them.
    """

    records: str = ""
    items: tuple[ItemList, ...] = ()
    others: tuple[str, ...] = ()

    @classmethod
    def in_file(cls, file: InputFile, path: str = "") -> "RecordLists":
        """Return those of a file, with the records at a path if one is named;
        of other files than JSON none.
        """
        if file.format != "ndjson":
            return cls()
        try:
            documents = [
                document
                for document in islice(shaped_records(file, RowShape()), _SAMPLE)
                if isinstance(document, dict)
            ]
        except SourceError:
            return cls()
        records = path or (_records_path(documents[0]) if len(documents) == 1 else "")
        beside = (
            [name for name, _ in _lists_of(documents[0], "") if name != records] if records else []
        )
        listed = at(documents[0], records) if records else documents
        sample = [record for record in listed if isinstance(record, dict)][:_SAMPLE]
        return cls(records, tuple(_item_lists(sample)), tuple(beside))


def _records_path(document: dict[str, Any]) -> str:
    """Return the path of the list that a document is about; empty if it is a record itself."""
    lists = dict(_lists_of(document, ""))
    if not lists:
        return ""
    name = max(lists, key=lambda path: len(lists[path]))
    steps = name.split(".")
    around = [document, *(at(document, ".".join(steps[:depth])) for depth in range(1, len(steps)))]
    own = [
        member
        for parent in around
        for member, value in parent.items()
        if not isinstance(value, dict | list)
    ]
    # An answer of an API has little around its records; a record has more than the elements of its
    # lists.
    return (
        name
        if len(own) < len(lists[name][0]) and not any("id" in member.lower() for member in own)
        else ""
    )


def _item_lists(records: list[dict[str, Any]]) -> Iterator[ItemList]:
    most: dict[str, int] = {}
    members: dict[str, set[str]] = {}
    for record in records:
        for path, elements in _lists_of(record, ""):
            most[path] = max(most.get(path, 0), len(elements))
            members.setdefault(path, set()).update(*elements, *map(_inner_names, elements))
    for path, count in most.items():
        yield ItemList(path, count, frozenset(members[path]))


def _inner_names(element: Mapping[str, Any]) -> list[str]:
    """Return the names of what the objects within an element have, such as `product: {sku: …}`."""
    return [name for inner in element.values() if isinstance(inner, dict) for name in inner]


def _lists_of(
    record: dict[str, Any], prefix: str, depth: int = 2
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for name, value in record.items():
        if (
            isinstance(value, list)
            and value
            and all(isinstance(element, dict) for element in value)
        ):
            yield f"{prefix}{name}", value
        elif isinstance(value, dict) and depth:
            yield from _lists_of(value, f"{prefix}{name}.", depth - 1)


TABLE, FILE, ARRIVED = "values_of_file", "source_file", "arrived_on"
ROWS_OF_FILE: Final = "rows_of_file"
FEW, MOST_LOOKED_AT = 100, 20_000
"""Values on which formats are tried first, and rows in which members of objects are looked for."""
FIRST = "0"
"""The place of the first element of a list within a path."""
MOST_THAT_DIFFER = 0.02
"""The share of rows of which two files may say another customer or time of one order."""
MOST_ODD_SHARE, FEWEST_WITH_ODD = 0.05, 5
"""A format must read all but so many of a column's values, and all but one of a few: the rest are
damaged rows, or a line of totals."""
DATES = (
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%m-%y",
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%b-%d-%y",
    "%b %d, %Y",
    "%b %d %Y",
    "%d %B %Y",
    "%B %d, %Y",
    "%Y%m%d",
)
TIMES_OF_DAY = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p")
SAYS_ZONE = (
    "%a, %d %b %Y %H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S %Z",
    "%d %b %Y %H:%M:%S %z",
    "%d/%b/%Y:%H:%M:%S %z",
    "%a %b %d %H:%M:%S %Z %Y",
    "%a %b %d %Y %H:%M:%S %z",
)
"""Times of mails, of web servers' logs and of `date`, which say their zone."""
COMPACT = (
    "%Y%m%d%H%M%S",
    "%Y%m%d%H%M",
    "%Y%m%d%H%M%S%g",
    "%Y%m%dT%H%M%S",
    "%Y%m%dT%H%M%SZ",
    "%Y%m%d %H%M%S",
    "%Y%m%d-%H%M%S",
    "%Y%m%d_%H%M%S",
)
"""Times of digits: 20260302234810 is the second of March 2026, 23:48:10."""
TWO_DIGIT_YEAR = r"(\d{1,2}|[A-Za-z]{3})[./-](\d{1,2}|[A-Za-z]{3})[./-]\d\d([^\d].*)?"
"""What a time with a year of two digits looks like; a version, such as 4.3.0, does not."""
EPOCHS = {"epoch_s": (9, 10), "epoch_ms": (12, 13), "epoch_us": (15, 16), "epoch_ns": (18, 19)}
NUMBERS = {
    ".": Numerals(has_currency=True),
    ",": Numerals(decimal=",", thousands=".", has_currency=True),
    ". with ,": Numerals(thousands=",", has_currency=True),
    ", with blank": Numerals(decimal=",", thousands=" ", has_currency=True),
    ". with blank": Numerals(thousands=" ", has_currency=True),
    ". with '": Numerals(thousands="'", has_currency=True),
}
"""How amounts are written, by the separator of decimals: `1234.50`, `1.234,50`, `1,234.50`,
`1 234,50`, `1'234.50`.
"""
WHOLE = "."
"""The only form of whole numbers, which all forms read alike."""
HALF = r"[\s\pZ]?[AaPp]\.?[\s\pZ]?[Mm]\.?"
_LONGEST_AHEAD: Final = timedelta(days=366)
"""How far ahead of today a number of digits is a time: 2000007301 is the number of a sale."""
CLOCK = rf"\d{{1,2}}:\d\d(:\d\d(\.\d+)?)?({HALF})?"
_CLOCK: Final = rf"{CLOCK}( [A-Z]{{3,4}})?"
"""A time of day, perhaps with its zone."""
EMAIL = r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}"
BELOW_ZERO = r"^[\s\pZ]*[^\d]{0,5}[-\x{2212}(][^\d]{0,5}[\d.,]|\d[^\d]{0,5}[-\x{2212}][^\d]{0,5}$"
"""What a number below zero looks like: -12.00, $-12.00, 12.00-, ($12.00)."""
ZONED = r"(Z|UTC|GMT|[+-]\d\d(:?\d\d)?)$"


_CODES_THAT_ARE_WORDS: Final = frozenset(
    {"ALL", "TRY", "CUP", "TOP", "MOP", "GEL", "ANG", "BAM", "MAD", "PEN", "RON", "LAK", "SOS"}
)
"""Codes of currencies that names have as words, unless they stand in brackets."""


_NO_NUMBERS: Final = r"none|\(none\)|\(not set\)"
"""What stands for no number; it may be a value among texts."""
_FIRST_COMPUTED: Final = 1_000
"""The place of the first value that is computed, beyond those of all columns."""
_CODES: Final = frozenset(
    {
        *HEADER_CURRENCIES,
        *CURRENCY_SIGNS,
        *CURRENCY_SIGNS.values(),
        *SIGNS_OF_SEVERAL,
        *SIGNS_OF_SEVERAL.values(),
    }
)


def _is_unknown_code(code: str) -> bool:
    return re.fullmatch("[A-Z]{3}", code) is not None and code not in _CODES


@cache
def without_currency(name: str) -> tuple[str, str]:
    """Return a name without the currency that stands at one of its ends, and its code; the name
    and no code if it has none: `price_usd`, `Total (USD)`, `Umsatz in €`, `eur_amount`.
    """
    codes = {**CURRENCY_SIGNS, **{code: code for code in HEADER_CURRENCIES}, "$": ""}
    bracketed = re.search(r"[\s_]*[(\[]\s*([^()\[\]]{1,4})\s*[)\]]\s*$", name)
    if bracketed and (sign := bracketed[1].strip().rstrip(".").upper()) in codes:
        return name[: bracketed.start()].strip(), codes[sign]
    words = [word for word in re.split(r"[\s_.-]+", name.strip()) if word]
    for place in (-1, 0):
        code = words[place].upper() if len(words) > 1 else ""
        is_sign = code in {"$", "€", "£", "¥"}
        if (code in HEADER_CURRENCIES and code not in _CODES_THAT_ARE_WORDS) or is_sign:
            rest = words[:-1] if place else words[1:]
            joints = {"in", "en"} if place else set()
            while len(rest) > 1 and rest[-1].casefold() in joints:
                rest = rest[:-1]
            return "_".join(rest), codes.get(code, "")
    return name, ""


MONEY_MEMBERS: Final = frozenset({"value", "amount", "centamount"})
"""Names of the number of an object such as `{"value": "9.90", "currency": "EUR"}`."""
_UNITS_OF_MONEY: Final = frozenset({"unit", "code", "iso"})
CURRENCY_MEMBERS: Final = _UNITS_OF_MONEY | {
    *("currency", "currencycode", "currencyid", "currencyiso", "currencyunit", "isocode"),
}
"""Names of the currency beside it; a unit may be one of weight, too."""


@dataclass(frozen=True)
class Value:
    """A value that rows have: its path, and its SQL over the columns of the file.

    `joined` is the column of the time of day beside a column of days, if the value is both, and
    `alias` the name of the object whose number it is, if that says its currency, too: `total` of
    `total.value`, or the name without what all columns begin with. A computed one is of several
    columns.
    """

    path: tuple[str, ...]
    sql: str
    position: int
    joined: str = ""
    alias: str = ""
    is_computed: bool = False

    @property
    def name(self) -> str:
        """Return its path as text."""
        return ".".join(self.path)

    @property
    def last_name(self) -> str:
        """Return the last part of its path, within a name with dots too; that of an abbreviation
        (`Total incl. VAT`, `USt.-Betrag`, `Net w/ tax`) or of a number (`VAT at 19.00 %`) divides
        nothing.
        """
        return re.split(
            r"\.(?![\s-])(?!(?<=\d\.)\d)|(?<!\b[wW])/|[:>]", self.path[-1].strip("./:> ")
        )[-1].strip()

    @property
    def telling_name(self) -> str:
        """Return the part of its path that says what it is: of the number of an object of money the
        name of the object, of another `amount` or `value` both.
        """
        if self.is_money_member:
            return self.alias
        around = self.name.split(".")[-2:-1] if self.last_name.lower() in MONEY_MEMBERS else []
        return " ".join([*around, self.last_name])

    @property
    def is_money_member(self) -> bool:
        """Return whether it is the number of an object that says its currency, too."""
        return bool(self.alias) and self.last_name.lower() in MONEY_MEMBERS and "." in self.name

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return the names by which a field may know it, also without the currency in them, or the
        zone: `Created At (UTC+0)`.
        """
        named = (self.name, self.last_name, *([self.alias] if self.alias else []))
        plain = (without_zone(without_currency(name)[0])[0] for name in named)
        return tuple(dict.fromkeys((*named, *(name for name in plain if name))))

    @property
    def currency(self) -> str:
        """Return the code of the currency that its name says; empty if it says none."""
        return without_currency(self.path[0] if self.is_column else self.last_name)[1]

    @property
    def column(self) -> str:
        """Return its quoted column in the table of all values."""
        return f"v{self.position}"

    @property
    def is_column(self) -> bool:
        """Return whether it is a column of the file itself."""
        return len(self.path) == 1 and not self.is_computed


@dataclass(frozen=True)
class FileValues:
    """All values of files, as text, in a table of an engine of their own."""

    con: duckdb.DuckDBPyConnection
    values: tuple[Value, ...]
    delimiter: str
    encoding: str | None
    row_count: int
    format: str = "csv"
    lists: RecordLists = field(default_factory=RecordLists)
    spread: str = ""
    table: str = ""
    sheet: SheetTable | None = None
    note: str = ""
    packed: Mapping[str, PackedCell] = field(default_factory=dict)
    """The columns whose cells have several items, which are read as lists."""
    exploded: str = ""
    """The list in records each element of which is a row of events."""
    is_whole: Callable[[Value], bool] | None = None
    """Which numbers are amounts of a currency that has no cents; None where it has."""
    proven_key: str = ""
    """The value that several files have again for the same records, as what else they say shows."""
    _known: dict[Hashable, Any] = field(default_factory=dict, repr=False)
    """What was asked of these rows already: each field and each answer asks the same again."""

    @classmethod
    def read(  # noqa: PLR0913, PLR0917 (what says where rows are)
        cls,
        paths: Sequence[str],
        encoding: str | None = None,
        spread: str = "",
        table: str = "",
        packed: Mapping[str, PackedCell] | None = None,
        explode: str = "",
    ) -> "FileValues":
        """Read files whatever their columns.

        Args:
            paths: The files.
            encoding: That of text files; None to recognize it.
            spread: The path of a list of JSON records, each element of which is a row; empty for a
                row per record.
            table: The path of the records in a JSON document, or the sheet of a workbook; empty for
                the one with the most.
            packed: The columns whose cells have several items.
            explode: The list in records of events each element of which is a row.

        Raises:
            SourceError: They cannot be read, or have no rows.
        """
        con = within_child(duckdb.connect())
        found = find_files(paths)
        is_workbook = found[0].format == "workbook"
        keys = TableKeys(encoding=encoding, sheet=table if is_workbook else "")
        packed = packed or {}
        files = list(unpacked(found, keys=keys))
        sheet = sheet_of(files[0])
        delimiter = "," if sheet else delimiter_of(files[0])
        if packed:
            keys = replace(keys, delimiter=delimiter, packed=packed)
            files = list(unpacked(found, keys=keys))
        lists = RecordLists.in_file(files[0], "" if is_workbook else table)
        draft: dict[str, Any] = {"delimiter": delimiter, "encoding": encoding, "sheet": keys.sheet}
        draft |= shape_keys(lists.records, spread)
        draft |= {"explode": explode} if explode else {}
        if packed:
            draft |= {"packed": {name: cell.as_keys() for name, cell in packed.items()}}
            draft |= {"rows": {"line": spread or RECORD}}
        known_columns = columns_of(
            con, files[0], _mapping_of_all_columns(["?"], draft).table_keys
        ).columns
        columns = [name for name in known_columns if name]
        if not columns:
            raise SourceError(
                f"{files[0].name} has no columns that can be read; give CSV, JSON lines or Parquet."
            )
        mapping = _mapping_of_all_columns(columns, draft)
        _refuse_other_kinds(con, files, columns, mapping.table_keys)
        opened = RecordFiles.open(con, paths, mapping)
        values, count = _stored(con, opened, columns)
        values = tuple(value for value in values if not explode or value.path[0] != explode)
        if not count:
            raise SourceError(
                f"{files[0].name} holds no rows that can be read; give a file that does."
            )
        is_text = files[0].format != "parquet" and not sheet
        file_encoding = with_encoding(opened.files()[0]).encoding if is_text else None
        file_encoding = encoding if packed else file_encoding
        notes = table, sheet, files[0].note, packed, explode
        read = cls(
            con, values, delimiter, file_encoding, count, files[0].format, lists, spread, *notes
        )
        return read.with_months_in_english().with_joined_times()

    def without_lists(self) -> "FileValues":
        """Return the values without those of the first elements of lists."""
        return replace(
            self, values=tuple(value for value in self.values if FIRST not in value.path)
        )

    def with_months_in_english(self) -> "FileValues":
        """Return the values with those that are times which no format reads, such as with months of
        another language, as times with English months and the usual signs; of workbooks, cells say
        which numbers are days.
        """
        named = {
            value: spelling
            for value in self.values
            if value.is_column
            and (spelling := self._spelling(value))
            and not self.time_formats(value)
        }
        read = self
        for value, spelling in named.items():
            english = replace(
                value,
                position=len(read.values),
                sql=in_english_sql(value.sql, spelling),
                is_computed=True,
            )
            with_it = f"*, {in_english_sql(value.column, spelling)} AS {english.column}"
            self.con.execute(f"CREATE OR REPLACE TEMP TABLE {TABLE} AS {select(with_it, TABLE)}")
            if self.time_formats(english):
                read = replace(read, values=(*read.values, english))
        return read

    def _spelling(self, value: Value) -> TimeSpelling | None:
        cells = self.few(value)
        return time_spelling_in(cells) or (
            None if self.sheet else days_of_spreadsheet(value.last_name, cells)
        )

    def with_joined_times(self) -> "FileValues":
        """Return the values and, where days and times of day are two columns, both as one value."""
        likely = [value for value in self.values if all(":" in cell for cell in self.few(value))]
        clocks = [
            value for value in likely if 0 < self.filled(value) == self.matching(value, _CLOCK)
        ]
        days = [
            value for value in self.values if clocks and value.is_column and self._are_days(value)
        ]
        if not days:
            return self
        day = days[0]
        # Of several clocks, such as that of the order and that of its delivery, the next one after
        # the day.
        clock = min(
            clocks,
            key=lambda value: (value.position < day.position, abs(value.position - day.position)),
        )
        day_and_time = replace(
            day,
            position=len(self.values),
            joined=clock.path[0],
            sql=f"nullif(concat_ws(' ', {day.sql}, {clock.sql}), '')",
        )
        joined = select(
            f"*, nullif(concat_ws(' ', {day.column}, {clock.column}), '') AS {day_and_time.column}",
            TABLE,
        )
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {TABLE} AS {joined}")
        return (
            replace(self, values=(day_and_time, *self.values))
            if self.time_formats(day_and_time)
            else self
        )

    def with_alternative(self, value: Value, other: Value) -> "tuple[FileValues, Value]":
        """Return the values with one more, a column or another one where it is empty; and that."""
        either = replace(
            value,
            position=len(self.values),
            joined=other.path[0],
            sql=f"coalesce({value.sql}, {other.sql})",
        )
        joined = f"*, coalesce({value.column}, {other.column}) AS {either.column}"
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {TABLE} AS {select(joined, TABLE)}")
        return replace(self, values=(*self.values, either)), either

    def combined(self, columns: Sequence[Value]) -> Value:
        """Return the values of several columns as one, with ` / ` between them."""
        name = " / ".join(value.name for value in columns)

        def joined(cells: Sequence[str]) -> str:
            filled = ", ".join(f"coalesce({cell}, '')" for cell in cells)
            return f"concat_ws(' / ', {filled})"

        return self.computed(name, joined, columns)

    def computed(
        self, name: str, sql_of: Callable[[Sequence[str]], str], columns: Sequence[Value]
    ) -> Value:
        """Return what an expression says over several columns as a value of the rows.

        Args:
            name: What it is called.
            sql_of: Returns the expression over the SQL of each column.
            columns: The columns.
        """
        place = _FIRST_COMPUTED + crc32(name.encode())
        result = Value((name,), sql_of([value.sql for value in columns]), place, is_computed=True)
        known = self.con.execute(f"{select('*', TABLE)} LIMIT 0").description or ()
        if result.column not in {column for column, *_ in known}:
            stored = sql_of([value.column for value in columns])
            with_it = select(f"*, {stored} AS {result.column}", TABLE)
            self.con.execute(f"CREATE OR REPLACE TEMP TABLE {TABLE} AS {with_it}")
        return result

    def _are_days(self, value: Value) -> bool:
        forms = self.time_formats(value)
        has_clock = self.scalar(f"count(*) FILTER (contains({value.column}, ':'))")
        return bool(forms) and not has_clock and not forms[0].startswith("epoch")

    def scalar(self, expression: str) -> Any:  # noqa: ANN401 (whatever the expression is)
        """Return the value of an aggregate."""
        ((result,),) = self.rows(select(expression, TABLE))
        return result

    def once(self, question: Hashable, ask: Callable[[], Answer]) -> Answer:
        """Return the answer to a question about these rows, which is asked the first time only.

        Args:
            question: What tells it apart from all others.
            ask: What finds the answer, which nobody changes.
        """
        if question not in self._known:
            self._known[question] = ask()
        answer: Answer = self._known[question]
        return answer

    def rows(self, statement: str) -> list[Any]:
        """Return the rows of a statement."""
        return self.once(statement, lambda: self.con.execute(statement).fetchall())

    def columns_of_numbers(self, statement: str) -> dict[str, Any]:
        """Return the columns of a statement as arrays."""
        numbers = "numbers", statement
        return self.once(numbers, lambda: self.con.execute(statement).fetchnumpy())

    def filled(self, value: Value) -> int:
        """Return how many rows have a value."""
        return self._measures(value)[0]

    def different(self, value: Value) -> int:
        """Return how many different values there are."""
        return self._measures(value)[1]

    @cached_property
    def columns_first(self) -> tuple[Value, ...]:
        """Return the values: columns of the file before members of nested objects."""
        return tuple(sorted(self.values, key=lambda value: len(value.path)))

    @property
    def different_rows(self) -> int:
        """Return how many rows there are if those that are equal in all columns count once."""
        columns = ", ".join(value.column for value in self.values if value.is_column)
        if not columns:
            return self.row_count
        different = select(f"DISTINCT {columns}", TABLE)
        return int(self.rows(select("count(*)", f"({different})"))[0][0])

    def _measures(self, value: Value) -> tuple[int, int]:
        """Return how many rows have a value, and how many different ones there are.

        All values are measured at once, as each of them is asked for by some field.
        """
        known: dict[str, tuple[int, int]] = self.once("measured", dict)
        if value.column not in known:
            unknown = [column for column in self.values if column.column not in known]
            for some in batches_of([*dict.fromkeys([*unknown, value])], COLUMNS_AT_ONCE):
                columns = [column.column for column in some]
                counts = [f"count({name}), count(DISTINCT {name})" for name in columns]
                (row,) = self.rows(select(counts, TABLE))
                pairs = zip(columns, row[::2], row[1::2], strict=True)
                known |= {name: (int(filled), int(different)) for name, filled, different in pairs}
        return known[value.column]

    def different_pairs(self, first: Value, second: Value) -> int:
        """Return how many different pairs two values have."""
        return int(
            self.scalar(
                f"count(DISTINCT ({first.column}, {second.column})) FILTER ({first.column} IS NOT "
                "NULL)"
            )
        )

    def are_unique(self, values: Sequence[Value]) -> bool:
        """Return whether no two rows have the same values, and every row has them."""
        return bool(
            self.scalar(f"count(DISTINCT ({', '.join(value.column for value in values)}))")
            == self.row_count
        )

    @property
    def has_several_files(self) -> bool:
        """Return whether rows are of more than one file."""
        return bool(self.scalar(f"count(DISTINCT {FILE})") > 1)

    def newest_of(self, key: Value, others: Sequence[Value]) -> "FileValues":
        """Return the values of the newest file alone, of each record that several files have.

        They have it if nearly all rows of one key agree in some other values, such as who ordered
        and when; else the keys of the files are of different records, and all rows stay.
        """
        keys = f"count(DISTINCT {key.column})"
        files = f"count(DISTINCT ({FILE}, {key.column})) FILTER ({key.column} IS NOT NULL)"
        again = int(self.scalar(f"{files} - {keys}"))
        if not again or not others:
            return self
        allowed = int(self.scalar(keys)) + again * MOST_THAT_DIFFER
        if any(self.different_tuples(key, other) > allowed for other in others):
            return self
        newest = (
            f"{key.column} IS NULL OR dense_rank() OVER (PARTITION BY {key.column} "
            f"ORDER BY {ARRIVED} DESC NULLS LAST, {FILE} DESC) = 1"
        )
        rows = f"{select('*', TABLE)} QUALIFY {newest}"
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {TABLE} AS {rows}")
        ((count,),) = self.con.execute(select("count(*)", TABLE)).fetchall()
        note = f"{formats.counted(again, 'record')} in several files: the newest file counts"
        notes = "; ".join(filter(None, (self.note, note)))
        read = replace(self, row_count=int(count), note=notes, proven_key=key.name)
        return replace(read, _known={})

    def is_unique_in_each_file(self, value: Value) -> bool:
        """Return whether no two rows of one file have the same value."""
        pairs = f"count(DISTINCT ({FILE}, {value.column}))"
        return int(self.scalar(pairs)) == self.filled(value)

    def are_unique_in_each_file(self, values: Sequence[Value]) -> bool:
        """Return whether no two rows of one file that have some values have the same ones, and
        there are some.
        """
        if not values:
            return False
        columns = [value.column for value in values]
        have = f"FILTER ({' AND '.join(f'{column} IS NOT NULL' for column in columns)})"
        keys = f"count(DISTINCT ({', '.join([FILE, *columns])})) {have}"
        return bool(self.scalar(f"count(*) {have} > 0 AND count(*) {have} = {keys}"))

    def numbers_rows(self, value: Value) -> bool:
        """Return whether a value numbers the rows of each file, from 0 or 1 on."""
        number = f"TRY_CAST({value.column} AS BIGINT)"
        by_file = select(
            f"min({number}) AS least, max({number}) AS most, count(*) AS row_count, "
            f"count({number}) AS filled",
            TABLE,
            "true",
            FILE,
        )
        is_number = "least IN (0, 1) AND filled = row_count AND most <= row_count"
        return bool(
            self.rows(select(f"bool_and(coalesce({is_number}, false))", f"({by_file})"))[0][0]
        )

    def different_tuples(self, first: Value, second: Value) -> int:
        """Return how many different pairs two values have, of rows that have both."""
        both = f"{first.column} IS NOT NULL AND {second.column} IS NOT NULL"
        return int(
            self.scalar(f"count(DISTINCT ({first.column}, {second.column})) FILTER ({both})")
        )

    def counts(self, value: Value, most: int = 200) -> list[tuple[str, int]]:
        """Return values with their number of rows, the most frequent first."""
        grouped = select(
            f"{value.column}, count(*)", TABLE, f"{value.column} IS NOT NULL", value.column
        )
        return list(self.rows(f"{grouped} ORDER BY 2 DESC, 1 LIMIT {most}"))

    def counts_of_either(self, value: Value, other: Value) -> list[tuple[str, int]]:
        """Return a value, or another one where it is empty, with their number of rows."""
        either = f"coalesce({value.column}, {other.column})"
        grouped = select(f"{either}, count(*)", TABLE, f"{either} IS NOT NULL", either)
        return list(self.rows(f"{grouped} ORDER BY 2 DESC, 1 LIMIT 200"))

    def counts_beside(self, value: Value, other: Value, but: Sequence[str]) -> dict[str, int]:
        """Return values with their number of rows where another value is none of `but`."""
        is_left = f"coalesce({other.column} NOT IN ({', '.join(map(text, but))}), true)"
        where = f"{value.column} IS NOT NULL AND {is_left if but else 'true'}"
        grouped = select(f"{value.column}, count(*)", TABLE, where, value.column)
        return dict(self.rows(f"{grouped} ORDER BY 2 DESC, 1"))

    def few(self, value: Value) -> list[str]:
        """Return a few of the texts of a value, as looking at all takes long."""
        few = f"{select(value.column, TABLE, f'{value.column} IS NOT NULL')} LIMIT {FEW}"
        return [cell for (cell,) in self.rows(few)]

    def matching(self, value: Value, pattern: str) -> int:
        """Return how many values are as a whole of a pattern."""
        return int(
            self.scalar(f"count(*) FILTER (regexp_full_match({value.column}, {text(pattern)}))")
        )

    def are_emails(self, value: Value) -> bool:
        """Return whether all values are e-mail addresses."""
        return self._are_all(value, EMAIL)

    def _are_all(self, value: Value, pattern: str) -> bool:
        """Return whether there are values, all as a whole of a pattern that Python knows, too: a
        few of them mostly say that not all are.
        """
        are_few = all(re.fullmatch(pattern, cell, re.ASCII) for cell in self.few(value))
        return are_few and 0 < self.filled(value) == self.matching(value, pattern)

    def time_formats(self, value: Value) -> Sequence[str]:
        """Return the formats that read the most values of the whole column;
        none if no format reads nearly all.
        """
        return self.once(("time formats", value), lambda: self._time_formats(value))

    def _time_formats(self, value: Value) -> Sequence[str]:
        filled = self.filled(value)
        if not filled:
            return []
        for form, (low, high) in EPOCHS.items():
            are_epochs = self._are_all(value, rf"[1-9]\d{{{low - 1},{high - 1}}}(\.\d+)?")
            if are_epochs and self._read(value, [form])[0] == filled:
                return [form]
        forms = self._possible_forms(value)
        read = self._read(value, forms)
        best = max(read, default=0)
        if best < least_read(filled):
            lines = filled - self._totals_among(value)
            if not best or best < min(lines, least_read(lines)):
                return []
        counts = zip(forms, read, strict=True)
        best_forms = list(dict.fromkeys(form for form, count in counts if count == best))
        # Both read the names of zones: which of them it is, is no question.
        alike = {form.replace("%z", "%Z") for form in best_forms if "%z" in form}
        best_forms = [form for form in best_forms if form not in alike]
        return ["iso"] if "iso" in best_forms else best_forms

    def _totals_among(self, value: Value) -> int:
        """Return how many texts say that a line is of totals, as reports have them above, between
        or below the others.
        """
        is_total = f"regexp_matches(lower({value.column}), {text(TOTAL)})"
        return int(self.scalar(f"count(*) FILTER ({is_total})"))

    def _read(self, value: Value, forms: Sequence[str]) -> Sequence[int]:
        """Return how many values each format reads as a plausible time."""
        if not forms:
            return ()
        counts: Sequence[int] = self.rows(select([_reading(value, form) for form in forms], TABLE))[
            0
        ]
        return counts

    def _possible_forms(self, value: Value) -> list[str]:
        """Return the formats that read most of a few values,
        as trying all on a whole column takes long.
        """
        is_time = f"NOT regexp_matches(lower({value.column}), {text(TOTAL)})"
        few = f"{select(value.column, TABLE, is_time)} LIMIT {FEW}"
        examples = [cell for cell in self.few(value) if not re.search(TOTAL, cell.lower())]
        if not _may_be_times(examples):
            return []
        without, zone = without_zones(examples)
        if all(re.fullmatch(CLOCK.replace(r"\pZ", ""), cell) for cell in without):
            return []  # a time of day alone; to find that no format reads it takes long
        forms = _read_by_python(_forms_like(without), without)
        if len(forms) > _FEW_FORMS:
            forms = self._read_by_engine(forms, without)
        if zone:
            said = [form for form in SAYS_ZONE if _reads_most(form, examples[:_FEW_TEXTS])]
            others = (f"{form}{zone}" for form in forms if form not in SAYS_ZONE)
            forms = said or [*SAYS_ZONE, *others]
        # What a name of a zone means there is what the session's calendar says, not what it is.
        is_named = zone and not self._are_all(value, rf".*{ZONED}")
        forms = forms if is_named else ["iso", *forms]
        counts = self.rows(select(["count(*)", *(_reading(value, form) for form in forms)], few))[0]
        return [
            form for form, count in zip(forms, counts[1:], strict=True) if count > counts[0] / 2
        ]

    def _read_by_engine(self, forms: Sequence[str], examples: Sequence[str]) -> list[str]:
        """Return the formats that read any of a few times as a wall clock shows them, and those
        that say the zone: a reading with its bounds takes the engine far longer to plan.
        """
        zoned = [form for form in forms if re.search("%[gzZ]", form)]
        walls = [form for form in forms if form not in zoned]
        if not walls:
            return zoned
        cells = ", ".join(f"({text(cell)})" for cell in dict.fromkeys(examples))
        read = [f"count({wall_time('cell', form)})" for form in walls]
        counts = self.rows(select(read, f"(VALUES {cells}) AS few(cell)"))[0]
        return [*zoned, *(form for form, count in zip(walls, counts, strict=True) if count)]

    def has_zone(self, value: Value) -> bool:
        """Return whether all times have a zone or an offset of their own."""
        is_clock = f"regexp_matches({value.column}, ':|T\\d+Z$')"
        zoned = f"regexp_matches({value.column}, {text(ZONED)}) AND {is_clock}"
        return int(self.scalar(f"count(*) FILTER ({zoned})")) >= self.filled(value)

    def number_forms(self, value: Value) -> Sequence[str]:
        """Return the keys of `NUMBERS` that read the most values; one if all say the same,
        none for other text.
        """
        return self.once(("number forms", value), lambda: self._number_forms(value))

    def _number_forms(self, value: Value) -> Sequence[str]:
        filled = self.filled(value)
        if self.sheet and filled and value.name in self.sheet.number_columns:
            return [WHOLE]  # a cell is a number whatever the texts beside it look like
        forms = self._forms_of_texts(value, filled)
        is_open = len({form[0] for form in forms}) > 1
        if is_open and self.is_whole and self.is_whole(value):
            return ["," if WHOLE in forms else ". with ,"]  # what divides them is no decimal sign
        # `ORD-1` is the number of an order, not -1 of a currency.
        has_codes = bool(forms) and not self._is_plain(value, WHOLE)
        if has_codes and any(_is_unknown_code(code) for code in self.currencies(value)):
            return []
        return forms

    def _forms_of_texts(self, value: Value, filled: int) -> Sequence[str]:
        whole = self.matching(value, r"-?\d+")
        if 0 < whole == filled:
            return [WHOLE]
        if self._is_plain(value, WHOLE):
            are_thousands = self.matching(value, r"-?(\d{1,3}(\.\d{3})+|\d+)") == filled
            return [form for form in NUMBERS if form[0] == WHOLE or (form == "," and are_thousands)]
        forms = self._forms_that_read(value)
        # Each form is a long pattern, so that it is tried once for each text.
        grouped = select(
            f"{value.column}, count(*) AS row_count",
            TABLE,
            f"{value.column} IS NOT NULL",
            value.column,
        )
        counted = []
        for form in forms:
            number = NUMBERS[form].number_sql(value.column)
            counted.append(f"coalesce(sum(row_count) FILTER ({number} IS NOT NULL), 0)")
            # Without signs, or a sale and its refund come to 0 in each form.
            counted.append(f"sum(abs(TRY_CAST({number} AS DECIMAL(24, 6))))")
        counts = self.rows(select(counted, f"({grouped})"))[0] if forms else ()
        read = dict(zip(forms, zip(counts[::2], counts[1::2], strict=True), strict=True))
        most = max((count for count, _ in read.values()), default=0)
        # A dash is not a number, and no text; nor is what languages write for no value.
        filled -= self.matching(value, f"(?i)[-\u2013\u2014]{{1,3}}|{_NO_NUMBERS}")
        if not most or most < least_read(filled):
            return []
        if whole == most:
            return [WHOLE]
        fitting = [form for form, (count, _) in read.items() if count == most]
        sums = {total for form, (_, total) in read.items() if form in fitting}
        return fitting if len(sums) > 1 else fitting[:1]

    def _forms_that_read(self, value: Value) -> list[str]:
        """Return the keys of `NUMBERS` that read any of a few values; all columns are tried at
        once, as their patterns take longer to plan than to match.
        """
        known: dict[str, list[str]] = self.once("forms of few", dict)
        if value.column not in known:
            unknown = {
                column.column: column
                for column in (*self.values, value)
                if column.column not in known
            }
            cells = [(name, cell) for name, column in unknown.items() for cell in self.few(column)]
            counted = [f"count({form.number_sql('cell')})" for form in NUMBERS.values()]
            rows = "(SELECT unnest($names) AS name, unnest($cells) AS cell)"
            statement = select(["name", *counted], rows, group_by="name")
            columns = {"names": [name for name, _ in cells], "cells": [cell for _, cell in cells]}
            known |= {name: [] for name in unknown}
            for name, *read in self.con.execute(statement, columns).fetchall():
                known[name] = [form for form, count in zip(NUMBERS, read, strict=True) if count]
        return known[value.column]

    def _is_plain(self, value: Value, decimal: str) -> bool:
        """Return whether all texts are digits, perhaps with decimals behind a separator, and
        perhaps a minus before them.
        """
        return self._are_all(value, rf"-?[0-9]+(?:{re.escape(decimal)}[0-9]+)?")

    def is_below_zero(self, value: Value) -> str:
        """Return the SQL that says whether a number is below zero, however it is written."""
        return f"coalesce(regexp_matches({value.column}, {text(BELOW_ZERO)}), false)"

    def number_sql(self, value: Value) -> str:
        """Return the SQL of a number as the engine calculates with it,
        by the first form that reads the column.
        """
        form = next(iter(self.number_forms(value)), WHOLE)
        decimal, column = form[0], value.column
        number = NUMBERS[form].number_sql(column)
        if self._is_plain(value, decimal):  # the pattern of all forms takes long to plan
            number = column if decimal == "." else f"replace({column}, {text(decimal)}, '.')"
        return f"TRY_CAST({number} AS DECIMAL(24, 6))"

    def plain_sql(self, value: Value) -> str:
        """Return the SQL of a number over the columns of the file, as text for the engine."""
        form = next(iter(self.number_forms(value)), WHOLE)
        decimal = form[0]
        is_plain = self._is_plain(value, decimal)
        if is_plain and decimal == WHOLE:
            return value.sql
        if is_plain:
            return f"replace({value.sql}, {text(decimal)}, '.')"
        return NUMBERS[form].number_sql(value.sql)

    def sums(self, amount: Value, group: Value, currency: Value | None) -> dict[str, str]:
        """Return the sum of amounts by the texts of another value, of each currency in its digits.

        The currency is that of its column, if there is one, else what stands beside the amounts.
        """
        beside = currency_sql(amount.column)
        code = f"coalesce(upper({currency.column}), {beside})" if currency else beside
        known = [
            f"{group.column} AS name",
            f"{code} AS code",
            f"{self.number_sql(amount)} AS money",
        ]
        rows = select(known, TABLE, f"{group.column} IS NOT NULL")
        summed = select("name, code, sum(money)", f"({rows})", "money IS NOT NULL", "name, code")
        sums: dict[str, list[str]] = {}
        for name, currency_code, money in self.rows(f"{summed} ORDER BY 1, 3 DESC, 2"):
            total = formats.amount(money, currency_code or "")
            sums.setdefault(name, []).append(f"{total} {currency_code}" if currency_code else total)
        return {name: " and ".join(each) for name, each in sums.items()}

    def has_signs(self, value: Value) -> bool:
        """Return whether any amount has a currency beside it, or a minus as accounts write it."""
        if self._is_plain(value, WHOLE):
            return False
        signs = r"[\p{Sc}\p{L}()\x{2212}\x{2013}\x{2014}]|-[\s\pZ]*$"
        return bool(self.scalar(f"count(*) FILTER (regexp_matches({value.column}, {text(signs)}))"))

    def currencies(self, value: Value) -> dict[str, int]:
        """Return the currencies that stand beside amounts, each with its number of rows."""
        if self._is_plain(value, WHOLE):
            return {}
        beside = select(f"{currency_sql(value.column)} AS currency", TABLE)
        grouped = select("currency, count(*)", beside, "currency IS NOT NULL", "currency")
        return dict(self.rows(f"{grouped} ORDER BY 2 DESC, 1"))


def _stored(
    con: duckdb.DuckDBPyConnection, opened: RecordFiles, columns: Sequence[str]
) -> tuple[tuple[Value, ...], int]:
    """Store all values of files as text; return what they are, and the number of rows."""
    con.execute(f"CREATE TEMP TABLE {ROWS_OF_FILE} AS {_rows_sql(opened, columns)}")
    cells_of = {name: f"c{number}" for number, name in enumerate(columns)}
    nested = _nested(con, cells_of)
    flat = [((name,), ident(name)) for name in columns if name not in nested]
    paths = [*flat, *_paths(con, [(name,) for name in nested], cells_of)]
    places = {name: place for place, name in enumerate(columns)}
    paths.sort(key=lambda path: places[path[0][0]])
    values = tuple(Value(path, sql, index) for index, (path, sql) in enumerate(paths))
    if nested:
        cells = [
            f"nullif(trim({_cell(value.path, cells_of)}), '') AS {value.column}" for value in values
        ]
        con.execute(f"CREATE TEMP TABLE {TABLE} AS {select([*cells, FILE, ARRIVED], ROWS_OF_FILE)}")
        con.execute(f"DROP TABLE {ROWS_OF_FILE}")
    else:  # each cell is a value
        for value, cell in zip(values, cells_of.values(), strict=True):
            con.execute(f"ALTER TABLE {ROWS_OF_FILE} RENAME {cell} TO {value.column}")
        con.execute(f"ALTER TABLE {ROWS_OF_FILE} RENAME TO {TABLE}")
    for some in batches_of(values, COLUMNS_AT_ONCE):
        _remove_nulls(con, [value.column for value in some])
    ((count,),) = con.execute(select("count(*)", TABLE)).fetchall()
    return _with_aliases(con, values), int(count)


def _refuse_other_kinds(
    con: duckdb.DuckDBPyConnection,
    files: Sequence[InputFile],
    columns: Sequence[str],
    keys: TableKeys,
) -> None:
    """Refuse tables of which the first ones have few columns in common, such as orders and items.

    Raises:
        SourceError: They have less than half of the columns in common.
    """
    tables = [file for file in files[1:MOST_TABLES] if file.format in {"csv", "parquet"}]
    for file in tables if files[0].format in {"csv", "parquet"} else ():
        others = [name for name in columns_of(con, file, keys).columns if name]
        common = {*columns} & {*others}
        if others and len(common) * 2 < min(len(columns), len(others)):
            theirs, ours, key = (
                shown(", ".join(names)) for names in (others, columns, sorted(common))
            )
            raise SourceError(
                f"{file.name} has other columns ({theirs}) than {files[0].name} ({ours}): these "
                "are records of two kinds, and are looked at one by one. Where both are needed, "
                "as orders and their items are, give one table of both, joined by "
                f"{key or 'their key'}."
            )


MOST_TABLES: Final = 20
"""Files of which the columns are compared."""


def _with_aliases(con: duckdb.DuckDBPyConnection, values: Sequence[Value]) -> tuple[Value, ...]:
    """Return values with the names of the objects of money whose numbers they are, or without what
    all columns begin with.
    """
    prefix = len(_prefix_of_all([value.name for value in values if len(value.path) == 1]))
    of_money = {
        value.name.rpartition(".")[0] for value in values if "." in value.name if _says(con, value)
    }
    return tuple(
        replace(
            value,
            alias=_money_alias(value.name, of_money) or value.name[prefix:] * bool(prefix),
        )
        for value in values
    )


def _says(con: duckdb.DuckDBPyConnection, value: Value) -> bool:
    """Return whether a member of an object is the currency of its number: by its name, or as a unit
    that is the code of one.
    """
    name = bare(value.name.rpartition(".")[2])
    if name not in _UNITS_OF_MONEY:
        return name in CURRENCY_MEMBERS
    units = select(f"DISTINCT {value.column}", TABLE, f"{value.column} IS NOT NULL")
    codes = {str(code).upper() for (code,) in con.execute(f"{units} LIMIT 100").fetchall()}
    return bool(codes) and codes <= {*HEADER_CURRENCIES}


def _rows_sql(opened: RecordFiles, columns: Sequence[str]) -> str:
    """Return the SELECT of the cells of files as text, in columns by their number (a JSON object of
    all of them takes three times as long), with the file of each row and the day of its folder.
    """
    selects = []
    for group in opened.groups(opened.layouts):
        rows, _ = opened.cells_sql(group)
        file = " ".join(
            f"WHEN {text(file.path)} THEN {text(file.stored_name)}" for file, _ in group
        )
        arrived = " ".join(
            f"WHEN {text(file.path)} THEN {date_literal(file.received_date)}" for file, _ in group
        )
        cells = [
            f"nullif(trim({ident(name)}), '') AS c{number}" for number, name in enumerate(columns)
        ]
        cells += [f"CASE __file {file} END AS {FILE}", f"CASE __file {arrived} END AS {ARRIVED}"]
        selects.append(select(cells, rows, "__malformed IS NULL"))
    return " UNION ALL ".join(selects)


def _prefix_of_all(names: Sequence[str]) -> str:
    """Return the few letters with which all of several names begin, as the columns of one table do
    in some databases (`OXORDERID`, `o_custkey`); empty where they say something, as `order_id`.
    """
    prefix = commonprefix([name.casefold() for name in names])  # noqa: RUF071 (no paths)
    is_short = len(prefix) <= _LONGEST_PREFIX and all(len(name) > len(prefix) for name in names)
    return prefix if is_short and len(names) >= _FEWEST_PREFIXED else ""


_LONGEST_PREFIX, _FEWEST_PREFIXED = 3, 5


def _money_alias(name: str, of_money: Collection[str]) -> str:
    """Return the name of an object that has an amount beside its currency;
    empty for other values.
    """
    parent, _, last = name.rpartition(".")
    if last.lower() not in MONEY_MEMBERS or parent not in of_money:
        return ""
    around, _, own = parent.rpartition(".")
    return around.rpartition(".")[2] if own.lower() == "value" and around else own


def least_read(filled: int) -> float:
    """Return how many of so many values a format must read."""
    allowed = filled * MOST_ODD_SHARE
    return filled - max(allowed, 1 if filled > FEWEST_WITH_ODD else 0)


def is_flag(values: FileValues, value: Value) -> bool:
    """Return whether a column has nothing but words for yes and no."""
    words = {name.casefold() for name, _ in values.counts(value, 3)}
    return bool(words) and words <= YES | NO


def _reading(value: Value, form: str) -> str:
    read = instant(value.column, [form], "UTC")
    bounds = f"BETWEEN {date_literal(FIRST_PLAUSIBLE)} AND {date_literal(LAST_PLAUSIBLE)}"
    if form in EPOCHS:  # numbers of orders are as long
        bounds += f" AND {read} < {date_literal(today_in('UTC') + _LONGEST_AHEAD)}"
    has_year = (
        f" AND regexp_full_match({value.column}, {text(TWO_DIGIT_YEAR)})" if "%y" in form else ""
    )
    return f"count(*) FILTER ({read} {bounds}{has_year})"


def _may_be_times(examples: Sequence[str]) -> bool:
    """Return whether most texts have the parts of a time: three groups of digits, two with a word,
    or eight digits in a row. JSON has them, too, and is none.
    """
    texts = [cell for cell in examples if not re.search('[{"]', cell)]
    parts = ((len(re.findall(r"\d+", cell)), cell) for cell in texts)
    fitting = sum(
        count > 2  # noqa: PLR2004 (day, month and year)
        or bool(re.search(r"\d{8}", cell))
        or (count > 1 and bool(re.search(r"[^\W\d_]{3}", cell)))
        for count, cell in parts
    )
    return fitting * 2 > len(examples)


def _read_by_python(forms: Sequence[str], examples: Sequence[str]) -> Sequence[str]:
    """Return the formats by which Python reads most of a few texts, and those that it does not
    know; all where it reads none: the engine, which decides, takes long to plan a hundred of them.
    """
    unknown = [form for form in forms if re.search("%[gzZ]", form)]
    few = [*dict.fromkeys(examples)][:_FEW_TEXTS]
    known = [form for form in forms if form not in unknown and _reads_most(form, few)]
    return [*unknown, *known] if known else forms


def _reads_most(form: str, cells: Sequence[str]) -> bool:
    read = 0
    for cell in cells:
        with suppress(ValueError):
            datetime.strptime(cell, form)  # noqa: DTZ007 (whether it is read, not when it is)
            read += 1
    return read * 2 > len(cells)


_FEW_TEXTS: Final = 20
_FEW_FORMS: Final = 5


def _joint(cell: str) -> str:
    """Return what stands between a day and its time of day: `T`, a comma, ` - `, ` at `; a blank
    where nothing but blanks does.
    """
    found = re.search(r"[\w.]([^\w%]*(?:T|(?<=\s)[^\W\d_]{1,3}(?=\s))?[^\w%]*)\d{1,2}:\d\d", cell)
    joint = found[1] if found and found[1].strip() else " "
    return re.sub(r"\s", " ", joint)


def _forms_like(examples: Sequence[str]) -> list[str]:
    """Return the formats that texts can have: with a time of day if they have a colon between
    digits, of one half if they say it.
    """
    has_clock = sum(bool(re.search(r"\d:\d", cell)) for cell in examples) * 2 > len(examples)
    if not has_clock:
        are_digits = all(re.match(r"\d{8}", cell) for cell in examples)
        return [*DATES, *(COMPACT if are_digits else ())]
    is_half = any(re.search(r"\d\s*[AaPp]\.?\s*[Mm]\b", cell) for cell in examples)
    clocks = [clock for clock in TIMES_OF_DAY if ("%p" in clock) == is_half]
    between = [*dict.fromkeys(_joint(cell) for cell in examples[:_FEW_TEXTS])]
    zoned = SAYS_ZONE if any(re.search(r"[A-Za-z]{3}", cell) for cell in examples) else ()
    plain = [
        f"{day}{joint}{clock}"
        for day in DATES
        for joint in dict.fromkeys(between)
        for clock in clocks
    ]
    return [*zoned, *plain]


def shape_keys(records: str, spread: str) -> dict[str, Any]:
    """Return the keys of a mapping that say what the rows of JSON documents are."""
    return {
        **({"records": records} if records else {}),
        **({"rows": {"line": spread}} if spread else {}),
    }


def _mapping_of_all_columns(columns: Sequence[str], draft: dict[str, Any]) -> EventMapping:
    """Return a mapping that keeps all columns, as JSON, of whatever rows."""
    members = ", ".join(f"{text(name)}, {ident(name)}" for name in columns)
    return EventMapping.model_validate(
        {
            "name": "init",
            **draft,
            "other_columns": "ignore",
            "fields": {
                "event_id": {"hash_of": columns, "equal_rows": "merge", "optional": ["*"]},
                "event_type": {"expression": "'row'"},
                "event_timestamp": {"expression": "'2026-01-01'"},
                "user_id": {"expression": "'row'"},
                "properties": {"expression": f"json_object({members})", "optional": True},
            },
        }
    )


def _paths(
    con: duckdb.DuckDBPyConnection,
    columns: Sequence[tuple[str, ...]],
    cells_of: Mapping[str, str],
    depth: int = 3,
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the paths of columns, and of the members of those that hold JSON objects,
    each with its SQL.
    """
    for path in columns:
        inner = _members(con, _cell(path, cells_of)) if depth else []
        if inner:
            yield from _paths(con, [(*path, name) for name in inner], cells_of, depth - 1)
            continue
        yield path, _sql_of(path)
        if depth and (members := _members(con, _cell((*path, FIRST), cells_of))):
            yield from (
                (inside, _sql_of(inside)) for name in members for inside in [(*path, FIRST, name)]
            )


def _nested(con: duckdb.DuckDBPyConnection, cells_of: Mapping[str, str]) -> list[str]:
    """Return the columns that may have objects or lists of JSON, by how the first cells begin."""
    result = []
    for some in batches_of([*cells_of.items()], COLUMNS_AT_ONCE):
        first = select([cell for _, cell in some], ROWS_OF_FILE) + f" LIMIT {MOST_LOOKED_AT}"
        begins = [f"bool_or(regexp_matches({cell}, '^\\s*[\\[{{]'))" for _, cell in some]
        (found,) = con.execute(select(begins, f"({first})")).fetchall()
        result += [name for (name, _), begin in zip(some, found, strict=True) if begin]
    return result


def _members(con: duckdb.DuckDBPyConnection, value: str) -> list[str]:
    """Return the names of the members of objects in the first rows of a value."""
    is_object = f"CASE WHEN json_valid({value}) THEN json_type({value}) = 'OBJECT' ELSE false END"
    first = f"{select('*', ROWS_OF_FILE)} LIMIT {MOST_LOOKED_AT}"
    rows = con.execute(f"{select(value, first, is_object)} LIMIT 1000").fetchall()
    objects = (content for (cell,) in rows if isinstance(content := json_in(cell), dict))
    return list(dict.fromkeys(name for content in objects for name in content))


COLUMNS_AT_ONCE = 50
"""Columns that one statement compares with all words for null: hundreds of them take gigabytes."""


def _remove_nulls(con: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> None:
    """Replace the texts in some columns of all values that stand for no value by NULL."""
    words = ", ".join(map(text, NULLS))
    # MySQL writes a day that is not known as one of zeros.
    is_null = {
        column: f"(lower({column}) IN ({words}) OR starts_with({column}, '0000-00-00'))"
        for column in columns
    }
    tests = [f"coalesce(bool_or({condition}), false)" for condition in is_null.values()]
    (found,) = con.execute(select(tests, TABLE)).fetchall()
    for column, has_null in zip(columns, found, strict=True):
        if has_null:
            con.execute(f"UPDATE {TABLE} SET {column} = NULL WHERE {is_null[column]}")  # noqa: S608 (our names)


def _cell(path: tuple[str, ...], cells_of: Mapping[str, str]) -> str:
    """Return the SQL of a value in a row, in which each column of the file is text."""
    column = cells_of[path[0]]
    return column if len(path) == 1 else f"TRY({column}->>{text(_pointer(path[1:]))})"


def _pointer(path: Sequence[str]) -> str:
    return "".join(json_pointer(name) for name in path)


def _sql_of(path: tuple[str, ...]) -> str:
    if len(path) == 1:
        return ident(path[0])
    return f"{ident(path[0])}->>{text(_pointer(path[1:]))}"
