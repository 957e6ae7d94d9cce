"""A mapping of events or order lines by the names and values of columns, with the answers that are there.

Of the states of orders it says which are sales, which were paid back, and which never were orders.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ecom_assets.errors import DefinitionError
from ecom_assets.sources.files.mapping import EventMapping, OrderMapping, RecordMapping
from ecom_assets.sources.files.shape import ADDED
from ecom_assets.sources.files.text_blocks import UTF_8
from ecom_assets.sources.proposal.fields import (
    NUMBERS_OF,
    TIMES,
    UNIT_PRICE,
    Found,
    FoundField,
    MappingKind,
    bare,
    candidates,
    found_fields,
    known_event_type,
    named_values,
)
from ecom_assets.sources.proposal.questions import (
    COLUMNS,
    DECIMAL,
    FORMAT,
    OPEN,
    ZONE,
    ZONES,
    OpenQuestion,
    quoted,
    quoted_list,
    shown,
)
from ecom_assets.sources.proposal.values import NUMBERS, WHOLE, FileValues, Value
from ecom_assets.warehouse.sql_text import texts

REFUNDED: Final = ("refund", "return", "retour", "erstattet", "gutschrift", "rembours", "devuel", "reembols")
NO_SALE: Final = (
    "cancel", "storn", "annul", "abgebrochen", "fail", "fehlgeschlagen", "pending", "unpaid", "draft", "entwurf",
    "checkout-draft", "trash", "voided", "expired", "declined", "abgelehnt", "échou", "impay",
)  # fmt: skip
"""Parts of words for what was paid back, and for what never was a sale, as shops' own reports leave it out."""


@dataclass(frozen=True)
class OrderStates:
    """The column of the state and its values with their rows, by what they mean.

    `are_final` if a line that was paid back has one row, whose state was that of a sale before: it is a sale and a
    refund then. Otherwise the refund is a row of its own.
    """

    column: str
    group: str
    spread: str
    refunded: dict[str, int]
    no_sale: dict[str, int]
    sold: dict[str, int]
    are_final: bool
    is_text: bool

    @property
    def shape_lines(self) -> list[str]:
        """Return the lines about the kinds of rows, and about those that are left out."""
        lines = []
        if self.are_final:
            rows = self.spread or ("lines" if self.is_text else ".")
            states = quoted_list(list(self.refunded))
            lines += [f"group_by: {quoted_list([self.group])}"] if self.is_text else []
            lines += [
                "rows:",
                f"  sale: {quoted(rows)}",
                f"  refund: {{list: {quoted(rows)}, where: {{{quoted(self.column)}: {states}}}}}  # check this",
            ]
        else:
            lines += rows_lines(self.spread)
        if self.no_sale:
            states = quoted_list(list(self.no_sale))
            condition = f"{{column: {quoted(self.column)}, in: {states}, optional: true}}"
            lines += ["leave_out:", f"  not_a_sale: {condition}  # {sum(self.no_sale.values()):,} rows; check this"]
        return lines

    @property
    def field_lines(self) -> list[str]:
        """Return the lines of the state, which follow those of the other fields."""
        if self.are_final:
            return ["  status: {by_row: {sale: {constant: shipped}, refund: {constant: refunded}}}"]
        lines = [f"  {quoted(name)}: refunded  # {count:,} rows; check this" for name, count in self.refunded.items()]
        lines += [f"  {quoted(name)}: shipped  # {count:,} rows" for name, count in (self.sold | self.no_sale).items()]
        return ["statuses:", *lines]


def rows_lines(spread: str) -> list[str]:
    """Return the lines that say which list has the rows; none where each record is one."""
    return ["rows:", f"  line: {quoted(spread)}"] if spread else []


def order_states(values: FileValues, matches: Found) -> OrderStates | None:
    """Return the states of orders; None if no column has them."""
    if "status" not in matches:
        return None
    status = matches["status"].value
    counts = dict(values.counts(status, 50))
    refunded = {name: count for name, count in counts.items() if _has(name, REFUNDED)}
    no_sale = {name: count for name, count in counts.items() if name not in refunded and _has(name, NO_SALE)}
    sold = {name: count for name, count in counts.items() if name not in refunded | no_sale}
    order = matches.get("order_id") or matches[next(iter(matches))]
    can_shape = values.format != "parquet" and status.is_column and order.value.is_column
    return OrderStates(
        status.path[0],
        order.value.path[0],
        values.spread,
        refunded,
        no_sale,
        sold,
        are_final=can_shape and bool(refunded) and not _has_rows_of_refunds(values, matches, list(refunded)),
        is_text=values.format == "csv",
    )


