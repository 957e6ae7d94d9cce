"""One currency for the amounts of a source: it has one, or a file of rates makes it one, or it is refused."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb

from ecom_assets.errors import SourceError
from ecom_assets.orders.orders import CHARGES
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.files.catalogue_rows import catalogue_rows
from ecom_assets.sources.files.records import RecordFiles
from ecom_assets.warehouse.sql_text import select, text

AMOUNTS = ("payment_amount", *CHARGES)


@dataclass(frozen=True)
class Currencies:
    """The currency that all amounts are to have, empty if it is that of the source, and the file of rates."""

    target: str = ""
    rates: Path | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> "Currencies":
        """Return what is set."""
        return cls(settings.currency, settings.rates)

    def in_one(self, files: RecordFiles, rows: str) -> str:
        """Return the SELECT of received order lines with all amounts in one currency.

        Args:
            files: The files of the lines.
            rows: The SELECT of the lines, with their `order_date`.

        Raises:
            SourceError: There are amounts of several currencies, or of another one than the set one, and no rate.
        """
        if not _may_have_currency(files):
            return rows
        con = files.con.cursor()
        found = con.execute(
            select("currency, sum(payment_amount), count(*)", rows, _COUNTS, group_by="currency")
        ).fetchall()
        names = {currency for currency, _, _ in found}
        if not names - {None} or (len(names) == 1 and names <= {self.target or next(iter(names))}):
            return rows
        if self.rates is None or not self.target or None in names:
            raise SourceError(self._refusal(found))
        return self._converted(con, self.rates, rows)

    def _refusal(self, found: list[tuple[str | None, Decimal, int]]) -> str:
        ranked = sorted(found, key=lambda row: -row[2])
        sums = "; ".join(f"{name or 'no currency'} {total:,.2f} in {count:,} lines" for name, total, count in ranked)
        other = f", and ECOM_CURRENCY is {self.target}" if self.target else ""
        remedy = "set ECOM_CURRENCY and ECOM_RATES, a CSV file of date, currency and rate, or load one currency only"
        if any(name is None for name, _, _ in found):
            remedy = "give each line its currency, or load those of one currency only"
        return f"The orders have amounts in {sums}{other}, which cannot be added up; {remedy}."

    def _converted(self, con: duckdb.DuckDBPyConnection, path: Path, rows: str) -> str:
        rates = _rates_sql(con, path)
        # The newest rate that is not after the order.
        matched = "l.currency = r.currency AND l.order_date >= r.rate_date"
        joined = f"({rows}) AS l ASOF LEFT JOIN ({rates}) AS r ON {matched}"
        is_foreign = f"l.currency <> {text(self.target)}"
        lacking = select(
            "l.currency, min(l.order_date), count(*)", joined, f"{is_foreign} AND r.rate IS NULL AND {_COUNTS}",
            group_by="l.currency",
        )  # fmt: skip
        if missing := con.execute(lacking).fetchall():
            each = "; ".join(f"{name} from {day} on ({count:,} lines)" for name, day, count in sorted(missing))
            raise SourceError(f"{path} has no rate for {each}; add the rates, each the worth of one in {self.target}.")
        amounts = [f"CASE WHEN {is_foreign} THEN round(l.{name} * r.rate, 2) ELSE l.{name} END" for name in AMOUNTS]
        replaced = [f"({sql})::DECIMAL(18, 2) AS {name}" for name, sql in zip(AMOUNTS, amounts, strict=True)]
        replaced.append(f"CASE WHEN l.currency IS NOT NULL THEN {text(self.target)} END AS currency")
        return select(f"l.* REPLACE ({', '.join(replaced)})", joined)


_COUNTS = "left_out IS NULL AND payment_amount IS NOT NULL AND order_date IS NOT NULL"


def _may_have_currency(files: RecordFiles) -> bool:
    """Return whether lines may say their currency, without reading them."""
    field = getattr(files.mapping.fields, "currency", None)
    if field is None or not field.column:
        return field is not None
    return any(field.column in dict(layout.columns) or layout.format == "ndjson" for _, layout in files.layouts)


def _rates_sql(con: duckdb.DuckDBPyConnection, path: Path) -> str:
    """Return the SELECT of rates: `rate_date`, `currency`, and `rate`, the worth of one unit.

    Raises:
        SourceError: The file cannot be read, or has a line that is no rate, or two of one day and currency.
    """
    columns = "date::DATE AS rate_date, upper(trim(currency)) AS currency, rate::DECIMAL(18, 8) AS rate"
    try:
        rates = select(columns, catalogue_rows(str(path)))
        ((total, different, least),) = con.execute(
            select("count(*), count(DISTINCT (rate_date, currency)), min(rate)", rates)
        ).fetchall()
    except duckdb.Error as error:
        raise SourceError(
            f"ECOM_RATES: {path} cannot be read ({str(error).splitlines()[0]}); give a CSV file with the columns date "
            "(2026-01-31), currency (USD) and rate (0.92)."
        ) from error
    if total != different or (least is not None and least <= 0):
        raise SourceError(f"ECOM_RATES: {path} has two rates of one day and currency, or one that is not above 0.")
    return rates
