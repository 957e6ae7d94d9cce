"""A mapping of events or order lines by the names and values of columns,
with the answers that are there.

Of the states of orders it says which are sales, which were paid back, and which never were orders.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import ClassVar, Final, Literal

import numpy as np

from ecom_assets.behaviour.funnels.definition import FIVE_STEPS
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables import formats
from ecom_assets.core.tables.currencies import digits_of, unusual_digits
from ecom_assets.core.warehouse.sql_text import ident, select, text, texts
from ecom_assets.ingestion.sources.files.mapping import AD_SPEND_KEYS
from ecom_assets.ingestion.sources.files.mapping_content import OPEN
from ecom_assets.ingestion.sources.files.packed_cells import PackedCell
from ecom_assets.ingestion.sources.files.shape import ADDED
from ecom_assets.ingestion.sources.files.text_blocks import UTF_8
from ecom_assets.ingestion.sources.proposal.event_amounts import (
    FEWEST_ORDERS,
    amount_of_purchases,
    amount_of_rows,
    amounts_of_some_types,
)
from ecom_assets.ingestion.sources.proposal.fields import (
    CANCELLED_AT,
    CHANGED_AT,
    CONSENT,
    HELPERS,
    MOST_EVENT_TYPES,
    NUMBERS_OF,
    ORDER_TOTAL,
    REFUNDED_AMOUNT,
    REFUNDED_AT,
    REFUNDED_QUANTITY,
    STANDARD_TYPES,
    TIMES,
    UNIT_PRICE,
    FoundField,
    MappingKind,
    bare,
    candidates,
    empty_columns_of,
    found_fields,
    free_columns,
    known_event_type,
    likely_event_type,
    named_refusals,
    named_values,
    numbers_left,
    numbers_of_rows,
    other_persons,
    rounded_number,
    state_columns,
    stock_by_place,
)
from ecom_assets.ingestion.sources.proposal.flags import (
    RowFlag,
    answered_flags,
    flag_questions,
    row_flags,
)
from ecom_assets.ingestion.sources.proposal.parts import (
    GoodsAmount,
    OrderParts,
    Part,
    RowParts,
    RowSum,
    can_be_amount,
    is_discount_rate,
    is_in_stock,
    is_of_goods,
    is_rate,
    is_rate_of_currency,
    is_total,
    part_of,
    readings,
    what_is_left,
)
from ecom_assets.ingestion.sources.proposal.proofs import (
    key_line,
    not_like_line,
    one_per_line,
    order_sum_lines,
    sum_lines,
    values_line,
)
from ecom_assets.ingestion.sources.proposal.questions import (
    ACCOUNT,
    AMOUNT_OF,
    BY_ORDER,
    CHANNELS_OF,
    COLUMNS,
    CURRENCY,
    DECIMAL,
    EVENT_CODES,
    EVENT_TYPES,
    FLAGS,
    FORMAT,
    GOODS,
    LEFT_OUT,
    MOST_EVENT_TYPES_ASKED,
    MOST_STATES,
    NO_CUSTOMER,
    NO_GOODS,
    NOBODY,
    PARTS,
    PIECES,
    PLATFORM,
    PLATFORMS,
    STATES,
    UNITS,
    ZONE,
    ZONES,
    OpenQuestion,
    account_origin,
    account_question,
    answer_of_each,
    currency_question,
    on_one_line,
    quoted,
    quoted_list,
    shown,
)
from ecom_assets.ingestion.sources.proposal.row_kinds import goes_with_lines, row_kinds, says_kind
from ecom_assets.ingestion.sources.proposal.rows import DISCOUNT_LINES, REFUND_LINES, OrderRows
from ecom_assets.ingestion.sources.proposal.state_words import (
    Meaning,
    begins,
    says_no_sale,
    says_no_sale_or_refund,
    words_of,
)
from ecom_assets.ingestion.sources.proposal.states import (
    OrderStates,
    OtherStates,
    column_of_states,
    order_states,
    other_questions,
    other_states,
    state_questions,
    states_in_turn,
)
from ecom_assets.ingestion.sources.proposal.unnamed import (
    Product,
    has_decimals,
    line_amount,
    line_of_part,
    money_on_two_sides,
    order_numbers,
    products,
    several_rows_at_once,
)
from ecom_assets.ingestion.sources.proposal.values import (
    EMAIL,
    NUMBERS,
    TABLE,
    WHOLE,
    FileValues,
    Value,
    without_currency,
)
from ecom_assets.ingestion.sources.proposal.visit_sources import (
    campaign_lines,
    column_of_sources,
    source_questions,
)
from ecom_assets.ingestion.sources.proposal.visitors import (
    FEWEST,
    further_sessions,
    is_named_so,
    visitor_columns,
)
from ecom_assets.ingestion.sources.proposal.zones import likely_zone, without_zone, zone_of_head
from ecom_assets.ingestion.sources.record_feed import feeds

OF_ONE_PIECE: Final = (
    *("unit", "each", "per", "pu", "u", "einzel", "stuck", "stuk", "jednostk", "単価"),
)
"""How words in the names of prices begin that say that they are of one piece."""


OF_PIECES: Final = (
    *("qty", "quantit", "units", "pieces", "items", "menge", "anzahl", "stuck", "cantidad"),
    *("unidades", "quantidade", "ilosc", "aantal", "колич", "кільк", "数量", "個数"),
)
"""How words in the names of numbers of pieces begin."""


OF_MEASURES: Final = (
    *("qty", "quantit", "menge", "cantidad", "quantidade", "ilosc", "aantal", "колич", "кільк"),
    *("数量", "個数", "수량"),
)
"""How such words begin that count metres and kilograms, too."""


def has_word(value: Value, stems: tuple[str, ...]) -> bool:
    """Return whether a word in the name of a column begins with one of some stems."""
    return any(begins(word, stems) for word in words_of(value.last_name))


def known_rows(counts: Sequence[tuple[str, int]]) -> int:
    """Return how many rows are of event types whose names are known."""
    return sum(count for name, count in counts if known_event_type(name))


def rows_lines(spread: str) -> list[str]:
    """Return the lines that say which list has the rows; none where each record is one."""
    return ["rows:", f"  line: {quoted(spread)}"] if spread else []


ORDER_ID: Final = "order_id"
MOST_COLUMNS_SHOWN, MOST_OF_EXAMPLE = 6, 24
"""Columns that a refusal shows, and characters of the example of each."""
SHARE: Final = 0.98
"""The share of rows that show a sum on which it holds."""
MOST_PRODUCTS, MOST_SUMS = 6, 12
"""Prices times quantities that a question about the amount names, and sums that it shows."""
ASKED_OF_VALUES: Final = frozenset({"cart_value", ORDER_ID, "user_id", "anonymous_id"})
"""Fields that a file may lack, and that are asked where its values show some of several columns."""
NO_AMOUNT: Final = "none"
NOT_SET: Final = "(not set)"
"""A placeholder, which the platform counts as nobody."""
"""The answer that events have no amount."""
STAYS: Final = "as it is"
"""The answer that an event type keeps its name."""
CODE: Final = r"[A-Za-z]{0,2}[-_]?\d+"
"""A code of an event type, such as 2 or A2."""
OF_NAMES: Final = (
    *("name", "label", "desc", "title", "text", "bezeichn", "libell", "nom", "intitul", "titre"),
    *("event", "ereignis", "evenement", "action", "aktion", "accion", "azione"),
)
"""How words in the names of columns begin that have names of codes."""
NO_TYPES: Final = frozenset({"event", "events", "hit", "record"})
"""What all rows are, whatever happened in them."""
OBJECTS: Final = frozenset(
    {"properties", "eventproperties", "props", "eventprops", "params", "eventparams", "attributes"}
)
"""Names of columns, without signs, with further values of an event."""
WEIGHTS: Final = frozenset(
    {
        *("itemcount", "eventcount", "hitcount", "numevents", "nbevents", "occurrences"),
        *("events", "hits", "eventos", "evenements", "ereignisse"),
        *("samplerate", "samplingrate", "sampleinterval", "sampleweight", "samplingweight"),
        *("samplingfactor", "samplefactor", "weight", "count", "anzahl", "nombre", "cantidad"),
    }
)
"""Names of columns, without signs, that say how many events a row stands for."""
ONE: Final = r"1(\.0*)?"
WEIGHT: Final = r"[1-9]\d*(\.0*)?|0?\.\d*[1-9]\d*"
"""Such numbers: how many, or the share of events that a sample has."""
FEWEST_STEPS: Final = 2
FEWEST_CODES: Final = 2
"""Codes of events that are asked about at once."""
MOST_OF_ROW: Final = 3
"""Columns of the row that is the example of a code."""
OF_PERSONS: Final = frozenset({"event_id", "session_id", "user_id", "anonymous_id", "email"})
"""Fields that do not say what happened."""
FEW_WITHOUT_CUSTOMER: Final = 0.1
"""The share of rows without a customer up to which they are refused where nobody says more."""
MOST_PARTS_ASKED: Final = 2
"""The most parts of an amount of which a question names each combination."""
NO_GOODS_WORDS: Final = (
    r"(?i)\bgift[ -]?(cards?|vouchers?|certificates?)\b|geschenk-?(gutschein|karte)|wertgutschein"
    r"|(carte|chèque)s?[ -]cadeau|tarjetas? (de )?regalo|(carta|buono) regalo"
    r"|(cadeau|kado)(bon|kaart)"
    r"|karta podarunkowa|bon podarunkowy|подарочн(ая|ый) (карта|сертификат)|подарункова карта"
    r"|ギフトカード|^tips?$|^gratuity$|trinkgeld|^pourboire|^propina|^mancia$|^fooi$|^napiwek"
    r"|^deposit$|^anzahlung|^pfand$|^consigne$|^donation|^spende$|shipping protection"
    r"|(extended|garantie).{0,3}(warranty|verlängerung)|^(\d+[ -]years? )?warranty|protection plan"
    r"|extension de garantie|ampliación de garantía|estensione (della )?garanzia|^gwarancja"
    r"|^(shipping|delivery|postage|freight)( (&|and) handling| fee| cost| charge|s?$)"
    r"|^versand(kosten|pauschale|gebühr|$)|^porto(kosten)?$|^liefer(kosten|gebühr)|^frachtkosten"
    r"|^(frais de )?(port|livraison)$|^gastos de env[ií]o|^env[ií]o$|^spedizione$"
    r"|^spese di spedizione|^verzendkosten|^bezorgkosten|^koszt(y)? (wysyłki|dostawy)|^przesyłka$"
    r"|^frete$|^доставка$|^送料$|(nachnahme|zahlungs|payment|cod|handling)[ -]?(gebühr|fee)"
)
"""What lines are called that are no goods, in several languages."""
ALL_PIECES, PIECES_LEFT = "all that were ordered", "those that were not cancelled"
"""The answers of which pieces the amount of a line is."""
OF_ORDER, OF_ROW = "order", "row"
"""The answers what an amount is of that is the same on each row of an order."""
OF_TYPES_OF_EVENTS: Final = frozenset({"event", "events", "action", "activity", "hit"})
"""Words in the names of columns that say what happened."""
WHOLE_UNITS, CENTS, MILLIONTHS = "whole units", "cents", "millionths"
"""The answers what the amounts of a file count."""
MOST_OF_IMPRESSION, MOST_OF_CLICK = 100, 20_000
"""What an impression or a click hardly ever costs, in any currency: more is in its millionths."""
ALL_PLACES: Final = "those of all places together"
"""The answer that the stock of an item is that of several columns, one of each place."""
IN_CENTS: Final = "  # in cents"
CENTS_NAMES: Final = ("cents", "centamount", "centimes", "minor", "pence", "kopeck")
"""Parts of the names of amounts that count the smallest units of a currency."""
OTHER_SEPARATOR = {".": ",", ",": "."}
_IDS_OF_ITEMS: Final = (
    "sku",
    "product_id",
    "productId",
    "variant_id",
    "id",
    "code",
    "name",
    "title",
)
_NAMES_OF_ITEMS: Final = ("name", "title", "product_name", "productName")
ONE_PER_ORDER = {"quantity": "1", "item_id": "order"}
"""What stands in a list of orders that has one row per order and no lines."""
CHARGES_FOUND = ("shipping_amount", "tax_amount")
ORDER_NAME: Final = "#+ ?[A-Za-z0-9-]+"
"""The name of an order, whose # is decoration."""
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
    "unit_cost_amount": "what one piece costs",
    "spend_date": "the day",
    "spend_amount": "what was spent",
    "campaign_name": "the campaign",
}
"""What columns that a mapping must have are about."""


@dataclass(frozen=True)
class AmountReading:
    """What the amount of the goods may be: an amount less and plus some columns."""

    name: str
    less: tuple[str, ...] = ()
    plus: tuple[str, ...] = ()
    rate: Value | None = None
    """A discount in percent that is taken off it."""
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
        rate = f" less {self.rate.name} of it" if self.rate else ""
        return f"{self.name}{less}{plus}{rate}"


def _options(reading: AmountReading) -> list[str]:
    """Return the options of a field with what is taken off, and what is added."""
    less = [f"less: {quoted_list(reading.less)}"] if reading.less else []
    plus = [f"plus: {quoted_list(reading.plus)}"] if reading.plus else []
    absolute = ", absolute: true" if reading.is_below_zero else ""
    shared = f"less_shared: {{column: {quoted(reading.less_shared)}{absolute}}}"
    return [*less, *plus, *([shared] if reading.less_shared else [])]


def _of_one_currency(amounts: Mapping[str, Value], amount: Value) -> dict[str, Value]:
    """Return amounts without those that stand in the file twice, in the currency of an amount by
    its name, and in another one: `tax` and `tax_usd`.
    """
    currencies: dict[str, set[str]] = {}
    for name, value in amounts.items():
        currencies.setdefault(_plain_name(name), set()).add(value.currency)
    twice = {name for name, said in currencies.items() if len(said) > 1}
    return {
        name: value
        for name, value in amounts.items()
        if value.currency == amount.currency or _plain_name(name) not in twice
    }


def _plain_name(name: str) -> str:
    return bare(without_currency(name)[0])


def _says_cents(value: Value) -> bool:
    """Return whether an amount counts, by its name, the smallest units of its currency."""
    return any(part in bare(value.name) for part in CENTS_NAMES)


