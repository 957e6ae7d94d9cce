"""Whatever the kind of record and the form of its file: the rows of the plain file are read, or the
form is named.

Not here: what is proposed for a file of an unknown layout (`test_proposed_mappings.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import pytest

from ecom_assets.core.errors import EcomError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.places import folded
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.campaign_tags import read_campaign_tags
from ecom_assets.ingestion.sources.cost_reading import AdSpendFileReading, CostFileReading
from ecom_assets.ingestion.sources.files.catalogue import categories_sql, products_sql
from ecom_assets.ingestion.sources.files.currency import rates_sql
from ecom_assets.ingestion.sources.files.places import known_places
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.order_reports.report_files import (
    activity_mapping,
    price_rows,
    research_mapping,
)
from ecom_assets.ingestion.sources.reading import CustomerFileReading, FileReading
from ecom_assets.ingestion.sources.stock_reading import FileStock, StockFileReading
from ecom_assets_tests.ingestion.sources.forms import FORMS, PlainTable
from ecom_assets_tests.ingestion.sources.test_order_files import read as read_lines

READ, REFUSED, FAILED = "read", "refused", "failed"
DOCS: Final = Path(__file__).parents[3] / "docs"
NAMES: Final = ('Küche 5" weiß', "Straße, Nord", "Hut")
DAY: Final = "2026-02-03"


def _picked(rows: list[dict[str, Any]], *names: str) -> Any:
    return sorted(tuple(_plain(row[name]) for name in names) for row in rows)


def _plain(value: object) -> str:
    """Return a value as a text that is the same for 5, 5.0 and 5.00."""
    if isinstance(value, Decimal | float | int) and not isinstance(value, bool):
        return f"{Decimal(str(value)).normalize():f}"
    return str(value)


def _events(path: Path, home: Path) -> Any:
    reading = FileReading.open(
        [str(path)], "ecommerce", is_events=True, settings=Settings(home=home)
    )
    rows = reading.files.classified()
    kept = rows_of(rows.filter(rows.reject_reason.isnull()))
    return _picked(kept, "event_id", "user_id", "event_type", "product_category", "cart_amount")


def _orders(path: Path, home: Path) -> Any:
    reading = FileReading.open(
        [str(path)], "user_order_log", is_events=False, settings=Settings(home=home)
    )
    rows = reading.files.classified()
    kept = rows_of(rows.filter(rows.reject_reason.isnull()))
    return _picked(kept, "uniq_id", "ordered_at", "item_name", "quantity", "payment_amount")


def _order_lines(path: Path, _home: Path) -> Any:
    kept = [row for row in read_lines(path, "shopify") if row["left_out"] is None]
    return _picked(kept, "uniq_id", "ordered_at", "item_name", "quantity", "payment_amount")


def _mapped(path: Path, mapping: Any, *names: str) -> Any:
    con = connect()
    files = RecordFiles.open(con.con, [path], mapping(path))
    rows = con.con.sql(files.received_sql()).to_arrow_table().to_pylist()
    kept = [row for row in rows if all(row[name] is not None for name in names)]
    return _picked(kept, *names)


def _activities(path: Path, _home: Path) -> Any:
    names = ("uniq_id", "activity_at", "action_id", "customer_id", "quantity")
    return _mapped(path, activity_mapping, *names)


def _research(path: Path, _home: Path) -> Any:
    names = ("research_at", "category_id", "geo_id", "sales_quantity", "sales_amount")
    return _mapped(path, research_mapping, *names)


def _prices(path: Path, _home: Path) -> Any:
    rows = [row for row in price_rows(path, date(2026, 2, 3), "api") if not row["reject_reason"]]
    return _picked(rows, "item_name", "price_amount")


def _costs(path: Path, home: Path) -> Any:
    settings = Settings(home=home, currency="EUR")
    reading = CostFileReading.open([str(path)], "costs", settings)
    rows = [row for row in reading.preview if row["reject_reason"] is None]
    return _picked(rows, "item_id", "item_name", "unit_cost_amount", "valid_from_date")


def _ad_spend(path: Path, home: Path) -> Any:
    settings = Settings(home=home, currency="EUR")
    reading = AdSpendFileReading.open([str(path)], "native", settings)
    rows = [row for row in reading.preview if row["reject_reason"] is None]
    return _picked(rows, "spend_date", "platform", "campaign_name", "account_spend_amount")


def _customers(path: Path, home: Path) -> Any:
    reading = CustomerFileReading.open([str(path)], "customers", Settings(home=home))
    rows = [vars(record.customer) for record in reading.records if record.customer]
    return _picked(rows, "id", "email", "first_name", "created_instant")


def _stock(path: Path, home: Path) -> Any:
    reading = StockFileReading.open([str(path)], "catalogue", Settings(home=home))
    rows = [line for line in reading.lines if line["reject_reason"] is None]
    return _picked(rows, "product_id", "product_name", "stock_count", "unit_cost_amount")


def _catalogue(path: Path, home: Path) -> Any:
    settings = Settings(home=home, catalogue=path)
    received = FileStock(settings).received(Days((date(2026, 2, 3),))).rows
    rows = [row for row in received.to_pyarrow().to_pylist() if row["reject_reason"] is None]
    return _picked(rows, "product_id", "product_name", "stock_count", "unit_cost_amount")


def _categories(path: Path, _home: Path) -> Any:
    con = connect()
    rows = con.con.sql(categories_sql(products_sql(con.con, path))).to_arrow_table().to_pylist()
    rows = [row for row in rows if row["category"]]
    return _picked(rows, "product_id", "category", "vendor")


def _tags(path: Path, _home: Path) -> Any:
    return _picked([vars(tag) for tag in read_campaign_tags(path)], "tag", "campaign")


def _rates(path: Path, _home: Path) -> Any:
    con = connect()
    rows = con.con.sql(rates_sql(con.con, path)).to_arrow_table().to_pylist()
    return _picked(rows, "rate_date", "currency", "rate")


def _cities(path: Path, _home: Path) -> Any:
    places = known_places(path)
    return [places.cities.get(("DE", folded(name))) for name in NAMES]


@dataclass(frozen=True)
class MatrixKind:
    """A kind of record, or a list of the shop: what the docs call it, its plain table, and how its
    clean rows are read.
    """

    label: str
    table: PlainTable
    read: Callable[[Path, Path], Any]


def _table(
    names: str,
    row: Callable[[int], tuple[str, ...]],
    decimals: str = "",
    numbers: str = "",
) -> PlainTable:
    rows = tuple(row(number) for number in range(3))
    return PlainTable(tuple(names.split()), rows, tuple(decimals.split()), tuple(numbers.split()))


def _at(number: int) -> str:
    return f"{DAY}T10:0{number}:00Z"


AMOUNTS: Final = ("19.50", "1204.99", "0.75")
KINDS: Final = {
    "events": MatrixKind(
        "events",
        _table(
            "event_id user_id event_type event_timestamp product_id product_category session_id "
            "page_url referrer_url cart_value",
            lambda n: (
                *(f"e{n}", f"u{n}", "purchase", _at(n), f"p{n}", NAMES[n], f"s{n}", "", ""),
                AMOUNTS[n],
            ),
            "cart_value",
        ),
        _events,
    ),
    "orders": MatrixKind(
        "orders",
        _table(
            "id uniq_id order_id date_time city_id city_name customer_id first_name last_name "
            "item_id item_name quantity payment_amount",
            lambda n: (
                *(f"{n}", f"x{n}", f"o{n}", _at(n), "1", "Ulm", f"c{n}", "A", "B", f"i{n}"),
                *(NAMES[n], "2", AMOUNTS[n]),
            ),
            "payment_amount",
        ),
        _orders,
    ),
    "order_lines": MatrixKind(
        "orders of several lines (`shopify`)",
        _table(
            "Name Email FinancialStatus Currency Subtotal Created Quantity Item Price Cancelled",
            lambda n: (
                (
                    *(
                        "#1001",
                        "ann@example.com",
                        "paid",
                        "EUR",
                        "1224.49",
                        f"{DAY} 10:14:00 +0200",
                    ),
                    *("1", NAMES[0], "19.50", ""),
                )
                if n == 0
                else (
                    *("#1001", "ann@example.com", "", "", "", ""),
                    *("1", NAMES[1], "1204.99", ""),
                )
                if n == 1
                else (
                    *("#1002", "bob@example.com", "paid", "EUR", "0.75", f"{DAY} 11:14:00 +0200"),
                    *("1", NAMES[2], "0.75", ""),
                )
            ),
            "Subtotal Price",
        ).renamed(
            {
                "FinancialStatus": "Financial Status",
                "Created": "Created at",
                "Quantity": "Lineitem quantity",
                "Item": "Lineitem name",
                "Price": "Lineitem price",
                "Cancelled": "Cancelled at",
            }
        ),
        _order_lines,
    ),
    "activities": MatrixKind(
        "activities",
        _table(
            "uniq_id date_time action_id customer_id quantity",
            lambda n: (f"a{n}", _at(n), "3", NAMES[n], AMOUNTS[n]),
            "quantity",
        ),
        _activities,
    ),
    "research": MatrixKind(
        "market research",
        _table(
            "date_id category_id geo_id sales_qty sales_amt",
            lambda n: (_at(n), NAMES[n], f"{n}", "3", AMOUNTS[n]),
            "sales_amt",
        ),
        _research,
    ),
    "prices": MatrixKind(
        "prices",
        _table("item_name price", lambda n: (NAMES[n], AMOUNTS[n]), "price"),
        _prices,
    ),
    "costs": MatrixKind(
        "costs",
        _table(
            "item_id item_name unit_cost_amount valid_from_date",
            lambda n: (f"i{n}", NAMES[n], AMOUNTS[n], DAY),
            "unit_cost_amount",
        ),
        _costs,
    ),
    "customers": MatrixKind(
        "customers",
        _table(
            "id email first_name created_at",
            lambda n: (f"k{n}", f"k{n}@example.com", NAMES[n], _at(n)),
        ),
        _customers,
    ),
    "ad_spend": MatrixKind(
        "ad spend",
        _table(
            "spend_date platform account_id campaign_name spend_amount currency",
            lambda n: (DAY, "meta", "1", NAMES[n], AMOUNTS[n], "EUR"),
            "spend_amount",
        ),
        _ad_spend,
    ),
    "stock": MatrixKind(
        "stock",
        _table(
            "product_id name stock unit_cost_amount",
            lambda n: (f"p{n}", NAMES[n], f"{n + 4}", AMOUNTS[n]),
            "unit_cost_amount",
            "stock",
        ),
        _stock,
    ),
    "catalogue": MatrixKind(
        "catalogue",
        _table(
            "product_id name stock unit_cost_amount",
            lambda n: (f"p{n}", NAMES[n], f"{n + 4}", AMOUNTS[n]),
            "unit_cost_amount",
            "stock",
        ),
        _catalogue,
    ),
    "categories": MatrixKind(
        "categories",
        _table(
            "product_id category vendor",
            lambda n: (f"p{n}", NAMES[n], "Acme"),
        ),
        _categories,
    ),
    "tags": MatrixKind(
        "campaign tags",
        _table("tag campaign", lambda n: (NAMES[n], f"c{n}")),
        _tags,
    ),
    "rates": MatrixKind(
        "rates",
        _table(
            "date currency rate note",
            lambda n: (f"2026-02-0{n + 1}", "USD", AMOUNTS[n], NAMES[n]),
            "rate",
        ),
        _rates,
    ),
    "cities": MatrixKind(
        "own cities",
        _table("country city region", lambda n: ("DE", NAMES[n], f"R{n}")),
        _cities,
    ),
}


Outcome = tuple[str, Any]
"""Whether a file is read, and its clean rows; or the sentence of the refusal."""


def outcome(kind: MatrixKind, form: str, folder: Path) -> Outcome:
    """Write the table of a kind in a form, and return what comes of reading it."""
    folder.mkdir(parents=True)
    path = FORMS[form].write(folder, kind.table)
    try:
        return READ, kind.read(path, folder / "home")
    except EcomError as error:
        return REFUSED, str(error)
    except Exception as error:  # noqa: BLE001 (a fault that is to be listed with the others)
        return FAILED, repr(error)[:200]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Outcome]:
    """What comes of each form of each kind that can be written in it."""
    home = tmp_path_factory.mktemp("matrix")
    return {
        (name, form): outcome(kind, form, home / name / form)
        for name, kind in KINDS.items()
        for form in FORMS
        if form != "comma" or kind.table.decimals
    }


@pytest.mark.slow
@pytest.mark.xdist_group("reader_matrix")
def test_each_form_of_each_kind_gives_the_plain_rows_or_is_named(
    outcomes: dict[tuple[str, str], Outcome],
) -> None:
    assert_read_or_named(outcomes)


def test_each_form_is_read_for_one_kind_at_least(tmp_path: Path) -> None:
    with_decimals = [name for name, kind in KINDS.items() if kind.table.decimals]
    cells = dict.fromkeys(
        [
            *((name, "plain") for name in KINDS),
            *zip(cycle(with_decimals), FORMS, strict=False),
        ]
    )
    assert_read_or_named(
        {(name, form): outcome(KINDS[name], form, tmp_path / name / form) for name, form in cells}
    )


def assert_read_or_named(outcomes: dict[tuple[str, str], Outcome]) -> None:
    """Fail unless each cell has the rows of its plain file, or names the form."""
    faults = []
    for (name, form), (state, found) in outcomes.items():
        _, plain = outcomes[name, "plain"]
        named_by = FORMS[form].named_by
        is_named = state == REFUSED and named_by and named_by in found
        if not (is_named or (state == READ and found == plain)):
            faults.append(f"{name}, {form}: {state} {found}")
    assert not faults, "\n".join([f"{len(faults)} cells:", *faults])
    for name, kind in KINDS.items():
        state, plain = outcomes[name, "plain"]
        assert (state, len(plain)) == (READ, len(kind.table.rows)), name


@pytest.mark.slow
@pytest.mark.xdist_group("reader_matrix")
def test_the_docs_say_what_is_read_in_which_form(
    outcomes: dict[tuple[str, str], Outcome],
) -> None:
    docs = (DOCS / "mappings.md").read_text(encoding="utf-8")
    table = table_of_docs({cell: state for cell, (state, _) in outcomes.items()})
    assert table in docs, f"docs/mappings.md has another table than:\n{table}"


def table_of_docs(states: dict[tuple[str, str], str]) -> str:
    """Return the table of forms as the docs have it: which kinds read them, and which refuse."""
    forms: dict[tuple[str, str], list[str]] = {}
    for key, form in FORMS.items():
        of_form = {kind.label: states.get((name, key)) for name, kind in KINDS.items()}
        by_state = {
            state: [label for label, own in of_form.items() if own == state]
            for state in (READ, REFUSED)
        }
        read, refused = (
            "anything" if len(kinds) == len(KINDS) else ", ".join(kinds)
            for kinds in by_state.values()
        )
        if read and refused and sum(map(len, by_state.values())) == len(KINDS):
            read = "anything else"
        forms.setdefault((read, refused), []).append(form.label)
    lines = ["| a file with | is read as | is refused, and named, as |", "|---|---|---|"]
    lines += [
        f"| {'; '.join(labels)} | {read} | {refused} |" for (read, refused), labels in forms.items()
    ]
    return "\n".join(lines)
