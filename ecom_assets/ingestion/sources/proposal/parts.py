"""Which amounts of a row are parts of which, found by adding up: names only say what a part is, and
the order in which sums are tried.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from itertools import combinations, permutations, product
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from ecom_assets.core.warehouse.sql_text import select
from ecom_assets.ingestion.sources.proposal.bare_names import bare
from ecom_assets.ingestion.sources.proposal.state_words import begins, words_of
from ecom_assets.ingestion.sources.proposal.values import TABLE, FileValues, Value


class Part(StrEnum):
    """What an amount is that stands beside another one."""

    SHIPPING = "shipping"
    TAX = "tax"
    DISCOUNT = "discount"
    FEE = "fee"
    TIP = "tip"
    REFUND = "refund"
    OTHER = "other"


_WORDS: Final[Mapping[Part, tuple[str, ...]]] = {
    Part.SHIPPING: (
        *(
            "ship",
            "port",
            "carriage",
            "courier",
            "postage",
            "deliver",
            "freight",
            "handling",
            "versand",
            "porto",
            "fracht",
        ),
        *("lieferkosten", "liefergebuhr", "livraison", "expedition", "envio", "spediz", "verzend"),
        *(
            "bezorgkosten",
            "wysylk",
            "wysyłk",
            "przesyłk",
            "dostaw",
            "frete",
            "transport",
            "доставк",
            *("frakt", "fragt", "toimitus", "μεταφορικ", "szallit", "doprav", "postovn", "livrare"),
            *("chuyen", "pengiriman", "ongkos", "ongkir", "الشحن", "التوصيل", "משלוח"),
            *("送料", "运费", "運費", "배송비"),
        ),
    ),
    Part.TAX: (
        *("tax", "taxe", "taxes", "vat", "gst", "hst", "pst", "qst", "mwst", "ust", "tva", "iva"),
        *("umsatzsteuer", "mehrwertsteuer", "steuer", "steuern", "btw", "belasting", "podatek"),
        *("impuest", "impost", "moms", "kdv", "dph", "afa", "ндс", "пдв", "налог", "податок"),
        *("mva", "alv", "φπα", "thue", "pajak", "الضريبة", "ضريبة", "מעמ"),
        *("消費税", "税额", "稅額", "부가세"),
    ),
    Part.DISCOUNT: (
        *(
            "discount",
            "rebate",
            "markdown",
            "rabat",
            "remise",
            "reduction",
            "descuent",
            "descont",
            "sconto",
            "korting",
        ),
        *(
            "indirim",
            "nachlass",
            "skonto",
            "promotion",
            "promo",
            "coupon",
            "znizk",
            "zniżk",
            "знижк",
            "скидк",
        ),
        *("alennu", "εκπτωσ", "kedvezmen", "slev", "zlav", "reducer", "отстъпк"),
        *("giam", "diskon", "potongan", "خصم", "الخصم", "הנחה"),
        *("割引", "値引", "クーポン", "ポイント利用", "优惠", "折扣", "優惠", "할인", "쿠폰"),
    ),
    Part.FEE: (
        *(
            "fee",
            "fees",
            "cargo",
            "cargos",
            "commission",
            "gebuhr",
            "provision",
            "comision",
            "commissione",
        ),
        *("verkaufsgebuhr", "transaktionsgebuhr", "zahlungsgebuhr", "servicegebuhr"),
        *("angebotsgebuhr", "marktplatzgebuhr", "verkaufsprovision"),
        *("komisyon", "komisi", "jutalek", "προμηθει", "העמלה", "عمولة"),
        *("prowizj", "комисс", "комісі", "手数料", "cost", "cogs", "einkauf", "wareneinsatz"),
        *("cout", "couts", "costo", "koszt"),
    ),
    Part.TIP: ("tip", "tips", "gratuity", "trinkgeld", "pourboire", "propina", "mancia", "fooi"),
    Part.REFUND: (
        *("refund", "erstatt", "ruckerstatt", "rembours", "reembols", "rimbors", "terugbetaal"),
        *("zwrot", "возврат", "повернен", "rendu", "restitu", "devuel", "devol", "returned"),
        *("返金", "退款", "환불"),
    ),
}
"""How words in the names of parts begin; a name is of the first kind of which it has one."""
_ADDED: Final = frozenset({Part.SHIPPING, Part.TAX, Part.TIP})
"""Parts that a total has beside the goods; the others are taken off."""
_LOWERS: Final = _ADDED | {Part.DISCOUNT}
"""Parts without which, or after which, an amount is that of the goods; fees and refunds are not."""
_NO_AMOUNTS: Final = (
    *("rate", "rates", "satz", "taux", "percent", "percentage", "prozent", "tasa", "aliquota"),
    *("stawka", "ставка", "id", "number", "nummer", "nr", "no", "code", "zip", "plz", "postal"),
    *("phone", "telefon", "weight", "gewicht", "poids", "peso", "quantity", "qty", "menge"),
    *("anzahl", "quantite", "cantidad", "position", "index", "rank", "year", "month", "day"),
    *("balance", "saldo", "solde", "lat", "lon", "latitude", "longitude"),
)
"""Words in the names of numbers that are no amounts of a row."""
_TOTALS: Final = (
    *("total", "totals", "gesamt", "gesamtbetrag", "gesamtpreis", "gesamtsumme", "endbetrag"),
    *(
        "rechnungsbetrag",
        "rechnungsendbetrag",
        "zahlbetrag",
        "brutto",
        "bruttobetrag",
        "gross",
        "ttc",
        "incl",
        "inkl",
    ),
    *("tvac", "bestellsumme", "auftragssumme", "summe", "totale", "totaal", "totaalbedrag"),
    *("suma", "charged", "paid", "payed", "bezahlt", "paye", "pagado", "razem", "lordo", "lorda"),
    *("bruto", "brut", "итого", "всего", "合計", "συνολο", "celkem", "osszesen", "vegosszeg"),
    *("yhteensa", "toplam", "tong", "اجمالي", "المجموع", "sum"),
)
"""Words in the names of amounts that may have all that was paid in them."""
_NOT_WHOLE: Final = (
    *("net", "netto", "ht", "htva", "excl", "exkl", "zzgl", "ohne", "without", "before", "sub"),
    *("subtotal", "neto", "netta", "item", "items", "line", "row", "position", "artikel", "ligne"),
    *("product", "products", "goods", "zwischensumme", "sous", "linea", "riga", "regel", "regels"),
    *("zeilensumme", "positionssumme", "unit", "each"),
)
"""Words in such names by which they have the goods alone."""
_AFTER_FEES: Final = (
    *("net", "netto", "neto", "netta", "payout", "proceeds", "earnings", "settlement", "received"),
    *("auszahlung", "versement", "reverse", "erlos", "gutschrift", "abono", "accredito", "wyplat"),
    *("profit", "margin", "marge", "gewinn", "rohertrag", "benefice", "beneficio", "utile", "zysk"),
)
"""How words in the names of amounts begin from which fees are taken already."""
_INCLUDED: Final = frozenset(
    {
        *("incl", "inkl", "including", "excl", "exkl", "zzgl", "with", "inc", "w", "ex", "exc"),
        *("excluding", "without", "sans", "hors", "ohne", "sin", "senza", "zonder", "bez"),
        *("after", "less", "nach", "abzuglich", "apres", "despues", "dopo"),
        *("before", "vor", "avant", "antes", "prima", "przed"),
    }
)
"""Words before what is in an amount, or was taken off it."""
_PERCENT: Final = "%"
_RATES: Final = (
    *("rate", "rates", "satz", "steuersatz", "taux", "percent", "percentage", "prozent", "pct"),
    *("tasa", "aliquota", "porcentaje", "procent", "stawka", "ставка", "税率"),
)
_BEFORE: Final = (
    *("original", "list", "listen", "regular", "strike", "streich", "msrp", "rrp", "uvp", "pvp"),
    *("compareat", "ursprung", "catalog", "barre", "lista", "listino", "advies"),
)
"""How words in the names of prices begin that nobody has paid: those before a discount."""
_LEFT: Final = ("net", "netto", "neto", "netta", "payout", "profit", "margin", "marge", "gewinn")
"""How words in the names of amounts begin that are what is left of others."""
_COSTS: Final = (
    *("cost", "cogs", "einkauf", "wareneinsatz", "ek", "cout", "couts", "costo", "koszt", "inkoop"),
    *("zakup", "nakup", "achat", "acquisto", "compra", "inkop", "закуп"),
    *("себестоим", "собіварт", "原価"),
)
"""How words in the names of what goods cost the shop begin."""
_MOST_PARTS, _MOST_AMOUNTS, _MOST_TRIED, _MOST_WAYS, _MOST_ROWS = 6, 12, 240, 40, 100_000
_SHARE, _LIKELY, _FEWEST, NEAR = 0.98, 0.9, 3, 0.0051
_FEW_RATES, _MOST_UNNAMED = 6, 2
HIGHEST_TAX: Final = 0.27
"""The highest rate of a value added tax anywhere."""
_NEAR_OF_LINES: Final = 0.0205
"""How far the tax of an order is from a rate of it, where four lines are rounded."""
Numbers = npt.NDArray[np.float64]


def read_numbers(values: FileValues, expressions: Sequence[str], where: str = "") -> list[Numbers]:
    """Return the numbers of some expressions over the first rows, NaN where a row has none."""
    if not expressions:
        return []
    cells = [f"({sql})::DOUBLE AS c{n}" for n, sql in enumerate(expressions)]
    read = values.columns_of_numbers(f"{select(cells, TABLE, where)} LIMIT {_MOST_ROWS}")
    return [
        np.ma.filled(np.ma.asarray(read[f"c{n}"], dtype=np.float64), np.nan)
        for n in range(len(cells))
    ]


def part_of(value: Value, *, but: Part | None = None) -> Part | None:
    """Return what part of an amount a column is by the words of its name; None for others.

    Words of one part can be passed over: `tax_refunded` is a refund, and a tax but for that.
    """
    words = _words(value)
    if re.fullmatch(_POSTAGE_IN_SHORT, value.last_name.strip()):
        return Part.SHIPPING
    if not words or any(begins(word, _NO_AMOUNTS) for word in words if len(word) > 1):
        return None
    if is_rate(value):
        return None
    if included := [place for place, word in enumerate(words) if word in _INCLUDED]:
        # A total with tax is no tax; postage with tax is postage, and a total with postage is none.
        before = words[: included[0]]
        kinds = (part for part, stems in _WORDS.items() if _has(before, stems))
        return next((part for part in kinds if part is not Part.TAX), None)
    named = (part for part, stems in _WORDS.items() if part is not but and _has(words, stems))
    part = next(named, None)
    return None if part is Part.TAX and is_of_one_rate(value) else part


_POSTAGE_IN_SHORT: Final = r"(?i)[ps] ?(&|\+|and) ?[ph]"
"""Postage and packing, shipping and handling: `P&P`, `S&H`."""


def is_total(value: Value) -> bool:
    """Return whether an amount may, by its name, have all in it that was paid."""
    return _has(_words(value), _TOTALS) and not is_of_goods(value)


def is_of_goods(value: Value) -> bool:
    """Return whether an amount is, by its name, of the goods alone."""
    return any(word in _NOT_WHOLE for word in _words(value))


def is_of_whole_order(value: Value) -> bool:
    """Return whether an amount may be, by its name, of a whole order."""
    return is_total(value) or any(begins(word, _ORDERS) for word in _words(value))


_ORDERS: Final = (
    *("order", "subtotal", "cart", "bestell", "auftrag", "zwischensumm", "warenkorb", "commande"),
    *("panier", "pedido", "carrito", "ordine", "carrello", "zamowien", "заказ", "замовлен"),
)
"""How words in the names of amounts begin that are of whole orders."""


def _is_sum(value: Value) -> bool:
    """Return whether an amount is, by its name, what others come to, with or without a tax, and so
    no part of one: `total_ex_tax`; `total_savings` may be.
    """
    words = {*words_of(value.telling_name)}
    return bool(words & _SUMS) and words <= _SUMS | _OF_SUMS


_SUMS: Final = frozenset(
    {"total", "totals", "subtotal", "summe", "zwischensumme", "gesamt", "totale", "totaal"}
)
_OF_SUMS: Final = frozenset(
    {"ex", "inc", "incl", "excl", "tax", "vat", "net", "gross", "order", "amount", "price", "value"}
    | {"grand", "sub", "base", "inkl", "exkl", "netto", "brutto", "ht", "ttc", "line", "items"}
)


def _words(value: Value) -> list[str]:
    """Return the words of a name, also of one whose capitals part no words, such as MwSt; of the
    number of an object of money those of the object.
    """
    name = value.telling_name
    return list(dict.fromkeys([*words_of(name), *words_of(name.casefold())]))


def _has(words: Sequence[str], stems: tuple[str, ...]) -> bool:
    return any(begins(word, stems) for word in words)


def is_cost(value: Value) -> bool:
    """Return whether a number is, by its name, what goods cost the shop."""
    return _has(_words(value), _COSTS)


def is_free(value: Value) -> bool:
    """Return whether a number is, by its name, what may be sold of a product."""
    words = [word for word in _words(value) if not word.startswith("freight")]
    return _has(words, _FREE)


def is_promised(value: Value) -> bool:
    """Return whether a number is, by its name, of pieces that are there and sold already."""
    return _has(_words(value), _PROMISED) and not is_free(value)


def is_in_stock(value: Value) -> bool:
    """Return whether a number is, by its name, what there is of a product, or may be sold of it."""
    return is_free(value) or _has(_words(value), _IN_STOCK)


def is_limit_of_stock(value: Value) -> bool:
    """Return whether a number is, by its name, one at which stock is low, and not what there is."""
    return _has(_words(value), _LIMITS)


def is_rate(value: Value) -> bool:
    """Return whether a column is, by its name, of rates in percent."""
    is_said = any(begins(word, _RATES) for word in words_of(value.telling_name))
    has_percent = _PERCENT in value.last_name and not re.search(r"\d", value.last_name)
    return has_percent or is_said  # `VAT (20 %)` is an amount


def is_tax_rate(value: Value) -> bool:
    """Return whether a column is, by its name, of rates of a tax."""
    is_named = _has(_words(value), _WORDS[Part.TAX]) or "税" in value.last_name
    return is_rate(value) and is_named and not is_discount_rate(value)


def is_net(value: Value) -> bool:
    """Return whether an amount is, by its name, one without tax."""
    return any(word in _WITHOUT_TAX for word in _words(value)) or "税抜" in value.last_name


_WITHOUT_TAX: Final = frozenset(
    {
        *("net", "netto", "neto", "netta", "nett", "ht", "htva", "excl", "exkl", "zzgl", "ohne"),
        *("without", "ex", "exc", "excluding", "hors", "sin", "senza", "bez", "uden", "exkl"),
    }
)
"""Words in the names of amounts that have no tax in them."""


_TAXED: Final = _WITHOUT_TAX | {"gross", "brutto", "bruto", "brut", "lordo", "ttc"}
"""Words in the names of amounts with or without a tax."""


def is_of_one_rate(value: Value) -> bool:
    """Return whether an amount is, by its name, what was taxed with one of several rates, beside
    which the tax stands: `Net at 19 % VAT`.
    """
    words = _words(value)
    return bool(words) and words[0] in _TAXED and bool(re.search(r"\d", value.last_name))


def is_rate_of_currency(value: Value) -> bool:
    """Return whether a column is, by its name, of rates between currencies."""
    words = _words(value)
    return _has(words, _EXCHANGED) or (is_rate(value) and not {*words} - {"rate", "rates"})


_EXCHANGED: Final = (
    "exchange",
    "fx",
    "conversion",
    "kurs",
    "wechselkurs",
    "cambio",
    "wisselkoers",
    "kur",
)
"""How words in the names of such rates begin."""


def is_discount_rate(value: Value) -> bool:
    """Return whether a column is, by its name, of discounts in percent."""
    return is_rate(value) and _has(_words(value), _WORDS[Part.DISCOUNT])


def says_cents(value: Value) -> bool:
    """Return whether an amount counts, by its name, the smallest units of its currency."""
    return any(part in bare(value.name) for part in _CENTS)


_CENTS: Final = ("cents", "centamount", "centimes", "minor", "pence", "kopeck")
"""Parts of the names of amounts that count the smallest units of a currency."""


def can_be_amount(value: Value) -> bool:
    """Return whether a number may be an amount by its name: no rate, number of a thing, count."""
    words = words_of(value.telling_name)
    return not is_rate(value) and not any(begins(word, _NO_AMOUNTS) for word in words)


@dataclass(frozen=True)
class RowSum:
    """One amount of rows is another one with parts, each added (1) or taken off (-1).

    `row_count` is the number of rows that show it: those with a part that is not zero.
    """

    whole: str
    base: str
    parts: tuple[tuple[str, int], ...]
    row_count: int

    @property
    def text(self) -> str:
        """Return the sum in words."""
        signs = "".join(f" {'+' if sign > 0 else '-'} {name}" for name, sign in self.parts)
        return f"{self.whole} = {self.base}{signs}"


@dataclass(frozen=True)
class GoodsAmount:
    """How the amount of the goods of a row follows from its columns.

    Attributes:
        name: The amount that it begins with.
        less: The columns that are taken off it.
        plus: The columns that are added to it.
        shown_by: The sums that prove it.
        unproven: The parts of which nothing shows whether the amount has them in it.
        others: Amounts that differ from it by a part of which no name says what it is.
        optional: Such parts that are in it, where no column has the amount without them.
    """

    name: str
    less: tuple[str, ...] = ()
    plus: tuple[str, ...] = ()
    shown_by: tuple[RowSum, ...] = ()
    unproven: Mapping[str, Part] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowParts:
    """The amounts of the rows of a file, and their parts.

    `amounts` are columns by name, and perhaps a price times a quantity (`product`, by the name that
    is given to it). A column is a part by its name alone; sums say of what. `rates` are columns of
    percents.
    """

    values: FileValues
    amounts: Mapping[str, Value]
    product: tuple[str, str] = ("", "")
    item: Value | None = None
    quantity: Value | None = None
    rates: Sequence[Value] = ()
    where: str = ""
    """The rows, as SQL, where some are of no order, such as what a market keeps for services."""

    @property
    def once(self) -> Self:
        """Return these amounts as they were added up before, if they were: each answer asks for
        another draft.
        """
        of_kind = {field.name: getattr(self, field.name) for field in fields(self)}
        of_kind |= {
            name: (*of_kind[name].items(),) for name in ("amounts", "lines") if name in of_kind
        }
        of_kind |= {"rates": (*self.rates,), "values": None}
        return self.values.once((type(self), *of_kind.values()), lambda: self)

    @cached_property
    def parts(self) -> dict[str, Part]:
        """Return the columns of parts that are not zero in all rows, most frequent first."""
        kinds = {
            name: part
            for name, value in self.amounts.items()
            if (part := part_of(value)) is not None
            and np.any(self.filled(name) != 0)
            and not self._is_of_goods(name)
        }
        often = sorted(kinds, key=lambda name: -int(np.count_nonzero(self.filled(name))))
        twins = {
            name
            for n, name in enumerate(often)
            if any(self._is_twin(name, other, kinds) for other in often[:n])
        }
        often.sort(key=lambda name: name in twins)  # what says the same again shows no other sum
        named = {name: kinds[name] for name in often[:_MOST_PARTS]}
        return {**named, **dict.fromkeys(self._unnamed(named, twins), Part.OTHER)}

    def _is_twin(self, name: str, other: str, kinds: Mapping[str, Part]) -> bool:
        """Return whether two columns of one part say the same on all rows, whatever their signs."""
        own, numbers = np.abs(self.filled(name)), np.abs(self.filled(other))
        return kinds[name] is kinds[other] and np.array_equal(own, numbers)

    def _is_of_goods(self, name: str) -> bool:
        """Return whether an amount is the same as one that is called one of the goods, in all rows:
        what items cost customers is no fee, whatever it is called.
        """
        goods = (
            other
            for other, value in self.amounts.items()
            if is_of_goods(value) and part_of(value) is None
        )
        return any(
            other != name and np.array_equal(self.filled(name), self.filled(other))
            for other in goods
        )

    def _unnamed(self, named: Mapping[str, Part], twins: Collection[str]) -> list[str]:
        """Return the columns that are the difference of two amounts, whatever their names are; not
        those that say the same as a named one.
        """
        names = [name for name in self._numbers if name not in named and name not in twins]
        names = [name for name in names if np.any(self.filled(name) != 0)][:_MOST_AMOUNTS]
        sums = {
            name for name, value in self.amounts.items() if _is_sum(value) or is_of_one_rate(value)
        }
        sizes = {name: float(np.nansum(np.abs(self._numbers[name]))) for name in names}
        has_part = any(np.count_nonzero(self.filled(name)) >= _FEWEST for name in named)
        found: list[str] = []
        for name in sorted(names, key=lambda name: sizes[name]):
            if name == self.product[0] or name in sums:
                continue
            larger = [other for other in names if sizes[other] > sizes[name]]
            rows = self.filled(name) != 0
            # Of few rows, it is one where sums with a part of more rows then hold on all.
            is_few = rows.sum() < _FEWEST
            if (is_few and not has_part) or len(found) == _MOST_UNNAMED:
                continue
            own, beside = self.filled(name), self._beside(named)
            for whole, base in permutations(larger, 2):
                left = self._numbers[whole] - self._numbers[base]
                is_known = ~np.isnan(left)
                both = rows & is_known
                if both.sum() < _FEWEST and not is_few:
                    continue
                # The first rows alone mostly have more differences than all may have.
                rest, places = left - own, np.flatnonzero(both)
                allowed = len(places) * (1 - _SHARE) + 1
                few = places[: int(2 * allowed) + _FEWEST]
                near = rest[few]
                if is_few:
                    # What is paid in place of another way to pay is no part.
                    is_beside = np.all(self.filled(base)[rows] != 0)
                    is_shown = (
                        is_beside
                        and both.any()
                        and any(
                            np.all(np.abs(rest - other)[is_known] < NEAR)
                            and np.count_nonzero(other[is_known]) >= _FEWEST
                            for other in beside
                        )
                    )
                    if is_shown:
                        found.append(name)
                        break
                    continue
                if any(
                    np.count_nonzero(np.abs(near - other[few]) >= NEAR) <= allowed
                    and (holds := np.abs(rest - other) < NEAR)[both].mean() >= _SHARE
                    and holds[is_known].mean() >= _SHARE
                    for other in beside
                ):
                    found.append(name)
                    break
        return found

    def _beside(self, named: Mapping[str, Part]) -> list[Numbers]:
        """Return what named parts beside one without a name come to: none, or one or two of them,
        each added or taken off.
        """
        signed = [sign * self.filled(name) for name in named for sign in (1, -1)]
        pairs = [
            sign * self.filled(first) + other * self.filled(second)
            for first, second in combinations(named, 2)
            for sign, other in product((1, -1), repeat=2)
        ]
        return [np.zeros(len(next(iter(self._numbers.values())))), *signed, *pairs]

    @cached_property
    def _read(self) -> list[Numbers]:
        """Return the numbers of amounts, of the product and of rates, in one order of rows."""
        columns = [*self.amounts.values()]
        expressions = [self.values.number_sql(value) for value in columns]
        expressions += [self.product[1]] if self.product[0] else []
        expressions += [self.values.number_sql(value) for value in self.rates]
        return read_numbers(self.values, expressions, self.where)

    @cached_property
    def _numbers(self) -> dict[str, Numbers]:
        """Return the numbers of each amount, NaN where it has none."""
        names = [*self.amounts, *([self.product[0]] if self.product[0] else [])]
        return dict(zip(names, self._read, strict=False))

    def filled(self, name: str) -> Numbers:
        """Return the numbers of a part; an empty one is 0."""
        return np.nan_to_num(self._numbers[name])

    def _signed(self, name: str) -> int:
        """Return 1 for a part whose numbers are mostly above zero, else -1; of what went back it is
        the other way around.
        """
        numbers = self.filled(name) * self._direction
        return 1 if np.count_nonzero(numbers > 0) >= np.count_nonzero(numbers < 0) else -1

    @cached_property
    def _direction(self) -> Numbers:
        """Return -1 for rows of which the largest amount is below zero, else 1."""
        largest = max(self._numbers, key=lambda name: float(np.sum(np.abs(self.filled(name)))))
        return np.where(self.filled(largest) < 0, -1.0, 1.0)

    @property
    def numbers(self) -> Mapping[str, Numbers]:
        """Return the numbers of each amount of a row, NaN where it has none."""
        return self._numbers

    def total(self, name: str, less: Sequence[str] = (), plus: Sequence[str] = ()) -> float:
        """Return what an amount comes to over all rows that have it, less and plus some columns."""
        numbers = self._numbers[name].copy()
        for other, sign in (*((value, -1) for value in less), *((value, 1) for value in plus)):
            numbers += sign * self.filled(other)
        return float(np.nansum(numbers))

    def is_taken_off(self, name: str, amount: str) -> bool:
        """Return whether an amount is another one less a part on all rows, few as these may be."""
        part = np.abs(self.filled(name))
        return any(
            np.all(np.abs(numbers - part - self._numbers[amount]) < NEAR)
            for other, numbers in self._numbers.items()
            if other not in {name, amount} and other not in self.parts
        )

    def unexplained(self, goods: GoodsAmount) -> list[str]:
        """Return the amounts of which neither a name nor a sum says what they are, and that may be
        parts of that of the goods: with decimals, and no more than it.
        """
        in_sums = {end for row_sum in self.sums for end in (row_sum.whole, row_sum.base)}
        known = {goods.name, *goods.less, *goods.plus, *goods.others, *self.parts, *in_sums}
        return [
            name
            for name, value in self.amounts.items()
            if name not in known
            and part_of(value) is None
            and not _has(_words(value), (*_BEFORE, *_LEFT))
            and not _is_sum(value)
            and (self.filled(name) != 0).sum() >= _FEWEST
            and np.any(self.filled(name) % 1)
            and self.is_within(name, goods.name)
            and not np.all(np.abs(self.filled(name)) == np.abs(self.filled(goods.name)))
            and not any(self._is_without_tax(name, other) for other in {goods.name, *in_sums})
            and not any(self._is_price_of(name, other) for other in {goods.name, *in_sums})
        ]

    def _is_price_of(self, name: str, amount: str) -> bool:
        """Return whether an amount is a number times the quantity, on nearly all rows with both."""
        if self.quantity is None or amount == self.product[0]:
            return False
        of_pieces = [self.values.number_sql(self.quantity)]
        (pieces,) = read_numbers(self.values, of_pieces, self.where)
        off = np.abs(self._numbers[name] * pieces - self._numbers[amount])
        rows = ~np.isnan(off) & (self.filled(name) != 0)
        return bool(rows.sum() >= _FEWEST and (off[rows] < NEAR).mean() >= _SHARE)

    def may_be_paid_back(self, goods: GoodsAmount, *, is_said: bool = False) -> list[str]:
        """Return the amounts of which no name says what they are, and that may be money that went
        back: of few rows, on one side of zero, and no more than was paid; the largest first.

        Args:
            goods: The amount of the goods.
            is_said: Whether a person has said that it is.
        """
        in_sums = {end for row_sum in self.sums for end in (row_sum.whole, row_sum.base)}
        paid = {name for name, value in self.amounts.items() if is_total(value)}
        paid |= {goods.name, *in_sums}
        ends = {name for name, value in self.amounts.items() if is_total(value)}
        ends |= {goods.name} if is_said else set()
        found = [
            name
            for name, value in self.amounts.items()
            if name not in paid
            and part_of(value) in {None, Part.REFUND}
            and self._is_of_few_rows(name)
            and any(self._is_money_of(name, other) for other in paid)
            and (part_of(value) is Part.REFUND or not self._leads_down_to(ends, name))
        ]
        return sorted(found, key=lambda name: -float(np.sum(np.abs(self.filled(name)))))

    def _is_of_few_rows(self, name: str) -> bool:
        """Return whether a number is zero or empty in more than half of the rows, and elsewhere on
        one side of zero.
        """
        numbers = self.filled(name)
        above, below = np.count_nonzero(numbers > 0), np.count_nonzero(numbers < 0)
        return not (above and below) and bool(0 < above + below < len(numbers) / 2)

    def _is_money_of(self, name: str, amount: str) -> bool:
        """Return whether a number is no more than an amount, and has decimals or is all of it."""
        own, money = np.abs(self.filled(name)), np.abs(np.nan_to_num(self._numbers[amount]))
        rows = own != 0
        is_money = bool(np.any(own % 1) or np.any(np.abs(own - money)[rows] < NEAR))
        return is_money and self.is_within(name, amount)

    def _leads_down_to(self, ends: Collection[str], name: str) -> bool:
        """Return whether a sum has some amounts once a part is taken off: what is taken off before
        an order comes to its total is a discount.
        """
        return any(
            (row_sum.base if sign * self._signed(name) > 0 else row_sum.whole) in ends
            for row_sum in self.sums
            for part, sign in row_sum.parts
            if part == name
        )

    def _is_without_tax(self, name: str, amount: str, highest: float = 1) -> bool:
        """Return whether one amount is another one without a tax of a few rates."""
        own, money = np.abs(self.filled(name)), np.abs(np.nan_to_num(self._numbers[amount]))
        rows = (own != 0) & (money > own + NEAR)
        if rows.sum() < _FEWEST or rows.sum() < np.count_nonzero(own) * _SHARE:
            return False
        if np.any(money[rows] > own[rows] * (1 + highest) + NEAR):
            return False
        return is_tax_of(own[rows], money[rows] - own[rows])

    def is_without_tax(self, name: str, amount: str) -> bool:
        """Return whether one amount is another one without a tax of a few usual rates."""
        return self._is_without_tax(name, amount, HIGHEST_TAX)

    def without_tax(self, goods: GoodsAmount) -> tuple[str, ...]:
        """Return the amounts that are that of the goods without a tax of a few rates that no column
        says; none where one of the tax itself is known.
        """
        if any(part is Part.TAX for part in self.parts.values()):
            return ()
        in_sums = {end for row_sum in self.sums for end in (row_sum.whole, row_sum.base)}
        return tuple(
            name
            for name, value in self.amounts.items()
            if name not in {goods.name, *goods.others, *self.parts, *in_sums}
            and part_of(value) is None
            and self._is_without_tax(name, goods.name, HIGHEST_TAX)
        )

    def before_fees(self, goods: GoodsAmount) -> tuple[str, ...]:
        """Return the amounts of which one that is called net may be what is left after fees: no sum
        says how it follows from them, and it is no more on any row. Those of the goods alone first.
        """
        value = self.amounts.get(goods.name)
        in_sums = {end for row_sum in self.sums for end in (row_sum.whole, row_sum.base)}
        if value is None or goods.name in in_sums or not _has(_words(value), _AFTER_FEES):
            return ()
        net = np.abs(self.filled(goods.name))
        wholes = [
            name
            for name, other in self.amounts.items()
            if name != goods.name and name not in self.parts and part_of(other) is None
            if (is_total(other) or _is_sum(other)) and not self._is_without_tax(goods.name, name)
            if np.count_nonzero(net - np.abs(self.filled(name)) > NEAR) <= 0 or is_of_goods(other)
        ]
        differ = [name for name in wholes if np.any(np.abs(self.filled(name)) - net > NEAR)]
        return tuple(sorted(differ, key=lambda name: not is_of_goods(self.amounts[name])))

    def may_be_inside(self, name: str, goods: GoodsAmount) -> bool:
        """Return whether a tax is a rate of what an amount leaves without it, once another part is
        taken off: which one nothing shows.
        """
        money, tax = self._numbers[goods.name], np.abs(self.filled(name))
        rows = (tax != 0) & ~np.isnan(money) & (money != 0)
        if rows.sum() < _FEWEST:
            return False
        beside = (Part.DISCOUNT, Part.SHIPPING)
        named = [other for other, part in goods.unproven.items() if part in beside]
        for other in (*named, *self.unexplained(goods)):
            if other == name:
                continue
            left = (np.abs(money) - np.abs(self.filled(other)))[rows]
            if any(_share_of_rates(left - tax[rows], tax[rows], n) >= _SHARE for n in _STEPS):
                return True
        return False

    def left_of(self, goods: GoodsAmount) -> dict[str, tuple[str, float, int]]:
        """Return the amounts that are another one on most rows and less on some, whatever they are
        called: each with that other one, by how much it is less, and on how many rows.
        """
        ends = {end for row_sum in self.sums for end in (row_sum.whole, row_sum.base)}
        wholes = [name for name in self._numbers if name in {goods.name, *ends}]
        known = {goods.name, *goods.less, *goods.plus, *goods.others, *self.parts, *ends}
        found: dict[str, tuple[str, float, int]] = {}
        for name in (name for name in self.amounts if name not in known):
            for whole in wholes:
                less = self._numbers[whole] - self.filled(name)
                rows = less[~np.isnan(less)]
                some = int(np.count_nonzero(rows > NEAR))
                is_most = 0 < some * 2 < len(rows) and not np.any(rows < -NEAR)
                if is_most and len(rows) - some >= _FEWEST:
                    found.setdefault(name, (whole, float(rows.sum()), some))
        return found

    def is_below_zero(self, name: str) -> bool:
        """Return whether a part is written below zero."""
        return self._signed(name) < 0

    def is_within(self, name: str, amount: str) -> bool:
        """Return whether a part is no more than an amount, on nearly all rows that have it."""
        part, money = np.abs(self.filled(name)), np.abs(self._numbers[amount])
        rows = (part != 0) & ~np.isnan(money)
        return bool(rows.any() and (part[rows] <= money[rows] + NEAR).mean() >= _SHARE)

    @cached_property
    def sums(self) -> list[RowSum]:
        """Return the sums that hold on nearly all rows with such parts."""
        wholes = [name for name in self._numbers if name not in self.parts]
        wholes = [name for name in wholes if np.any(self.filled(name) != 0)][:_MOST_AMOUNTS]
        pairs = ((whole, base) for n, whole in enumerate(wholes) for base in wholes[:n])
        return [found for pair in pairs if (found := self._sum(*pair)) is not None]

    @cached_property
    def _signs(self) -> npt.NDArray[np.int8]:
        """Return every way to take parts off or to add them, those with the fewest parts first."""
        ways = np.array(list(product((0, 1, -1), repeat=len(self.parts))), dtype=np.int8)
        return ways[np.argsort(np.abs(ways).sum(axis=1), kind="stable")]

    def _sum(self, whole: str, base: str) -> RowSum | None:
        """Return how one amount follows from another one; None if no parts explain it."""
        difference = self._numbers[whole] - self._numbers[base]
        is_known = ~np.isnan(difference)
        if np.count_nonzero(is_known) < _FEWEST:
            return None
        parts = [self.filled(name) for name in self.parts]
        matrix = np.array(parts).reshape(len(parts), len(difference))[:, is_known]
        known = difference[is_known]
        tried = self._rows_to_try(matrix)
        near = (np.abs(self._signs @ matrix[:, tried] - known[tried]) < NEAR).mean(axis=1)
        likely = [
            way for way in np.argsort(-near, kind="stable")[:_MOST_WAYS] if near[way] >= _LIKELY
        ]
        best: tuple[int, RowSum] | None = None
        for signs in (self._signs[way] for way in likely):
            holds = np.abs(signs @ matrix - known) < NEAR
            if not self._is_shown(signs, matrix, holds):
                continue
            used = {name: int(sign) for name, sign in zip(self.parts, signs, strict=True) if sign}
            rows = np.any(matrix[signs != 0] != 0, axis=0) if used else np.ones_like(holds)
            count = int(np.count_nonzero(holds))
            if best is None or count > best[0]:
                best = count, RowSum(whole, base, (*used.items(),), int(np.count_nonzero(rows)))
        return best[1] if best else None

    def _rows_to_try(self, matrix: Numbers) -> npt.NDArray[np.int64]:
        """Return some rows, of which each part that is ever filled is filled in some."""
        if not len(matrix):
            return np.arange(min(matrix.shape[1], _MOST_TRIED))
        often = np.argsort(-np.count_nonzero(matrix, axis=0), kind="stable")[:_MOST_TRIED]
        own = [np.flatnonzero(numbers)[: _MOST_TRIED // 4] for numbers in matrix]
        return np.unique(np.concatenate([often, *own]))

    def _is_shown(
        self, signs: npt.NDArray[np.int8], matrix: Numbers, holds: npt.NDArray[np.bool_]
    ) -> bool:
        """Return whether a sum holds on nearly all rows, also on those with each part that is not
        zero, of which enough rows have one that is in it; a part of fewer rows is in a sum that
        others show, if it then holds on all.
        """
        if holds.mean() < _SHARE:
            return False
        counts = np.count_nonzero(matrix, axis=1)
        is_in, is_few = signs != 0, counts < _FEWEST
        if np.any(is_in & is_few) and not (holds.all() and np.any(is_in & ~is_few)):
            return False
        often = (numbers != 0 for numbers in matrix[~is_few])
        return all(holds[rows].mean() >= _SHARE for rows in often)

    def _offsets(self, begin: str) -> dict[str, tuple[dict[str, int], tuple[RowSum, ...]]]:
        """Return each amount that sums lead to from one: by which parts it differs, and how that
        is known.
        """
        reached: dict[str, tuple[dict[str, int], tuple[RowSum, ...]]] = {begin: ({}, ())}
        waiting = [begin]
        while waiting:
            here = waiting.pop(0)
            offset, path = reached[here]
            for row_sum in self.sums:
                if here not in {row_sum.whole, row_sum.base}:
                    continue
                other, way = (row_sum.base, -1) if here == row_sum.whole else (row_sum.whole, 1)
                if other in reached:
                    continue
                moved = dict(offset)
                for name, sign in row_sum.parts:
                    moved[name] = moved.get(name, 0) + way * sign
                reached[other] = ({n: k for n, k in moved.items() if k}, (*path, row_sum))
                waiting.append(other)
        return reached

    def goods(
        self, begin: str, *, is_said: bool = False, off: str = "", beside: str = ""
    ) -> GoodsAmount:
        """Return how the amount of the goods follows from one amount: without what a total has
        beside them, after discounts, before fees and refunds.

        An amount that a person has said is the one that it begins with. What sums of whole orders
        take off it (`off`) is off, whatever its name is; what they add (`beside`) is not in it.
        """
        reached = self._offsets(begin)
        wanted: dict[str, int] = {}
        for name, part in self.parts.items():
            if part is Part.OTHER:  # nothing says what it is: the amount that was named stays
                continue
            levels = {offset.get(name, 0) for offset, _ in reached.values()}
            # A part that is written below zero is added where it is taken off.
            ordered = sorted(levels, key=lambda level: level * self._signed(name))
            # Postage below zero beside money above it is what the seller pays, as a fee is.
            is_cost = part in _ADDED and self._signed(name) < 0 < self._signed(begin)
            is_lowered = part in _LOWERS and not is_cost
            is_kept = self._signed(name) < 0 < self._signed(begin)
            is_lowered |= part is Part.FEE and not is_kept and self._is_charged(name)
            wanted[name] = ordered[0 if is_lowered else -1]
        best = min(
            [begin] if is_said else reached,
            key=lambda name: sum(
                reached[name][0].get(part, 0) != level for part, level in wanted.items()
            ),
        )
        offset, path = reached[best]
        steps = {name: level - offset.get(name, 0) for name, level in wanted.items()}
        # What is off already without its tax is not taken off with it again.
        shown_by = dict.fromkeys(row_sum for _, path in reached.values() for row_sum in path)
        varied = {name for row_sum in shown_by for name, _ in row_sum.parts}
        gone = {name for name in varied & {*wanted} if not steps[name]}
        steps = {
            name: 0 if step < 0 and self._is_said_by(name, gone) else step
            for name, step in steps.items()
        }
        if off in self.amounts and best in {begin, self.product[0]} and not steps.get(off):
            steps[off] = -1
        less = [name for name, step in steps.items() if step < 0]
        left = self._numbers[best] + sum(
            (step * self.filled(name) for name, step in steps.items()), np.zeros(1)
        )
        unproven, inside = {}, []
        for name, part in self.parts.items():
            is_known = name in {*varied, *less, beside} or part is Part.OTHER
            if is_known or self._is_said_by(name, varied) or self._is_beside(best, name, part):
                continue
            # A tax is of what was paid once discounts are taken off.
            ways = [self._ways_of_rate(money, name) for money in (self._numbers[best], left)]
            if part is Part.TAX and any(within > beside for beside, within in ways):
                inside.append(name)
            elif part is not Part.TAX or not any(beside > within for beside, within in ways):
                unproven[name] = part
        unnamed = [name for name, part in self.parts.items() if part is Part.OTHER]
        others = [
            name
            for name, (offset, _) in reached.items()
            if {*offset} == {*unnamed} & {*offset} != set()
        ]
        return GoodsAmount(
            best,
            (*less, *inside),
            tuple(name for name, step in steps.items() if step > 0),
            path
            or tuple(row_sum for row_sum in shown_by if any(n in steps for n, _ in row_sum.parts)),
            unproven,
            tuple(others),
            () if others else self._unnamed_within(offset, reached),
        )

    def _is_said_by(self, name: str, others: Collection[str]) -> bool:
        """Return whether one of some other parts is the same with or without a tax, such as what
        shipping costs: of one kind, on the same rows, no farther from it than a tax, and no sum
        adds both.
        """
        own, part = np.abs(self.filled(name)), self.parts[name]
        for other in others:
            if other == name or self.parts.get(other) is not part or part in {Part.TAX, Part.OTHER}:
                continue
            numbers = np.abs(self.filled(other))
            low, high = np.minimum(own, numbers), np.maximum(own, numbers)
            is_near = np.all(high <= low * (1 + HIGHEST_TAX) + NEAR)
            is_one_way = np.all(own <= numbers + NEAR) or np.all(numbers <= own + NEAR)
            signs = [dict(row_sum.parts) for row_sum in self.sums]
            is_beside = any(other in sign and sign.get(name) == sign[other] for sign in signs)
            if is_near and is_one_way and not is_beside:
                return True
        return False

    def after_discounts(self, begin: str, lines: Collection[str]) -> GoodsAmount | None:
        """Return the amount that is what lines come to after the discounts of their orders, and
        without their postage; None where no sum shows one, or it is what lines come to already.

        Another amount of lines (`lines`) goes before one of orders, which is shared among them.
        """
        reached = self._offsets(begin)
        wanted: dict[str, int] = {}
        beside = {Part.DISCOUNT, Part.SHIPPING}
        for name in (name for name, part in self.parts.items() if part in beside):
            levels = {offset.get(name, 0) for offset, _ in reached.values()}
            wanted[name] = min(levels, key=lambda level: level * self._signed(name))
        if not any(wanted.values()):
            return None
        for name in sorted(reached, key=lambda name: name not in lines):
            offset, path = reached[name]
            steps = {part: wanted.get(part, 0) - offset.get(part, 0) for part in self.parts}
            steps = {part: step for part, step in steps.items() if step}
            are_single = all(abs(step) == 1 for step in steps.values())
            if not steps or (name not in lines and are_single):
                less = tuple(part for part, step in steps.items() if step < 0)
                plus = tuple(part for part, step in steps.items() if step > 0)
                return GoodsAmount(name, less, plus, path)
        return None

    def is_in_total(self, amount: str, without: str) -> bool:
        """Return whether a sum has an amount in a total, also on rows with a part that is not in
        this sum.
        """
        rows = self.filled(without) != 0
        for row_sum in (
            row_sum for row_sum in self.sums if amount in {row_sum.whole, row_sum.base}
        ):
            total = self.amounts.get(row_sum.base if amount == row_sum.whole else row_sum.whole)
            if total is None or not is_total(total) or without in dict(row_sum.parts):
                continue
            parts = np.sum([sign * self.filled(name) for name, sign in row_sum.parts], axis=0)
            off = np.abs(self._numbers[row_sum.whole] - self._numbers[row_sum.base] - parts)
            if np.any(rows) and np.all(off[rows] < NEAR):
                return True
        return False

    def leads_to(self, begin: str, end: str) -> bool:
        """Return whether sums lead from one amount to another one."""
        return end in self._offsets(begin)

    def reaches(self, begin: str, lines: Collection[str]) -> bool:
        """Return whether a sum shows that lines come to an amount of their orders."""
        return bool(self._offsets(begin).keys() - {*lines})

    def _unnamed_within(
        self,
        offset: Mapping[str, int],
        reached: Mapping[str, tuple[dict[str, int], tuple[RowSum, ...]]],
    ) -> tuple[str, ...]:
        """Return the parts without a telling name that one amount has and another one has not."""
        levels = {
            name: min(other.get(name, 0) for other, _ in reached.values())
            for name, part in self.parts.items()
            if part is Part.OTHER
        }
        return tuple(name for name, level in levels.items() if offset.get(name, 0) > level)

    def _is_charged(self, name: str) -> bool:
        """Return whether a fee is what customers pay, not what is kept of it: a total has it, and
        what is left without it is not called net. Where no amount is one of the goods, a rate of
        the total is kept of it.
        """
        value = self.amounts.get(name)
        if value is not None and _has(_words(value), _COSTS):
            return False
        for row_sum in self.sums:
            if name not in dict(row_sum.parts):
                continue
            ends = sorted((row_sum.whole, row_sum.base), key=self.total)
            low, high = (self.amounts.get(end) for end in ends)
            is_net = low is not None and _has(_words(low), _AFTER_FEES)
            if high is None or not is_total(high) or is_net:
                continue
            # What is of the goods alone has no fee in it: one that is no less than a total by it is
            # of a total whose fee is kept of it later.
            of_goods = [
                offset
                for end, (offset, _) in self._offsets(ends[1]).items()
                if end in self.amounts and is_of_goods(self.amounts[end])
            ]
            of_all, of_left = self._ways_of_rate(self._numbers[ends[1]], name)
            is_kept = of_all and not of_left and not of_goods
            if not is_kept and (not of_goods or any(name in offset for offset in of_goods)):
                return True
        return False

    def _is_beside(self, amount: str, name: str, part: Part) -> bool:
        """Return whether an amount does not have an added part in it, by other means than a sum:
        the same pieces cost the same whatever the part is, or a tax is a rate of the amount.
        """
        if part not in _ADDED:
            return False
        return self._is_same_beside(amount, name) or (
            part is Part.TAX and self._is_rate_of(amount, name)
        )

    def _is_same_beside(self, amount: str, name: str) -> bool:
        value, other = self.amounts.get(amount), self.amounts.get(name)
        if self.item is None or value is None or other is None:
            return False
        money, beside = self.values.number_sql(value), self.values.number_sql(other)
        beside = f"coalesce({beside}, 0)"
        measured = (
            f"count(DISTINCT {beside}) AS parts, count(DISTINCT {money}) AS amounts, "
            f"count(DISTINCT {money} - {beside}) AS rests"
        )
        pieces = [self.values.number_sql(self.quantity)] if self.quantity else []
        group = ", ".join([self.item.column, *pieces])
        # A tax may be another one because of a discount, whatever that is called.
        discounts = [column for column, part in self.parts.items() if part is Part.DISCOUNT]
        if self.parts.get(name) is Part.TAX:
            discounts += self.unexplained(GoodsAmount(amount))
        none = [f"coalesce({self.values.number_sql(self.amounts[n])}, 0) = 0" for n in discounts]
        of_pieces = select(measured, TABLE, " AND ".join([f"{money} <> 0", *none]), group)
        said, alone = self.values.rows(
            select(
                "count(*) FILTER (parts > 1), count(*) FILTER (parts > 1 AND amounts < rests)",
                f"({of_pieces})",
            )
        )[0]
        return bool(said) and said == alone

    def reached(self, begin: str) -> dict[str, dict[str, int]]:
        """Return each amount that sums lead to from one, with the parts by which it differs."""
        return {name: offset for name, (offset, _) in self._offsets(begin).items()}

    def ways_of_rate(self, amount: str, name: str) -> tuple[bool, bool]:
        """Return whether a tax is always one of a few rates of an amount, and whether of what is
        left of it without the tax.
        """
        return self._ways_of_rate(self._numbers[amount], name)

    def is_rate_beside(self, amount: str, rate: Value, all_of: int) -> bool:
        """Return whether an amount with a tax of some rates is another amount of the rows; of all
        a rate says so much: 100 percent, or 1.
        """
        shares = self._percents[[*self.rates].index(rate)] / all_of
        money = self.filled(amount)
        rows = (shares != 0) & (money != 0)
        with_tax = money * (1 + shares)
        return bool(rows.any()) and any(
            bool((np.abs(with_tax - self.filled(name)) < 2 * NEAR)[rows].mean() >= _SHARE)
            for name in self._numbers
            if name != amount
        )

    def _is_rate_of(self, amount: str, name: str, *, is_inside: bool = False) -> bool:
        """Return whether a tax is always one of a few rates of an amount, and not of what is left
        without it; of a tax inside of the amount it is the other way around.
        """
        beside, inside = self._ways_of_rate(self._numbers[amount], name)
        return inside > beside if is_inside else beside > inside

    def taxes_inside(self, amount: str) -> tuple[str, ...]:
        """Return the taxes that are a rate of what an amount leaves without them."""
        taxes = (name for name, part in self.parts.items() if part is Part.TAX)
        return tuple(name for name in taxes if self._is_rate_of(amount, name, is_inside=True))

    def may_be_either(self, name: str, goods: GoodsAmount) -> bool:
        """Return whether a tax is one of a few rates both of an amount and of what is left of it
        without the tax: 20 % beside it is 25 % inside of it.
        """
        return all(self._ways_of_rate(self._numbers[goods.name], name))

    def _ways_of_rate(self, money: Numbers, name: str) -> tuple[bool, bool]:
        """Return whether a tax is always one of a few rates of an amount, and whether of what is
        left of it without the tax. Where a column has the rates, these are meant.
        """
        tax = self.filled(name)
        rows = (tax != 0) & ~np.isnan(money) & (money != 0)
        if rows.sum() < _FEWEST:
            return False, False
        money, tax = money[rows], tax[rows]
        for said in self._percents:
            shares = said[rows] / 100
            fits = [
                bool((np.abs(of * shares - tax) < NEAR * (1 + shares)).mean() >= _SHARE)
                for of in (money, money - tax)
            ]
            if any(fits):
                return fits[0], fits[1]
        # The coarsest that fits: of small amounts a fine one fits any. The tax of an order is
        # mostly that of its lines, of which each is rounded.
        for near, steps in product((NEAR, _NEAR_OF_LINES), _STEPS):
            beside = _share_of_rates(money, tax, steps, near) >= _SHARE
            inside = _share_of_rates(money - tax, tax, steps, near) >= _SHARE
            if beside or inside:
                return beside, inside
        return False, False

    @cached_property
    def _percents(self) -> list[Numbers]:
        """Return the percents of each column of rates, 0 where it has none."""
        return list(map(np.nan_to_num, self._read[len(self._numbers) :]))

    def takes_rate(self, name: str, whole: str, rate: Value) -> bool | None:
        """Return whether an amount is another one less a rate of it, on the rows that have a rate;
        None where it is neither that nor the whole.
        """
        percents = self._percents[[*self.rates].index(rate)]
        money, full = self._numbers[name], self._numbers[whole]
        rows = (percents != 0) & ~np.isnan(money) & ~np.isnan(full)
        if not rows.any():
            return None
        # Amounts in cents, or of yen, are rounded to whole ones.
        near = 2 * NEAR * (1 if np.any(np.append(money[rows], full[rows]) % 1) else 100)
        telling = rows & (np.abs(full * percents / 100) > 2 * near)
        left = full[telling] * (1 - percents[telling] / 100)
        if telling.any() and (np.abs(money[telling] - left) < near).mean() >= _SHARE:
            return True
        return False if (np.abs(money[rows] - full[rows]) < NEAR).mean() >= _SHARE else None


@dataclass(frozen=True)
class OrderParts(RowParts):
    """The amounts of whole orders and their parts: columns of orders, and what lines come to.

    `lines` are the amounts of lines, as SQL by their names.
    """

    order: Value | None = None
    lines: Mapping[str, str] = field(default_factory=dict)

    def sums_of_lines(self, begin: str) -> tuple[RowSum, ...]:
        """Return the sums that what lines come to is in, with amounts of orders, which hold on each
        of them.
        """
        sums = [row_sum for row_sum in self.sums if begin in {row_sum.whole, row_sum.base}]
        return tuple(row_sum for row_sum in sums if self._is_whole(row_sum, begin))

    def _is_whole(self, one: RowSum, begin: str) -> bool:
        names = {one.whole, one.base, *(name for name, _ in one.parts)} - {begin}
        parts = np.sum([sign * self.filled(name) for name, sign in one.parts], axis=0)
        off = np.abs(self._numbers[one.whole] - self._numbers[one.base] - parts) >= NEAR
        return not (names & {*self.lines}) and not np.any(off)

    @cached_property
    def _read(self) -> list[Numbers]:
        return [*self._numbers.values()]

    @cached_property
    def _numbers(self) -> dict[str, Numbers]:
        assert self.order is not None  # noqa: S101 (amounts of orders are of some)
        of_orders = [name for name in self.amounts if name not in self.lines]
        cells = [f"max({self.values.number_sql(self.amounts[name])})" for name in of_orders]
        cells += [f"sum({sql})" for sql in self.lines.values()]
        named = [f"({sql})::DOUBLE AS c{n}" for n, sql in enumerate(cells)]
        key = self.order.column
        # What went back stands below zero, under the number of the order that was sold.
        is_back = [
            f"coalesce({self.values.number_sql(self.amounts[name])} < 0, false)"
            for name in of_orders[:1]
        ]
        group = ", ".join([key, *is_back])
        rows = (
            f"{select(named, TABLE, f'{key} IS NOT NULL', group)} ORDER BY {group} "
            f"LIMIT {_MOST_ROWS}"
        )
        read = self.values.columns_of_numbers(rows)
        return {
            name: np.ma.filled(np.ma.asarray(read[f"c{n}"], dtype=np.float64), np.nan)
            for n, name in enumerate([*of_orders, *self.lines])
        }


_STEPS: Final = (200, 400, 800)
"""How many rates there are up to 100 %: by half percents, as in Europe, by quarters and eighths, as
in America (8.25 %, 8.875 %).
"""


def is_tax_of(money: Numbers, tax: Numbers) -> bool:
    """Return whether amounts are a tax of a few usual rates of others."""
    return _share_of_rates(money, tax, _STEPS[0]) >= _SHARE


def _share_of_rates(money: Numbers, tax: Numbers, steps: int, near: float = NEAR) -> float:
    """Return of which share of rows a tax is one of a few rates of an amount, of so many up to
    100 %, or nearly so.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = np.round(tax / money * steps) / steps
        # Both the amount and the tax are rounded to cents; what a tenth is of is no tax of 900 %.
        fits = (np.abs(money * rates - tax) < near * (1 + np.nan_to_num(rates))) & (rates <= 1)
    often = [rate for rate in np.unique(rates[fits]) if rate > 0]
    if (
        len(often) > _FEW_RATES
        or _chance_of_rates(money[fits], tax[fits], steps, near) > _BY_CHANCE
    ):
        return 0.0
    return float(fits.mean())


