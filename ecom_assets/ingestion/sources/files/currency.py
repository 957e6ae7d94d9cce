"""One currency for the amounts of a source: it has one, or a file of rates makes it one,
or it is refused.

Goes in: the files of a source, and the SELECT of their rows, in parentheses or not, with the
currency that each row says. Comes out: the SELECT of the same rows and columns with all amounts in
the currency of `Currencies`, each by the newest rate of its day or before (ECOM_RATES).

- Orders (`convert_orders`): a rate that is missing is an error, as sales would be wrong.
- Events and costs (`convert_events`, `convert_costs`): an amount without a rate is null, and
  `unrated_currency` says why.

`coded_…` only turn signs such as `$` into codes such as `USD`, for uploads, which keep what a file
says and are converted when they are read again. Rows are `l` and rates `r` in all SQL here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

import duckdb

from ecom_assets.commerce.orders.orders import CHARGES, ORDER_COSTS, PRICE_PARTS
from ecom_assets.core.errors import EcomError, SourceError, first_line
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables import formats
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.values import PUBLIC_SENDER
from ecom_assets.core.warehouse.sql_text import LARGEST_AMOUNT, day_in_zone, select, text
from ecom_assets.ingestion.sources.files.lists import ListFile
from ecom_assets.ingestion.sources.files.mapping import RecordMapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.files.sql import CURRENCY, Layout

AMOUNTS: Final = {
    **dict.fromkeys(("payment_amount", *CHARGES, *PRICE_PARTS, *ORDER_COSTS), 4),
    "unit_cost_amount": 6,
}
"""The amounts of an order line, each with its digits after the point."""
BOUNDED: Final = ("payment_amount", "cart_amount")
"""The amounts of which one that is too large is refused, or noted as unread."""
Amounts = tuple[str | None, Decimal, int]
"""A currency, the sum of the amounts in it, and their number."""
RATE_COLUMNS: Final = ("date", "currency", "rate")
_BY_RATES = (
    "set ECOM_CURRENCY and ECOM_RATES, a file of date, currency and rate, or load one currency only"
)
SIGNS_OF_SEVERAL: Final = {
    **dict.fromkeys(
        ("USD", "CAD", "AUD", "NZD", "HKD", "SGD", "MXN", "ARS", "CLP", "COP", "TWD"), "$"
    ),
    **dict.fromkeys(("JPY", "CNY"), "¥"),
    **dict.fromkeys(("SEK", "NOK", "DKK", "ISK"), "KR"),
    **dict.fromkeys(("INR", "PKR", "LKR", "NPR", "MUR"), "RS"),
    **dict.fromkeys(("AED", "MAD"), "DHS"),
}
"""Signs that stand for several currencies: that which is set, if it has the sign;
else nobody knows which.
"""


class CurrencyError(SourceError):
    """Amounts are of several currencies, or of another one than the shop's, and there is no rate:
    what is set decides, not how the files are read.

    Attributes:
        amounts: What the amounts are, in a sentence without its end.
        currencies: Those of which a rate is needed, or one of them is the shop's, the most frequent
            first; empty where rates do not help.
    """

    def __init__(self, amounts: str, remedy: str, currencies: Sequence[str] = ()) -> None:
        """Set what the amounts are, what to do about it, and the currencies."""
        super().__init__(f"{amounts}; {remedy}.")
        self.amounts = amounts
        self.currencies = tuple(currencies)


@dataclass(frozen=True)
class ConvertedOrders:
    """The SELECT of order lines with all amounts in one currency, `rows`, and that currency,
    `names`, where they state it.
    """

    rows: str
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PricedColumn:
    """An amount of rows `l`: its column, that of its currency, the SQL of the day whose rate it is
    converted by, and its digits after the point.
    """

    amount: str
    currency: str
    day: str
    digits: int = 4


@dataclass(frozen=True)
class Currencies:
    """The currency that all amounts are to have, empty if it is that of the source,
    and the file of rates.
    """

    target: str = ""
    rates: Path | None = None
    home: str = ""
    """The shop's currency where none is set and other files than those that are read say it."""

    @classmethod
    def from_settings(cls, settings: Settings) -> "Currencies":
        """Return what is set."""
        return cls(settings.currency, settings.rates)

    def convert_orders(self, files: RecordFiles, rows: str) -> ConvertedOrders:
        """Return the SELECT of received order lines with all amounts in one currency,
        and which that is.

        Args:
            files: The files of the lines.
            rows: The SELECT of the lines, with their `order_date`.

        Raises:
            SourceError: There are amounts of several currencies, or of another one than the set
                one, and no rate.
        """
        if not _may_have_currency(files):
            return ConvertedOrders(rows)
        con = files.con.cursor()
        if _is_beside_amount(files):
            rows = self._with_code_of_amounts(con, rows)
        amounts = con.execute(_totals(rows)).fetchall()
        if self._are_in_one(amounts):
            return ConvertedOrders(rows, frozenset(name for name, _, _ in amounts if name))
        says_none = None in {currency for currency, _, _ in amounts}
        if self.rates is None or not self.target or says_none:
            raise self._refusal(amounts, "orders", "line")
        converted = self._convert_lines(con, self.rates, rows, files.timezone)
        return ConvertedOrders(converted, frozenset({self.target}))

    def convert_events(self, files: RecordFiles, days: Days | None = None) -> RecordFiles:
        """Return files of events whose amounts are in one currency, converted where that is needed.

        Args:
            files: The files.
            days: The days of arrival that are read; None for all. All are looked at if no currency
                is set, as other days may have another one.

        An amount in a currency without a rate is not known, and `unrated_currency` names the
        currency. The shop's currency is the set one, else that of the first amount that no public
        key sent.
        """
        if not _may_have_currency(files):
            return files
        priced = self._with_codes(with_currency(files))
        ranges = days.runs() if days and self.target else [(None, None)]
        own_day = day_in_zone(files.mapping.kind.at, files.timezone)
        columns = f"cart_amount, {CURRENCY} AS currency, sent_by, received_date"
        parts = [select(columns, f"({priced.received_sql(*ends)})") for ends in ranges]
        if not parts:
            return files
        names = [name for name, _ in self._ranked_currencies(files, " UNION ALL ".join(parts))]
        con = files.con.cursor()
        # Senders leave the currency out of views and carts: those without one are of the shop's.
        home = self.target or self.home or next(iter(names), "")
        files = replace(files, currency=home if names else "")
        if {*names} <= {home}:
            return files
        convert = partial(self._convert_events_where_rated, con, own_day, home)
        return replace(
            files, convert=self._codes_first(convert) if _is_beside_amount(files) else convert
        )

    def convert_costs(
        self,
        files: RecordFiles,
        rows: str,
        amounts: Sequence[str] = ("cost_amount",),
        subject: str = "costs",
    ) -> str:
        """Return the SELECT of received costs with amounts in the shop's currency.

        An amount in a currency without a rate is not known, and `unrated_currency` names the
        currency of such a row.

        Args:
            files: The files of the costs.
            rows: The SELECT of the costs, with their `order_date`, of which the rate is.
            amounts: The columns of the amounts; the first is the cost.
            subject: What they are, for a message.

        Raises:
            SourceError: There are costs in several currencies, and nothing says which of them is
                the shop's.
        """
        con = files.con.cursor()
        if _is_beside_amount(files):
            rows = select(f"* REPLACE ({self._code_sql('currency')} AS currency)", rows)
        cost = amounts[0]
        stated = f"currency IS NOT NULL AND {cost} IS NOT NULL"
        sums = select(f"currency, sum({cost}), count(*)", rows, stated, group_by="currency")
        stated_amounts = con.execute(sums).fetchall()
        names = {name for name, _, _ in stated_amounts}
        home = self.target or self.home or next(iter(names), "")
        if not (self.target or self.home) and len(names) > 1:
            raise self._refusal(stated_amounts, subject, "row")
        if names <= {home}:
            return select("*, NULL::VARCHAR AS unrated_currency", rows)
        converted = {
            name: self._convert_where_rated(
                con, home, PricedColumn(name, "currency", "l.order_date", digits=6), rows
            )
            for name in amounts
        }
        joined, _, unrated = converted[cost]
        replaced = ", ".join(f"{amount} AS {name}" for name, (_, amount, _) in converted.items())
        return select(f"l.* REPLACE ({replaced}), {unrated} AS unrated_currency", joined)

    def _with_code_of_amounts(self, con: duckdb.DuckDBPyConnection, rows: str) -> str:
        """Return the SELECT of lines whose currency stands beside their amounts,
        as far as that says it.

        Where it is one, an amount without it is of it, too. A sign of several currencies says none.
        """
        rows = select(f"* REPLACE ({self._code_sql('currency')} AS currency)", rows)
        names = {name for name, _, _ in con.execute(_totals(rows)).fetchall() if name is not None}
        if len(names) != 1:
            return rows
        (name,) = names
        is_known = self.target or name not in SIGNS_OF_SEVERAL.values()
        return select(f"* REPLACE ({text(name if is_known else None)}::VARCHAR AS currency)", rows)

    def _code_sql(self, column: str) -> str:
        """Return the SQL of a currency,
        in which a sign of several currencies is that of the set one.
        """
        sign = SIGNS_OF_SEVERAL.get(self.target)
        return (
            f"CASE WHEN {column} = {text(sign)} THEN {text(self.target)} ELSE {column} END"
            if sign
            else column
        )

    def coded_events(self, files: RecordFiles) -> RecordFiles:
        """Return files of events with the currency of each amount in `CURRENCY`, as a code."""
        return self._with_codes(with_currency(files))

    def coded_orders(self, files: RecordFiles, rows: str) -> str:
        """Return the SELECT of received order lines with their currency as a code, as far as they
        say one.
        """
        if not _is_beside_amount(files):
            return rows
        return self._with_code_of_amounts(files.con.cursor(), rows)

    def coded_costs(self, files: RecordFiles, rows: str) -> str:
        """Return the SELECT of received costs with their currency as a code, as far as they say
        one.
        """
        if not _is_beside_amount(files):
            return rows
        code = self._code_sql("received_currency")
        return select(f"* REPLACE ({code} AS received_currency)", rows)

    def _with_codes(self, files: RecordFiles) -> RecordFiles:
        is_beside = files.convert is not None and _is_beside_amount(files)
        return replace(files, convert=self._codes_first(str)) if is_beside else files

    def _codes_first(self, convert: Callable[[str], str]) -> Callable[[str], str]:
        """Return what makes the SELECT of events one with codes of currencies,
        and then converts it.
        """

        def converted(rows: str) -> str:
            return convert(select(f"* REPLACE ({self._code_sql(CURRENCY)} AS {CURRENCY})", rows))

        return converted

    def home_currency_of_events(self, files: RecordFiles) -> tuple[str, bool]:
        """Return the shop's currency by amounts of events,
        and whether others than public keys have sent such amounts.

        It is empty where no amount has a currency, and where one is set.
        """
        if self.target or not _may_have_currency(files):
            return "", False
        columns = f"cart_amount, {CURRENCY} AS currency, sent_by, received_date"
        ranked = self._ranked_currencies(
            files, select(columns, f"({with_currency(files).received_sql()})")
        )
        return ranked[0] if ranked else ("", False)

    @staticmethod
    def _ranked_currencies(files: RecordFiles, rows: str) -> list[tuple[str, bool]]:
        """Return the currencies of amounts, each with whether any is of no public key;
        the shop's own is the first.
        """
        rows = select("*", f"({rows})", "cart_amount IS NOT NULL AND currency IS NOT NULL")
        is_own = f"NOT coalesce(starts_with(sent_by, {text(PUBLIC_SENDER)}), false)"
        ranked = select(
            f"currency, bool_or({is_own}) AS own, min(received_date) AS first, count(*) AS n",
            rows,
            group_by="currency",
        )
        order = "ORDER BY own DESC, first, n DESC, currency"
        return [
            (name, own)
            for name, own, *_ in files.con.cursor().execute(f"{ranked} {order}").fetchall()
        ]

    def _are_in_one(self, amounts: Sequence[Amounts]) -> bool:
        """Return whether amounts are of one currency, that which is set if one is;
        or no row says one.
        """
        names = {currency for currency, _, _ in amounts}
        if not names - {None}:
            return True
        return len(names) == 1 and names <= {self.target or next(iter(names))}

    def _refusal(
        self, amounts: Sequence[Amounts], subject: str, row: str, remedy: str = _BY_RATES
    ) -> CurrencyError:
        ranked = sorted(amounts, key=lambda row: (-row[2], row[0] or ""))
        sums = "; ".join(
            f"{name or 'no currency'} {formats.amount(total, name or '')} in {count:,} {row}s"
            for name, total, count in ranked
        )
        other = f", and ECOM_CURRENCY is {self.target}" if self.target else ""
        sentence = f"The {subject} have amounts in {sums}{other}, which cannot be added up"
        if any(name is None for name, _, _ in amounts):
            remedy = f"give each {row} its currency, or load those of one currency only"
            return CurrencyError(sentence, remedy)
        return CurrencyError(sentence, remedy, [name for name, _, _ in ranked if name])

    def _with_rates(self, rates: str, rows: str, currency: str, day: str) -> str:
        """Return rows `l` with the newest rate `r` that is not after their day."""
        return (
            f"({rows}) AS l ASOF LEFT JOIN ({rates}) AS r ON {currency} = r.currency AND {day} >= "
            "r.rate_date"
        )

    def _require_rates(
        self, con: duckdb.DuckDBPyConnection, path: Path, rows: str, noun: str, day: str
    ) -> None:
        """Raise SourceError unless there is a rate on the `day` of each row,
        which has a `currency` and an `order_date`.
        """
        joined = self._with_rates(rates_sql(con, path), rows, "l.currency", day)
        is_lacking = f"l.currency <> {text(self.target)} AND r.rate IS NULL"
        lacking = select(
            "l.currency, min(l.order_date), count(*)", joined, is_lacking, group_by="l.currency"
        )
        if missing := con.execute(lacking).fetchall():
            each = "; ".join(
                f"{name} from {day} on ({count:,} {noun})" for name, day, count in sorted(missing)
            )
            raise CurrencyError(
                f"{path} has no rate for {each}",
                f"add the rates, each the worth of one in {self.target}",
                sorted(name for name, *_ in missing),
            )

    def _convert_events_where_rated(
        self, con: duckdb.DuckDBPyConnection, own_day: str, home: str, rows: str
    ) -> str:
        """Return events with their amounts in one currency; null where there is no rate."""
        priced = PricedColumn("cart_amount", CURRENCY, own_day)
        joined, amount, unrated = self._convert_where_rated(con, home, priced, rows)
        replaced = f"{amount} AS cart_amount, {unrated} AS unrated_currency"
        return select(f"l.* EXCLUDE ({CURRENCY}) REPLACE ({replaced})", joined)

    def _convert_where_rated(
        self, con: duckdb.DuckDBPyConnection, home: str, priced: PricedColumn, rows: str
    ) -> tuple[str, str, str]:
        """Return rows `l` with their rates, the SQL of their amount in the shop's currency, null
        where there is no rate, and that of the currency that has none.
        """
        amount, currency = f"l.{priced.amount}", f"l.{priced.currency}"
        if self.rates is not None and self.target:
            joined = self._with_rates(rates_sql(con, self.rates), rows, currency, priced.day)
            converted = f"{amount} * r.rate"
        else:
            joined, converted = f"({rows}) AS l", "NULL"
        is_foreign = f"{currency} <> {text(home)}"
        fitted = _fitted_sql(priced.amount, converted, priced.digits)
        in_home = f"CASE WHEN {is_foreign} THEN {fitted} ELSE {amount} END"
        is_unrated = f"{is_foreign} AND {amount} IS NOT NULL AND {converted} IS NULL"
        return joined, in_home, f"CASE WHEN {is_unrated} THEN {currency} END"

    def _convert_lines(
        self, con: duckdb.DuckDBPyConnection, path: Path, rows: str, zone: str
    ) -> str:
        # What goes back is worth what it was when it was sold, or margins would move by rates.
        sold = f"CASE WHEN l.status = 'refunded' THEN {day_in_zone('l.placed_at', zone)} END"
        day = f"coalesce({sold}, l.order_date)"
        self._require_rates(con, path, select("*", rows, _IS_COUNTED), "lines", day)
        joined = self._with_rates(rates_sql(con, path), rows, "l.currency", day)
        is_foreign = f"l.currency <> {text(self.target)}"
        replaced = [
            f"CASE WHEN {is_foreign} THEN {_fitted_sql(name, f'l.{name} * r.rate', digits)} "
            f"ELSE l.{name} END AS {name}"
            for name, digits in AMOUNTS.items()
        ]
        replaced.append(
            f"CASE WHEN l.currency IS NOT NULL THEN {text(self.target)} END AS currency"
        )
        return select(f"l.* REPLACE ({', '.join(replaced)})", joined)