def _has(name: str, parts: tuple[str, ...]) -> bool:
    return any(part in name.casefold() for part in parts)


def _has_rows_of_refunds(values: FileValues, matches: Found, refunded: list[str]) -> bool:
    """Return whether refunds are rows of their own: their amounts are below zero, or stand beside those of sales."""
    is_refund = f"list_contains({texts(refunded)}, {matches['status'].value.column})"
    amount = matches.get("payment_amount") or matches.get("unit_price")
    is_below = f"{amount.value.column} LIKE '-%'" if amount else "false"
    line = [matches[name].value.column for name in ("order_id", "item_id") if name in matches]
    if values.scalar(f"count(*) FILTER ({is_refund} AND {is_below})"):
        return True
    if not line:
        return False
    lines = f"count(DISTINCT ({', '.join(line)}))"
    refunds = f"{lines} FILTER ({is_refund})"
    sales = f"{lines} FILTER (NOT coalesce({is_refund}, false))"
    # Some lines can be twice in an order; refunds are rows of their own if most of them have a sale beside them.
    return bool(values.scalar(f"2 * ({refunds} + {sales} - {lines}) >= {refunds}"))


MAPPINGS: Final[Mapping[MappingKind, type[RecordMapping]]] = {
    MappingKind.EVENTS: EventMapping, MappingKind.ORDERS: OrderMapping
}  # fmt: skip
NO_AMOUNT: Final = "none"
"""The answer that events have no amount."""
OTHER_SEPARATOR = {".": ",", ",": "."}
ONE_PER_ORDER = {"quantity": "1", "item_id": "order"}
"""What stands in a list of orders that has one row per order and no lines."""
NET_NAMES = frozenset({
    "paymentamount", "linetotal", "netamount", "nettotal", "subtotal", "zwischensumme", "nettobetrag", "soustotal",
    "totalht", "montantht"
})  # fmt: skip
"""Names of amounts that shipping and taxes are not part of."""
CHARGES_FOUND = ("shipping_amount", "tax_amount")
NEEDED = {
    "event_type": "what happened", "user_id": "who it was", "customer_id": "who ordered",
    "payment_amount": "the amount", **dict.fromkeys(("event_timestamp", "date_time"), "the time"),
    "id": "the customer's id or address",
}  # fmt: skip
"""What columns that a mapping must have are about."""