@dataclass
class Draft:
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
    left_of_total: tuple[str, ...] = ()
    """A total, and what is left of it where something was paid back, as answered."""
    other_states: Sequence[OtherStates] = ()
    """What further columns of states say of the rows that count."""
    open_states: set[str] = field(default_factory=set)
    """Of these columns, the states about which nobody has said yet what they are."""
    flags: Sequence[RowFlag] = ()
    """The columns of yes and no that say, or may say, that rows are no sale."""
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
    """Of events, what seems to be the amount of a row of an order, which too few orders show."""
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
    product_less: str = ""
    """The discount that is taken off a price times a quantity, as the sums of orders show."""
    order_sums: tuple[RowSum, ...] = ()
    """The sums that what lines come to is in, with amounts of their orders."""
    lines_of_sums: tuple[str, tuple[Value, ...]] = ("", ())
    """What the amount of a line is called in these sums, and its column, or price and quantity."""
    is_by_sums: bool = False
    """Whether no name says the amount, and a sum shows it."""
    products: tuple[Product, ...] = ()
    """Prices times quantities that may be the amounts of rows, where no name says which are."""

    def __post_init__(self) -> None:
        """Find the fields."""
        columns = {name: self.answers[name] for name in COLUMNS if name in self.answers}
        said = columns.pop("customer_id", "")
        self.found = dict(found_fields(self.values, self.kind, columns))
        order = self.found.get("order_id")
        self.is_person_asked = self.kind is MappingKind.ORDERS and "customer_id" not in self.found
        if said and said != NOBODY and not (order and said == order.value.name):
            columns["customer_id"] = said
            self.found = dict(found_fields(self.values, self.kind, columns))
        elif said:
            self.found.pop("customer_id", None)
        if self.kind is MappingKind.EVENTS and "event_type" not in columns:
            self._find_finer_type()
        if self.kind is MappingKind.EVENTS:
            self._find_visitor()
            self._find_amount_of_rows()
        if self.kind is MappingKind.ORDERS:
            if "status" not in columns and (status := column_of_states(self.values, self.found)):
                self.found["status"] = status
            self._find_pieces()
            self._find_two_sides()
            self._find_currency()
            self._find_person()
            self._find_order_number()
            self._find_paid_back()
            self._find_product()
            self._find_item_of_lines()
            if "status" not in columns:
                self._find_kinds_of_rows()
            self._refuse_log_of_states()
            self._find_rows()
        if (
            not self._has_row_per_order()
        ):  # a charge of a whole order would be counted once per line
            self.found = {
                name: match for name, match in self.found.items() if name not in CHARGES_FOUND
            }

    def _find_pieces(self) -> None:
        """Take the only column that counts pieces by a word of its name, where none has a usual
        name; those of pieces that were cancelled or went back are no such.
        """
        if "quantity" in {*self.found, *self.answers} or self.values.spread:
            return
        named = [
            value
            for value in numbers_left(self.values, self.found)
            if has_word(value, OF_PIECES)
            and not has_word(value, OF_ONE_PIECE)
            and not says_no_sale_or_refund(value.last_name)
            and not is_in_stock(value)
            and (has_word(value, OF_MEASURES) or not has_decimals(self.values, value))
        ]
        if len(named) == 1:
            why = f"named {named[0].name}, the only number of pieces"
            self.found["quantity"] = FoundField("quantity", named[0], why)

    def _find_two_sides(self) -> None:
        """Take credits less debits for the amount, where no name says the amount of a row."""
        payment = self.found.get("payment_amount")
        if {UNIT_PRICE, ORDER_TOTAL} & self.found.keys() or "payment_amount" in self.answers:
            return
        money = money_on_two_sides(self.values)
        if money is not None and (payment is None or payment.value.name in money.name):
            why = f"{money.name}, of which each row has one"
            self.found["payment_amount"] = FoundField("payment_amount", money, why)

    def _find_currency(self) -> None:
        """Take amounts whose names say one currency, in place of those that are of several by a
        column beside them: `total_usd` beside `total`; such a column is not of these.
        """
        currency = self.found.get("currency")
        if currency is None or not currency.value.is_column or "payment_amount" in self.answers:
            return
        main = next((self.found[n] for n in MAIN_AMOUNTS if n in self.found), None)
        if main is None or self._takes_rate_of_currency(main.value, currency.value):
            return
        codes = {name.upper() for name, _ in self.values.counts(currency.value, MOST_STATES)}
        named = main.value.currency
        if not named and len(codes) > 1:
            same = [one for one in self._same_amounts(main.value) if one.currency]
            named = same[0].currency if same else ""
        if not named or codes <= {named}:
            return
        del self.found["currency"]
        self.named_currency = named
        self.notes.append(
            f"{shown(currency.value.name)} is not of amounts that are in {named} by their names"
        )
        for name in (name for name in AMOUNTS if name in self.found):
            value = self.found[name].value
            same = [one for one in self._same_amounts(value) if one.currency == named]
            if value.currency == named:
                continue
            if same:
                why = f"named {same[0].name}, one currency on all rows"
                self.found[name] = FoundField(name, same[0], why)
            else:
                del self.found[name]

    def _takes_rate_of_currency(self, amount: Value, currency: Value) -> bool:
        """Return whether an amount is another one times a rate beside the currency, as bookkeeping
        has it: it is of the currency whose rate is none or 1, not of that of its row.
        """
        numbers = numbers_left(self.values, {})
        price, quantity = self.found.get(UNIT_PRICE), self.found.get("quantity")
        others = {v.name: self.values.number_sql(v) for v in numbers if v != amount}
        if price and quantity:
            each, count = (self.values.number_sql(match.value) for match in (price, quantity))
            others = {
                f"{price.value.name} times {quantity.value.name}": f"{each} * {count}",
                **others,
            }
        money = self.values.number_sql(amount)
        for rate in (value for value in numbers if is_rate_of_currency(value)):
            factor = self.values.number_sql(rate)
            own = select(currency.column, TABLE, f"coalesce({factor}, 0) IN (0, 1)")
            codes = {str(code).upper() for (code,) in self.values.rows(f"{own} GROUP BY 1")} - {
                "NONE"
            }
            if len(codes) != 1:
                continue
            for name, sql in others.items():
                telling = f"{factor} NOT IN (0, 1) AND {sql} <> 0"
                rows, holds = (
                    int(self.values.scalar(f"count(*) FILTER ({telling}{more})"))
                    for more in ("", f" AND abs({money} - ({sql}) * {factor}) < 0.0051")
                )
                if rows >= FEWEST and holds >= rows * SHARE:
                    del self.found["currency"]
                    (self.named_currency,) = codes
                    self.notes.append(
                        f"{shown(amount.name)} is {shown(name)} times {shown(rate.name)}: it is in "
                        f"{self.named_currency} on all rows, whatever {shown(currency.name)} says"
                    )
                    return True
        return False

    def _same_amounts(self, value: Value) -> list[Value]:
        """Return the columns that are called as an amount is, but for a currency in the name."""
        plain = _plain_name(value.name)
        numbers = [one for one in numbers_left(self.values, {}) if one != value]
        return [one for one in numbers if _plain_name(one.name) == plain]

    def _find_order_number(self) -> None:
        """Take the column that holds rows together, where none is named as the order's number; ask
        for it where rows look like lines and nothing shows it.
        """
        known = self._without_answer(ORDER_ID)
        shown, columns = order_numbers(self.values, known)
        if shown is not None and ORDER_ID not in self.answers:
            why = f"rows of one {shown.name} agree in who and when"
            self.found[ORDER_ID] = FoundField(ORDER_ID, shown, why)
        elif columns and several_rows_at_once(self.values, known):
            names = tuple(value.name for value in columns)
            sentence = (
                f"the column of the order's number, or {NO_AMOUNT}: then rows of one customer and "
                "one second are an order"
            )
            self.ask(ORDER_ID, sentence, (*names, NO_AMOUNT), names[0])

    def _find_paid_back(self) -> None:
        """Take the amount that went back by a word of its name, where no usual name has it."""
        if {REFUNDED_AMOUNT, REFUNDED_QUANTITY} & self.found.keys():
            return
        amounts = [value for value in numbers_left(self.values, self.found) if can_be_amount(value)]
        named = [value for value in amounts if part_of(value) is Part.REFUND]
        if self.named_currency:  # what went back in another currency is no part of these
            named = [value for value in named if value.currency == self.named_currency]
        some = [v for v in named if self.values.scalar(f"sum({self.values.number_sql(v)})")]
        if len(some) == 1 and (has_decimals(self.values, some[0]) or _says_cents(some[0])):
            why = f"named {some[0].name}"
            self.found[REFUNDED_AMOUNT] = FoundField(REFUNDED_AMOUNT, some[0], why)

    def _without_answer(self, name: str) -> dict[str, FoundField]:
        """Return the fields without the column that a person has said for one of them."""
        return {
            field: match
            for field, match in self.found.items()
            if field != name or name not in self.answers
        }

    def _find_product(self) -> None:
        """Take a price and a quantity that come to an amount of the file, or as answered, where
        names do not say both.
        """
        self._find_pieces_named_amount()
        found = tuple(products(self.values, self._without_answer("payment_amount")))
        if {UNIT_PRICE, "quantity"} <= self.found.keys():
            if "payment_amount" not in self.found:
                self.product_less = next((product.less for product in found), "")
            return
        answer = self.answers.get("payment_amount", "")
        said = [product for product in found if product.text == answer]
        shown = [
            product for product in found if product.shown_by and not self.answers.get("quantity")
        ]
        for one in (said or shown)[:1]:
            why = f"by adding up: {one.shown_by}" if one.shown_by else "as answered"
            product = self._without_tax_in_price(one) if one in shown else one
            for name, value in ((UNIT_PRICE, product.price), ("quantity", product.quantity)):
                self.found.setdefault(name, FoundField(name, value, why))
            self.product_less = product.less
            payment = self.found.get("payment_amount")
            if payment and payment.value.name == product.total and not answer:
                del self.found["payment_amount"]
                self.found[ORDER_TOTAL] = FoundField(ORDER_TOTAL, payment.value, payment.why)
        is_shown = bool(shown or said or self._find_line_amount())
        self.products = () if is_shown else found

    def _without_tax_in_price(self, product: Product) -> Product:
        """Return a price times a quantity by the price without tax, where a column has it; note it.

        It is the price without a tax of a few rates, on all rows.
        """
        prices = {
            value.name: value
            for value in numbers_of_rows(self.values, self.found)
            if can_be_amount(value) and part_of(value) is None
        }
        parts = RowParts(self.values, {**prices, product.price.name: product.price})
        net = next(iter(parts.without_tax(GoodsAmount(product.price.name))), None)
        if net is None:
            return product
        self.notes.append(f"{shown(net)} is {shown(product.price.name)} without tax")
        return replace(product, price=prices[net])

    def _find_item_of_lines(self) -> None:
        """Take the id and the name of the object that has the price or the pieces for those of the
        item: `cart_items.id` beside `cart_items.price`.
        """
        of_lines = [
            self.found[name].value for name in (UNIT_PRICE, "quantity") if name in self.found
        ]
        parents = {value.name.rpartition(".")[0] for value in of_lines if value.is_column} - {""}
        if len(parents) != 1 or "item_id" in {*self.found, *self.answers}:
            return
        parent = parents.pop()
        by_name = {value.name.casefold(): value for value in free_columns(self.values, self.found)}
        for name, usual in (("item_id", _IDS_OF_ITEMS), ("item_name", _NAMES_OF_ITEMS)):
            members = (by_name.get(f"{parent}.{last}".casefold()) for last in usual)
            value = next((one for one in members if one and self.values.filled(one)), None)
            if value is not None and name not in self.found:
                self.found[name] = FoundField(name, value, f"named {value.name}")

    def _find_pieces_named_amount(self) -> None:
        """Take a column for the quantity, not for the amount, that counts pieces, as it seems,
        where a price stands beside it: `amount` of 1, 2 and 3 beside 49.90.
        """
        payment = self.found.get("payment_amount")
        is_said = {"quantity", "payment_amount"} & self.answers.keys()
        if payment is None or is_said or "quantity" in self.found:
            return
        rest = {name: match for name, match in self.found.items() if match is not payment}
        prices = (one.price for one in products(self.values, rest) if one.quantity == payment.value)
        if any(has_decimals(self.values, price) for price in prices):
            del self.found["payment_amount"]
            why = f"named {payment.value.name}, and counts pieces"
            self.found["quantity"] = FoundField("quantity", payment.value, why)

    def _find_line_amount(self) -> bool:
        """Take the column whose amounts come to those of orders; return whether there is one."""
        if "payment_amount" in self.answers:
            return False
        line = line_amount(self.values, self.found)
        if line is None:
            return False
        value, told, self.product_less = line
        if "payment_amount" in self.found:
            total = self.found["payment_amount"].value
            self.found[ORDER_TOTAL] = FoundField(ORDER_TOTAL, total, f"named {total.name}")
        why = f"by adding up: {told}"
        self.found["payment_amount"] = FoundField("payment_amount", value, why)
        return True

    def _find_finer_type(self) -> None:
        """Take the column that says more of what happened, where the one that is named so has codes
        or less: names beside codes, or what happened to the product of a `product_event`.

        Each value of it goes with one type, and more rows are of known types by it.
        """
        match = self.found.get("event_type")
        if match is None or not match.value.is_column:
            return
        coarse, rows = match.value, self.values.row_count
        if {name.casefold() for name, _ in self.values.counts(coarse)} <= NO_TYPES:
            del self.found["event_type"]
            return
        best, most = None, known_rows(self.values.counts(coarse))
        are_codes = self.values.matching(coarse, CODE) == self.values.filled(coarse)
        for value in self.values.values:
            if not self._may_refine(value, coarse):
                continue
            counts = self.values.counts_of_either(value, coarse)
            is_named = are_codes and self._names_each(value, coarse)
            if (known := known_rows(counts)) > most or (is_named and best is None):
                best, most = value, max(known, most)
        if best is None:
            return
        why = f"{best.name} says more than {coarse.name}"
        if self.values.filled(best) < rows:
            self.values, best = self.values.with_alternative(best, coarse)
        self.found["event_type"] = FoundField("event_type", best, why)

    def _find_visitor(self) -> None:
        """Take the column that says who the visitor is by the sessions of each, where it is named
        so; ask for it where it is not, and for that of devices where not all rows have a user.
        """
        known = self._without_answer("user_id" if "user_id" in self.answers else "anonymous_id")
        user, name = known.get("user_id"), "user_id" if "user_id" not in known else "anonymous_id"
        is_whole = user is not None and self.values.filled(user.value) == self.values.row_count
        if is_whole or (user and name in known):
            return
        columns = visitor_columns(self.values, known, user.value if user else None)
        named = [value for value in columns if is_named_so(value)]
        has_device = name == "user_id" and "anonymous_id" in known
        if not columns or (has_device and not named):
            return
        session, first = known["session_id"].value, columns[0]
        further = further_sessions(self.values, session, first)
        if len(named) == 1 and further >= FEWEST and name not in self.answers:
            count = f"{self.values.different(first):,} have {further:,} further ones"
            why = f"named {first.name}; each {session.name} is of one, and {count}"
            self.found[name] = FoundField(name, first, why)
            return
        people = [
            f"{shown(value.name)} ({self.values.different(value):,}, such as "
            f"{shown(self.values.counts(value, 1)[0][0], MOST_OF_EXAMPLE)})"
            for value in columns[:MOST_PRODUCTS]
        ]
        who = "who the visitor is" if name == "user_id" else "whose device it is, without a user"
        sessions = f"{self.values.different(session):,} of {shown(session.name)}"
        sentence = (
            f"the column that says {who}, as each of {sessions} has one value of "
            f"{', '.join(people)}; or {NO_AMOUNT}: then each session is a visitor of its own"
        )
        choices = tuple(dict.fromkeys(value.name for value in columns))
        self.ask(name, sentence, (*choices, NO_AMOUNT), first.name)

    def _find_amount_of_rows(self) -> None:
        """Take the amount of each row where one of the whole order is on each of its rows; leave it
        to be asked for where too few orders of several rows show it.
        """
        said = self.answers.get("cart_value", "")
        if said == NO_AMOUNT or said in {value.name for value in self.values.values}:
            return
        found = amount_of_rows(self.values, self.found)
        if found is None and (likely := amount_of_rows(self.values, self.found, fewest_orders=1)):
            match, times = likely
            self.likely_amount = Product(match.value, times).text if times else match.value.name
            del self.found["cart_value"]
            found = likely if said == self.likely_amount else None
        if found is not None:
            self.found["cart_value"], self.times = found
        elif not said and (of_purchases := amount_of_purchases(self.values, self.found)):
            self.amount_of_purchases = of_purchases
            named = self.found["cart_value"].value.name
            self.notes.append(
                f"{of_purchases.name} is what purchases are worth: none of them has {named}"
            )

    def _may_refine(self, value: Value, coarse: Value) -> bool:
        used = {match.value for match in self.found.values()}
        if value in used or not value.is_column or value.joined or not self.values.filled(value):
            return False
        different = self.values.different(value)
        return different <= MOST_EVENT_TYPES and (
            self.values.different_pairs(value, coarse) == different
        )

    def _names_each(self, value: Value, coarse: Value) -> bool:
        """Return whether a column has a name for each code of another one."""
        is_whole = self.values.filled(value) == self.values.row_count
        are_names = not self.values.matching(value, CODE)
        are_as_many = self.values.different(value) == self.values.different(coarse)
        return is_whole and are_names and are_as_many and has_word(value, OF_NAMES)

    @property
    def asked_columns(self) -> list[str]:
        """Return the columns that an open question about the amount or the customer names."""
        named = [name for one in self.readings for name in (one.name, *one.less, *one.plus)]
        named += [one.rate.name for one in self.readings if one.rate]
        customer = self.found.get("customer_id")
        price = self.found.get(UNIT_PRICE) if self._is_open(PARTS) else None
        return [*named, *(match.value.name for match in (customer, price) if match)]

    def lines(self) -> list[str]:
        """Return the lines of the mapping,
        but for those about the encoding and the shape of the file.
        """
        kind = feeds()[self.kind].model.kind
        is_events = self.kind is MappingKind.EVENTS
        names = [name for name in kind.required if name != kind.id]
        if is_events and not {"user_id", "session_id"} & self.found.keys():
            names.append("user_id")
        self.complete(names)
        if is_events:
            self._ask_for_amount()
            self._ask_for_sources()
        asked = [question.key for question in self.questions if question.key in ASKED_OF_VALUES]
        if self.source and "page_url" not in self.found:
            asked.append("page_url")
        others = dict.fromkeys((*self.found, *asked))
        names += [name for name in others if name not in {*names, kind.id, *HELPERS}]
        self._find_cents()
        if not is_events:
            self._leave_amounts_of_orders()
            self._ask_for_nobody()
            self._ask_for_no_goods()
        states = None if is_events else self._states()
        self.cancelled_lines = [] if is_events else self._cancelled_pieces()
        self.other_states = self._states_beside(states) if states else []
        self.flags = self._flags(states)
        self.refund = "" if is_events else self._refund_rows(states)
        if not is_events:
            self._note_pieces_that_went_back()
        states = replace(states, is_final=bool(self.refund)) if states else None
        if states and states.is_final:
            names.remove("status")
        below_zero = [] if is_events else self._below_zero()
        fields = [
            self._id(kind.id),
            *(self._field(name) for name in names),
            *self._campaign_by_source(),
            *self._currency_beside(),
            *(self._other_members(names) if is_events else []),
        ]
        self._note_cancelled_pieces()
        return [
            *file_lines(self.values),
            *self._shape(states),
            *self._numerals(),
            *below_zero,
            "fields:",
            *fields,
            *self._status_lines(states),
            *(self._event_types() if is_events else []),
            *(self._weight() if is_events else self._proofs()),
            "other_columns: properties" if is_events else "other_columns: ignore",
        ]

    def _proofs(self) -> list[str]:
        """Return the lines of what was found true of all rows, which later files must be, too."""
        lines = [*self._proven_keys(), *self._proven_sums(), *self._proven_values()]
        lines += [] if self.no_goods else self._proven_goods()
        return ["holds:", *filter(None, lines)] if any(lines) else []

    def _proven_keys(self) -> Iterator[str]:
        """Yield the lines of keys, and of amounts that are the same on all rows of an order."""
        order, own = self.found.get(ORDER_ID), self.found.get("uniq_id")
        if self.values.spread or self.continued:
            return
        if own and own.value.is_column and self.values.is_unique_in_each_file(own.value):
            yield key_line([own.value.path[0]])
        if order is None or not order.value.is_column:
            return
        if self._has_row_per_order():
            yield key_line([order.value.path[0]])
        elif own is None and all(value.is_column for value in self._unique("uniq_id")):
            columns = [value.path[0] for value in self._unique("uniq_id")]
            yield key_line(columns) if columns else ""
        if self.is_shared and (payment := self._payment()) and payment.is_column:
            yield one_per_line(payment.path[0], order.value.path[0])

    def _proven_sums(self) -> Iterator[str]:
        """Yield the lines of sums in which the amount that counts is."""
        price, quantity = self.found.get(UNIT_PRICE), self.found.get("quantity")
        factors = [match.value for match in (price, quantity) if match]
        name = " times ".join(value.name for value in factors) if len(factors) > 1 else ""
        goods = self.goods.name if self.goods else ""
        sums = [
            one
            for one in (self.goods.shown_by if self.goods else ())
            if one.parts or goods in {one.whole, one.base} or name in {one.whole, one.base}
        ]
        amounts = [match.value for field, match in self.found.items() if field in NUMBERS_OF]
        yield from sum_lines(self.values, sums, (name, factors), amounts)
        if self.order_sums:
            (order,) = self.found[ORDER_ID].value.path
            yield from order_sum_lines(
                self.values, self.order_sums, self.lines_of_sums, order, amounts
            )

    def _proven_values(self) -> Iterator[str]:
        """Yield the lines of the columns that say what a row is, whose values were looked at."""
        status = self.found.get("status")
        if status and status.value.is_column:
            yield values_line(self.values, status.value)
        for value in state_columns(self.values, self.found):
            yield values_line(self.values, value)
        for flag in self.flags:
            yield values_line(self.values, flag.value, may_be_empty=True)
        for value in empty_columns_of(self.values, (CANCELLED_AT, REFUNDED_AT), self.found):
            yield values_line(self.values, value)

    def _find_cents(self) -> None:
        """Find the amounts that count cents: by their names, or as asked where all are whole
        numbers beside a currency.

        APIs of shops write 19.99 as 1999, and nothing else in their answers says so.
        """
        amounts = [match.value for name, match in self.found.items() if name in AMOUNTS]
        self.cents = frozenset(
            value for value in amounts if _says_cents(value) or self._has_divisor_of_units(value)
        )
        left = [value for value in amounts if value not in self.cents]
        currency = self.found["currency"].value if "currency" in self.found else None
        if (
            self.kind is not MappingKind.ORDERS
            or not left
            or not currency
            or not self._may_be_cents(left, currency)
        ):
            return
        example = shown(self.values.counts(left[0], 1)[0][0])
        sentence = (
            f"whether amounts such as {example} of {left[0].name} count {WHOLE_UNITS} or {CENTS}"
            f" ({{minor_units: {currency.path[0]}}} of the field)"
        )
        self.ask(UNITS, sentence, (WHOLE_UNITS, CENTS), CENTS)
        if self.answers.get(UNITS) == CENTS:
            self.cents |= frozenset(left)

    def _has_divisor_of_units(self, value: Value) -> bool:
        """Return whether a number has a divisor beside it that gives whole units of its currency in
        all rows: 100, of yen 1, of dinars 1000. Note one that does not.
        """
        parent, _, _ = value.name.rpartition(".")
        beside = [one for one in self.values.values if one.name == f"{parent}.divisor"]
        if not parent or not beside:
            return False
        currency = self.found.get("currency")
        code = currency.value.column if currency and currency.value.is_column else "''"
        divisor = beside[0].column
        units = select(f"DISTINCT {code}, {divisor}", TABLE, f"{divisor} IS NOT NULL")
        if all(by == str(10 ** digits_of(unit or "")) for unit, by in self.values.rows(units)):
            return True
        self.notes.append(
            f"{shown(beside[0].name)} is not applied: it does not give whole units in all rows"
        )
        return False

    def _may_be_cents(self, amounts: Sequence[Value], currency: Value) -> bool:
        """Return whether amounts in currencies with digits are whole and none is below 1.00: of a
        JSON file, or beside a tax or a fee, whose shares of whole units are hardly ever whole.
        """
        without_digits = unusual_digits().get(0, ())
        has_digits = not any(
            code.upper() in without_digits for code, _ in self.values.counts(currency)
        )
        if self.values.packed or not has_digits:
            return False
        if self.values.format != "ndjson":
            numbers = [value for value in numbers_left(self.values, {}) if can_be_amount(value)]
            of_parts = [value for value in numbers if part_of(value) in {Part.TAX, Part.FEE}]
            if not any(map(self._has_cents, of_parts)) or any(
                has_decimals(self.values, value) for value in (*of_parts, *amounts)
            ):
                return False
        are_large = all(
            self.values.matching(value, r"-?[1-9]\d{2,}|0") == self.values.filled(value)
            for value in amounts
        )
        return are_large and any(map(self._has_cents, amounts))

    def _has_cents(self, value: Value) -> bool:
        """Return whether some whole numbers are no hundreds."""
        return bool(self.values.matching(value, r"-?\d*([1-9]|[1-9]\d)"))

    def _in_cents(self, value: Value) -> list[str]:
        """Return the option of an amount that counts cents, where a column has its currency."""
        currency = self.found.get("currency")
        if value not in self.cents or currency is None or not currency.value.is_column:
            return []
        return [f"minor_units: {quoted(currency.value.path[0])}"]

    def _hundredth(
        self, value: Value, times: Value | None = None, *, is_of_goods: bool = False
    ) -> str:
        """Return the origin of an amount in cents where no column has its currency; empty for
        others. Of the amount of the goods its parts are taken off.
        """
        if value not in self.cents or self._in_cents(value):
            return ""
        factor = f" * ({times.sql})::DECIMAL(30, 4)" if times else ""
        amount = f"({value.sql})::DECIMAL(30, 4){factor}"
        with_parts = self._with_parts(amount) if is_of_goods else amount
        sql = f"({with_parts}) / 100" if with_parts != amount else f"{amount} / 100"
        return f"{{expression: {quoted(sql)}, optional: true}}{IN_CENTS}"

    def _hundredth_of_kinds(self, hundredth: str) -> str:
        """Return the line of an amount in cents, of refunds by what was paid back."""
        match = self.found.get(REFUNDED_AMOUNT)
        if match is None or not self.refund:
            return f"  payment_amount: {hundredth}"
        sale = hundredth.removesuffix(IN_CENTS)
        back = self._hundredth(match.value).removesuffix(IN_CENTS) or quoted(match.value.path[0])
        if self._has_row_per_order() and back.endswith("}"):
            back = f"{back.removesuffix('}')}, at_most: {sale}}}"
        elif self.is_back_shared and back.endswith("}"):
            back = f"{back.removesuffix('}')}, shared_by: {sale}}}"
        elif self.is_back_shared:
            back = f"{{column: {back}, shared_by: {sale}}}"
        return self._by_row(sale, back)

    def _states(self) -> OrderStates | None:
        """Return the states of orders, and ask what those are that are not known."""
        questions = state_questions(self.values, self.found, self.answers, are_kinds=self.are_kinds)
        self.questions += questions
        states = order_states(self.values, self.found, questions, self.answers)
        says_how_much = {REFUNDED_AMOUNT, REFUNDED_QUANTITY} & self.found.keys()
        if states and states.of(Meaning.PART_REFUND) and not says_how_much:
            choices = (*candidates(self.values, REFUNDED_AMOUNT, self.found), NO_AMOUNT)
            sentence = (
                f"the column of what was paid back, or {NO_AMOUNT}: then such orders count as a "
                "whole"
            )
            self.ask(REFUNDED_AMOUNT, sentence, choices, NO_AMOUNT)
        return states

    @property
    def _path(self) -> str:
        """Return the path of the rows of a record, as `rows` has it."""
        is_grouped = self._can_group() and self._groups_lines()
        return self.values.spread or ("lines" if self._is_text or is_grouped else ".")

    @property
    def _is_text(self) -> bool:
        return self.values.format == "csv"

    def _can_group(self) -> bool:
        """Return whether lines of one order can be read together."""
        if self._is_text:
            return ORDER_ID in self.found
        # A member of a record, such as `amount.value`, is none of a group.
        are_columns = all(
            match.value.is_column and "." not in match.value.path[0]
            for match in self.found.values()
        )
        return ORDER_ID in self.found and not self.values.spread and are_columns

    def _is_less_shared(self) -> bool:
        """Return whether a discount of each order is taken off its lines."""
        reading = self._reading()
        return reading is not None and bool(reading.less_shared)

    def _groups_lines(self) -> bool:
        """Return whether what a line has depends on the others of its order."""
        return bool(
            self.continued
            or self.refund
            or self.is_shared
            or self.carried
            or self._is_less_shared()
            or self.sign == DISCOUNT_LINES
        )

    def _shape(self, states: OrderStates | None) -> list[str]:
        """Return the lines about the kinds of rows, and about those that are left out."""
        lines = []
        is_grouped = self._can_group() and self._groups_lines()
        if self.continued and is_grouped:
            lines += [f"group_by: {quoted_list([self._column('order_id')])}"]
            lines += [
                (
                    f"fill_down: {quoted_list(self.continued)}  # a further line of an order has "
                    "none of them"
                )
            ]
        elif is_grouped:
            lines += [f"group_by: {quoted_list([self._column('order_id')])}"]
            lines += [f"carry_down: {quoted_list(self.carried)}"] if self.carried else []
        if self.refund:
            lines += [
                "rows:",
                f"  sale: {quoted(self._path)}",
                f"  refund: {{list: {quoted(self._path)}, {self.refund}}}  # check this",
            ]
        else:
            lines += rows_lines(self.values.spread)
        left_out = [
            *(states.leave_out_lines if states else []),
            *self._other_states(),
            *self._cancelled(),
            *self._no_goods_lines(),
            *self._parts_of_lines(),
        ]
        if self.order_rows:
            left_out.append(
                f"  row_of_the_order: {{expression: {quoted(self.order_rows)}, optional: true}}"
                "  # its lines are rows, too"
            )
        return [*lines, *(["leave_out:", *left_out] if left_out else [])]

    def _parts_of_lines(self) -> list[str]:
        """Return the condition of rows of what another line is made of, such as the variant of a
        product or what is in a set: each names that line and costs nothing.
        """
        order = self.found.get(ORDER_ID)
        amount = OrderRows(self.values, self.found, self._payment()).amount_sql()
        if order is None or not amount or self._has_row_per_order():
            return []
        value = line_of_part(self.values, order.value, amount)
        if value is None:
            return []
        rows = formats.counted(self.values.filled(value), "row")
        self.notes.append(
            f"{shown(value.name)} names another line of the order in {rows} that cost nothing: "
            "they are what it is made of, and no pieces of their own"
        )
        condition = f"{{column: {quoted(value.path[0])}, filled: true, optional: true}}"
        return [f"  part_of_a_line: {condition}  # {rows}; check this"]

    def _states_beside(self, states: OrderStates) -> list[OtherStates]:
        """Ask about the states of further columns that may be of no sale, or of what went back, and
        return what these columns say.
        """
        asked = other_questions(self.values, self.found, states, len(self.questions_of_states))
        self.questions += asked
        said = {
            question.subject: Meaning(question.checked(answer))
            if (answer := self.answers.get(question.key))
            else None
            for question in asked
        }
        self.open_states = {state for state, meaning in said.items() if meaning is None}
        return other_states(self.values, self.found, states, said)

    def _flags(self, states: OrderStates | None) -> Sequence[RowFlag]:
        """Return the columns of yes and no that say that rows are no sale, and ask about those that
        only seem to: of rows that count by their states.
        """
        amount = OrderRows(self.values, self.found, self._payment()).amount_sql()
        flags: Sequence[RowFlag] = row_flags(self.values, self.found, amount)
        # How many pieces were cancelled may be 0 or 1 in each row.
        flags = [flag for flag in flags if flag.meaning or not has_word(flag.value, OF_PIECES)]
        if self.kind is not MappingKind.ORDERS:
            return [flag for flag in flags if flag.meaning]
        settled = "false"
        if states and (names := states.of(Meaning.NO_SALE, *states.refund_meanings)):
            settled = f"coalesce(list_contains({texts(names)}, {states.value.column}), false)"
        currency = self.found.get("currency")
        codes = self.values.counts(currency.value, 2) if currency else []
        code = codes[0][0].upper() if len(codes) == 1 else ""
        back = {REFUNDED_AMOUNT, REFUNDED_QUANTITY, REFUNDED_AT} & self.found.keys()
        is_said = bool(back or self.left_of_total or (states and states.refunded))
        is_said |= any(other.paid_back for other in self.other_states)
        questions = flag_questions(
            self.values, flags, settled, amount, code, can_be_refunds=not is_said
        )
        self.questions += questions
        return answered_flags(flags, questions, self.answers)

    def _other_states(self) -> list[str]:
        """Return the conditions of rows that a further column of states says were no sale, and note
        its states of which that is not known.
        """
        others = self.other_states
        self.notes += [other.note for other in others if other.in_doubt]
        return [
            self.marked(other.line, *STATES) if self.open_states & {*other.left_out} else other.line
            for other in others
            if other.left_out and not (self.refund and self.refund == other.refund_kind)
        ]

    @property
    def questions_of_states(self) -> list[OpenQuestion]:
        """Return the questions about values of columns of states."""
        return [question for question in self.questions if question.key in STATES]

    def _cancelled(self) -> list[str]:
        """Return the conditions of rows that a day of cancellation, or a column of yes and no,
        says were no sale.
        """
        lines = []
        if cancelled := self.found.get(CANCELLED_AT):
            # A day of zeros, as MySQL writes one that is not known, is none.
            condition = f"regexp_matches({cancelled.value.sql}, '[1-9]')"
            rows = self.values.scalar(
                f"count(*) FILTER (regexp_matches({cancelled.value.column}, '[1-9]'))"
            )
            lines.append(
                f"  cancelled: {{expression: {quoted(condition)}, optional: true}}  # {rows:,} "
                "rows; check this"
            )
        subjects = {one.subject for one in self.questions if one.key in FLAGS}
        for flag in self.flags:
            is_asked = flag.meaning is None and shown(flag.shown) in subjects
            if (flag.meaning is Meaning.NO_SALE or is_asked) and flag.marked:
                rows = int(self.values.scalar(f"count(*) FILTER ({flag.is_marked})"))
                line = f"{flag.line}  # {rows:,} rows; check this"
                keys = [one.key for one in self.questions if one.subject == shown(flag.shown)]
                lines.append(self.marked(line, *keys) if is_asked else line)
        return [*lines, *self.cancelled_lines]

    def _cancelled_pieces(self) -> list[str]:
        """Return the condition of lines of which all pieces were cancelled, by a column of how many
        were; note those of which some were.
        """
        quantity = self.found.get("quantity")
        if quantity is None or not quantity.value.is_column:
            return []
        lines, ordered = [], self.values.number_sql(quantity.value)
        for value in free_columns(self.values, self.found):
            if not says_no_sale(value.last_name) or not self.values.number_forms(value):
                continue
            if not (has_word(value, OF_PIECES) or self._counts_several(value)):
                continue
            pieces = self.values.number_sql(value)
            more, whole, some = (
                int(self.values.scalar(f"count(*) FILTER ({pieces} > 0 AND {pieces} {way})"))
                for way in (f"> {ordered}", f"= {ordered}", f"< {ordered}")
            )
            if some and not more:
                self._take_cancelled_pieces(value, quantity.value)
            if more or not whole:
                continue
            number, all_pieces = (
                f"({self.values.plain_sql(one)})::DECIMAL(24, 6)" for one in (value, quantity.value)
            )
            condition = quoted(f"{number} > 0 AND {number} >= {all_pieces}")
            lines.append(
                f"  {quoted(value.path[0])}: {{expression: {condition}, optional: true}}"
                f"  # {whole:,} rows; check this"
            )
        return lines

    def _counts_several(self, value: Value) -> bool:
        """Return whether a column has whole numbers, not only those of no and yes."""
        number = self.values.number_sql(value)
        is_more = self.values.scalar(f"count(*) FILTER ({number} > 1)")
        return bool(is_more) and not has_decimals(self.values, value)

    def _take_cancelled_pieces(self, value: Value, quantity: Value) -> None:
        """Take pieces that were cancelled off those of a line, and off its amount where that is of
        all that were ordered; ask where nothing shows which of them it is of.
        """
        self.cancelled_pieces = value
        is_of_all = self._is_of_all_pieces(value, quantity)
        if is_of_all is None:
            sentence = (
                f"what the amount of a line is of, as {self._some_cancelled()}: of {ALL_PIECES}, "
                f"or of {PIECES_LEFT}"
            )
            self.ask(PIECES, sentence, (ALL_PIECES, PIECES_LEFT), ALL_PIECES)
            is_of_all = self.answers.get(PIECES, ALL_PIECES) == ALL_PIECES
        self.is_of_all_pieces = is_of_all

    def _some_cancelled(self) -> str:
        """Return which column says of how many lines that some of their pieces were cancelled;
        empty without one.
        """
        value = self.cancelled_pieces
        if value is None:
            return ""
        ordered = self.found["quantity"].value
        pieces, all_pieces = map(self.values.number_sql, (value, ordered))
        some = self.values.scalar(f"count(*) FILTER ({pieces} > 0 AND {pieces} < {all_pieces})")
        rows = formats.counted(int(some), "row")
        return f"{shown(value.name)} says in {rows} that some pieces of a line were cancelled"

    def _note_cancelled_pieces(self) -> None:
        """Note which pieces the amount of a line is of, where some were cancelled."""
        if not (said := self._some_cancelled()):
            return
        if not self.is_of_all_pieces:
            self.notes.append(f"{said}: the amount is of the others")
        elif self._can_count_pieces():
            self.notes.append(f"{said}: the amount is lowered by theirs")
        else:
            self.notes.append(
                f"{said}: the amount is of all that were ordered, as which part of it is theirs "
                "cannot be said by a column of the line; correct it where that counts"
            )

    def _is_of_all_pieces(self, cancelled: Value, quantity: Value) -> bool | None:
        """Return whether the amount of a line of which some pieces were cancelled is of all that
        were ordered; None if no price of one shows it.
        """
        price, payment = self.found.get(UNIT_PRICE), self._payment()
        if payment is None:
            return True  # a price, times the quantity
        if price is None:
            return None
        amount, each, count, off = (
            self.values.number_sql(value) for value in (payment, price.value, quantity, cancelled)
        )
        some = f"{off} > 0 AND {off} < {count}"
        of_all, of_rest = (
            int(self.values.scalar(f"count(*) FILTER ({some} AND {gap} < 0.0051)"))
            for gap in (
                f"abs({amount} - {each} * {count})",
                f"abs({amount} - {each} * ({count} - {off}))",
            )
        )
        return None if of_all == of_rest else of_all > of_rest

    def _pieces_left(self) -> str:
        """Return the SQL of how many pieces of a line were not cancelled, over the columns of the
        file.
        """
        quantity = self.values.plain_sql(self.found["quantity"].value)
        left = f"({quantity})::DECIMAL(24, 6)"
        if self.cancelled_pieces is None:
            return left
        off = f"({self.values.plain_sql(self.cancelled_pieces)})::DECIMAL(24, 6)"
        return f"({left} - coalesce({off}, 0))"

    def _amount_of_pieces(self) -> str:
        """Return the SQL of the amount of one piece of a line, over the columns of the file; the
        parts of the line that are taken off it are taken off each.
        """
        plain = {value.name: self.values.plain_sql(value) for value in self.values.values}
        numbers = [
            f"({self.values.plain_sql(one)})::DECIMAL(24, 6)" for one in self._line_columns()
        ]
        reading = self._reading()
        signed = [("-", name) for name in reading.less] if reading else []
        signed += [("+", name) for name in reading.plus] if reading else []
        parts = (f" {sign} coalesce(({plain[n]})::DECIMAL(24, 6), 0)" for sign, n in signed)
        quantity = f"({self.values.plain_sql(self.found['quantity'].value)})::DECIMAL(24, 6)"
        of = quantity if self.is_of_all_pieces else self._pieces_left()
        return f"({' * '.join(numbers)}{''.join(parts)}) / nullif({of}, 0)"

    def _amount_of_pieces_left(self) -> str:
        """Return the line of an amount of which that of cancelled pieces is taken off, or of which
        that of some pieces was paid back; empty for others.
        """
        is_plain = self._can_count_pieces()
        lowered = self.cancelled_pieces is not None and self.is_of_all_pieces
        if not is_plain or not (lowered or (self.refunds_pieces and self._payment())):
            return ""
        sale = self._origin_of_pieces(self._pieces_left())
        if not self.refunds_pieces:
            back = self._paid_back_of_each()
            return self._by_row(sale, back) if back else f"  payment_amount: {sale}"
        back = f"({self.values.plain_sql(self.found[REFUNDED_QUANTITY].value)})::DECIMAL(24, 6)"
        return self._by_row(sale, self._origin_of_pieces(back))

    def _origin_of_pieces(self, pieces: str) -> str:
        """Return the origin of the amount of some pieces of a line, by that of one."""
        amount, *_ = self._line_columns()
        sql = f"round({self._amount_of_pieces()} * {pieces}, 4)"
        if units := self._in_cents(amount):
            return f"{{expression: {quoted(sql)}, {units[0]}}}"
        return f"{{expression: {quoted(f'{sql} / 100' if amount in self.cents else sql)}}}"

    def _can_count_pieces(self) -> bool:
        """Return whether a line has an amount and a number of pieces, of which each costs the same
        part.
        """
        cells = [*self._line_columns(), *(m.value for m in [self.found.get("quantity")] if m)]
        reading = self._reading()
        is_plain = not (self.is_shared or self.are_kinds)
        is_plain &= reading is None or not (reading.rate or reading.less_shared)
        if not is_plain or len(cells) < 2 or not all(value.is_column for value in cells):  # noqa: PLR2004 (an amount, and how many)
            return False
        parts = {*reading.less, *reading.plus} if reading else set()
        money = [cells[0], *(value for value in self.values.values if value.name in parts)]
        return len({value in self.cents for value in money}) == 1

    def _status_lines(self, states: OrderStates | None) -> list[str]:
        """Return the lines of the state, which follow those of the other fields."""
        if states is None:
            return (
                ["  status: {by_row: {sale: {constant: shipped}, refund: {constant: refunded}}}"]
                if self.refund
                else []
            )
        if states.is_final:
            return [
                "  status:",
                "    by_row:",
                *states.sale_field(),
                "      refund: {constant: refunded}",
            ]
        return ["statuses:", *states.lines("  ")]

    def _find_kinds_of_rows(self) -> None:
        """Take the columns that say what a row is in place of states that do not."""
        if self.values.spread:
            return
        payment = self._payment()
        total = self.found.get(ORDER_TOTAL)
        rows = OrderRows(self.values, self.found, payment or (total.value if total else None))
        # Lines below zero lower the others: the sign says nothing, but what has no item may be
        # postage.
        are_discounts = rows.below_zero() == DISCOUNT_LINES
        amount = "" if are_discounts else rows.amount_sql()
        columns = row_kinds(self.values, self.found, amount)
        if are_discounts and not any(map(says_kind, columns)):
            return
        is_of_lines = len(columns) == 1 and goes_with_lines(self.values, columns[0], self.found)
        if not columns or (is_of_lines and rows.rows_of_orders()):
            return  # what repeats an order beside its lines is known without a name
        kinds = columns[0] if len(columns) == 1 else self.values.combined(columns)
        self.found["status"] = FoundField("status", kinds, f"{kinds.name} says what a row is")
        self.are_kinds = True

    def _refuse_log_of_states(self) -> None:
        """Refuse a file with a row for each state of an order.

        Raises:
            DefinitionError: The file is one.
        """
        if states := states_in_turn(self.values, self.found):
            status, order = (self.found[name].value.name for name in ("status", ORDER_ID))
            raise DefinitionError(
                f"The file has a row for each {shown(status)} that one {shown(order)} had, such as "
                f"{', '.join(map(shown, states))}: its orders would count several times. Export "
                "the orders with the state that they have now, one row for each order or line."
            )

    def _column(self, name: str) -> str:
        return self.found[name].value.path[0]

    def _find_rows(self) -> None:
        """Find what the rows are, and take the amounts of lines,
        not of orders that stand beside them.
        """
        self._find_whose_price()
        if self._is_price_of_one() and not self.products:
            price = self.found.pop(UNIT_PRICE)
            self.found["payment_amount"] = replace(price, field="payment_amount")
        payments = named_values(self.values, self.kind, "payment_amount", {})
        payments = [
            value for value in payments if value.is_column and self.values.number_forms(value)
        ]
        payments = payments or self._only_total() or self._amount_by_sums()
        self._take_amount_before_refunds(payments)
        rows = OrderRows(self.values, self.found)
        self.continued = rows.continued() if self._can_group() else []
        of_orders = [value for value in payments if value.path[0] in self.continued]
        lines = [value for value in payments if value not in of_orders and self._varies(value)]
        for value in payments:
            if value in of_orders or self.values.spread or self._has_row_per_order():
                continue
            is_of_order = rows.is_of_order(value, [line for line in lines if line != value])
            if is_of_order is None and ORDER_TOTAL in self.found:
                is_of_order = value == self.found[ORDER_TOTAL].value or None
            if is_of_order is None:
                is_of_order = self._answered_of_order(value)
            of_orders += [value] if is_of_order else []
        self._take_line_amount(payments, of_orders)
        if self.values.spread:
            self._share_amount_beside_list()
        self._add_up()
        self._add_up_orders()
        rows = OrderRows(self.values, self.found, self._payment())
        self.order_rows = rows.rows_of_orders()
        self.carried = rows.carried() if self._can_group() and not self.continued else []
        self.notes += (
            [f"rows of an order itself, beside those of its lines: {self.order_rows}"]
            if self.order_rows
            else []
        )
        self.notes += (
            [f"further lines of an order have no {', '.join(self.continued)}"]
            if self.continued
            else []
        )
        self.notes += (
            [f"only one line of an order has {', '.join(self.carried)}"] if self.carried else []
        )
        if rounded := rounded_number(self.values):
            self.notes.append(
                f"{rounded} is no order number: a spreadsheet has rounded it, so that several "
                "orders have the same"
            )
        self.notes += [note] if not self.is_shared and (note := rows.adds_up()) else []

    def _find_whose_price(self) -> None:
        """Take a price that is of all pieces of a line for its amount; note where nothing says that
        it is of one, and its name does not either.
        """
        price, quantity = self.found.get(UNIT_PRICE), self.found.get("quantity")
        if price is None or quantity is None or "payment_amount" in self.found:
            return
        if self._takes_discount(price.value, quantity.value):
            return
        of_line = OrderRows(self.values, self.found).price_is_of_line()
        if of_line:
            del self.found[UNIT_PRICE]
            why = f"named {price.value.name}; it grows with the quantity, so it is of all pieces"
            self.found["payment_amount"] = FoundField("payment_amount", price.value, why)
        elif of_line is None and not has_word(price.value, OF_ONE_PIECE):
            many = self.values.scalar(
                f"count(*) FILTER ({self.values.number_sql(quantity.value)} > 1)"
            )
            if many:
                self.notes.append(
                    f"{shown(price.value.name)} is taken for the price of one piece, times "
                    f"{shown(quantity.value.name)}, in {formats.counted(many, 'row')} of several; "
                    "if it is of all pieces, remove `times`"
                )

    def _takes_discount(self, price: Value, quantity: Value) -> bool:
        """Take the column with price times quantity less the discount, where a discount is given.
        Return whether there is one.
        """
        numbers = numbers_left(self.values, self.found)
        discounts = [
            value
            for value in numbers
            if part_of(value) is Part.DISCOUNT
            and self.values.scalar(f"count(*) FILTER ({self.values.number_sql(value)} <> 0)")
        ]
        if not discounts:
            return False
        rows = OrderRows(self.values, self.found)
        others = [value for value in numbers if value not in discounts]
        amounts = ((value, rows.less_discount(value, others)) for value in discounts)
        for discount, amount in amounts:
            if amount is not None:
                why = (
                    f"named {amount.name}; it is {price.name} times {quantity.name} less "
                    f"{discount.name}"
                )
                self.found["payment_amount"] = FoundField("payment_amount", amount, why)
                self.taken_off.append(discount.path[0])
                return True
        return False

    def _take_amount_before_refunds(self, payments: Sequence[Value]) -> None:
        """Take the amount before refunds, where the one that was found is what is left."""
        payment = self.found.get("payment_amount")
        if payment is None or "payment_amount" in self.answers:
            return
        totals = [self.found[ORDER_TOTAL].value] if ORDER_TOTAL in self.found else []
        others = [value for value in (*payments, *totals) if value != payment.value]
        before = OrderRows(self.values, self.found, payment.value).before_refunds(others)
        if before is not None:
            why = f"named {before.name}; {payment.value.name} is what was left of it"
            self.found["payment_amount"] = FoundField("payment_amount", before, why)

    def _only_total(self) -> list[Value]:
        """Return the amount of the order where rows have no other amount,
        and take it for theirs.
        """
        total = self.found.get(ORDER_TOTAL)
        if (
            total is None
            or self.values.spread
            or not total.value.is_column
            or {"payment_amount", UNIT_PRICE} & self.found.keys()
        ):
            return []
        self.found["payment_amount"] = FoundField("payment_amount", total.value, total.why)
        return [total.value]

    def _amount_by_sums(self) -> list[Value]:
        """Return the amount of the goods by sums with named parts, such as a tax or postage, where
        no name says the amount, and take it; none where no sum shows one.
        """
        known = {"payment_amount", UNIT_PRICE, ORDER_TOTAL} & self.found.keys()
        if known or self.values.spread or "payment_amount" in self.answers:
            return []
        amounts = [value for value in numbers_left(self.values, {}) if can_be_amount(value)]
        others = {match.value for name, match in self.found.items() if name not in AMOUNTS}
        by_name = {value.name: value for value in amounts if value not in others}
        rows = RowParts(self.values, by_name).once
        named = {name for name, part in rows.parts.items() if part is not Part.OTHER}
        shown = [one for one in rows.sums if named & {name for name, _ in one.parts}]
        if not shown:
            return []
        begin = shown[0].whole
        if any(not rows.leads_to(begin, one.whole) for one in shown):
            return []  # amounts of two kinds, such as with and without tax
        value = by_name[rows.goods(begin).name]
        why = f"by adding up: {shown[0].text}"
        self.found["payment_amount"] = FoundField("payment_amount", value, why)
        self.is_by_sums = True
        return [value]

    def _find_person(self) -> None:
        """Take the id that repeats for the customer,
        where that which is named so is another one for each order.
        """
        match = self.found.get("customer_id")
        if match is None or "customer_id" in self.answers:
            return
        order = self.found.get("order_id")
        orders = self.values.different(order.value) if order else self.values.row_count
        different = self.values.different(match.value)
        others = (
            other_persons(self.values, match.value, self.found) if different >= orders > 1 else []
        )
        if not others:
            return
        person = others[0]
        people = self.values.different(person)
        counts = (
            f"{match.value.name} has {different:,} in {orders:,} orders, {person.name} {people:,}"
        )
        self.found["customer_id"] = FoundField("customer_id", person, f"it repeats: {counts}")
        sentence = (
            f"the column of the customer: of different ids {counts}, so that only {person.name} "
            "repeats"
        )
        choices = (person.name, match.value.name)
        self.ask("customer_id", sentence, choices, person.name, is_optional=True)

    def _is_one_per_order(self, value: Value) -> bool:
        """Return whether all rows of each order that have a value have the same, whatever its sign:
        what was sold goes back below zero.
        """
        return self._different_in_orders(value, "count") <= 1

    def _varies(self, value: Value) -> bool:
        """Return whether lines of one order have different amounts, or only some have one."""
        return ORDER_ID not in self.found or self._different_in_orders(value, "filled") > 1

    def _different_in_orders(self, value: Value, empty: Literal["count", "filled"]) -> int:
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

    def _answered_of_order(self, value: Value) -> bool:
        sentence = (
            f"whether {value.name}, which is the same on each row of an order, is the amount of "
            "the order or of the row"
        )
        self.ask(AMOUNT_OF, sentence, (OF_ORDER, OF_ROW), OF_ORDER)
        return self.answers.get(AMOUNT_OF, OF_ORDER) == OF_ORDER

    def _take_line_amount(self, payments: Sequence[Value], of_orders: Sequence[Value]) -> None:
        for value in of_orders:
            self.found.setdefault(
                ORDER_TOTAL, FoundField(ORDER_TOTAL, value, f"named {value.name}")
            )
        found = self.found.get("payment_amount")
        if found is None or found.value not in of_orders or "payment_amount" in self.answers:
            return
        of_lines = [value for value in payments if value not in of_orders]
        total = found.value
        del self.found["payment_amount"]
        if of_lines:
            why = f"named {of_lines[0].name}; {total.name} is that of the order"
            self.found["payment_amount"] = FoundField("payment_amount", of_lines[0], why)
        elif UNIT_PRICE not in self.found:
            self.is_shared = True
            why = f"named {total.name}, that of the order, shared among its lines"
            self.found["payment_amount"] = FoundField("payment_amount", total, why)

    def _share_amount_beside_list(self) -> None:
        """Take the amount of the order where the elements of its list have none."""
        payment = self._payment()
        inside = f"{self.values.spread}."  # what a line has itself is not shared
        is_beside = payment and payment.is_column and not payment.name.startswith(inside)
        if is_beside and "payment_amount" in self.answers:
            self.is_shared = True
        if {"payment_amount", UNIT_PRICE} & self.found.keys():
            return
        named = named_values(self.values, self.kind, "payment_amount", self.found)
        total = self.found.get(ORDER_TOTAL)
        beside = [
            value
            for value in (*named, *([total.value] if total else []))
            if value.is_column and self.values.number_forms(value)
        ]
        if beside:
            self.is_shared = True
            why = f"named {beside[0].name}, that of the order, shared among its lines"
            self.found["payment_amount"] = FoundField("payment_amount", beside[0], why)

    def _add_up_orders(self) -> None:
        """Take what lines come to after the discounts of their orders, where a sum shows it, and
        of several amounts of lines the one that comes to an amount of the order.
        """
        order = self.found.get(ORDER_ID)
        if order is None or self.is_shared or self._has_row_per_order():
            return
        own = OrderRows(self.values, self.found, self._payment()).amount_sql()
        begin = self._begin_of_lines()
        if not own or not begin:
            return
        numbers = [value for value in numbers_left(self.values, {}) if can_be_amount(value)]
        of_lines = {value.name: value for value in numbers if self._is_of_lines_alone(value)}
        of_orders = {value.name: value for value in numbers if value.name not in of_lines}
        if not of_orders:
            return  # nothing of a whole order says anything of its lines
        lines = {name: self.values.number_sql(value) for name, value in of_lines.items()}
        parts = OrderParts(
            self.values,
            {**of_orders, **of_lines},
            order=order.value,
            lines={**lines, begin: own},
        ).once
        self._ask_for_paid_back(GoodsAmount(begin), parts)
        goods = parts.after_discounts(begin, parts.lines)
        # A proof adds up all rows of an order: what went back of it, below zero, would break it.
        is_one_way = not any(np.any(parts.numbers[name] < 0) for name in of_orders)
        if order.value.is_column and is_one_way and self._is_cell(*self._line_columns()):
            self.order_sums = parts.sums_of_lines(begin)
            self.lines_of_sums = begin, tuple(self._line_columns())
        self._drop_readings_without_tax(begin, parts)
        if len(self.readings) > 1 or "payment_amount" in self.answers:
            return  # a person says it
        if goods is None:
            self._take_lines_that_add_up(begin, parts, of_lines)
            self._ask_for_discounts_of_orders(begin, parts)
        elif goods.name in of_lines:
            self._take_sum(goods, of_lines[goods.name])
        elif goods.name in of_orders:
            self.shared_by = self._written_begin()
            self.is_shared = True
            self.readings = (AmountReading(goods.name, goods.less, goods.plus),)
            self._take_sum(goods, of_orders[goods.name])
            self.notes.append(
                f"{shown(self.readings[0].text)} is what was paid for the goods of an order, "
                f"shared among its lines by {shown(begin)}"
            )

    def _ask_for_discounts_of_orders(self, begin: str, parts: OrderParts) -> None:
        """Ask whether a discount of whole orders is to be taken off their lines, where no sum shows
        what these come to; note others.
        """
        in_sums = {one for each in parts.sums for one in (each.whole, each.base)}
        shown_parts = {name for one in parts.sums for name, _ in one.parts}
        off = [
            name
            for name, part in parts.parts.items()
            if part is Part.DISCOUNT and name not in {*shown_parts, *parts.lines}
        ]
        columns = {value.name for value in self.values.values if value.is_column}
        if off and begin not in in_sums and off[0] in columns and parts.is_within(off[0], begin):
            plain = self._reading() or AmountReading(begin)
            less = replace(plain, less_shared=off[0], is_below_zero=parts.is_below_zero(off[0]))
            self.readings = (less, plain)
            self._ask_for_parts(parts)
            off = off[1:]
        for name in off:
            self.notes.append(
                f"{shown(name)} ({formats.amount(parts.total(name))}) is a discount of whole "
                "orders, and is not taken off their lines: no sum shows that they are before it"
            )

    def _begin_of_lines(self) -> str:
        """Return the name of the amount of a line; empty where parts of the row are taken off it,
        or no column has it.
        """
        cells = self._line_columns()
        has_parts = self.goods is not None and bool(self.goods.less or self.goods.plus)
        is_cell = self._is_cell(*cells) and not has_parts
        return " times ".join(value.name for value in cells) if is_cell else ""

    def _drop_readings_without_tax(self, begin: str, parts: OrderParts) -> None:
        """Ask no more whether a tax is in the amount of a line, where lines and a tax come to an
        amount of the order.
        """
        taxes = {name for name, part in parts.parts.items() if part is Part.TAX}
        is_beside = any(
            name in taxes and way * (1 if one.base == begin else -1) > 0
            for one in parts.sums
            if begin in {one.whole, one.base}
            for name, way in one.parts
        )
        if is_beside:
            self.readings = tuple(one for one in self.readings if not taxes & {*one.less})
        if len(self.readings) == 1:
            self.questions = [one for one in self.questions if one.key != PARTS]

    def _line_columns(self) -> list[Value]:
        """Return the columns of the amount of a line: its own, or a price and a quantity."""
        payment = self._payment()
        if payment is not None:
            return [payment]
        return [self.found[name].value for name in (UNIT_PRICE, "quantity") if name in self.found]

    def _written_begin(self) -> str:
        """Return the origin of the amount of a line, by which one of its order is shared."""
        column, *times = (quoted(value.path[0]) for value in self._line_columns())
        return f"{{column: {column}, times: {times[0]}}}" if times else column

    def _is_of_lines_alone(self, value: Value) -> bool:
        """Return whether an amount is of a line, not of its whole order."""
        if self.values.spread:
            return value.name.startswith(f"{self.values.spread}.")
        return not self._is_one_per_order(value)

    def _take_sum(self, goods: GoodsAmount, value: Value) -> None:
        why = f"by adding up: {'; '.join(one.text for one in goods.shown_by)}"
        self.found["payment_amount"] = FoundField("payment_amount", value, why)

    def _take_lines_that_add_up(
        self, begin: str, parts: OrderParts, of_lines: Mapping[str, Value]
    ) -> None:
        """Take another amount of lines where it comes to one of the order, and this one not."""
        if parts.reaches(begin, parts.lines):
            return
        for name, value in of_lines.items():
            if part_of(value) is None and parts.reaches(name, parts.lines):
                self.found["payment_amount"] = FoundField(
                    "payment_amount", value, f"named {name}; lines add up to an amount of the order"
                )
                self.readings = ()
                return

    def _add_up(self) -> None:
        """Take the amount of the goods by the sums that rows show, and ask what is part of it where
        no sum shows it.
        """
        begin, rows = self._amount_to_explain()
        if rows is None:
            return
        is_said = "payment_amount" in self.answers
        goods = rows.goods(begin, is_said=is_said, off=self.product_less)
        unproven = {
            name: part for name, part in goods.unproven.items() if name not in self.taken_off
        }
        goods = replace(goods, unproven=unproven, others=() if is_said else goods.others)
        self.goods = goods
        if goods.name != begin:
            self._take_goods(goods, rows)
        self._ask_for_paid_back(goods, rows)
        asked = self._parts_to_ask(goods, rows)
        likely = [name for name in asked if self._is_likely_off(goods, rows, name)]
        ways = sorted(readings(asked), key=lambda less: list(less) != likely)
        below = {name for name in asked if rows.is_below_zero(name)}
        self.readings = tuple(
            AmountReading(
                goods.name,
                (*goods.less, *(name for name in way if name not in below)),
                (*goods.plus, *(name for name in way if name in below)),
            )
            for way in ways
        )
        self.readings += tuple(
            AmountReading(name, rows.taxes_inside(name)) for name in goods.others
        )
        self.readings += tuple(AmountReading(name) for name in self._without_tax(goods, rows))
        self._add_rate_of_discount(goods, rows)
        if len(self.readings) > 1:
            self._ask_for_parts(rows)
        self._take_answered_amount(goods, rows)
        self._note_parts(goods, asked)
        self._note_what_is_left(goods, rows)

    def _without_tax(self, goods: GoodsAmount, rows: RowParts) -> tuple[str, ...]:
        """Return amounts of the goods without their tax, where one with it may have been found by
        its name; none where a person has said it, or where it is less some parts.
        """
        has_parts = goods.less or goods.plus or len(self.readings) > 1
        is_said = "payment_amount" in self.answers
        return () if has_parts or is_said else rows.without_tax(goods)

    def _take_answered_amount(self, goods: GoodsAmount, rows: RowParts) -> None:
        """Take the amount of the answer what was paid for the goods, where it is another column."""
        reading = self._reading()
        if reading is None or PARTS not in self.answers or reading.name == goods.name:
            return
        self.found.pop("payment_amount", None)
        if value := rows.amounts.get(reading.name):  # else a price times a quantity
            self.found["payment_amount"] = FoundField("payment_amount", value, "as answered")

    def _add_rate_of_discount(self, goods: GoodsAmount, rows: RowParts) -> None:
        """Add the amount less a discount in percent, where nothing shows that it is after it."""
        rates = [
            value
            for value in rows.rates
            if is_discount_rate(value)
            and self.values.scalar(f"count(*) FILTER ({self.values.number_sql(value)} <> 0)")
        ]
        if not rates or goods.less or goods.plus or self.taken_off:
            return
        others = [name for name in rows.numbers if name != goods.name and name not in rows.parts]
        found = [rows.takes_rate(goods.name, other, rates[0]) for other in others]
        lower = [name for name in others if rows.takes_rate(name, goods.name, rates[0])]
        if lower and lower[0] in rows.amounts and "payment_amount" not in self.answers:
            text = f"{lower[0]} = {goods.name} - {rates[0].name} of it"
            why = f"named {lower[0]}, and by adding up: {text}"
            self.found["payment_amount"] = FoundField("payment_amount", rows.amounts[lower[0]], why)
            self.readings = (AmountReading(lower[0]),)
        elif True not in found:
            reading = AmountReading(goods.name, rate=rates[0])
            self.readings = (reading, *self.readings)

    def _amount_to_explain(self) -> tuple[str, RowParts | None]:
        """Return the amount that was found by its name, and the amounts of rows beside it."""
        payment, price = self._payment(), self.found.get(UNIT_PRICE)
        quantity, item = self.found.get("quantity"), self.found.get("item_id")
        of_pieces = price and quantity and self._is_cell(price.value, quantity.value)
        others = {
            match.value
            for name, match in self.found.items()
            if name not in AMOUNTS or name == UNIT_PRICE
        }
        amounts = {
            value.name: value
            for value in (numbers_left if self.is_shared else numbers_of_rows)(self.values, {})
            if value not in others and can_be_amount(value) and self._is_of_rows(value)
        }
        if payment is not None and self._is_cell(payment):
            amounts[payment.name] = payment
            amounts = _of_one_currency(amounts, payment)
        elif payment is not None or not of_pieces:
            return "", None
        product = ("", "")
        if price and quantity and of_pieces:
            each, count = map(self.values.number_sql, (price.value, quantity.value))
            product = f"{price.value.name} times {quantity.value.name}", f"{each} * {count}"
        begin = payment.name if payment else product[0]
        order = self.found.get(ORDER_ID)
        if self.is_shared and order is not None:  # of each order once, however many rows it has
            return begin, OrderParts(self.values, amounts, order=order.value).once
        return begin, RowParts(
            self.values,
            amounts,
            product,
            item.value if item else None,
            quantity.value if quantity else None,
            [value for value in numbers_of_rows(self.values, {}) if is_rate(value)],
        ).once

    def _is_cell(self, *cells: Value) -> bool:
        """Return whether values are columns, or members of the list whose elements are the rows."""
        inside = f"{self.values.spread}."
        return all(
            value.is_column or (self.values.spread and value.name.startswith(inside))
            for value in cells
        )

    def _with_parts(self, sql: str) -> str:
        """Return the SQL of an amount that no column has, less and plus its parts."""
        reading = self._reading()
        by_name = {value.name: value.sql for value in self.values.values}
        signed = [("-", name) for name in reading.less] if reading else []
        signed += [("+", name) for name in reading.plus] if reading else []
        parts = [f" {sign} coalesce(({by_name[name]})::DECIMAL(30, 4), 0)" for sign, name in signed]
        return f"{sql}{''.join(parts)}"

    def _is_of_rows(self, value: Value) -> bool:
        """Return whether a number can be a part of the amount of a row, not of its whole order."""
        if self.values.spread:
            return value.name.startswith(f"{self.values.spread}.") is not self.is_shared
        if self.is_shared or self._has_row_per_order():
            return True
        return self._varies(value) or not self._is_repeated(value)

    def _is_repeated(self, value: Value) -> bool:
        """Return whether all rows of an order with several have the same number above zero."""
        order = self.found.get("order_id")
        if order is None:
            return False
        number = self.values.number_sql(value)
        measured = f"count(*) AS row_count, min({number}) AS least, max({number}) AS most"
        by_order = select(measured, TABLE, f"{order.value.column} IS NOT NULL", order.value.column)
        repeated = "count(*) FILTER (row_count > 1 AND least = most AND most <> 0)"
        return bool(self.values.rows(select(repeated, f"({by_order})"))[0][0])

    def _take_goods(self, goods: GoodsAmount, rows: RowParts) -> None:
        why = "; ".join(one.text for one in goods.shown_by)
        if goods.name == rows.product[0]:
            del self.found["payment_amount"]
            self.notes.append(f"the amount is {goods.name}: {why}")
            return
        value = rows.amounts[goods.name]
        why = f"named {goods.name}, and by adding up: {why}"
        self.found["payment_amount"] = FoundField("payment_amount", value, why)

    def _parts_to_ask(self, goods: GoodsAmount, rows: RowParts) -> list[str]:
        """Return the parts that may have to be taken off the amount, where no sum shows it."""
        may_have_all = self._may_have_all(rows.amounts.get(goods.name))
        asked = [
            name
            for name, part in goods.unproven.items()
            if (part in {Part.SHIPPING, Part.TAX, Part.TIP} and may_have_all)
            or (part is Part.TAX and rows.may_be_inside(name, goods))
            or (part is Part.TAX and rows.may_be_either(name, goods))
            or (
                part is Part.DISCOUNT
                and rows.is_within(name, goods.name)
                and not rows.is_taken_off(name, goods.name)
            )
        ]
        back = self._paid_back_columns()
        unnamed = [name for name in rows.unexplained(goods) if name not in back]
        taxes = [name for name in unnamed if may_have_all and rows.may_be_inside(name, goods)]
        first = [name for name in asked if goods.unproven[name] is not Part.DISCOUNT]
        return [*dict.fromkeys([*first, *taxes, *asked, *goods.optional, *unnamed])][
            :MOST_PARTS_ASKED
        ]

    def _ask_for_paid_back(self, goods: GoodsAmount, rows: RowParts) -> None:
        """Ask which amount was paid back, where some may be and no name says so; not where rows of
        their own, or pieces, say what went back.
        """
        known = self._without_answer(REFUNDED_AMOUNT)
        is_known = {REFUNDED_AMOUNT, REFUNDED_QUANTITY} & known.keys() or self.are_kinds
        if is_known or np.any(rows.numbers[goods.name] < 0):
            return
        is_said = "payment_amount" in self.answers
        of_lines = rows.lines if isinstance(rows, OrderParts) else ()
        names = [
            name for name in rows.may_be_paid_back(goods, is_said=is_said) if name not in of_lines
        ][:MOST_PRODUCTS]
        left = {} if isinstance(rows, OrderParts) else self._totals_left(goods, rows)
        if not names and not left:
            return
        noun = "order" if isinstance(rows, OrderParts) else "row"
        some = [
            f"{shown(name)} ({formats.amount(rows.total(name))} in "
            f"{formats.counted(int(np.count_nonzero(rows.filled(name))), noun)})"
            for name in names
        ]
        some += [
            f"{shown(text)} ({formats.amount(money)} in {formats.counted(count, noun)})"
            for text, (_, money, count) in left.items()
        ]
        sentence = (
            f"the column of what was paid back, or {NO_AMOUNT}: "
            f"{', '.join(some)} of {formats.counted(len(rows.filled(goods.name)), noun)}, never "
            "more than was paid"
        )
        self.ask(REFUNDED_AMOUNT, sentence, (*names, *left, NO_AMOUNT), NO_AMOUNT)
        said = left.get(self.answers.get(REFUNDED_AMOUNT, ""))
        self.left_of_total = said[0] if said else ()

    @staticmethod
    def _totals_left(
        goods: GoodsAmount, rows: RowParts
    ) -> dict[str, tuple[tuple[str, str], float, int]]:
        """Return the totals that are less than another one on some rows, such as that of an order
        after what went back, each as a difference: of which columns, how much, on how many rows.
        """
        totals = {name for name, value in rows.amounts.items() if is_total(value)}
        return {
            f"{whole} less {name}": ((whole, name), money, count)
            for name, (whole, money, count) in rows.left_of(goods).items()
            if {whole, name} <= totals and np.any(rows.filled(name) == 0)
        }

    def _paid_back_columns(self) -> set[str]:
        """Return the columns that are what was paid back, or may be as long as nobody says it."""
        if REFUNDED_AMOUNT in self.found:
            return {self.found[REFUNDED_AMOUNT].value.name}
        asked = [one for one in self.questions if one.key == REFUNDED_AMOUNT]
        is_open = REFUNDED_AMOUNT not in self.answers
        return {name for one in asked for name in one.choices} if is_open else set()

    def _may_have_all(self, amount: Value | None) -> bool:
        """Return whether an amount may have all in it that was paid: by its name, or as a person
        or a sum has said it and its name says nothing.
        """
        is_unnamed = "payment_amount" in self.answers or self.is_by_sums
        total = self.found.get(ORDER_TOTAL)
        if self.is_shared and amount is not None and total and total.value == amount:
            return True
        return amount is not None and (is_total(amount) or (is_unnamed and not is_of_goods(amount)))

    def _is_likely_off(self, goods: GoodsAmount, rows: RowParts, name: str) -> bool:
        """Return whether a part is probably to be taken off, by the name of the amount alone: of a
        total what is charged beside the goods, of a price the discount.
        """
        may_have_all = self._may_have_all(rows.amounts.get(goods.name))
        part = goods.unproven.get(name)
        return part is not None and (part is Part.DISCOUNT) != may_have_all

    def _ask_for_parts(self, rows: RowParts) -> None:
        texts_of = {reading.text: reading for reading in self.readings}
        units = 100 if self.answers.get(UNITS) == CENTS or self._says_cents() else 1
        sums = [
            f"{shown(words)} ({formats.amount(self._comes_to(each, rows) / units)})"
            for words, each in texts_of.items()
        ]
        sentence = (
            "what was paid for the goods, as no sum of the file shows what is in "
            f"{shown(self.readings[0].name)}: {' or '.join(sums)}"
        )
        self.ask(PARTS, sentence, tuple(texts_of), self.readings[0].text)

    def _says_cents(self) -> bool:
        """Return whether the amount counts cents by its name."""
        cells = [self.found[name].value for name in MAIN_AMOUNTS if name in self.found]
        return bool(cells) and _says_cents(cells[0])

    @staticmethod
    def _comes_to(reading: AmountReading, rows: RowParts) -> float:
        if reading.rate is not None:
            return rows.less_rate(reading.name, reading.rate)
        off = float(np.sum(np.abs(rows.filled(reading.less_shared)))) if reading.less_shared else 0
        return rows.total(reading.name, reading.less, reading.plus) - off

    def _note_what_is_left(self, goods: GoodsAmount, rows: RowParts) -> None:
        """Note the amounts that are less than another one on some rows, as what is left of an order
        once something was paid back, where no column says what was.
        """
        if REFUNDED_AMOUNT in self.found or self.left_of_total or self._paid_back_columns():
            return
        for name, (whole, money, count) in rows.left_of(goods).items():
            self.notes.append(
                f"{shown(name)} is {shown(whole)} but for {formats.counted(count, 'row')}, where "
                f"it is less, by {formats.amount(money)} in all: nothing of that is paid back"
            )

    def _note_parts(self, goods: GoodsAmount, asked: Sequence[str]) -> None:
        """Note what is taken off by which sum, and what is not."""
        if goods.less or goods.plus:
            proof = "; ".join(f"{one.text} ({one.row_count:,} rows)" for one in goods.shown_by)
            proof = proof or "it is a rate of what is left"
            self.notes.append(
                f"{' and '.join(map(shown, (*goods.less, *goods.plus)))} is taken off "
                f"{shown(goods.name)}: {proof}"
            )
        left = [
            name
            for name, part in goods.unproven.items()
            if name not in asked and part in {Part.SHIPPING, Part.TAX, Part.DISCOUNT, Part.TIP}
        ]
        if left:
            self.notes.append(
                f"{' and '.join(map(shown, left))} is not taken off {shown(goods.name)}: no sum of "
                "the file shows that it is in it"
            )

    def _reading(self) -> "AmountReading | None":
        """Return how the amount of the goods is read: as answered, else as the sums show."""
        answer = self.answers.get(PARTS)
        named = [reading for reading in self.readings if reading.text == answer]
        return named[0] if named else next(iter(self.readings), None)

    def _open_amount(self) -> str:
        """Return the line of an amount that is asked, with what may be written in its place."""
        line = self.marked(f'  payment_amount: "{OPEN}"', UNITS, PARTS, PIECES, REFUNDED_AMOUNT)
        if not self._is_open(PARTS) and self._is_open(REFUNDED_AMOUNT):
            base, *times = (quoted(value.path[0]) for value in self._line_columns())
            options = [f"column: {base}", *(f"times: {name}" for name in times)]
            sale = f"{{{', '.join([*options, *self._less_and_plus(), *self._sharing()])}}}"
            return f"{line}: write {sale} if none was, else --answer {REFUNDED_AMOUNT}=NAME"
        if not self._is_open(PARTS):
            return line
        price, quantity = self.found.get(UNIT_PRICE), self.found.get("quantity")
        written = []
        for reading in self.readings:
            if reading.rate is not None:
                cells = self._line_columns()
                written.append(self._origin_less_rate(cells, reading.rate))
                continue
            column = [f"column: {quoted(reading.name)}"]
            of_pieces = price and quantity and f"{price.value.name} times {quantity.value.name}"
            if price and quantity and reading.name == of_pieces:
                column = [
                    f"column: {quoted(price.value.path[0])}",
                    f"times: {quoted(quantity.value.path[0])}",
                ]
            first, *factors = self._line_columns()
            options = [*_options(reading), *self._sharing(), *self._in_cents(first)]
            in_cents = self._hundredth(first, *factors[:1]) if not options else ""
            plain = f"{{{', '.join([*column, *options])}}}"
            written.append(in_cents.removesuffix(IN_CENTS) or plain)
        return f"{line}: write {' or '.join(written)}"

    def _payment(self) -> Value | None:
        match = self.found.get("payment_amount")
        return match.value if match else None

    def _below_zero(self) -> list[str]:
        """Return the line that says what lines below zero are; none where no line is."""
        self.sign = OrderRows(self.values, self.found, self._payment()).below_zero()
        if not self.sign:
            return []
        why = {
            REFUND_LINES: "lines below zero went back",
            DISCOUNT_LINES: "amounts below zero beside goods lower what these cost",
        }
        return [f"below_zero: {self.sign}  # {why[self.sign]}; check this"]

    def _refund_rows(self, states: OrderStates | None) -> str:
        """Return the condition of rows that are a sale and a refund; empty if no row is both."""
        order = self.found.get("order_id")
        if order and not order.value.is_column:
            return ""
        if self._are_pieces_refunded(states):
            self.refunds_pieces = True
            return f"if_any: {quoted_list([self._column(REFUNDED_QUANTITY)])}"
        if states and (states.of(Meaning.REFUND) or states.of(Meaning.PART_REFUND)):
            self.refunded_states = states.refunded
            if states.is_final and self._are_paid_back_beyond(states):
                return f"if_any: {quoted_list([self._column(REFUNDED_AMOUNT)])}"
            return self._refund_of_states(states) if states.is_final else ""
        return self._refund_of_columns()

    def _refund_of_columns(self) -> str:
        """Return the condition of rows that other columns than that of the state say went back."""
        if self.left_of_total and self._can_repeat_rows_of_orders():
            return f"if_differ: {quoted_list(self.left_of_total)}"
        columns = [
            self.found[name].value for name in (REFUNDED_AMOUNT, REFUNDED_AT) if name in self.found
        ]
        named = [value for value in columns if value.is_column and not value.joined]
        if named:
            return f"if_any: {quoted_list([named[0].path[0]])}"
        flags = [one for one in self.flags if one.meaning is Meaning.REFUND and one.marked]
        if not flags:
            beside = [one for one in self.other_states if one.is_of_refunds]
            return beside[0].refund_kind if beside and self._can_repeat_rows() else ""
        name, cells = flags[0].value.path[0], flags[0].marked
        return f"where: {{{quoted(name)}: {quoted_list(cells)}}}"

    def _are_paid_back_beyond(self, states: OrderStates) -> bool:
        """Return whether each row whose state says that it went back says how much did, and others
        that were sold do, too; note those others where some of the first do not.
        """
        back = self.found.get(REFUNDED_AMOUNT)
        if back is None or not back.value.is_column or not states.value.is_column:
            return False
        money = f"coalesce(abs({self.values.number_sql(back.value)}), 0)"
        state = states.value.column
        is_back, is_sold = (
            f"coalesce(list_contains({texts(named)}, {state}), false)"
            for named in (states.refunded, states.of(Meaning.SALE))
        )
        unsaid, others = (
            int(self.values.scalar(f"count(*) FILTER ({condition})"))
            for condition in (f"{is_back} AND {money} = 0", f"{is_sold} AND {money} > 0")
        )
        if others and unsaid:
            self.notes.append(
                f"{shown(back.value.name)} says in {formats.counted(others, 'row')} that something "
                f"went back, of which {shown(states.value.name)} does not: it is not counted, as "
                "other rows went back as a whole and do not say how much"
            )
        return bool(others) and not unsaid

    def _can_repeat_rows_of_orders(self) -> bool:
        """Return whether rows are orders, of which each can be a sale and a refund."""
        payment = self._payment()
        is_plain = payment is None or not self._hundredth(payment)
        return self._has_row_per_order() and not self.is_shared and is_plain

    def _can_repeat_rows(self) -> bool:
        """Return whether a row can be a sale and a refund: its state is a column of the file."""
        status = self.found.get("status")
        return status is not None and status.value.is_column and not self.values.spread

    def _are_pieces_refunded(self, states: OrderStates | None) -> bool:
        """Return whether lines say how many of their pieces went back, at the price of a piece;
        each order whose state says that money went back has such a line.
        """
        back, quantity = self.found.get(REFUNDED_QUANTITY), self.found.get("quantity")
        price, order = self.found.get(UNIT_PRICE), self.found.get("order_id")
        amount = self.found.get("payment_amount")
        if not (back and quantity and order) or not (price or amount) or self.values.spread:
            return False
        if not all(match.value.is_column for match in (back, quantity, order)):
            return False
        if amount and not (self._can_count_pieces() and (price or "item_id" in self.found)):
            return False
        if not amount and price and not price.value.is_column:
            return False
        pieces, count = map(self.values.number_sql, (back.value, quantity.value))
        more = self.values.scalar(f"count(*) FILTER ({pieces} > {count})")
        some = self.values.scalar(f"count(*) FILTER ({pieces} > 0)")
        if more or not some or not states or not states.refunded:
            return bool(some and not more)
        is_refund = f"bool_or(list_contains({texts(states.refunded)}, {states.value.column}))"
        measured = f"{is_refund} AS is_refund, coalesce(sum({pieces}), 0) AS pieces"
        by_order = select(measured, TABLE, f"{order.value.column} IS NOT NULL", order.value.column)
        unsaid = select("count(*) FILTER (is_refund AND pieces = 0)", f"({by_order})")
        return not self.values.rows(unsaid)[0][0]

    def _refund_of_states(self, states: OrderStates) -> str:
        """Return the condition of rows whose state says that they went back.

        Where the state is carried down to all lines of an order, and what was paid back stands on
        one, that line alone has the refund.
        """
        rows = OrderRows(self.values, self.found)
        is_carried = states.column in self.carried
        if is_carried and rows.is_paid_back_on_one_line(states.refunded):
            return f"{states.refund_kind}, if_any: {quoted_list([self._column(REFUNDED_AMOUNT)])}"
        return states.refund_kind

    def _note_pieces_that_went_back(self) -> None:
        """Note that pieces went back where nothing says at which price."""
        back = self.found.get(REFUNDED_QUANTITY)
        if back is None or self.refunds_pieces or REFUNDED_AMOUNT in self.found:
            return
        number = self.values.number_sql(back.value)
        rows = int(self.values.scalar(f"count(*) FILTER ({number} > 0)"))
        if rows:
            self.notes.append(
                f"{shown(back.value.name)} says in {formats.counted(rows, 'row')} that pieces went "
                "back, and no price of one says for how much: nothing is counted as paid back"
            )

    def _leave_amounts_of_orders(self) -> None:
        """Share what was paid back of a whole order among its lines, where all of them say the
        same; leave it out where they do not.
        """
        refunded = self.found.get(REFUNDED_AMOUNT)
        if not refunded or self._has_row_per_order() or self._is_of_lines(refunded.value):
            return
        order = self.found.get(ORDER_ID)
        cells = [refunded.value, *([order.value] if order else [])]
        if order and all(cell.is_column for cell in cells):
            self.is_back_shared = True
            self.notes.append(
                f"{shown(refunded.value.name)} is of whole orders, and is shared among their lines"
            )
        else:
            del self.found[REFUNDED_AMOUNT]
            self.notes.append(
                f"{refunded.value.name} is of whole orders, and is not used: rows are lines"
            )

    def _is_of_lines(self, value: Value) -> bool:
        if self.values.spread:
            return value.name.startswith(f"{self.values.spread}.")
        return "order_id" not in self.found or self._varies(value)

    def _refund_of_amount(self, value: Value) -> str:
        """Return the line of an amount that rows of refunds have from another column;
        empty without such.
        """
        refunded = self.found.get(REFUNDED_AMOUNT)
        amount = quoted(value.path[0])
        units = self._in_cents(value)
        sale = f"{{{', '.join([f'column: {amount}', *self._less_and_plus(), *units])}}}"
        if self.left_of_total and self.refund:
            whole, left = map(quoted, self.left_of_total)
            most = self._at_most_goods([value])
            return self._by_row(
                sale, f"{{{', '.join([f'column: {whole}, less: [{left}]', *units])}{most}}}"
            )
        if not self.refund or not refunded or not value.is_column or not refunded.value.is_column:
            return ""
        back = quoted(refunded.value.path[0])
        if shared := self._shared_back(amount):
            return self._by_row(sale, shared)
        zeros = ", skip_zeros: true" if self._has_zeros(refunded.value) else ""
        most = f"{''.join(f', {unit}' for unit in units)}{self._at_most_goods([value])}"
        parts = self._parts_of_refunds(refunded.value, value)
        less = f", less: {quoted_list(parts)}" if parts else ""
        options = f"{less}{zeros}{self._without_sign(refunded.value)}{most}"
        refund = f"{{first_of: [{back}, {amount}]{options}}}"
        return self._by_row(sale, refund)

    def _parts_of_refunds(self, back: Value, goods: Value) -> tuple[str, ...]:
        """Return the columns of the postage and the tax that went back with the goods, as what was
        paid back has them in it: without them, orders that went back as a whole come to their
        goods.
        """
        if not self._has_row_per_order() or self._without_sign(back):
            return ()
        numbers = numbers_left(self.values, self.found)
        named = [
            value
            for value in numbers
            if says_no_sale_or_refund(value.last_name)
            and any(part_of(value, but=Part.REFUND) is part for part in (Part.SHIPPING, Part.TAX))
        ]
        totals = [value for value in numbers_left(self.values, {}) if is_total(value)]
        if not named or not totals:
            return ()
        by_name = {value.name: value for value in self.values.values}
        reading = self._reading()
        signed = [("-", name) for name in reading.less] if reading else []
        signed += [("+", name) for name in reading.plus] if reading else []

        def number(value: Value) -> str:
            return f"coalesce({self.values.number_sql(value)}, 0)"

        whole = " ".join([number(goods), *(f"{s} {number(by_name[n])}" for s, n in signed)])
        is_all = " OR ".join(
            f"{number(back)} = {number(total)}" for total in totals if total != back
        )
        chosen: dict[tuple[str, ...], int] = {}
        for count in range(len(named) + 1):
            for some in combinations(named[:MOST_PARTS_ASKED], count):
                left = " - ".join(map(number, (back, *some)))
                fits = f"{number(back)} > 0 AND ({is_all or 'false'}) AND abs({left} - ({whole}))"
                rows = int(self.values.scalar(f"count(*) FILTER ({fits} < 0.0051)"))
                chosen[tuple(value.path[0] for value in some)] = rows
        best = max(chosen, key=lambda names: (chosen[names], -len(names)))
        return best if chosen[best] else ()

    @staticmethod
    def _by_row(sale: str, refund: str) -> str:
        return f"  payment_amount: {{by_row: {{sale: {sale}, refund: {refund}}}}}  # check this"

    def _shared_back(self, by: str) -> str:
        """Return the origin of what was paid back of an order, shared among its lines by another
        origin; empty where it is of lines, or nothing was.
        """
        if not self.is_back_shared or not self.refund:
            return ""
        back = self.found[REFUNDED_AMOUNT].value
        sign = self._without_sign(back).removeprefix(", ")
        most = self._at_most_goods_of_order().removeprefix(", ")
        options = filter(None, (*self._in_cents(back), sign, most))
        return f"{{{', '.join([f'column: {quoted(back.path[0])}', *options, f'shared_by: {by}'])}}}"

    def _at_most_goods(self, cells: Sequence[Value]) -> str:
        """Return the option by which no more than the goods is paid back, where rows are orders: a
        refund of a whole order has its tax and its postage in it, too.
        """
        is_of_row = self._has_row_per_order() or (
            ORDER_ID not in self.found and not several_rows_at_once(self.values, self.found)
        )
        if not is_of_row or self.is_shared:
            return self._at_most_goods_of_order()
        column, *times = (quoted(value.path[0]) for value in cells)
        options = [f"column: {column}", *(f"times: {name}" for name in times)]
        options += [*self._less_and_plus(), *self._in_cents(cells[0])]
        return f", at_most: {{{', '.join(options)}}}"

    def _at_most_goods_of_order(self) -> str:
        """Return the option by which no more than the goods of an order is paid back on one of its
        lines, where a sum shows which amounts of the order come to them.
        """
        back = self.found.get(REFUNDED_AMOUNT)
        if back is None or ORDER_ID not in self.found or not self._is_one_per_order(back.value):
            return ""
        ways = []
        for one in self.order_sums:
            sign = 1 if one.base == self.lines_of_sums[0] else -1
            total = one.whole if sign > 0 else one.base
            parts = {name: sign * way for name, way in one.parts}
            kept = {name for name in parts if self._part_named(name) is Part.DISCOUNT}
            ways.append((not kept, len(parts), total, {n: parts[n] for n in parts.keys() - kept}))
        if not ways:
            return self._at_most_total()
        _, _, total, parts = min(ways, key=lambda way: way[:3])
        less = tuple(sorted(name for name, way in parts.items() if way > 0))
        plus = tuple(sorted(name for name, way in parts.items() if way < 0))
        options = [f"column: {quoted(total)}", *_options(AmountReading(total, less, plus))]
        options += self._in_cents(back.value)  # what comes to each other is in one unit
        return f", at_most: {{{', '.join(options)}}}"

    def _at_most_total(self) -> str:
        """Return the option of no more than the total of an order where its lines alone add up to
        it: an amount that was paid back beyond it is of postage and tax.
        """
        equal, orders = OrderRows(self.values, self.found, self._payment()).equal_totals()
        total = self.found.get(ORDER_TOTAL)
        if total is None or not total.value.is_column or equal < FEWEST_ORDERS or equal < orders:
            return ""
        options = [f"column: {quoted(total.value.path[0])}", *self._in_cents(total.value)]
        return f", at_most: {{{', '.join(options)}}}"

    def _part_named(self, name: str) -> Part | None:
        """Return what part of an amount a column is by its name."""
        return next((part_of(value) for value in self.values.values if value.name == name), None)

    def _without_sign(self, value: Value) -> str:
        """Return the option of what was paid back where it is written below zero."""
        below = self.values.scalar(f"count(*) FILTER ({self.values.is_below_zero(value)})")
        return ", absolute: true" if below else ""

    def _has_zeros(self, value: Value) -> bool:
        """Return whether some rows of refunds say 0.00 for what was paid back: of these all was."""
        if not self.refund.startswith("where"):
            return False
        return bool(self.values.scalar(f"count(*) FILTER ({self.values.number_sql(value)} = 0)"))

    def _paid_back_of_each(self) -> str:
        """Return the column of what was paid back, if each row of a refund has it; else empty."""
        refunded = self.found.get(REFUNDED_AMOUNT)
        if not self.refund or refunded is None or not refunded.value.is_column:
            return ""
        back = refunded.value
        if self.refunded_states:
            is_refund = (
                f"list_contains({texts(self.refunded_states)}, {self.found['status'].value.column})"
            )
            if self.values.scalar(f"count(*) FILTER ({is_refund} AND {back.column} IS NULL)"):
                return ""
        cells = self._line_columns()
        columns = [quoted(cell.path[0]) for cell in cells]
        times = "".join(f", times: {name}" for name in columns[1:])
        if shared := self._shared_back(f"{{column: {columns[0]}{times}}}"):
            return shared
        sign = self._without_sign(back).removeprefix(", ")
        most = self._at_most_goods(cells).removeprefix(", ")
        options = [option for option in (*self._in_cents(back), sign, most) if option]
        return (
            f"{{{', '.join([f'column: {quoted(back.path[0])}', *options])}}}"
            if options
            else quoted(back.path[0])
        )

    def _time_of_refund(self, value: Value) -> str:
        """Return the origin of a time that rows of refunds have from another column;
        empty without such.
        """
        match = self.found.get(REFUNDED_AT)
        if not self.refund or match is None or not (value.is_column and match.value.is_column):
            return ""
        if value.joined or match.value.joined or not self._are_written_alike(value, match.value):
            return ""
        time, back = quoted(value.path[0]), quoted(match.value.path[0])
        return f"by_row: {{sale: {time}, refund: {{first_of: [{back}, {time}]}}}}"

    def _are_written_alike(self, value: Value, other: Value) -> bool:
        forms = self.values.time_formats(value)
        return bool(set(forms) & set(self.values.time_formats(other)))

    def complete(self, names: list[str]) -> None:
        """Ask for the columns that are needed and were not found."""
        has_price = {UNIT_PRICE, "quantity"} <= self.found.keys()
        for name in names:
            if name == "customer_id" and self.is_person_asked and name in self.answers:
                self._ask_who_ordered(candidates(self.values, name, self._without_answer(name)))
                continue
            if name in self.found or (
                name == "payment_amount" and (has_price or self._is_price_of_one())
            ):
                continue
            if (
                name == "quantity"
                and self.values.spread
                and not candidates(self.values, name, self.found)
            ):
                self.notes.append(f"each element of {shown(self.values.spread)} is one piece")
                continue
            if name in ONE_PER_ORDER and not self.values.spread:
                self._ask_for_item(name)
                self._ask_for_quantity(name)
                continue
            self.ask_for_column(name)

    def ask_for_column(self, name: str) -> None:
        """Ask which column says a field.

        Raises:
            DefinitionError: None can.
        """
        choices = candidates(self.values, name, self.found)
        unreadable = self._unreadable(name)
        if name == "customer_id":
            self._ask_who_ordered(choices)
            return
        if name == "payment_amount" and not unreadable:
            self._ask_which_amount(choices)
            return
        if name == "event_type" and not choices:
            guess = "purchase" if self._has_order_numbers() else STANDARD_TYPES[0]
            self.ask(name, "what each row is, as no column says it", STANDARD_TYPES, guess)
            return
        if not choices:
            raise DefinitionError(self._without_column(name, unreadable))
        sentence = f"the column that says {NEEDED.get(name, name)}{unreadable}"
        if name.endswith("_amount"):  # amounts have decimals, numbers of things have not
            money = {v.name for v in self.values.values if has_decimals(self.values, v)}
            choices = (*sorted(choices, key=lambda choice: choice not in money),)
        if name == "event_type":
            sentence += f", or what each row is: {' or '.join(STANDARD_TYPES)}"
            others = tuple(one for one in STANDARD_TYPES if one not in choices)
            choices = (*others, *choices) if self._is_log_of_pages(choices) else (*choices, *others)
        self.ask(name, sentence, choices)

    def _is_log_of_pages(self, choices: Sequence[str]) -> bool:
        """Return whether rows are most likely views of the pages that they name: no column is
        called one of events, and none has types that are known.
        """
        words = {word for name in choices for word in words_of(name.rpartition(".")[2])}
        return "page_url" in self.found and not words & OF_TYPES_OF_EVENTS

    def _without_column(self, name: str, unreadable: str) -> str:
        """Return why a file cannot be of this kind: what it has, and what leads on."""
        columns = [value for value in self.values.values if self.values.filled(value)]
        some = [
            f"{shown(value.name)} ({shown(self.values.counts(value, 1)[0][0], MOST_OF_EXAMPLE)})"
            for value in columns[:MOST_COLUMNS_SHOWN]
        ]
        more = ", …" if len(columns) > MOST_COLUMNS_SHOWN else ""
        kind = self.kind.replace("_", " ")
        found = (
            f"No column of the file can be {NEEDED.get(name, name)} of {kind}{unreadable}: it has "
            f"{', '.join(some)}{more}. "
        )
        if name == "spend_date":
            return f"{found}Export the report by day: a sum of several days is of none of them."
        return (
            f"{found}If its rows are something else, say so (--events, --orders, "
            "--customers, --costs, --stock or --ad-spend of ecom mapping init, or what the file is "
            "on the page of uploads); a report of sums has no rows to count: export the list of "
            f"{kind} that it adds up."
        )

    def _ask_which_amount(self, choices: tuple[str, ...]) -> None:
        """Ask for the amount, with what the likely ones come to."""
        rows = {value.name: self.values.number_sql(value) for value in self.values.values}
        amounts = [
            value.name
            for value in numbers_of_rows(self.values, self.found)
            if value.name in choices and can_be_amount(value)
        ]
        by_name = {value.name: value for value in self.values.values}
        amounts.sort(key=lambda name: not has_decimals(self.values, by_name[name]))
        sums = {name: rows[name] for name in amounts[:MOST_PRODUCTS]}
        for product in self.products[:MOST_PRODUCTS]:
            sums[product.text] = f"{rows[product.price.name]} * {rows[product.quantity.name]}"
        shown_sums = [
            f"{shown(words)} ({formats.amount(total)})"
            for words, sql in list(sums.items())[:MOST_SUMS]
            if (total := self.values.scalar(f"sum({sql})")) is not None
        ]
        come_to = f"; {', '.join(shown_sums)}" if shown_sums else ""
        sentence = (
            f"the column that says the amount, or {NO_AMOUNT}: then lines are of 0.00{come_to}"
        )
        numbers = numbers_left(self.values, self.found) if self.values.spread else ()
        beside = [value.name for value in numbers if can_be_amount(value)]
        beside = [name for name in beside if not name.startswith(f"{self.values.spread}.")]
        if beside:
            of_orders = ", ".join(map(shown, beside[:MOST_SUMS]))
            sentence += f"; of whole orders, shared among their lines: {of_orders}"
        every = (*dict.fromkeys([*sums, *choices, *beside]), NO_AMOUNT)
        self.ask("payment_amount", sentence, every, NO_AMOUNT)

    def _has_order_numbers(self) -> bool:
        """Return whether rows of events have the numbers of orders."""
        return "order_id" in found_fields(self.values, MappingKind.ORDERS)

    def _ask_who_ordered(self, choices: tuple[str, ...]) -> None:
        """Ask for the column of the customer; each order can be of one of its own, or of nobody."""
        order = self.found.get("order_id")
        own = (order.value.name,) if order and order.value.is_column else ()
        of_order = f", {shown(own[0])}: each order is of a customer of its own" if own else ""
        sentence = (
            f"the column that says {NEEDED['customer_id']}{of_order}, or {NOBODY}: orders count in "
            "revenue, and in no number of customers"
        )
        self.ask("customer_id", sentence, (*own, *choices, NOBODY), (*own, NOBODY)[0])

    def _ask_for_nobody(self) -> None:
        """Ask what becomes of rows without a customer, such as sales at a till, where orders have
        numbers; without an answer they are refused.
        """
        customer, order = self.found.get("customer_id"), self.found.get("order_id")
        if customer is None or self.continued or not customer.value.is_column:
            return
        has_order = order is not None and order.value.is_column
        # A line of totals has neither a number nor a time.
        of_orders = [
            self.found[name].value for name in ("order_id", "date_time") if name in self.found
        ]
        filled = "".join(f" AND {value.column} IS NOT NULL" for value in of_orders)
        nobody = f"count(*) FILTER ({customer.value.column} IS NULL{filled})"
        if order is not None and customer.value.path[0] in self.carried:
            # Of an order whose buyer is on one line, no line may have one.
            with_buyer = (
                f"count(DISTINCT {order.value.column}) FILTER ({customer.value.column} IS NOT NULL)"
            )
            nobody = f"count(DISTINCT {order.value.column}) - {with_buyer}"
        missing = int(self.values.scalar(nobody))
        if 0 < missing < self.values.row_count:
            noun = "order" if customer.value.path[0] in self.carried else "row"
            rows = f"{formats.counted(missing, noun)} without {shown(customer.value.name)}"
            by_order = f"each {BY_ORDER}, as a customer, " if has_order else ""
            sentence = (
                f"what becomes of {rows}: {LEFT_OUT}, {by_order}or of {NOBODY}: they count in "
                "revenue, and in no number of customers"
            )
            choices = (LEFT_OUT, *((BY_ORDER,) if has_order else ()), NOBODY)
            is_few = missing <= self.values.row_count * FEW_WITHOUT_CUSTOMER
            guess = LEFT_OUT if is_few else NOBODY
            self.ask(NO_CUSTOMER, sentence, choices, guess, is_optional=is_few, note=rows)

    def _ask_for_no_goods(self) -> None:
        """Ask what becomes of lines that are no goods by their name, with their money."""
        for value in self._items():
            is_one = f"regexp_matches({value.column}, {text(NO_GOODS_WORDS)})"
            count = int(self.values.scalar(f"count(*) FILTER ({is_one})"))
            if not 0 < count < self.values.row_count:
                continue
            amount = OrderRows(self.values, self.found, self._payment()).amount_sql()
            total = self.values.scalar(f"sum({amount}) FILTER ({is_one})") if amount else None
            if not total:
                continue
            example = self.values.scalar(f"mode({value.column}) FILTER ({is_one})")
            rows = f"{formats.counted(count, 'row')} such as {shown(example)}"
            sentence = (
                f"what {rows} are, together {formats.amount(total)}: no goods by their name: "
                f"{LEFT_OUT}, or a {GOODS} as others"
            )
            self.ask(NO_GOODS, sentence, (LEFT_OUT, GOODS), LEFT_OUT, note=rows)
            self.no_goods = value
            return

    def _items(self) -> list[Value]:
        """Return the columns that say what was bought."""
        named = [self.found[name].value for name in ("item_name", "item_id") if name in self.found]
        return [value for value in named if value.is_column]

    def _proven_goods(self) -> Iterator[str]:
        """Yield the lines that no line is called as what is no goods, of files that have none: of
        those with some it was asked.
        """
        for value in self._items():
            some = f"count(*) FILTER (regexp_matches({value.column}, {text(NO_GOODS_WORDS)}))"
            if not self.values.scalar(some):
                yield not_like_line(value.path[0], NO_GOODS_WORDS)

    def _no_goods_lines(self) -> list[str]:
        """Return the condition of lines that are no goods, which is open until somebody says it."""
        if self.no_goods is None or self.answers.get(NO_GOODS) == GOODS:
            return []
        sql = f"regexp_matches({self.no_goods.sql}, {text(NO_GOODS_WORDS)})"
        line = f"  no_goods: {{expression: {quoted(sql)}, optional: true}}"
        return [self.marked(line, NO_GOODS)]

    def _ask_for_item(self, name: str) -> None:
        """Ask what was bought where orders have several rows; without an answer it is the order."""
        if name == "item_id" and "order_id" in self.found and not self._has_row_per_order():
            choices = (*candidates(self.values, name, self.found), NO_AMOUNT)
            sentence = (
                f"the column of what was bought, or {NO_AMOUNT}: then lines are of the product "
                "'order'"
            )
            self.ask(name, sentence, choices, NO_AMOUNT, is_optional=True)

    def _ask_for_quantity(self, name: str) -> None:
        """Ask for the quantity where the column that is named as one cannot be read,
        as prices are of one item.
        """
        counts = tuple(dict.fromkeys(product.quantity.name for product in self.products))
        is_priced = bool(counts) and self._is_price_of_one()
        if name == "quantity" and ((unreadable := self._unreadable(name)) or is_priced):
            others = candidates(self.values, name, self.found) if unreadable else ()
            self.ask(
                name,
                f"the column of the quantity, or {NO_AMOUNT}: then each row is of one{unreadable}",
                (*dict.fromkeys([*counts, *others]), NO_AMOUNT),
            )

    def _ask_for_amount(self) -> None:
        """Ask for the amount of events where the column that is named as one cannot be read, or may
        be the price of one piece, or what the whole order is worth.
        """
        name = "cart_value"
        if name in self.found:
            return
        unreadable = "" if self.likely_amount else self._unreadable(name)
        likely = [value.name for value in amounts_of_some_types(self.values, self.found)]
        likely = [self.likely_amount, *likely] if self.likely_amount else likely
        if unreadable or likely:
            others = candidates(self.values, name, self.found)
            choices = (*dict.fromkeys([*likely, *others]), NO_AMOUNT)
            sentence = f"the column of the amount, or {NO_AMOUNT}{unreadable}"
            if self.likely_amount:
                sentence += (
                    f"; rows of one order repeat what it is worth, and {self.likely_amount} seems "
                    "to be what each row is worth"
                )
            self.ask(name, sentence, choices, likely[0] if likely else NO_AMOUNT)

    def _ask_for_sources(self) -> None:
        self.source = column_of_sources(self.values, self.found)
        if self.source:
            self.questions += source_questions(self.values, self.source)

    def _campaign_by_source(self) -> list[str]:
        """Return the lines of the source and medium of each visit's channel; none where addresses
        or other fields say them.
        """
        if self.source is None:
            return []
        channels = [
            (question.subject, self.answers.get(question.key, question.guess))
            for question in self.questions
            if question.key in CHANNELS_OF
        ]
        said = ", ".join(f"{shown(word)}: {channel}" for word, channel in channels)
        return [
            f"  {name}: {{expression: {quoted(sql)}, optional: true}}  # {said}; check this"
            for name, sql in campaign_lines(self.source, channels).items()
        ]

    def _unreadable(self, name: str) -> str:
        """Return which columns are named as a field and have other values, in brackets;
        empty if none is.
        """
        named = named_values(self.values, MappingKind(self.kind), name, self.found)
        if not named or name not in {*NUMBERS_OF, *TIMES}:
            return ""
        noun = "times" if name in TIMES else "numbers" if name == "quantity" else "amounts"
        examples = [
            f"{value.name}, such as {shown(self.values.counts(value, 1)[0][0])}"
            for value in named[:3]
        ]
        return f" (no {noun} that can be read: {'; '.join(examples)})"

    def _currency_beside(self) -> list[str]:
        """Return the line of the currency that stands beside amounts,
        and in no column of its own.
        """
        amounts = [
            self.found[name]
            for name in ("payment_amount", "cart_value", UNIT_PRICE, "unit_cost_amount")
            if name in self.found
        ]
        if "currency" in self.found or not amounts or not amounts[0].value.is_column:
            return []
        counts = self.values.currencies(amounts[0].value)
        if not counts:
            code = amounts[0].value.currency or self.named_currency
            named = f"  # named {shown(amounts[0].value.name)}"
            return [f"  currency: {{constant: {code}}}{named}"] if code else []
        rows = ", ".join(f"{shown(name)} {count:,} rows" for name, count in counts.items())
        column = quoted(amounts[0].value.path[0])
        return [f"  currency: {{column: {column}, currency_code: true, optional: true}}  # {rows}"]

    def _weight(self) -> list[str]:
        """Return the line of the number of events that each row of a sample stands for."""
        used = {match.value for match in self.found.values()}
        for value in self.values.values:
            if value in used or not value.is_column or bare(value.name) not in WEIGHTS:
                continue
            rows = self.values.row_count
            are_ones = self.values.matching(value, ONE) == rows
            if not are_ones and self.values.matching(value, WEIGHT) == rows:
                examples = [name for name, _ in self.values.counts(value) if name != "1"]
                self.notes.append(
                    f"{value.name} says how many events each row stands for, such as "
                    f"{shown(examples[0])}; each row counts as one, and answers say the sum"
                )
                return [f"weight: {quoted(value.path[0])}  # check this"]
        return []

    def _other_members(self, names: Sequence[str]) -> list[str]:
        """Return the line that keeps objects of properties: those of which fields use some members,
        as a column that a field uses is in no `other_columns`, and one that is named so, whose
        members would be one below `properties` and, in CSV, a text.
        """
        used = [self.found[name].value for name in names if name in self.found]
        members = [value for value in used if len(value.path) > 1]
        objects = [*dict.fromkeys(value.path[0] for value in members)]
        if not objects:
            nested = [value.path[0] for value in self.values.values if len(value.path) > 1]
            objects = [name for name in dict.fromkeys(nested) if bare(name) in OBJECTS][:1]
        if not objects or "properties" in self.found or self.values.spread:
            return []
        if len(objects) == 1:
            return [f"  properties: {{column: {quoted(objects[0])}, optional: true}}"]
        each = ", ".join(f"{text(name)}, {ident(name)}::JSON" for name in objects)
        return [f"  properties: {{expression: {quoted(f'json_object({each})')}, optional: true}}"]

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

    def _has_row_per_order(self) -> bool:
        order = self.found.get("order_id")
        if order is None or self.values.spread:
            return False
        return self.values.different(order.value) == self.values.row_count

    def _is_price_of_one(self) -> bool:
        """Return whether rows have a price and no quantity: one item each."""
        return (
            UNIT_PRICE in self.found
            and "quantity" not in self.found
            and "payment_amount" not in self.found
        )

    def _id(self, name: str) -> str:
        kinds = ["_row"] if self.refund else []  # the sale and the refund of a line
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
        """Return the values that distinguish the rows, the id or an order with its item;
        none if these do not.
        """
        names = (
            [name]
            if name in self.found
            else ["order_id", "item_id"]
            if self.kind is MappingKind.ORDERS
            else []
        )
        keys = tuple(self.found[key].value for key in names if key in self.found)
        return keys if keys and self.values.are_unique(keys) else ()

    def _field(self, name: str) -> str:
        if name not in self.found:
            return self._field_without_column(name)
        value = self.found[name].value
        if name == "event_type" and value.joined:
            return f"  {name}: {{first_of: {quoted_list([value.path[0], value.joined])}}}"
        if name in {feeds()[self.kind].model.kind.time, CHANGED_AT}:
            return self._changed_at(value) if name == CHANGED_AT else self._time(name)
        if line := self._unusual_field(name, value):
            return line
        is_email = name in {"user_id", "customer_id"} and self.values.are_emails(value)
        if value.is_column:
            options = self._key(name, value) or ", ".join(self._in_cents(value))
            return f"  {name}: {self._origin(name, value, options)}"
        sql = f"lower(trim({value.sql}))" if is_email else value.sql
        return f"  {name}: {{expression: {quoted(sql)}, optional: true}}"

    def _unusual_field(self, name: str, value: Value) -> str:
        """Return the line of an amount, a quantity or a customer that is more than its column; else
        empty.
        """
        if name in AMOUNTS:
            return self._amount(name, value)
        if name == "quantity":
            return self._quantity(value)
        return self._customer(value) if name == "customer_id" else ""

    def _quantity(self, value: Value) -> str:
        sale = quoted(value.path[0])
        if self.cancelled_pieces is not None and value.is_column:
            sale = f"{{column: {sale}, less: [{quoted(self.cancelled_pieces.path[0])}]}}"
        if self.refunds_pieces:
            back = quoted(self._column(REFUNDED_QUANTITY))
            return f"  quantity: {{by_row: {{sale: {sale}, refund: {back}}}}}"
        if self.cancelled_pieces is not None and value.is_column:
            return f"  quantity: {sale}"
        if self.are_kinds and value.is_column:
            sql = quoted(f"coalesce({self.values.plain_sql(value)}, '0')")
            return f"  quantity: {{expression: {sql}}}  # rows of money alone have none"
        return ""

    def _customer(self, value: Value) -> str:
        """Return the line of a customer that some rows do not have; else empty."""
        name, answer = "customer_id", self.answers.get(NO_CUSTOMER)
        if self._is_open(NO_CUSTOMER):
            line = self.marked(f'  {name}: "{OPEN}"', NO_CUSTOMER)
            return f"{line}: write {self._of_nobody(value)} or {quoted(value.path[0])}"
        if answer == NOBODY:
            return f"  {name}: {self._of_nobody(value)}  # without one, it is nobody's"
        if answer == BY_ORDER:
            columns = quoted_list([value.path[0], self._column("order_id")])
            options = ", ".join(filter(None, [f"first_of: {columns}", self._key(name, value)]))
            return f"  {name}: {{{options}}}  # without one, each order is of its own"
        return ""

    def _of_nobody(self, value: Value) -> str:
        """Return the origin of customers whose empty ones are nobody."""
        sql = quoted(f"coalesce({value.sql}, {text(NOT_SET)})")
        key = self._key("customer_id", value)
        return f"{{{', '.join(filter(None, [f'expression: {sql}', key]))}}}"

    def _key(self, name: str, value: Value) -> str:
        """Return the option that says what a key is;
        empty where its values are plain numbers or texts.
        """
        if name in {"user_id", "customer_id"} and self.values.matching(value, EMAIL):
            return "key: address"
        is_name = name == "order_id" and self.values.matching(value, ORDER_NAME)
        return "key: order_name" if is_name else ""

    def _changed_at(self, value: Value) -> str:
        """Return the line of the time at which an order was changed;
        a comment where its lines have several.

        The newest version of an order replaces all of its rows, so that lines with other times
        would be lost.
        """
        if "order_id" in self.found and not self._has_row_per_order() and self._varies(value):
            return (
                f"  # changed_at: {quoted(value.path[0])} differs among the lines of an order; "
                "name it here with `record: line`, if a file has only the lines that changed"
            )
        if not value.is_column:
            return (
                f"  # changed_at: {quoted(value.name)} says when an order changed; see "
                "docs/mappings.md"
            )
        options = ", ".join(
            [f"column: {quoted(value.path[0])}", "optional: true", *self.time_options(value)]
        )
        return self.marked(f"  {CHANGED_AT}: {{{options}}}", FORMAT, ZONE)

    def _is_open(self, name: str) -> bool:
        """Return whether a field must be said before the file is read, and nobody has said it."""
        return any(
            question.key == name and not question.is_optional for question in self.questions
        ) and (name not in self.answers)

    def _amount(self, name: str, value: Value) -> str:
        """Return the line of an amount that is more than its column; else empty."""
        if name == "payment_amount" and (line := self._amount_of_kinds(value)):
            return line
        if hundredth := self._hundredth(value, is_of_goods=name == "payment_amount"):
            of_kinds = name == "payment_amount"
            return self._hundredth_of_kinds(hundredth) if of_kinds else f"  {name}: {hundredth}"
        if name == "cart_value":
            return self._amount_of_event(value)
        parts = self._less_and_plus()
        if name == "payment_amount" and parts and value.is_column:
            parts = [f"column: {quoted(value.path[0])}", *parts, *self._in_cents(value)]
            return f"  {name}: {{{', '.join(parts)}}}  # check this"
        if name == "payment_amount" and parts:
            sql = quoted(self._with_parts(f"({value.sql})::DECIMAL(30, 4)"))
            options = ", ".join([f"expression: {sql}", *self._less_shared()])
            return f"  {name}: {{{options}}}  # check this"
        return ""

    def _amount_of_event(self, value: Value) -> str:
        """Return the line of an amount of events that is more than its column; else empty."""
        column = quoted(value.path[0])
        if self.amount_of_purchases:
            of_purchases = quoted(self.amount_of_purchases.path[0])
            return f"  cart_value: {{first_of: [{of_purchases}, {column}], optional: true}}"
        if self.times:
            times = quoted(self.times.path[0])
            return f"  cart_value: {{column: {column}, times: {times}, optional: true}}"
        return ""

    def _amount_of_kinds(self, value: Value) -> str:
        """Return the line of an amount that is asked, shared among lines,
        or another one in refunds; else empty.
        """
        if any(map(self._is_open, (UNITS, PARTS, PIECES, REFUNDED_AMOUNT))):
            return self._open_amount()
        if line := self._amount_of_pieces_left():
            return line
        if self.is_shared:
            return self._shared_amount(value)
        return self._less_rate([value]) or self._refund_of_amount(value)

    def _share_weight(self) -> str:
        """Return the origin of the number by which the amount of an order is shared."""
        quantity = self.found.get("quantity")
        is_known = quantity is not None and quantity.value.is_column
        of_pieces = quoted(quantity.value.path[0]) if quantity and is_known else "{constant: 1}"
        return self.shared_by or of_pieces

    def _sharing(self) -> list[str]:
        """Return the option of an amount that is shared among the lines of its order."""
        return [f"shared_by: {self._share_weight()}"] if self.is_shared else []

    def _shared_amount(self, value: Value) -> str:
        """Return the line of an amount that is that of the order,
        and stands on each of its rows.
        """
        if (
            any(question.key == AMOUNT_OF for question in self.questions)
            and AMOUNT_OF not in self.answers
        ):
            return self.marked(f'  payment_amount: "{OPEN}"', AMOUNT_OF)
        whole = [*self._less_and_plus(), *self._in_cents(value), *self._sharing()]
        sale = f"{{{', '.join([f'column: {quoted(value.path[0])}', *whole])}}}"
        back = self._shared_back(self._share_weight())
        return self._by_row(sale, back) if back else f"  payment_amount: {sale}"

    def _field_without_column(self, name: str) -> str:
        if name == "payment_amount" and UNIT_PRICE in self.found:
            if any(map(self._is_open, (UNITS, PARTS, PIECES, REFUNDED_AMOUNT))):
                return self._open_amount()
            lowered = self._amount_of_pieces_left() if self.cancelled_pieces else ""
            less_rate = lowered or self._less_rate(self._line_columns())
            return less_rate or self._price_times_quantity()
        if name == "quantity" and self.values.spread and not self._is_open(name):
            return f"  {name}: {{constant: 1}}  # one piece each"
        if name in ONE_PER_ORDER and not self.values.spread and not self._is_open(name):
            return f"  {name}: {{constant: {ONE_PER_ORDER[name]}}}  # a row per order"
        answer = self.answers.get(name)
        if answer is not None and (line := self._said_without_column(name, answer)):
            return line
        return self.marked(
            f'  {name}: "{OPEN}"', name, *([UNITS] if name == "payment_amount" else [])
        )

    def _said_without_column(self, name: str, answer: str) -> str:
        """Return the line of a field by an answer that names no column of its own; else empty."""
        if name == "customer_id" and answer == NOBODY:
            return f"  {name}: {{constant: {quoted(NOT_SET)}}}  # nobody"
        if name == "customer_id":
            return f"  {name}: {quoted(self._column('order_id'))}  # each order is of its own"
        if name == "event_type" and answer in STANDARD_TYPES:
            return f"  {name}: {{constant: {answer}}}  # no column says it"
        if answer != NO_AMOUNT:
            return ""
        if name == "payment_amount":
            return f"  {name}: {{constant: 0}}  # the file has none"
        return f"  # {name}: there is none"

    def _less_and_plus(self) -> list[str]:
        """Return the options of the amount of the goods: what is taken off, and what is added."""
        reading = self._reading()
        return _options(reading) if reading else []

    def _less_shared(self) -> list[str]:
        """Return the option of an amount that is less its part of a discount of its order."""
        return [one for one in self._less_and_plus() if one.startswith("less_shared")]

    def _origin(self, name: str, value: Value, operations: str) -> str:
        kind = feeds()[self.kind].model.kind
        is_needed = name in {*kind.required, kind.id}
        options = [part for part in (operations, "" if is_needed else "optional: true") if part]
        return (
            f"{{column: {quoted(value.path[0])}, {', '.join(options)}}}"
            if options
            else quoted(value.path[0])
        )

    def _time(self, name: str) -> str:
        value = self.found[name].value
        parts = [f"column: {quoted(value.path[0])}"]
        if refund := self._time_of_refund(value):
            parts = [refund]
        elif value.joined:
            parts = [f"join: {quoted_list([value.path[0], value.joined])}"]
        elif not value.is_column:
            parts = [f"expression: {quoted(value.sql)}"]
        parts += self.time_options(value)
        return self.marked(f"  {name}: {{{', '.join(parts)}}}", FORMAT, ZONE)

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

    def _numerals(self) -> list[str]:
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

    def _less_rate(self, cells: Sequence[Value]) -> str:
        """Return the line of an amount less a discount in percent; empty where none is taken off.
        Of a refund, a column says the amount, or the same is paid back.
        """
        reading = self._reading()
        if reading is None or reading.rate is None:
            return ""
        sale, back = self._origin_less_rate(cells, reading.rate), self._paid_back_of_each()
        return self._by_row(sale, back) if back else f"  payment_amount: {sale}"

    def _origin_less_rate(self, cells: Sequence[Value], rate: Value) -> str:
        numbers = [f"({self.values.plain_sql(value)})::DECIMAL(24, 6)" for value in cells]
        percent = f"coalesce(({self.values.plain_sql(rate)})::DECIMAL(24, 6), 0)"
        units = self._in_cents(cells[0])
        whole = 100 if units or cells[0] not in self.cents else 10_000
        sql = f"round({' * '.join(numbers)} * (100 - {percent}) / {whole}, 4)"
        return f"{{{', '.join([f'expression: {quoted(sql)}', *units])}}}"

    def _price_times_quantity(self) -> str:
        price = self.found[UNIT_PRICE].value
        quantity = self.found["quantity"].value if "quantity" in self.found else None
        if hundredth := self._hundredth(price, quantity, is_of_goods=True):
            return self._hundredth_of_kinds(hundredth)
        if quantity is None:
            origin = self._origin("payment_amount", price, ", ".join(self._in_cents(price)))
            back = self._paid_back_of_each() if price.is_column else ""
            return (
                self._by_row(origin, back)
                if back
                else f"  payment_amount: {origin}  # one item a row"
            )
        if price.is_column and quantity.is_column:
            options = ", ".join(
                [
                    f"times: {quoted(quantity.path[0])}",
                    *self._less_and_plus(),
                    *self._in_cents(price),
                ]
            )
            sale = f"{{column: {quoted(price.path[0])}, {options}}}"
            if self.refunds_pieces:
                times = f"times: {quoted(self._column(REFUNDED_QUANTITY))}"
                options = ", ".join([times, *self._in_cents(price)])
                back = f"{{column: {quoted(price.path[0])}, {options}}}"
                return self._by_row(sale, back)
            back = self._paid_back_of_each()
            return self._by_row(sale, back) if back else f"  payment_amount: {sale}"
        product = f"({price.sql})::DECIMAL(30, 4) * ({quantity.sql})::DECIMAL(30, 4)"
        parts = [f"expression: {quoted(self._with_parts(product))}", *self._less_shared()]
        origin = f"{{{', '.join(parts)}}}"
        if back := self._shared_back(origin):
            return self._by_row(origin, back)
        return f"  payment_amount: {origin}  # price and quantity"

    def _event_types(self) -> list[str]:
        if "event_type" not in self.found:
            return []
        counts = self.values.counts(self.found["event_type"].value)
        with_money = self._type_with_money([name for name, _ in counts])
        unknown = [(name, count) for name, count in counts if known_event_type(name) is None]
        # It is asked about however many others there are.
        unknown.sort(key=lambda each: each[0] != with_money)
        answered, codes = self._event_codes(unknown, with_money)
        unknown = [(name, count) for name, count in unknown if name not in {*answered, *codes}]
        for key, (name, count) in zip(EVENT_TYPES, unknown, strict=False):
            near = likely_event_type(name)
            hint = f"; probably {near}" if near else ""
            if name == with_money:
                near, hint = near or "purchase", "; all amounts are on its rows"
            is_open = name.isdigit() or name == with_money
            sentence = f"what {shown(name)!r} is ({count:,} rows), or {STAYS}{hint}"
            self.questions.append(
                OpenQuestion(
                    key,
                    sentence,
                    (*STANDARD_TYPES, STAYS),
                    near or STAYS,
                    is_optional=not is_open,
                    subject=name,
                    note=formats.counted(count, "row") + ("; a guess by its name" if near else ""),
                )
            )
            answered[name] = self.answers.get(key, STAYS)
            if is_open and key not in self.answers:
                codes[name] = key
        lines, stay, types = [], [], []
        for name, count in counts:
            if name in codes:
                lines.append(self._open_type(name, codes[name]))
                continue
            event_type = known_event_type(name) or answered.get(name, STAYS)
            is_same = event_type in {name, STAYS}
            types.append(name if is_same else event_type)
            near = likely_event_type(name) if event_type == STAYS else ""
            if not is_same:
                lines.append(f"  {quoted(name)}: {event_type}  # {count:,} rows")
            elif event_type == STAYS:
                hint = f"; did you mean {near}?" if near else ""
                stay.append(f"  # {shown(name)}: {count:,} rows, stays as it is{hint}")
        head = ["event_types:" if lines else "# event_types:"] if lines or stay else []
        return [*head, *lines, *stay, *self._funnel_steps(types)]

    def _open_type(self, name: str, key: str) -> str:
        """Return the line of an event type that nobody has named."""
        line = f'  {quoted(name)}: "{OPEN}"'
        if key != EVENT_CODES:
            return self.marked(line, key)
        note = next(one.each[name] for one in self.questions if one.key == key)
        choices = f"{', '.join(STANDARD_TYPES)}, or {name} to keep it"
        return f"{line}  # OPEN: {on_one_line(f'what {name!r} is ({note}): {choices}')}"

    def _event_codes(
        self, unknown: Sequence[tuple[str, int]], with_money: str
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Ask what several numbers in place of event types mean, all at once; return the answers by
        the numbers, and where nobody has answered, the key of the question by each number.
        """
        numbers = [(name, count) for name, count in unknown if name.isdigit()]
        numbers = numbers[:MOST_EVENT_TYPES_ASKED]
        counts = dict(sorted(numbers, key=lambda each: -each[1]))
        if len(counts) < FEWEST_CODES:
            return {}, {}
        examples = self._examples([*counts])
        each = {
            name: formats.counted(count, "row")
            + (f", such as {examples[name]}" if examples[name] else "")
            + ("; all amounts are on its rows" if name == with_money else "")
            for name, count in counts.items()
        }
        named = "; ".join(f"{name!r} ({note})" for name, note in each.items())
        example = answer_of_each({**dict.fromkeys([*counts][:1], STANDARD_TYPES[0])})
        sentence = (
            f"what the codes of {self.found['event_type'].value.name} are, each one of "
            f"{', '.join(STANDARD_TYPES)}, or {STAYS}, such as {example}, …: {named}"
        )
        guess = {name: "purchase" if name == with_money else STAYS for name in counts}
        question = OpenQuestion(
            EVENT_CODES,
            sentence,
            (*STANDARD_TYPES, STAYS),
            answer_of_each(guess),
            subject=", ".join(counts),
            each=each,
        )
        self.questions.append(question)
        if EVENT_CODES in self.answers:
            return question.said_of_each(self.answers[EVENT_CODES]), {}
        return {}, dict.fromkeys(counts, EVENT_CODES)

    def _examples(self, names: Sequence[str]) -> dict[str, str]:
        """Return what rows of each event type have where these types differ: first in columns that
        only some of them have.
        """
        known = [
            match.value.column
            for name, match in self.found.items()
            if name in OF_PERSONS | {*TIMES}
        ]
        kind = self.found["event_type"].value.column
        columns = {
            value.name: value.column
            for value in self.values.values
            if value.column not in {kind, *known}
        }
        cells = [kind, *(f"min({column})" for column in columns.values())]
        is_one = f"list_contains({texts(names)}, {kind})"
        rows = {
            name: {column: cell for column, cell in zip(columns, found, strict=True) if cell}
            for name, *found in self.values.rows(select(cells, TABLE, is_one, kind))
        }
        different = {column: {row.get(column) for row in rows.values()} for column in columns}
        telling = [column for column in columns if len(different[column]) > 1]
        telling.sort(key=lambda column: None not in different[column])
        return {
            name: ", ".join(
                f"{shown(column, MOST_OF_EXAMPLE)} {shown(row[column], MOST_OF_EXAMPLE)}"
                for column in [column for column in telling if column in row][:MOST_OF_ROW]
            )
            for name, row in rows.items()
        }

    def _type_with_money(self, names: Sequence[str]) -> str:
        """Return the event type that alone has amounts, where no name says which is a purchase;
        empty if there is none.
        """
        if "purchase" in map(known_event_type, names):
            return ""
        amounts = amounts_of_some_types(self.values, self.found)
        amount = self.found["cart_value"].value if "cart_value" in self.found else None
        amount = amount or next(iter(amounts), None)
        if amount is None:
            return ""
        event_type = self.found["event_type"].value
        has_money = f"{self.values.number_sql(amount)} <> 0"
        types = self.values.rows(select(f"DISTINCT {event_type.column}", TABLE, has_money))
        return str(types[0][0]) if len(types) == 1 else ""

    def _funnel_steps(self, types: Sequence[str]) -> list[str]:
        """Return the line of the steps of the default funnel that the file has, if it has two;
        else what is missing.
        """
        steps = [step for step in FIVE_STEPS if step in types]
        missing = [step for step in FIVE_STEPS if step not in types]
        if len(steps) < FEWEST_STEPS:
            return [
                (
                    f"# no funnel: the file has {' and '.join(steps) or 'none'} of "
                    f"{', '.join(FIVE_STEPS)}"
                )
            ]
        note = f"  # the file has no {', '.join(missing)}" if missing else ""
        return [f"funnel_steps: [{', '.join(steps)}]{note}"]


def file_lines(values: FileValues) -> list[str]:
    """Return the lines that say how a file is split into rows and columns."""
    lines = [] if values.delimiter == "," else [f"delimiter: {quoted(values.delimiter)}"]
    if values.encoding not in {None, UTF_8}:
        lines.append(f"encoding: {values.encoding}  # its lines are not UTF-8")
    if values.sheet and len(values.sheet.sheets) == 1 and values.sheet.other_sheets:
        lines.append(f"sheet: {quoted(values.sheet.sheets[0])}")
    if values.lists.records:
        lines.append(f"records: {quoted(values.lists.records)}")
    if values.packed and values.spread:
        lines += ["packed:", *(_packed_line(name, cell) for name, cell in values.packed.items())]
    return lines


def _packed_line(name: str, cell: PackedCell) -> str:
    return f"  {quoted(name)}: {json.dumps(cell.as_keys(), ensure_ascii=False)}"


@dataclass
class CustomerDraft(Draft):
    """A mapping of customers that is being written."""

    refusals: tuple[Value, ...] = ()
    """The columns that say who must not be written to, such as who unsubscribed."""

    def __post_init__(self) -> None:
        """Find the fields, and who must not be written to."""
        super().__post_init__()
        self.refusals = (*named_refusals(self.values, self.found),)
        if self.refusals and CONSENT not in self.found:
            first = self.refusals[0]
            self.found[CONSENT] = FoundField(CONSENT, first, f"named {first.name}")

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
        if name == "id" and self.values.matching(value, EMAIL):
            options.append("key: address")
        if name in TIMES:
            options += self.time_options(value)
        if name == CONSENT:
            options += self._taken_back(value)
        path = f"path: {quoted('.'.join(value.path))}"
        return self.marked(f"  {name}: {{{', '.join([path, *options])}}}", FORMAT, ZONE)

    def _taken_back(self, consent: Value) -> list[str]:
        """Return the options of consent by the columns that say who took it back; where no other
        column says anything of it, nobody is known to have agreed.
        """
        if consent in self.refusals:
            self.notes.append(
                f"{shown(consent.name)} says who must not be written to, and of nobody that they "
                "agreed"
            )
        words = ["agreed: []", "refused: []"] if consent in self.refusals else []
        names = [".".join(value.path) for value in self.refusals]
        return [*words, f"unless: {quoted_list(names)}"] if names else []


@dataclass
class ListDraft(Draft):
    """A mapping of a list of products that is being written: of their costs, or of their stock."""

    KEYS: ClassVar[Sequence[str]] = ("product_id", "item_id", "location", "valid_from_date")
    """The fields that tell rows apart, as far as a file has them."""
    stock_sum: RowSum | None = None
    """Of several numbers of stock, how the one that counts follows from others."""
    places: tuple[Value, ...] = ()
    """The columns of the stock of several places, where no column has that of all."""

    def __post_init__(self) -> None:
        """Find the fields; of several numbers of stock, the one that is left of the others."""
        super().__post_init__()
        cost = self.found.get("unit_cost_amount")
        if self.kind is MappingKind.STOCK and cost is not None and cost.value.currency:
            self.notes.append(
                f"{shown(cost.value.name)} says {cost.value.currency}; a list of stock has costs "
                "in the currency of the shop: in another one, bring a list of costs"
            )
        if self.answers.get("stock") == ALL_PLACES:
            self.places = stock_by_place(self.values, self.found)
        if self.kind is not MappingKind.STOCK or "stock" in self.answers:
            return
        numbers = numbers_left(self.values, self.found)
        wholes = [self.found["stock"].value] if "stock" in self.found else numbers
        ways = (
            what_is_left(self.values, whole, [one for one in numbers if one != whole])
            for whole in wholes
        )
        left = next((way for way in ways if way is not None), None)
        if left is not None:
            why = f"named {left.whole}; by adding up: {left.text}"
            value = next(v for v in self.values.values if v.name == left.whole)
            self.found["stock"] = FoundField("stock", value, why)
            self.stock_sum = left
        if "stock" not in self.found:
            self.places = stock_by_place(self.values, self.found)

    def lines(self) -> list[str]:
        """Return the lines of the mapping."""
        kind = feeds()[self.kind].model.kind
        needed = [name for name in kind.required if name != kind.id]
        for name in needed:
            if name not in self.found and not (name == "stock" and self._asked_by_place()):
                self.ask_for_column(name)
        names = dict.fromkeys([*needed, *self.found])
        equal_rows = "equal_rows: " + ("keep" if self.kind is MappingKind.STOCK else "merge")
        columns = [match.value.path[0] for match in self.found.values() if match.value.is_column]
        return [
            *file_lines(self.values),
            *self._numerals(),
            "fields:",
            f"  {kind.id}: {{hash_of: {quoted_list(columns)}, optional: ['*'], {equal_rows}}}",
            *(self._listed_field(name) for name in names),
            *(self._currency_beside() if "currency" in kind.fields else ()),
            *self._proofs(),
            "other_columns: ignore",
        ]

    def _asked_by_place(self) -> bool:
        """Ask whether the stock of all places counts; return whether there are several."""
        if not self.places:
            return False
        names = tuple(value.name for value in self.places)
        others = [one for one in candidates(self.values, "stock", self.found) if one not in names]
        sentence = f"{NEEDED['stock']}: {', '.join(map(shown, names))} may each be of one place"
        self.ask("stock", sentence, (ALL_PLACES, *names, *others), ALL_PLACES)
        return True

    def _of_all_places(self) -> str:
        """Return the origin of the stock of all places; where one says none, it has none."""
        numbers = ", ".join(
            f"TRY_CAST({self.values.plain_sql(value)} AS DECIMAL(24, 6))" for value in self.places
        )
        return f"{{expression: {quoted(f'list_sum([{numbers}])::VARCHAR')}}}"

    def _proofs(self) -> list[str]:
        """Return the lines of what was found true of all rows, which later lists must be, too."""
        keys = [self.found[name].value for name in self.KEYS if name in self.found]
        lines = []
        if all(key.is_column for key in keys) and self.values.are_unique_in_each_file(keys):
            lines.append(key_line([key.path[0] for key in keys]))
        if self.stock_sum is not None:
            stock = self.found["stock"].value
            lines += sum_lines(self.values, [self.stock_sum], ("", ()), [stock])
        if self.kind is not MappingKind.AD_SPEND:  # campaigns are paused, and spent before
            states = state_columns(self.values, self.found)
            lines += filter(None, (values_line(self.values, value) for value in states))
        return ["holds:", *lines] if lines else []

    def _listed_field(self, name: str) -> str:
        if name == "stock" and self.answers.get(name) == ALL_PLACES:
            return f"  {name}: {self._of_all_places()}  # {ALL_PLACES}"
        if name not in self.found:
            return self.marked(f'  {name}: "{OPEN}"', name)
        value = self.found[name].value
        if name not in TIMES:
            return self._field(name)
        # A day is the shop's, wherever the server of the file is.
        forms = self.values.time_formats(value)
        origin = f"expression: {quoted(value.sql)}"  # such as of months in another language
        if value.is_column:
            origin = f"column: {quoted(value.path[0])}"
        options = [origin, "optional: true"]
        if len(forms) > 1:
            example = shown(self.values.counts(value, 1)[0][0])
            sentence = f"how days such as {example} are written"
            written = self.ask(FORMAT, sentence, tuple(forms), note=f"As in {example}")
            options.append(f"format: {written}")
        elif forms[0] != "iso":
            options.append(f"format: {quoted(forms[0])}")
        return self.marked(f"  {name}: {{{', '.join([*options, 'timezone: shop'])}}}", FORMAT)


@dataclass
class AdSpendDraft(ListDraft):
    """A mapping of ad spend that is being written."""

    KEYS = AD_SPEND_KEYS

    def lines(self) -> list[str]:
        """Return the lines of the mapping."""
        needed = ["spend_date", "spend_amount"]
        if not {"campaign_id", "campaign_name"} & self.found.keys():
            needed.append("campaign_name")
        for name in needed:
            if name not in self.found:
                self.ask_for_column(name)
        columns = [match.value.path[0] for match in self.found.values() if match.value.is_column]
        others = [name for name in self.found if name not in needed]
        return [
            *file_lines(self.values),
            *self._numerals(),
            "fields:",
            f"  spend_id: {{hash_of: {quoted_list(columns)}, optional: ['*']}}",
            *(self._listed_field(name) for name in (*needed, *others)),
            *self._unsaid(),
            *self._proofs(),
            "other_columns: ignore",
        ]

    def _listed_field(self, name: str) -> str:
        if name == "spend_amount" and name in self.found and self._asks_millionths():
            value = self.found[name].value
            if self._is_open(UNITS):
                return self.marked(f'  {name}: "{OPEN}"', UNITS)
            if self.answers[UNITS] == MILLIONTHS:
                number = f"TRY_CAST({value.sql} AS DECIMAL(24, 0)) * 0.000001::DECIMAL(7, 6)"
                return f"  {name}: {{expression: {quoted(number)}}}  # in millionths"
        # A day is the account's, whatever its zone.
        return (
            super()
            ._listed_field(name)
            .replace(", timezone: shop", "")
            .replace(", optional: true", "" if name == "spend_date" else ", optional: true")
        )

    def _asks_millionths(self) -> bool:
        """Ask what the spend counts where all of it is whole, and far more than what ads cost;
        return whether it is asked.
        """
        value = self.found["spend_amount"].value
        if self.values.matching(value, r"\d+") != self.values.filled(value):
            return False
        spent = self.values.scalar(f"sum({self.values.number_sql(value)})")
        for name, most in (
            ("impression_count", MOST_OF_IMPRESSION),
            ("click_count", MOST_OF_CLICK),
        ):
            if name not in self.found:
                continue
            count = self.values.scalar(f"sum({self.values.number_sql(self.found[name].value)})")
            if spent and count and spent / count > most:
                example = shown(self.values.counts(value, 1)[0][0])
                sentence = (
                    f"whether what was spent, such as {example} of {value.name}, counts "
                    f"{WHOLE_UNITS} or {MILLIONTHS} of the currency"
                )
                self.ask(UNITS, sentence, (WHOLE_UNITS, MILLIONTHS), MILLIONTHS)
                return True
        return False

    def _unsaid(self) -> list[str]:
        """Return the lines of what all rows have in common, as no column says it."""
        result = []
        if PLATFORM not in self.found:
            answer = self.ask(PLATFORM, "where the ads were bought", PLATFORMS)
            result.append(self.marked(f"  platform: {{constant: {answer}}}", PLATFORM))
        if ACCOUNT not in self.found:
            question = account_question()
            self.ask(ACCOUNT, question.sentence, question.choices)
            origin = account_origin(self.answers.get(ACCOUNT))
            result.append(self.marked(f"  account_id: {origin}", ACCOUNT))
        spend = self.found.get("spend_amount")
        if CURRENCY not in self.found and spend is not None and spend.value.currency:
            result.append(f"  currency: {{constant: {quoted(spend.value.currency)}}}")
        elif CURRENCY not in self.found:
            question = currency_question()
            answer = self.ask(CURRENCY, question.sentence, question.choices, question.guess)
            result.append(self.marked(f"  currency: {{constant: {answer}}}", CURRENCY))
        return result