def with_currency(files: RecordFiles) -> RecordFiles:
    """Return files of events with the column `CURRENCY`, if their mapping says where it is."""
    says_currency = any(
        getattr(mapping.fields, "currency", None) for mapping in files.all_mappings()
    )
    return replace(files, convert=lambda rows: rows) if says_currency else files


def _fitted_sql(name: str, converted: str, digits: int) -> str:
    """Return the SQL of a converted amount in the type of its column.

    One that is too large is the largest that fits where that is refused, as where amounts are read;
    any other is not known.
    """
    fitted = f"TRY_CAST(round({converted}, {digits}) AS DECIMAL(18, {digits}))"
    if name not in BOUNDED:
        return fitted
    is_above, is_below = f"{converted} > 0", f"{converted} < 0"
    cut = f"CASE WHEN {is_above} THEN {LARGEST_AMOUNT} WHEN {is_below} THEN -{LARGEST_AMOUNT} END"
    return f"coalesce({fitted}, {cut})"


_IS_COUNTED = "left_out IS NULL AND payment_amount IS NOT NULL AND order_date IS NOT NULL"


def _totals(rows: str) -> str:
    """Return the SELECT of the currencies of lines,
    each with the sum and the number of their amounts.
    """
    return select("currency, sum(payment_amount), count(*)", rows, _IS_COUNTED, group_by="currency")