@dataclass
class Draft:
    """A mapping that is being written, and the questions that come up."""

    values: FileValues
    kind: MappingKind
    answers: Mapping[str, str]
    questions: list[OpenQuestion] = field(default_factory=list)
    found: dict[str, FoundField] = field(init=False)

    def __post_init__(self) -> None:
        """Find the fields."""
        columns = {name: self.answers[name] for name in COLUMNS if name in self.answers}
        self.found = dict(found_fields(self.values, self.kind, columns))
        if not self._has_row_per_order():  # a charge of a whole order would be counted once per line
            self.found = {name: match for name, match in self.found.items() if name not in CHARGES_FOUND}

    def lines(self) -> list[str]:
        """Return the lines of the mapping, but for those about the encoding and the shape of the file."""
        kind = MAPPINGS[self.kind].kind
        is_events = self.kind is MappingKind.EVENTS
        names = [name for name in kind.required if name != kind.id]
        if is_events and not {"user_id", "session_id"} & self.found.keys():
            names.append("user_id")
        self.complete(names)
        if is_events:
            self._ask_for_amount()
        asked = [question.key for question in self.questions if question.key == "cart_value"]
        names += [name for name in (*self.found, *asked) if name not in {*names, kind.id, UNIT_PRICE}]
        states = None if is_events else order_states(self.values, self.found)
        if states and states.are_final:
            names.remove("status")
        fields = [self._id(kind.id, states), *(self._field(name) for name in names), *self._currency_beside()]
        return [
            *file_lines(self.values),
            *(states.shape_lines if states else rows_lines(self.values.spread)),
            *self._numerals(),
            "fields:",
            *fields,
            *(states.field_lines if states else []),
            *(self._event_types() if is_events else []),
            "other_columns: properties" if is_events else "other_columns: ignore",
        ]

    def complete(self, names: list[str]) -> None:
        """Ask for the columns that are needed and were not found."""
        has_price = {UNIT_PRICE, "quantity"} <= self.found.keys()
        for name in names:
            if name in self.found or (name == "payment_amount" and (has_price or self._is_price_of_one())):
                continue
            if name in ONE_PER_ORDER and not self.values.spread:
                continue
            choices = candidates(self.values, name, self.found)
            unreadable = self._unreadable(name)
            if not choices:
                raise DefinitionError(
                    f"No column of the file can be {NEEDED.get(name, name)}{unreadable}; give a file that has one."
                )
            self.ask(name, f"the column that says {NEEDED.get(name, name)}{unreadable}", choices)

    def _ask_for_amount(self) -> None:
        """Ask for the amount of events where the column that is named as one cannot be read."""
        name = "cart_value"
        if name not in self.found and (unreadable := self._unreadable(name)):
            choices = (*candidates(self.values, name, self.found), NO_AMOUNT)
            self.ask(name, f"the column of the amount, or {NO_AMOUNT}{unreadable}", choices, NO_AMOUNT)

    def _unreadable(self, name: str) -> str:
        """Return which columns are named as a field and have other values, in brackets; empty if none is."""
        named = named_values(self.values, MappingKind(self.kind), name, self.found)
        if not named or name not in {*NUMBERS_OF, *TIMES}:
            return ""
        noun = "amounts" if name in NUMBERS_OF else "times"
        examples = [f"{value.name}, such as {shown(self.values.counts(value, 1)[0][0])}" for value in named[:3]]
        return f" (no {noun} that can be read: {'; '.join(examples)})"

    def _currency_beside(self) -> list[str]:
        """Return the line of the currency that stands beside amounts, and in no column of its own."""
        amounts = [self.found[name] for name in ("payment_amount", "cart_value", UNIT_PRICE) if name in self.found]
        if "currency" in self.found or not amounts or not amounts[0].value.is_column:
            return []
        counts = self.values.currencies(amounts[0].value)
        if not counts:
            return []
        rows = ", ".join(f"{shown(name)} {count:,} rows" for name, count in counts.items())
        column = quoted(amounts[0].value.path[0])
        return [f"  currency: {{column: {column}, currency_code: true, optional: true}}  # {rows}"]

    def ask(self, key: str, sentence: str, choices: tuple[str, ...] = (), guess: str = "") -> str:
        """Return the answer to a question as a scalar, and keep the question."""
        if key not in {question.key for question in self.questions}:
            self.questions.append(OpenQuestion(key, sentence, choices, guess or (*choices, "UTC")[0]))
        return quoted(self.answers.get(key, OPEN))

    def marked(self, line: str, *keys: str) -> str:
        """Return a line with a mark for each question in it that nobody has answered."""
        still_open = [
            question.sentence
            for question in self.questions
            if question.key in keys and question.key not in self.answers
        ]
        return f"{line}  # OPEN: {'; '.join(map(shown, still_open))}" if still_open else line

    def _has_row_per_order(self) -> bool:
        order = self.found.get("order_id")
        if order is None or self.values.spread:
            return False
        return self.values.different(order.value) == self.values.row_count

    def _is_price_of_one(self) -> bool:
        """Return whether rows have a price and no quantity: one item each."""
        return UNIT_PRICE in self.found and "quantity" not in self.found and "payment_amount" not in self.found

    def _id(self, name: str, states: OrderStates | None) -> str:
        kinds = ["_row"] if states and states.are_final else []  # the sale and the refund of a line
        if name in self.found and not kinds:
            return self._field(name)
        if self.values.spread and "order_id" in self.found:
            columns = [self.found["order_id"].value.path[0], "_position", *kinds]
            return f"  {name}: {{hash_of: {quoted_list(columns)}}}  # the place within its order"
        keys = self._unique(name)
        named = dict.fromkeys(value.path[0] for value in keys or self.values.values)
        # The position in the file would make another event of the same one in the next file.
        columns = [*(column for column in named if column not in ADDED), *kinds]
        why = "a line keeps its id when its state changes" if keys else "no column is unique"
        return f"  {name}: {{hash_of: {quoted_list(columns)}, optional: ['*']}}  # {why}"

    def _unique(self, name: str) -> tuple[Value, ...]:
        """Return the values that distinguish the rows, the id or an order with its item; none if these do not."""
        names = [name] if name in self.found else ["order_id", "item_id"] if self.kind is MappingKind.ORDERS else []
        keys = tuple(self.found[key].value for key in names if key in self.found)
        return keys if keys and self.values.are_unique(keys) else ()

    def _field(self, name: str) -> str:
        if name not in self.found:
            return self._field_without_column(name)
        value = self.found[name].value
        if name == MAPPINGS[self.kind].kind.time:
            return self._time(name)
        if charges := self._charges_in(name, value):
            return f"  {name}: {{column: {quoted(value.path[0])}, less: {quoted_list(charges)}}}  # check this"
        is_email = name in {"user_id", "customer_id"} and self.values.are_emails(value)
        if value.is_column:
            return f"  {name}: {self._origin(name, value, self._operations(name, value, is_email=is_email))}"
        sql = f"lower(trim({value.sql}))" if is_email else value.sql
        return f"  {name}: {{expression: {quoted(sql)}, optional: true}}"

    def _field_without_column(self, name: str) -> str:
        if name == "payment_amount" and UNIT_PRICE in self.found:
            return self._price_times_quantity()
        if self.answers.get(name) == NO_AMOUNT:
            return f"  # {name}: there is none"
        if name in ONE_PER_ORDER and not self.values.spread:
            return f"  {name}: {{constant: {ONE_PER_ORDER[name]}}}  # a row per order"
        return self.marked(f'  {name}: "{OPEN}"', name)

    def _operations(self, name: str, value: Value, *, is_email: bool) -> str:
        if is_email:
            return "trim: true, lower: true"
        is_of_order = self.kind is MappingKind.ORDERS and name in NUMBERS_OF
        # Refunds are below zero in the file; here their state says it.
        return "absolute: true" if is_of_order and self.values.matching(value, "-.*") else ""

    def _charges_in(self, name: str, value: Value) -> list[str]:
        """Return the columns of charges that an amount holds, by its name: the total of an order."""
        if name != "payment_amount" or not value.is_column or bare(value.last_name) in NET_NAMES:
            return []
        charges = [self.found[charge].value for charge in CHARGES_FOUND if charge in self.found]
        return [charge.path[0] for charge in charges if charge.is_column]

    def _origin(self, name: str, value: Value, operations: str) -> str:
        kind = MAPPINGS[self.kind].kind
        is_needed = name in {*kind.required, kind.id}
        options = [part for part in (operations, "" if is_needed else "optional: true") if part]
        return f"{{column: {quoted(value.path[0])}, {', '.join(options)}}}" if options else quoted(value.path[0])

    def _time(self, name: str) -> str:
        value = self.found[name].value
        parts = [f"column: {quoted(value.path[0])}"]
        if value.joined:
            parts = [f"join: {quoted_list([value.path[0], value.joined])}"]
        elif not value.is_column:
            parts = [f"expression: {quoted(value.sql)}"]
        parts += self.time_options(value)
        return self.marked(f"  {name}: {{{', '.join(parts)}}}", FORMAT, ZONE)

    def time_options(self, value: Value) -> list[str]:
        """Return the options of a time: its format and its zone, as far as its values do not say them."""
        forms = self.values.time_formats(value)
        example = shown(self.values.counts(value, 1)[0][0])
        options = []
        if len(forms) > 1:
            options.append(f"format: {self.ask(FORMAT, f'how times such as {example} are written', tuple(forms))}")
        elif forms[0] != "iso":
            options.append(f"format: {quoted(forms[0])}")
        says_zone = forms == ["iso"] or forms[0].endswith("Z")
        if not forms[0].startswith("epoch") and not (says_zone and self.values.has_zone(value)):
            options.append(f"timezone: {self.ask(ZONE, f'the time zone of times such as {example}, {ZONES}')}")
        return options

    def _numerals(self) -> list[str]:
        """Return the lines that say how numbers are written; none if as the platform writes them."""
        amounts = [match.value for name, match in self.found.items() if name in NUMBERS_OF]
        forms = {value: forms for value in amounts if (forms := self.values.number_forms(value)) != [WHOLE]}
        lines = ["currency_signs: remove"] if any(map(self.values.has_signs, amounts)) else []
        if not forms:
            return lines
        first = next(iter(forms))
        common = [form for form in forms[first] if all(form in fitting for fitting in forms.values())] or forms[first]
        if len({form[0] for form in common}) > 1:
            example = shown(self.values.counts(first, 1)[0][0])
            decimal = self.ask(DECIMAL, f"the sign before the decimals of amounts such as {example}", (".", ","))
            thousands = quoted(OTHER_SEPARATOR.get(self.answers.get(DECIMAL, ""), OPEN))
            return [
                *lines, self.marked(f"decimal: {decimal}", DECIMAL), self.marked(f"thousands: {thousands}", DECIMAL)
            ]  # fmt: skip
        if WHOLE in common:
            return lines
        decimal = common[0][0]
        thousands = NUMBERS[common[0]].thousands or OTHER_SEPARATOR[decimal]
        return [*lines, f'decimal: "{decimal}"', f"thousands: {json.dumps(thousands)}"]

    def _price_times_quantity(self) -> str:
        price = self.found[UNIT_PRICE].value
        if "quantity" not in self.found:
            return f"  payment_amount: {self._origin('payment_amount', price, '')}  # one item a row"
        quantity = self.found["quantity"].value
        if price.is_column and quantity.is_column:
            return f"  payment_amount: {{column: {quoted(price.path[0])}, times: {quoted(quantity.path[0])}}}"
        product = f"({price.sql})::DECIMAL(18, 4) * ({quantity.sql})::DECIMAL(18, 4)"
        return f"  payment_amount: {{expression: {quoted(product)}}}  # price and quantity"

    def _event_types(self) -> list[str]:
        if "event_type" not in self.found:
            return []
        counts = self.values.counts(self.found["event_type"].value)
        event_types = [(source_name, known_event_type(source_name), count) for source_name, count in counts]
        lines = [
            f"  {quoted(source_name)}: {event_type}  # {count:,} rows"
            for source_name, event_type, count in event_types
            if event_type and event_type != source_name
        ]
        stay = [
            f"  # {shown(source_name)}: {count:,} rows, stays as it is"
            for source_name, event_type, count in event_types
            if not event_type
        ]
        return ["event_types:" if lines else "# event_types:", *lines, *stay] if lines or stay else []