def _chance_of_rates(money: Numbers, tax: Numbers, steps: int, near: float) -> float:
    """Return how likely rows are to fit such rates by chance: of small amounts any tax is near
    one, and equal rows say nothing new.
    """
    different = np.unique(np.round(np.abs(np.stack([money, tax])), 2), axis=1)[0]
    return float(np.prod(np.minimum(1, 2 * steps * near / np.maximum(different, near))))


_BY_CHANCE: Final = 0.05


def readings(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield which of some parts may be taken off an amount: all of them first, none last."""
    for count in range(len(names), -1, -1):
        yield from combinations(names, count)


def what_is_left(values: FileValues, whole: Value, others: Sequence[Value]) -> RowSum | None:
    """Return which of some numbers is what a whole leaves once one to three others are taken off,
    as of pieces on hand what may be sold once others are promised; None if none is.

    A sum does not say which of its parts is left, so that its name must.
    """
    columns = [value for value in others if value.is_column][:_MOST_AMOUNTS]
    expressions = [values.number_sql(value) for value in (whole, *columns)]
    numbers = list(map(np.nan_to_num, read_numbers(values, expressions)))
    usual, rest = numbers[0], dict(zip((value.name for value in columns), numbers[1:], strict=True))
    free = [value.name for value in columns if _has(_words(value), _FREE)]
    for count in range(1, _MOST_TAKEN + 1):
        for left in free:
            names = [name for name in rest if name != left and np.any(rest[name])]
            for taken in combinations(names, count):
                off = np.sum([rest[name] for name in taken], axis=0)
                holds = np.abs(usual - off - rest[left]) < NEAR
                shown = off != 0
                if shown.sum() >= _FEWEST and holds.mean() >= _SHARE <= holds[shown].mean():
                    parts = tuple((name, -1) for name in taken)
                    return RowSum(left, whole.name, parts, int(shown.sum()))
    return None


_MOST_TAKEN: Final = 3
_IN_STOCK: Final = (
    *("stock", "inventory", "bestand", "lagerbestand", "voorraad", "giacenza", "existencia"),
    *("estoque", "keszlet", "sklad", "stok"),
    *("остат", "залиш", "в наличии", "在庫", "库存", "재고"),
)
"""How words in the names of what there is of a product begin."""
_PROMISED: Final = (
    *("reserv", "commit", "allocat", "promis", "zugesagt", "zugeteilt", "riserv", "zarezerw"),
    *("gereserveerd", "assegnat", "резерв", "引当"),
)
"""How words in the names of what is sold already begin."""
_LIMITS: Final = (
    *("alert", "low", "min", "reorder", "threshold", "safety", "limit", "max", "target"),
    *("melde", "mindest", "seuil", "alerte", "umbral", "soglia", "scorta", "drempel", "порог"),
)
"""How words in the names of limits of stock begin."""
_FREE: Final = (
    *(
        "available",
        "avail",
        "free",
        "sellable",
        "fulfillable",
        "atp",
        "verfugbar",
        "frei",
        "disponib",
        "libre",
    ),
    *(
        "libero",
        "beschikbaar",
        "vrij",
        "dostepn",
        "wolne",
        "доступн",
        "вільн",
        "свободн",
        "在庫可能",
    ),
)
"""How words in the names of what may be sold begin."""