def _is_beside_amount(files: RecordFiles) -> bool:
    """Return whether the currency of lines or events is taken from beside their amounts."""
    fields = [getattr(mapping.fields, "currency", None) for mapping in files.all_mappings()]
    return any(
        field.currency_code or any(origin.currency_code for origin in (field.by_row or {}).values())
        for field in fields
        if field is not None
    )


def _may_have_currency(files: RecordFiles) -> bool:
    """Return whether lines may say their currency, without reading them."""
    return any(_may_say_currency(files.mapping_of(file), layout) for file, layout in files.layouts)


def _may_say_currency(mapping: RecordMapping, layout: Layout) -> bool:
    field = getattr(mapping.fields, "currency", None)
    if field is None or not field.column:
        return field is not None
    return field.column in dict(layout.columns) or layout.format == "ndjson"


def rates_sql(con: duckdb.DuckDBPyConnection, path: Path) -> str:
    """Return the SELECT of rates: `rate_date`, `currency`, and `rate`, the worth of one unit.

    Raises:
        SourceError: The file cannot be read, or has a line that is not a rate, or two of one day
            and currency.
    """
    # DuckDB keeps products of two decimals of at most 18 digits to 18, which 100 dollars in rupiah
    # exceed.
    columns = (
        "date::DATE AS rate_date, upper(trim(currency)) AS currency, rate::DECIMAL(20, 8) AS rate"
    )
    try:
        listed = ListFile.open(con, path)
        listed.require(RATE_COLUMNS, numbers=["rate"])
        listed.require_whole()
    except EcomError as error:
        raise SourceError(f"ECOM_RATES: {error}") from error
    rates = select(columns, f"({listed.sql(RATE_COLUMNS)})")
    try:
        ((total, different, least),) = con.execute(
            select("count(*), count(DISTINCT (rate_date, currency)), min(rate)", rates)
        ).fetchall()
    except duckdb.Error as error:
        raise SourceError(
            f"ECOM_RATES: {path} cannot be read ({first_line(error)}); give a file with the "
            "columns date (2026-01-31), currency (USD) and rate (0.92)."
        ) from error
    if total != different or (least is not None and least <= 0):
        raise SourceError(
            f"ECOM_RATES: {path} has two rates of one day and currency, or one that is not above 0."
        )
    return rates