def file_lines(values: FileValues) -> list[str]:
    """Return the lines that say how a file is split into rows and columns."""
    lines = [] if values.delimiter == "," else [f"delimiter: {quoted(values.delimiter)}"]
    if values.encoding not in {None, UTF_8}:
        lines.append(f"encoding: {values.encoding}  # its lines are not UTF-8")
    if values.sheet and len(values.sheet.sheets) == 1 and values.sheet.other_sheets:
        lines.append(f"sheet: {quoted(values.sheet.sheets[0])}")
    if values.lists.records:
        lines.append(f"records: {quoted(values.lists.records)}")
    return lines


@dataclass
class CustomerDraft(Draft):
    """A mapping of customers that is being written."""

    def lines(self) -> list[str]:
        """Return the lines of the mapping."""
        self.complete(["id"])
        fields = [self._customer_field(name) for name in dict.fromkeys(["id", *self.found])]
        return [*file_lines(self.values), "fields:", *fields]

    def _customer_field(self, name: str) -> str:
        if name not in self.found:
            return self.marked(f'  {name}: "?"', name)
        value = self.found[name].value
        options = [] if name == "id" else ["optional: true"]
        if name == "id" and self.values.are_emails(value):
            options.append("lower: true")
        if name in TIMES:
            options += self.time_options(value)
        path = f"path: {quoted('.'.join(value.path))}"
        return self.marked(f"  {name}: {{{', '.join([path, *options])}}}", FORMAT, ZONE)
