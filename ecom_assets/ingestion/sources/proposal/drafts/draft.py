"""A mapping that is being written: what is known of a file, what has been answered, and what has to
be asked.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from ecom_assets.core.warehouse.sql_text import select
from ecom_assets.ingestion.sources.files.mapping_content import OPEN
from ecom_assets.ingestion.sources.files.packed_cells import PackedCell
from ecom_assets.ingestion.sources.files.text_blocks import UTF_8
from ecom_assets.ingestion.sources.proposal.bare_names import bare
from ecom_assets.ingestion.sources.proposal.fields import (
    NUMBERS_OF,
    ORDER_TOTAL,
    REFUNDED_QUANTITY,
    UNIT_PRICE,
    FoundField,
    MappingKind,
    found_fields,
    numbers_left,
)
from ecom_assets.ingestion.sources.proposal.flags import RowFlag
from ecom_assets.ingestion.sources.proposal.parts import (
    GoodsAmount,
    OrderParts,
    RowSum,
    can_be_amount,
)
from ecom_assets.ingestion.sources.proposal.questions import (
    COLUMNS,
    DECIMAL,
    FORMAT,
    PARTS,
    ZONE,
    ZONES,
    OpenQuestion,
    on_one_line,
    quoted,
    quoted_list,
    shown,
)
from ecom_assets.ingestion.sources.proposal.rows import DISCOUNT_LINES
from ecom_assets.ingestion.sources.proposal.state_words import begins, words_of
from ecom_assets.ingestion.sources.proposal.states import OtherStates
from ecom_assets.ingestion.sources.proposal.unnamed import Product
from ecom_assets.ingestion.sources.proposal.values import (
    NUMBERS,
    TABLE,
    WHOLE,
    FileValues,
    Value,
    without_currency,
)
from ecom_assets.ingestion.sources.proposal.zones import likely_zone, without_zone, zone_of_head

OF_ONE_PIECE: Final = (
    *("unit", "each", "per", "pu", "u", "einzel", "stuck", "stuk", "jednostk", "単価"),
)
"""How words in the names of prices begin that say that they are of one piece."""
OF_PIECES: Final = (
    *("qty", "quantit", "units", "pieces", "items", "menge", "anzahl", "stuck", "cantidad"),
    *("unidades", "quantidade", "ilosc", "aantal", "колич", "кільк", "数量", "個数"),
)
"""How words in the names of numbers of pieces begin."""


def has_word(value: Value, stems: tuple[str, ...]) -> bool:
    """Return whether a word in the name of a column begins with one of some stems."""
    return any(begins(word, stems) for word in words_of(value.last_name))


ORDER_ID: Final = "order_id"
MOST_COLUMNS_SHOWN, MOST_OF_EXAMPLE = 6, 24
"""Columns that a refusal shows, and characters of the example of each."""
MOST_PRODUCTS, MOST_SUMS = 6, 12
"""Prices times quantities that a question about the amount names, and sums that it shows."""
NO_AMOUNT: Final = "none"
"""The answer that there is no such column."""
MOST_PARTS_ASKED: Final = 2
"""The most parts of an amount of which a question names each combination."""
WHOLE_UNITS, CENTS, MILLIONTHS = "whole units", "cents", "millionths"
"""The answers what the amounts of a file count."""
IN_CENTS: Final = "  # in cents"
OTHER_SEPARATOR = {".": ",", ",": "."}
ONE_PER_ORDER = {"quantity": "1", "item_id": "order"}
"""What stands in a list of orders that has one row per order and no lines."""
COST: Final = "unit_cost_amount"
MAIN_AMOUNTS: Final = ("payment_amount", UNIT_PRICE, ORDER_TOTAL)
"""The amounts of orders that say what the others are of, the most telling first."""
AMOUNTS: Final = NUMBERS_OF - {"quantity", "piece_count", REFUNDED_QUANTITY}
NEEDED = {
    "event_type": "what happened",
    "user_id": "who it was",
    "customer_id": "who ordered",
    "payment_amount": "the amount",
    **dict.fromkeys(("event_timestamp", "date_time"), "the time"),
    "id": "the customer's id or address",
    "item_id": "the item",
    "product_id": "the product",
    "stock": "how many pieces there are",
    COST: "what one piece costs",
    "spend_date": "the day",
    "spend_amount": "what was spent",
    "campaign_name": "the campaign",
}
"""What columns that a mapping must have are about."""


@dataclass(frozen=True)
class Factor:
    """By what an amount is multiplied, so that it is that of the goods: a number and columns over
    another number and columns, each added (1) or taken off (-1).
    """

    text: str
    above: tuple[int, tuple[tuple[Value, int], ...]]
    below: tuple[int, tuple[tuple[Value, int], ...]]
    digits: int = 4
    """How many decimals the product has."""
    is_of_tax: bool = True
    """Whether it takes a tax off, not a discount."""

    @classmethod
    def less_rate(cls, rate: Value) -> "Factor":
        """Return the factor of an amount less a discount in percent."""
        text = f" less {rate.name} of it"
        return cls(text, (100, ((rate, -1),)), (100, ()), is_of_tax=False)

    @classmethod
    def without_rate(cls, rate: Value, whole: int, digits: int) -> "Factor":
        """Return the factor of an amount without the tax in it, of which a column has the rate.

        Args:
            rate: The column.
            whole: The rate of all of it: 100, or 1 where the column has fractions.
            digits: How many decimals amounts have.
        """
        text = f" without the tax of {rate.name}"
        return cls(text, (whole, ()), (whole, ((rate, 1),)), digits)

    @classmethod
    def without_tax(cls, tax: Value, whole: Value, digits: int) -> "Factor":
        """Return the factor of an amount without its part of the tax that is in another one."""
        text = f" without its part of {tax.name}"
        return cls(text, (0, ((whole, 1), (tax, -1))), (0, ((whole, 1),)), digits)

    @classmethod
    def part_of(cls, net: Value, whole: Value, digits: int) -> "Factor":
        """Return the factor of an amount that is of the whole, by what that is without tax."""
        text = f" without tax by {net.name}"
        return cls(text, (0, ((net, 1),)), (0, ((whole, 1),)), digits)

    @property
    def columns(self) -> tuple[Value, ...]:
        """Return the columns that it is made of."""
        return tuple(value for _, side in (self.above, self.below) for value, _ in side)

    def sql(self, number: Callable[[Value], str]) -> str:
        """Return the SQL of the factor; 1 where it is a part of nothing.

        Args:
            number: Returns the SQL of the number in a column.
        """
        above, below = (_signed_sql(side, number) for side in (self.above, self.below))
        if not self.below[1]:
            return f"{above} / {below}"
        return f"coalesce({above}::DOUBLE / nullif({below}, 0), 1)"


def _signed_sql(
    side: tuple[int, tuple[tuple[Value, int], ...]], number: Callable[[Value], str]
) -> str:
    constant, columns = side
    signed = [f"{'-' if sign < 0 else '+'} coalesce({number(value)}, 0)" for value, sign in columns]
    if not signed:
        return str(constant)
    first = [str(constant)] if constant else []
    return f"({' '.join([*first, *signed]).removeprefix('+ ')})"


@dataclass(frozen=True)
class AmountReading:
    """What the amount of the goods may be: an amount less and plus some columns."""

    name: str
    less: tuple[str, ...] = ()
    plus: tuple[str, ...] = ()
    factor: Factor | None = None
    """By what it is multiplied, as less a discount in percent, or without a tax in it."""
    less_shared: str = ""
    """A discount of the whole order, of which each line is less its part."""
    is_below_zero: bool = False
    """Whether that is written below zero."""

    @property
    def text(self) -> str:
        """Return it in words."""
        if self.less_shared:
            return f"{replace(self, less_shared='').text} less {self.less_shared} of its order"
        less = f" less {' and '.join(self.less)}" if self.less else ""
        plus = f" plus {' and '.join(self.plus)}" if self.plus else ""
        return f"{self.name}{less}{plus}{self.factor.text if self.factor else ''}"


@dataclass(frozen=True)
class GoodsOfBack:
    """What of an amount that was paid back was for goods.

    It is less some columns of the refund itself, or without the tax in it as the goods are
    (`factor`), or its part of `whole`, all that was paid, of
    which the goods are one; or of the goods and what is `beside` them. Where no postage went back,
    `postage` is not in that; `tax` is that of the goods and the postage.
    """

    less: tuple[Value, ...] = ()
    factor: Factor | None = None
    whole: Value | None = None
    beside: tuple[Value, ...] = ()
    postage: Value | None = None
    tax: Value | None = None

    def text_of(self, back: str) -> str:
        """Return it in words."""
        if self.less:
            return f"{back} less {' and '.join(value.name for value in self.less)}"
        if not self.is_part:
            return f"{back}{self.factor.text if self.factor else ''}"
        names = ["goods", *(value.name for value in self.beside)]
        whole = self.whole.name if self.whole else " and ".join(names)
        but = f" without {self.postage.name}" if self.postage else ""
        return f"{back} by the goods' part of {whole}{but}"

    @property
    def is_part(self) -> bool:
        """Return whether it is a part as the goods are one."""
        return self.whole is not None or bool(self.beside)


def options_of(reading: AmountReading) -> list[str]:
    """Return the options of a field with what is taken off, and what is added."""
    less = [f"less: {quoted_list(reading.less)}"] if reading.less else []
    plus = [f"plus: {quoted_list(reading.plus)}"] if reading.plus else []
    absolute = ", absolute: true" if reading.is_below_zero else ""
    shared = f"less_shared: {{column: {quoted(reading.less_shared)}{absolute}}}"
    return [*less, *plus, *([shared] if reading.less_shared else [])]


def plain_name(name: str) -> str:
    """Return a name without its signs and its currency."""
    return bare(without_currency(name)[0])


def file_lines(values: FileValues) -> list[str]:
    """Return the lines that say how a file is split into rows and columns."""
    lines = [] if values.delimiter == "," else [f"delimiter: {quoted(values.delimiter)}"]
    if values.encoding not in {None, UTF_8}:
        lines.append(f"encoding: {values.encoding}  # its lines are not UTF-8")
    if values.sheet and len(values.sheet.sheets) == 1 and values.sheet.other_sheets:
        lines.append(f"sheet: {quoted(values.sheet.sheets[0])}")
    if values.lists.records:
        lines.append(f"records: {quoted(values.lists.records)}")
    if values.exploded:
        lines.append(f"explode: {quoted(values.exploded)}  # each element is an event")
    if values.packed and values.spread:
        lines += ["packed:", *(_packed_line(name, cell) for name, cell in values.packed.items())]
    return lines


def _packed_line(name: str, cell: PackedCell) -> str:
    return f"  {quoted(name)}: {json.dumps(cell.as_keys(), ensure_ascii=False)}"


@dataclass
class Draft(ABC):
    """A mapping that is being written, and the questions that come up."""

    values: FileValues
    kind: MappingKind
    answers: Mapping[str, str]
    questions: list[OpenQuestion] = field(default_factory=list)
    found: dict[str, FoundField] = field(init=False)
    are_kinds: bool = False
    """Whether the column of the state says what a row is, such as a payment or a withdrawal."""
    is_person_asked: bool = False
    """Whether no column is known to say who ordered."""
    guest_address: Value | None = None
    """The address of customers without an account, whose number is 0."""
    notes: list[str] = field(default_factory=list)
    """What was found out about the rows, in sentences."""
    continued: list[str] = field(default_factory=list)
    """Columns that a further line of an order does not have."""
    order_rows: str = ""
    """The SQL of the rows that repeat an order before those of its lines."""
    is_back_shared: bool = False
    """Whether what was paid back is of the order, and shared among its lines."""
    is_shared: bool = False
    """Whether the amount is that of the order, shared among its lines."""
    shared_by: str = ""
    """By what it is shared, where that is not the quantity."""
    carried: list[str] = field(default_factory=list)
    """Columns that only one line of an order has."""
    refund: str = ""
    """The condition of rows that are a sale and a refund."""
    refunded_states: list[str] = field(default_factory=list)
    """The states of these rows, where their state says it."""
    cancelled_lines: Sequence[str] = ()
    """The conditions of lines of which all pieces were cancelled."""
    cancelled_pieces: Value | None = None
    """How many pieces of a line were cancelled."""
    is_of_all_pieces: bool = True
    """Whether the amount of a line is of all its pieces, also of those that were cancelled."""
    is_cost_of_line: bool = False
    """Whether what goods cost the shop is that of all pieces of a line, and not of one."""
    left_of_total: tuple[str, ...] = ()
    """A total, and what is left of it where something was paid back, as answered."""
    other_states: Sequence[OtherStates] = ()
    """What further columns of states say of the rows that count."""
    open_states: set[str] = field(default_factory=set)
    """Of these columns, the states about which nobody has said yet what they are."""
    flags: Sequence[RowFlag] = ()
    """The columns of yes and no that say, or may say, that rows are no sale."""
    back: GoodsOfBack = field(default_factory=GoodsOfBack)
    """What of the money that was paid back was for goods."""
    refunds_pieces: bool = False
    """Whether lines say how many of their pieces went back."""
    sign: str = ""
    """What a line below zero is; empty where there is none."""
    no_goods: Value | None = None
    """The column by which some lines are no goods, such as gift cards."""
    source: Value | None = None
    """Of events, the column that says where visits come from, where no address says it."""
    named_currency: str = ""
    """The currency of the amounts by their names, where others stand beside them."""
    times: Value | None = None
    """Of events, the number of pieces of whose price the amount is."""
    likely_amount: str = ""
    """Of events, what seems to be the amount of a row, which nothing shows for sure."""
    why_likely: str = ""
    """Of events, why that is not taken without a question."""
    amount_of_purchases: Value | None = None
    """Of events, the amount of purchases, where the one that is named so is of other rows."""
    cents: frozenset[Value] = frozenset()
    """Amounts that count the smallest units of their currency."""
    taken_off: list[str] = field(default_factory=list)
    """Discounts after which the amount is, as all rows show."""
    goods: GoodsAmount | None = None
    """How the amount of the goods follows from the columns of a row."""
    readings: tuple["AmountReading", ...] = ()
    """What the amount of the goods may be; more than one where no sum shows it."""
    product_plus: str = ""
    """What is added to the amount of a line, such as its tax, as the sums of orders show."""
    product_less: str = ""
    """The discount that is taken off a price times a quantity, as the sums of orders show."""
    of_orders: tuple[str, OrderParts] | None = None
    """What the amount of a line is called, and the amounts of orders with what lines come to."""
    order_sums: tuple[RowSum, ...] = ()
    """The sums that what lines come to is in, with amounts of their orders."""
    lines_of_sums: tuple[str, tuple[Value, ...]] = ("", ())
    """What the amount of a line is called in these sums, and its column, or price and quantity."""
    is_by_sums: bool = False
    """Whether no name says the amount, and a sum shows it."""
    products: tuple[Product, ...] = ()
    """Prices times quantities that may be the amounts of rows, where no name says which are."""

    def __post_init__(self) -> None:
        """Find the fields by the usual names of their columns, and by what was answered."""
        columns = {name: self.answers[name] for name in COLUMNS if name in self.answers}
        self.found = dict(found_fields(self.values, self.kind, columns))

    @abstractmethod
    def lines(self) -> list[str]:
        """Return the lines of the mapping,
        but for those about the encoding and the shape of the file.
        """

    def found_without_answer(self, name: str) -> dict[str, FoundField]:
        """Return the fields without the column that a person has said for one of them."""
        return {
            field: match
            for field, match in self.found.items()
            if field != name or name not in self.answers
        }

    @property
    def asked_columns(self) -> list[str]:
        """Return the columns that an open question about the amount or the customer names."""
        named = [
            name
            for reading in self.readings
            for name in (reading.name, *reading.less, *reading.plus)
        ]
        factors = (reading.factor for reading in self.readings if reading.factor)
        named += [value.name for factor in factors for value in factor.columns]
        customer = self.found.get("customer_id")
        price = self.found.get(UNIT_PRICE) if self.is_open(PARTS) else None
        return [*named, *(match.value.name for match in (customer, price) if match)]

    @property
    def path(self) -> str:
        """Return the path of the rows of a record, as `rows` has it."""
        is_grouped = self.can_group() and self.groups_lines()
        return self.values.spread or ("lines" if self.is_text or is_grouped else ".")

    @property
    def is_text(self) -> bool:
        """Whether the file is a table of texts."""
        return self.values.format == "csv"

    def can_group(self) -> bool:
        """Return whether lines of one order can be read together."""
        if self.is_text:
            return ORDER_ID in self.found
        # A member of a record, such as `amount.value`, is none of a group.
        are_columns = all(
            match.value.is_column and "." not in match.value.path[0]
            for match in self.found.values()
        )
        return ORDER_ID in self.found and not self.values.spread and are_columns

    def is_less_shared(self) -> bool:
        """Return whether a discount of each order is taken off its lines."""
        reading = self.reading()
        return reading is not None and bool(reading.less_shared)

    def groups_lines(self) -> bool:
        """Return whether what a line has depends on the others of its order."""
        return bool(
            self.continued
            or self.refund
            or self.is_shared
            or self.carried
            or self.is_less_shared()
            or self.sign == DISCOUNT_LINES
        )

    def can_count_pieces(self) -> bool:
        """Return whether a line has an amount and a number of pieces, of which each costs the same
        part.
        """
        cells = [*self.line_columns(), *(m.value for m in [self.found.get("quantity")] if m)]
        reading = self.reading()
        is_plain = not (self.is_shared or self.are_kinds)
        is_plain &= reading is None or not (reading.factor or reading.less_shared)
        if not is_plain or len(cells) < 2 or not all(value.is_column for value in cells):  # noqa: PLR2004 (an amount, and how many)
            return False
        parts = {*reading.less, *reading.plus} if reading else set()
        money = [cells[0], *(value for value in self.values.values if value.name in parts)]
        return len({value in self.cents for value in money}) == 1

    def column(self, name: str) -> str:
        """Return the name of the column of a field."""
        return self.found[name].value.path[0]

    def is_one_per_order(self, value: Value) -> bool:
        """Return whether all rows of each order that have a value have the same, whatever its sign:
        what was sold goes back below zero.
        """
        return self.different_in_orders(value, "count") <= 1

    def varies(self, value: Value) -> bool:
        """Return whether lines of one order have different amounts, or only some have one."""
        return ORDER_ID not in self.found or self.different_in_orders(value, "filled") > 1

    def different_in_orders(self, value: Value, empty: Literal["count", "filled"]) -> int:
        """Return how many different values rows of one order have at most, whatever their sign;
        with `filled`, rows without one have another.
        """
        order, column = self.found[ORDER_ID].value.column, value.column
        if value.is_column and self.values.number_forms(value):
            column = f"abs({self.values.number_sql(value)})"
        different = f"count(DISTINCT {column})"
        if empty == "filled":
            different += f" + (count({column}) < count(*))::INTEGER"
        by_order = select(f"{different} AS different", TABLE, f"{order} IS NOT NULL", order)
        most = self.values.rows(select("max(different)", f"({by_order})"))[0][0]
        return int(most or 0)

    def line_columns(self) -> list[Value]:
        """Return the columns of the amount of a line: its own, or a price and a quantity."""
        payment = self.payment()
        if payment is not None:
            return [payment]
        return [self.found[name].value for name in (UNIT_PRICE, "quantity") if name in self.found]

    def is_cell(self, *cells: Value) -> bool:
        """Return whether values are columns, or members of the list whose elements are the rows."""
        inside = f"{self.values.spread}."
        return all(
            value.is_column or (self.values.spread and value.name.startswith(inside))
            for value in cells
        )

    def reading(self) -> "AmountReading | None":
        """Return how the amount of the goods is read: as answered, else as the sums show."""
        answer = self.answers.get(PARTS)
        named = [reading for reading in self.readings if reading.text == answer]
        return named[0] if named else next(iter(self.readings), None)

    def amounts_of_sales(self) -> list[Value]:
        """Return the columns that may be amounts of what was sold: not what it cost the shop."""
        cost = self.found.get(COST)
        return [
            value
            for value in numbers_left(self.values, {})
            if can_be_amount(value) and (cost is None or value != cost.value)
        ]

    def payment(self) -> Value | None:
        """Return the column of the amount; None where none is known."""
        match = self.found.get("payment_amount")
        return match.value if match else None

    def currency_lines(self) -> list[str]:
        """Return the line of the currency that stands beside amounts,
        and in no column of its own.
        """
        amounts = [
            self.found[name]
            for name in ("payment_amount", "cart_value", UNIT_PRICE, COST)
            if name in self.found
        ]
        if "currency" in self.found or not amounts:
            return []
        is_column = amounts[0].value.is_column
        if not is_column and self.kind is not MappingKind.EVENTS:
            return []
        counts = self.values.currencies(amounts[0].value) if is_column else {}
        if not counts:
            code = amounts[0].value.currency or self.named_currency
            named = f"  # named {shown(amounts[0].value.name)}"
            return [f"  currency: {{constant: {code}}}{named}"] if code else []
        rows = ", ".join(f"{shown(name)} {count:,} rows" for name, count in counts.items())
        column = quoted(amounts[0].value.path[0])
        return [f"  currency: {{column: {column}, currency_code: true, optional: true}}  # {rows}"]

    def ask(  # noqa: PLR0913 (what a question has)
        self,
        key: str,
        sentence: str,
        choices: tuple[str, ...] = (),
        guess: str = "",
        *,
        is_optional: bool = False,
        note: str = "",
    ) -> str:
        """Return the answer to a question as a scalar, and keep the question."""
        if key not in {question.key for question in self.questions}:
            expected = guess or (*choices, "UTC")[0]
            self.questions.append(
                OpenQuestion(key, sentence, choices, expected, is_optional, note=note)
            )
        return quoted(self.answers.get(key, OPEN))

    def marked(self, line: str, *keys: str) -> str:
        """Return a line with a mark for each question in it that nobody has answered."""
        still_open = [
            question.sentence
            for question in self.questions
            if question.key in keys and question.key not in self.answers
        ]
        return f"{line}  # OPEN: {'; '.join(map(on_one_line, still_open))}" if still_open else line

    def has_row_per_order(self) -> bool:
        """Return whether each row is an order of its own."""
        order = self.found.get("order_id")
        if order is None or self.values.spread:
            return False
        return self.values.different(order.value) == self.values.row_count

    def is_price_of_one(self) -> bool:
        """Return whether rows have a price and no quantity: one item each."""
        return (
            UNIT_PRICE in self.found
            and "quantity" not in self.found
            and "payment_amount" not in self.found
        )

    def is_open(self, name: str) -> bool:
        """Return whether a field must be said before the file is read, and nobody has said it."""
        return any(
            question.key == name and not question.is_optional for question in self.questions
        ) and (name not in self.answers)

    def time_options(self, value: Value) -> list[str]:
        """Return the options of a time: its format and its zone,
        as far as its values do not say them.
        """
        forms = self.values.time_formats(value)
        example = shown(self.values.counts(value, 1)[0][0])
        options = []
        if len(forms) > 1:
            sentence = f"how times such as {example} are written"
            written = self.ask(FORMAT, sentence, tuple(forms), note=f"As in {example}")
            options.append(f"format: {written}")
        elif forms[0] != "iso":
            options.append(f"format: {quoted(forms[0])}")
        says_zone = forms == ["iso"] or forms[0].endswith("Z")
        is_zoned = "%z" in forms[0].lower() or (says_zone and self.values.has_zone(value))
        if forms[0].startswith("epoch") or is_zoned:
            return options
        _, zone = without_zone(value.path[0])
        if said := zone_of_head(zone):
            return [*options, f"timezone: {quoted(said)}"]
        named = f" of {shown(value.name)}" if zone else ""
        sentence = f"the time zone of times such as {example}{named}, {ZONES}"
        asked = self.ask(ZONE, sentence, guess=likely_zone(zone), note=f"Such as {example}")
        return [*options, f"timezone: {asked}"]

    def numeral_lines(self) -> list[str]:
        """Return the lines that say how numbers are written;
        none if as the platform writes them.
        """
        amounts = [match.value for name, match in self.found.items() if name in NUMBERS_OF]
        forms = {
            value: forms
            for value in amounts
            if not value.is_computed and (forms := self.values.number_forms(value)) != [WHOLE]
        }
        lines = ["currency_signs: remove"] if any(map(self.values.has_signs, amounts)) else []
        if not forms:
            return lines
        first = next(iter(forms))
        common = [
            form for form in forms[first] if all(form in fitting for fitting in forms.values())
        ] or forms[first]
        if len({form[0] for form in common}) > 1:
            example = shown(self.values.counts(first, 1)[0][0])
            sentence = f"the sign before the decimals of amounts such as {example}"
            decimal = self.ask(DECIMAL, sentence, (".", ","), note=f"As in {example}")
            thousands = quoted(OTHER_SEPARATOR.get(self.answers.get(DECIMAL, ""), OPEN))
            return [
                *lines,
                self.marked(f"decimal: {decimal}", DECIMAL),
                self.marked(f"thousands: {thousands}", DECIMAL),
            ]
        if WHOLE in common:
            return lines
        decimal = common[0][0]
        thousands = NUMBERS[common[0]].thousands or OTHER_SEPARATOR[decimal]
        return [*lines, f'decimal: "{decimal}"', f"thousands: {json.dumps(thousands)}"]
