"""Times and amounts of orders as countries and tools write them: however a draft finds them, the
five orders are those of the same five moments, and come to 2,847.20.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import OWN, MappingSearch, read_by
from ecom_assets.ingestion.sources.proposal.questions import DECIMAL, ZONE
from ecom_assets.ingestion.sources.proposal.values import FileValues
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets_tests.each import each
from ecom_assets_tests.ingestion.sources.conftest import write

AMOUNTS = ("1234.50", "12.05", "99.90", "1500.00", "0.75")
TIMES = tuple(datetime(2026, 3, day, 9 + day % 3, 7, 5, tzinfo=UTC) for day in (2, 13, 14, 25, 27))
WEEKDAYS = ("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim.")


def _with(thousands: str, decimal: str, form: str = "{}") -> Callable[[str], str]:
    def written(amount: str) -> str:
        digits = f"{Decimal(amount):,.2f}".replace(",", "\0").replace(".", decimal)
        return form.format(digits.replace("\0", thousands))

    return written


SPELLINGS_OF_AMOUNTS: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "plain": ("EUR", str),
    "four decimals": ("EUR", lambda amount: f"{Decimal(amount):.4f}"),
    "no zeros behind": ("EUR", lambda amount: f"{float(amount):g}"),
    "a plus": ("EUR", lambda amount: f"+{amount}"),
    "a formula": ("EUR", lambda amount: f'="{amount}"'),
    "German": ("EUR", _with(".", ",")),
    "German, with the sign behind": ("EUR", _with(".", ",", "{} €")),
    "French, with a blank that does not break": ("EUR", _with("\u00a0", ",", "{} €")),
    "French, with a narrow blank": ("EUR", _with("\u202f", ",")),
    "Swiss": ("CHF", _with("'", ".", "CHF {}")),
    "Swiss, with the other apostrophe": ("CHF", _with("\u2019", ".")),
    "English": ("GBP", _with(",", ".", "£{}")),
    "American": ("USD", _with(",", ".", "${} USD")),
    "of the country": ("USD", _with(",", ".", "US${}")),
    "a code before": ("EUR", _with(",", ".", "EUR {}")),
    "a code behind": ("EUR", _with(",", ".", "{} EUR")),
    "a code without a blank": ("EUR", lambda amount: f"EUR{amount}"),
    "Brazilian": ("BRL", _with(".", ",", "R$ {}")),
    "Swedish": ("SEK", _with(" ", ",", "{} kr")),
    "Polish": ("PLN", _with("\u00a0", ",", "{} zł")),
    "Czech": ("CZK", _with(" ", ",", "{} Kč")),
    "Indian": ("INR", _with(",", ".", "₹{}")),
    "Japanese, with the wide sign": ("JPY", _with(",", ".", "\uffe5{}")),
    "Japanese, in words": ("JPY", _with(",", ".", "{}円")),
    "Japanese, of the country": ("JPY", _with(",", ".", "JP¥{}")),
    "Korean": ("KRW", _with(",", ".", "{}원")),
    "Indian, in words": ("INR", _with(",", ".", "Rs. {}")),
    "Indonesian": ("IDR", _with(".", ",", "Rp {}")),
    "Turkish, in words": ("TRY", _with(".", ",", "{} TL")),
    "Vietnamese": ("VND", _with(".", ",", "{}đ")),
    "Peruvian": ("PEN", _with(",", ".", "S/ {}")),
    "Kenyan": ("KES", _with(",", ".", "KSh {}")),
    "Croatian": ("HRK", _with(".", ",", "{} kn")),
    "Chinese, in words": ("CNY", _with(",", ".", "{}元")),
    "of the Emirates": ("AED", _with(",", ".", "Dhs. {}")),
    "in small letters": ("EUR", _with(" ", ",", "{} euro")),
    "a code and a sign": ("USD", _with(",", ".", "USD$ {}")),
}
SPELLINGS_OF_TIMES: Mapping[str, Callable[[datetime], str]] = {
    "ISO": lambda at: f"{at:%Y-%m-%dT%H:%M:%S}",
    "ISO, a comma before the fraction": lambda at: f"{at:%Y-%m-%dT%H:%M:%S},123+00:00",
    "ISO, an offset without a colon": lambda at: f"{at:%Y-%m-%dT%H:%M:%S}.000+0000",
    "a zone behind": lambda at: f"{at:%Y-%m-%d %H:%M:%S} UTC",
    "an offset and a zone behind": lambda at: f"{at:%Y-%m-%d %H:%M:%S} +00:00 UTC",
    "American": lambda at: f"{at:%m/%d/%Y %I:%M:%S %p}",
    "American, without a blank": lambda at: f"{at:%m/%d/%Y %I:%M:%S%p}",
    "American, in small letters": lambda at: f"{at:%m/%d/%Y %I:%M %p}".lower(),
    "American, with a comma": lambda at: f"{at:%m/%d/%Y, %I:%M:%S %p}",
    "a month as a word": lambda at: f"{at:%d %b %Y %H:%M:%S}",
    "a month as a word, and two digits of the year": lambda at: f"{at:%d-%b-%y %H:%M}",
    "a long month": lambda at: f"{at:%B %d, %Y %H:%M:%S}",
    "a long month, at": lambda at: f"{at:%B %d, %Y at %I:%M %p}",
    "an ordinal": lambda at: f"{at:%b} {at.day}{'nd' if at.day == 2 else 'th'}, {at:%Y %H:%M}",
    "of a mail": lambda at: f"{at:%a, %d %b %Y %H:%M:%S} GMT",
    "of JavaScript": lambda at: f"{at:%a %b %d %Y %H:%M:%S} GMT+0000 (Coordinated Universal Time)",
    "of C": lambda at: f"{at:%a %b %d %H:%M:%S} UTC {at:%Y}",
    "of .NET": lambda at: f"/Date({int(at.timestamp())}000)/",
    "of DB2": lambda at: f"{at:%Y-%m-%d %H.%M.%S}",
    "an underscore between": lambda at: f"{at:%Y-%m-%d_%H:%M:%S}",
    "seconds": lambda at: f"{int(at.timestamp())}",
    "seconds with a fraction": lambda at: f"{at.timestamp():.3f}",
    "milliseconds": lambda at: f"{int(at.timestamp())}000",
    "microseconds": lambda at: f"{int(at.timestamp())}000000",
    "14 digits": lambda at: f"{at:%Y%m%d%H%M%S}",
    "ISO without signs": lambda at: f"{at:%Y%m%dT%H%M%SZ}",
    "German": lambda at: f"{at:%d.%m.%Y %H:%M} Uhr",
    "German, two digits of the year": lambda at: f"{at:%d.%m.%y %H:%M}",
    "German, with a comma": lambda at: f"{at:%d.%m.%Y, %H:%M:%S}",
    "German, in words": lambda at: f"{at.day}. März {at.year} {at:%H:%M}",
    "German, dots in the clock": lambda at: f"{at:%d.%m.%Y %H.%M}",
    "French": lambda at: f"{at.day} mars {at.year} {at:%H:%M}",
    "French, with the weekday": lambda at: (
        f"{WEEKDAYS[at.weekday()]} {at.day} mars {at.year} {at:%H:%M}"
    ),
    "French, with h": lambda at: f"{at:%d/%m/%Y %Hh%M}",
    "French, with à": lambda at: f"{at:%d/%m/%Y à %H:%M}",
    "Spanish": lambda at: f"{at.day} de marzo de {at.year} {at:%H:%M}",
    "Portuguese": lambda at: f"{at.day} mar. {at.year} {at:%H:%M:%S}",
    "Japanese": lambda at: f"{at.year}年{at.month}月{at.day}日 {at:%H:%M}",
    "Korean": lambda at: f"{at:%Y.%m.%d.} {at:%H:%M}",
}


def read(
    path: Path, currency: str, times: Sequence[str], amounts: Sequence[str]
) -> list[dict[str, object]]:
    """Return the rows that count by the draft over five orders, with their zone as the only answer,
    in the order of their customers, which is that of the file.
    """
    rows = [
        f"#{1001 + n}\tc{n}@example.com\t{time}\t{amount}"
        for n, (time, amount) in enumerate(zip(times, amounts, strict=True))
    ]
    write(path, "\n".join(["Order number\tEmail\tOrder date\tAmount", *rows, ""]))
    search = MappingSearch(
        [str(path)], Settings(home=path.parent / "home", currency=currency), MappingKind.ORDERS
    )
    with read_by(search, search.proposal(search.guesses({ZONE: "UTC"}, OWN), OWN)) as reading:
        assert isinstance(reading, FileReading)
        rows = reading.files.classified().to_pyarrow().to_pylist()
    right = [row for row in rows if row["reject_reason"] is None]
    return sorted(right, key=lambda row: str(row["customer_id"]))


@pytest.mark.slow
@each("of_times, of_amounts", zip(SPELLINGS_OF_TIMES, cycle(SPELLINGS_OF_AMOUNTS), strict=False))
def test_times_and_amounts_are_read_as_countries_and_tools_write_them(
    tmp_path: Path, of_times: str, of_amounts: str
) -> None:
    """A file has a spelling of times and one of amounts, so that each is in a file."""
    currency, written = SPELLINGS_OF_AMOUNTS[of_amounts]
    times = [*map(SPELLINGS_OF_TIMES[of_times], TIMES)]
    rows = read(tmp_path / "o.csv", currency, times, [*map(written, AMOUNTS)])
    ordered = [f"{row['ordered_at']:%Y-%m-%d %H:%M}" for row in rows]
    assert ordered == [f"{at:%Y-%m-%d %H:%M}" for at in TIMES], times[0]
    paid = [row["payment_amount"] for row in rows]
    assert paid == [*map(Decimal, AMOUNTS)]


def test_there_are_as_many_files_as_spellings_of_amounts() -> None:
    assert len(SPELLINGS_OF_TIMES) >= len(SPELLINGS_OF_AMOUNTS)


@pytest.mark.slow
@each("form", ["{},-", "{}.-", "{}:-", "{},\u2013", "CHF {}.\u2014", "{},- CHF", "{},--"])
def test_a_dash_in_place_of_cents_is_none(tmp_path: Path, form: str) -> None:
    times = [f"{at:%Y-%m-%d %H:%M:%S}" for at in TIMES]
    amounts = ("1234", "12", "99", "1500", "1")
    rows = read(tmp_path / "o.csv", "CHF", times, [form.format(amount) for amount in amounts])
    assert [row["payment_amount"] for row in rows] == [*map(Decimal, amounts)]


def test_sales_that_all_went_back_are_asked_about_their_decimals(tmp_path: Path) -> None:
    """`€1.500` may be 1.5 or 1,500: with as much below zero, both come to nothing."""
    amounts = [f"{sign}€{n}.500" for n in range(1, 5) for sign in ("", "-")]
    rows = [
        f"#{1001 + n},c{n}@example.com,2026-03-02 10:0{n}:00,{one}" for n, one in enumerate(amounts)
    ]
    path = write(tmp_path / "o.csv", "\n".join(["Order number,Email,Order date,Amount", *rows, ""]))
    search = MappingSearch(
        [str(path)], Settings(home=tmp_path / "home", currency="EUR"), MappingKind.ORDERS
    )
    assert DECIMAL in {question.key for question in search.proposal({}, OWN).questions}


@pytest.mark.slow
@each("spelling", ["ISO, a comma before the fraction", "an offset and a zone behind"])
def test_no_statement_about_times_takes_long_to_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    """A form with a zone has 10,000 letters, which the engine plans for half a second: 63 of them
    made a file of five rows take half a minute.
    """
    lengths: list[int] = []
    rows = FileValues.rows

    def measured(self: FileValues, sql: str) -> Sequence[Sequence[Any]]:
        lengths.append(len(sql))
        return rows(self, sql)

    monkeypatch.setattr(FileValues, "rows", measured)
    read(tmp_path / "o.csv", "EUR", [*map(SPELLINGS_OF_TIMES[spelling], TIMES)], AMOUNTS)
    assert 0 < max(lengths) < 200_000
