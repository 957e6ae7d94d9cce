"""Order lines from files, through the shipped mappings and custom ones."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.commerce.orders.contracts import RawUserOrderLog
from ecom_assets.core.errors import MappingError, SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.files.mapping import OrderMapping, load_order_mapping, shipped
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.order_reports.source import (
    OrderReader,
    ReceivedOrderFiles,
    checked_days,
    customers_over,
    has_order_reports,
)
from ecom_assets_tests.builders import Row
from ecom_assets_tests.each import each
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.ingestion.sources.workbook import write_xlsx

HEADER = (
    "id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,"
    "quantity,payment_amount"
)
LINE = "1,81f4,2022-11-09T00:00:00,0,Москва,0,Оксана,Федорова,3,Молоко 5%,4,2000"
RETAIL_HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


def read(path: Path, mapping: str | OrderMapping = "user_order_log") -> list[Row]:
    """Return every line under a path, as raw keeps it."""
    parsed = load_order_mapping(mapping) if isinstance(mapping, str) else mapping
    with fresh_duckdb() as con:
        actual = con.execute(RecordFiles.open(con, [path], parsed).received_sql())
        names = [column[0] for column in actual.description or ()]
        return [dict(zip(names, row, strict=True)) for row in actual.fetchall()]


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_an_older_file_has_no_status(tmp_path: Path) -> None:
    [row] = read(write(tmp_path / "log.csv", HEADER, LINE))
    assert row["status"] is None
    assert (row["uniq_id"], row["customer_id"], row["city_id"]) == ("81f4", "0", "0"), (
        "ids start at 0"
    )
    assert (row["ordered_at"], row["quantity"], row["payment_amount"]) == (
        datetime(2022, 11, 9),  # noqa: DTZ001 (UTC, as tables have it)
        4,
        Decimal(2000),
    )
    assert (row["received_quantity"], row["received_payment_amount"]) == ("4", "2000")
    assert row["id_number"] == 1


def test_a_file_with_status_keeps_it(tmp_path: Path) -> None:
    rows = read(
        write(tmp_path / "log.csv", f"{HEADER},status", f"{LINE},refunded", f"{LINE},shipped")
    )
    assert [row["status"] for row in rows] == ["refunded", "shipped"]


@pytest.mark.parametrize("name", ["increment_date", "received_date"])
def test_a_landing_folder_says_when_its_lines_arrived(tmp_path: Path, name: str) -> None:
    write(tmp_path / f"{name}=2022-12-05" / "user_order_log_inc.csv", HEADER, LINE)
    [row] = read(tmp_path)
    assert row["received_date"] == date(2022, 12, 5)
    assert row["source_file"] == f"{name}=2022-12-05/user_order_log_inc.csv"


def test_a_file_elsewhere_arrived_line_by_line_on_the_days_of_the_orders(tmp_path: Path) -> None:
    [row] = read(write(tmp_path / "log.csv", HEADER, LINE))
    assert row["received_date"] == date(2022, 11, 9)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4", 4),
        ("4.0", 4),
        ("2.5", Decimal("2.5")),
        ("four", None),
        ("", None),
        ("-3", -3),
        ("1e20", Decimal("99999999999999.9999")),
        ("1e999", None),
    ],
)
def test_a_number_is_a_quantity_as_far_as_the_column_goes(
    tmp_path: Path, text: str, number: Decimal | None
) -> None:
    [row] = read(write(tmp_path / "log.csv", HEADER, LINE.replace(",4,2000", f",{text},2000")))
    assert row["quantity"] == number


def test_a_line_that_cannot_be_split_is_kept_whole(tmp_path: Path) -> None:
    rows = read(write(tmp_path / "log.csv", HEADER, LINE, "2,only two"))
    assert sorted(str(row["malformed_row"]) for row in rows) == ["2,only two", "None"]


def test_online_retail_s_cancellations_are_refunds_of_positive_quantity(tmp_path: Path) -> None:
    rows = read(
        write(
            tmp_path / "retail.csv",
            RETAIL_HEADER,
            "536365,85123A,WHITE HOLDER ,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom",
            "C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527.0,United Kingdom",
            "536414,22139,,56,2010-12-01 11:52:00,0.0,,United Kingdom",
            "536415,22139,CUP,0,2010-12-01 11:52:00,1.0,12345,France",
        ),
        "online_retail",
    )
    actual = {
        row["order_id"]: (row["customer_id"], row["quantity"], row["payment_amount"], row["status"])
        for row in rows
    }
    assert actual == {
        "536365": ("17850", 6, Decimal("15.30"), "shipped"),
        "C536379": ("14527", 1, Decimal("27.50"), "refunded"),
        "536414": (None, 56, None, "shipped"),
        "536415": ("12345", None, None, "shipped"),
    }
    assert {row["item_name"] for row in rows} == {"WHITE HOLDER", "Discount", None, "CUP"}


def test_online_retail_s_double_entries_are_one_line(tmp_path: Path) -> None:
    line = "536365,85123A,HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom"
    rows = read(
        write(tmp_path / "retail.csv", RETAIL_HEADER, line, line, line.replace("6,2010", "7,2010")),
        "online_retail",
    )
    assert len({row["uniq_id"] for row in rows}) == 2


def test_statuses_can_be_translated(tmp_path: Path) -> None:
    own = load_order_mapping("user_order_log").model_copy(
        update={"statuses": {"retour": "refunded"}}
    )
    rows = read(
        write(tmp_path / "log.csv", f"{HEADER},status", f"{LINE},retour", f"{LINE},shipped"), own
    )
    assert [row["status"] for row in rows] == ["refunded", "shipped"]


def test_an_unknown_column_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        MappingError, match=r"unknown column 'colour' in log\.csv with mapping 'user_order_log'"
    ):
        read(write(tmp_path / "log.csv", f"{HEADER},colour", f"{LINE},red"))


def test_the_layout_of_another_shipped_mapping_is_recognized(tmp_path: Path) -> None:
    line = "536365,85123A,HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom"
    with pytest.raises(MappingError, match="it looks like mapping 'online_retail'"):
        read(write(tmp_path / "retail.csv", RETAIL_HEADER, line))


def test_days_that_a_spreadsheet_counts_are_refused_with_what_they_are(tmp_path: Path) -> None:
    lines = [LINE.replace("2022-11-09T00:00:00", day) for day in ("44874", "44874.5", "44875")]
    expected = (
        r"column 'date_time' of log\.csv holds numbers like 44874, but date_time expects dates; it "
        "looks like a spreadsheet's count of days: format the column there as a date"
    )
    with pytest.raises(MappingError, match=expected):
        read(write(tmp_path / "log.csv", HEADER, *lines))
    with pytest.raises(MappingError, match="column 'Created at' of shop"):
        read(write(tmp_path / "shop.csv", *shopify_lines("44874.5")), "shopify")
    # A few of them among dates cost their rows only, and other numbers are none.
    rows = read(write(tmp_path / "log.csv", HEADER, LINE, *lines))
    assert [row["ordered_at"] is None for row in rows] == [False, True, True, True]
    rows = read(write(tmp_path / "log.csv", HEADER, LINE.replace("2022-11-09T00:00:00", "12345")))
    assert [row["ordered_at"] for row in rows] == [None]


def shopify_lines(day: str) -> list[str]:
    """Return an export of one order."""
    header = (
        "Name,Email,Currency,Subtotal,Shipping,Taxes,Total,Created at,Lineitem quantity,"
        "Lineitem name,Lineitem price,Lineitem sku,Financial Status,Payment Method"
    )
    return [
        header,
        f"#1,a@x.example,EUR,10.00,0.00,0.00,10.00,{day},1,Mug,10.00,MUG,paid,Card",
    ]


def test_a_mapping_of_events_is_none_of_orders() -> None:
    with pytest.raises(MappingError, match="shipped are magento, magento_grid, online_retail,"):
        load_order_mapping("rees46")


def test_what_is_left_over_cannot_be_kept_as_properties() -> None:
    with pytest.raises(ValueError, match="refuse"):
        OrderMapping.model_validate({"name": "m", "fields": {}, "other_columns": "properties"})


def test_the_shipped_mappings_are_those_of_the_interface() -> None:
    assert shipped(OrderMapping) == [
        "magento",
        "magento_grid",
        "online_retail",
        "prestashop",
        "prestashop_list",
        "shopify",
        "shopify_admin",
        "shopify_graphql",
        "stripe",
        "stripe_balance",
        "stripe_payments",
        "user_order_log",
        "woocommerce",
        "woocommerce_analytics",
    ]


def test_the_example_of_the_documentation_works(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "mappings.md").read_text(encoding="utf-8")
    blocks = [block.split("\n", 1) for block in page.split("```")[1::2]]
    [example] = [
        body for kind, body in blocks if kind == "yaml" and body.startswith("name: bestellungen")
    ]
    _, sample = [body for kind, body in blocks if kind == "csv"]
    _, table = [body for kind, body in blocks if kind == "result"]
    mapping = load_order_mapping(write(tmp_path / "bestellungen.yaml", example))
    rows = read(write(tmp_path / "orders.csv", sample.rstrip()), mapping)
    names = [name.strip() for name in table.splitlines()[0].split("|")]
    in_order = sorted(rows, key=lambda row: (row["date_time"], row["item_id"]))
    cells_of: list[Row] = [
        dict(zip(names, map(str.strip, line.split("|")), strict=True))
        for line in table.splitlines()[1:]
    ]
    numbers = ("quantity", "payment_amount")
    expected = [cells | {name: Decimal(cells[name]) for name in numbers} for cells in cells_of]
    texts = [name for name in names if name not in numbers]
    actual = [row | {name: str(row[name]) for name in texts} for row in in_order]
    assert [{name: row[name] for name in names} for row in actual] == expected


# With a catalogue, as the platform takes them in


def received(orders: Path, catalogue: Path | None) -> list[Row]:
    settings = Settings(home=orders.parent / "home", orders=str(orders), catalogue=catalogue)
    source = ReceivedOrderFiles(OrderReader(connect(), "UTC", str(orders), catalogue), settings)
    rows: list[Row] = source.received(Days((date(2022, 11, 9),))).rows.to_pyarrow().to_pylist()
    return rows


def test_the_catalogue_gives_categories_to_lines_that_carry_none(tmp_path: Path) -> None:
    orders = write(
        tmp_path / "log.csv",
        f"{HEADER},item_category",
        f"{LINE},",
        f"{LINE},Own",
        LINE.replace(",3,", ",4,") + ",",
    )
    catalogue = write(tmp_path / "catalogue.csv", "product_id,category,price", "3,Dairy,10")
    assert sorted(str(row["item_category"]) for row in received(orders, catalogue)) == [
        "Dairy",
        "None",
        "Own",
    ]


def test_the_catalogue_gives_vendors_to_lines_that_carry_none(tmp_path: Path) -> None:
    orders = write(tmp_path / "log.csv", f"{HEADER},vendor", f"{LINE},", f"{LINE},Own")
    catalogue = write(tmp_path / "catalogue.csv", "product_id,Vendor,price", "3,Farm,10")
    assert sorted(row["vendor"] for row in received(orders, catalogue)) == ["Farm", "Own"]
    without = write(tmp_path / "other.csv", "product_id,category", "3,Dairy")
    assert sorted(str(row["vendor"]) for row in received(orders, without)) == ["None", "Own"]


def test_shopify_s_export_of_products_gives_vendors_and_categories(tmp_path: Path) -> None:
    """The first row of a product describes its variants; the last row is of a further image."""
    orders = write(
        tmp_path / "log.csv",
        f"{HEADER},item_category,vendor",
        *(f"{LINE.replace(',3,', f',{sku},')},," for sku in ("HAT-S", "HAT-L", "Scarf")),
    )
    catalogue = write(
        tmp_path / "products_export.csv",
        "Handle,Title,Vendor,Type,Variant SKU,Image Src",
        "hat,Hat,Farm,Hats,HAT-S,1.png",
        "hat,,,,HAT-L,",
        "hat,,,,,2.png",
        "scarf,Scarf,Mill,Scarves,,",
    )
    found = {
        (row["item_id"], row["vendor"], row["item_category"]) for row in received(orders, catalogue)
    }
    assert found == {
        ("HAT-S", "Farm", "Hats"),
        ("HAT-L", "Farm", "Hats"),
        ("Scarf", "Mill", "Scarves"),
    }


def test_shopify_s_export_of_products_is_met_by_title(tmp_path: Path) -> None:
    """Variants without a SKU, and a SKU that the catalogue does not have. `Socks` are two products
    of different kinds, and `Belt - Brown` is one of its own or a brown `Belt`: nobody knows.
    """
    named = ("Scarf", "Scarf - Red / M", "Socks", "Belt - Brown", "Mug - Blue", "Scar")
    header = HEADER.split(",")
    lines = []
    for name in named:
        cells = LINE.split(",")
        cells[header.index("item_id")] = f"own {name}"
        cells[header.index("item_name")] = name
        lines.append(",".join(cells))
    orders = write(tmp_path / "log.csv", HEADER, *lines)
    catalogue = write(
        tmp_path / "products_export.csv",
        "Handle,Title,Vendor,Type,Variant SKU",
        "scarf,Scarf,Mill,Scarves,",
        "scarf,,,,",
        "socks,Socks,Mill,Warm,S-1",
        "socks-2,Socks,Mill,Thin,S-2",
        "belt,Belt,Mill,Belts,",
        "belt-brown,Belt - Brown,Mill,Straps,",
        "mug,Mug,Kiln,Kitchen,MUG-1",
    )
    found = {
        row["item_name"]: (row["item_category"], row["vendor"])
        for row in received(orders, catalogue)
    }
    assert found == {
        "Scarf": ("Scarves", "Mill"),
        "Scarf - Red / M": ("Scarves", "Mill"),
        "Socks": (None, "Mill"),
        "Belt - Brown": (None, "Mill"),
        "Mug - Blue": ("Kitchen", "Kiln"),
        "Scar": (None, None),
    }


def test_a_catalogue_without_categories_leaves_them_unknown(tmp_path: Path) -> None:
    orders = write(tmp_path / "log.csv", f"{HEADER},item_category", f"{LINE},", f"{LINE},Own")
    catalogue = write(tmp_path / "catalogue.csv", "product_id,stock", "3,10")
    assert sorted(str(row["item_category"]) for row in received(orders, catalogue)) == [
        "None",
        "Own",
    ]


def test_a_workbook_is_a_catalogue(tmp_path: Path) -> None:
    """Below a title, with the id as a number: the line of product 3 gets its category."""
    orders = write(tmp_path / "log.csv", f"{HEADER},item_category", f"{LINE},")
    table = [
        ("Products",),
        (),
        ("product_id", "Category", "price"),
        (3, "Dairy", 10.5),
        (4, "Bread", 2),
    ]
    catalogue = write_xlsx(tmp_path / "catalogue.xlsx", {"Stock": table})
    assert [row["item_category"] for row in received(orders, catalogue)] == ["Dairy"]


def test_lines_are_taken_in_with_the_columns_of_raw(tmp_path: Path) -> None:
    [row] = received(write(tmp_path / "log.csv", HEADER, LINE), None)
    assert set(row) == set(RawUserOrderLog.columns)


@pytest.mark.parametrize("text", ["sku,category\n3,Dairy\n", None])
def test_a_catalogue_that_is_none_is_refused(tmp_path: Path, text: str | None) -> None:
    catalogue = tmp_path / "catalogue.csv"
    if text is not None:
        catalogue.write_text(text)
    with pytest.raises(
        SourceError, match=r"ECOM_CATALOGUE: .*; it needs the columns product_id and category"
    ):
        received(write(tmp_path / "log.csv", HEADER, LINE), catalogue)


@pytest.mark.parametrize(
    ("pattern", "is_daily"),
    [
        ("reports", True),
        ("reports/increment_date=2022-12-05", True),
        ("reports/increment_date=2022-12-05/inc.csv", True),
        ("reports/*/inc.csv", False),
        ("log.csv", False),
        ("reports,log.csv", False),
    ],
)
def test_each_day_is_checked_where_all_orders_are_daily_reports(
    tmp_path: Path, pattern: str, *, is_daily: bool
) -> None:
    write(tmp_path / "reports" / "increment_date=2022-12-05" / "inc.csv", HEADER, LINE)
    write(tmp_path / "log.csv", HEADER, LINE)
    paths = ",".join(str(tmp_path / path) for path in pattern.split(","))
    # No report is owed before the first one that there is, nor for a day that is still on.
    days = Days(tuple(date(2022, 12, day) for day in (4, 5, 6, 7)))
    checked = checked_days(
        Settings(orders=paths), days, lambda: datetime(2022, 12, 7, 9, tzinfo=UTC)
    )
    assert checked == Days(days.dates[1:3] if is_daily else ())
    by_day = checked_days(
        Settings(orders=paths, order_gate="day"), days, lambda: datetime(2022, 12, 7, 9, tzinfo=UTC)
    )
    assert set(by_day.dates) >= set(days.dates[1:3])


@each(
    "options, expected",
    [
        ({}, 3),  # the reports of the sandbox shop, and those of an API
        ({"orders": "landing/increment_date=2022-12-05/o.csv"}, 3),
        ({"orders": "export.csv"}, 0),
        ({"orders": "export.csv", "order_gate": "day"}, 3),
        ({"orders": "export.csv", "order_gate": "run"}, 0),
        ({"orders": "export.csv", "order_customers_over": 2}, 2),
        ({"order_customers_over": 0}, 0),
    ],
)
def test_only_a_daily_report_must_have_more_than_three_customers(
    options: dict[str, Any], expected: int
) -> None:
    assert customers_over(Settings(**options)) == expected


@pytest.mark.parametrize(
    ("orders", "options", "expected"),
    [
        ("home/uploads/orders", {}, False),  # what a person sent lies on its own days
        ("home/uploads/orders", {"order_gate": "run"}, True),
        ("home/uploads/orders", {"order_gate": "day"}, True),
        ("home/uploads", {}, True),
        ("export.csv", {}, True),
    ],
)
def test_uploads_are_no_report_that_may_be_incomplete(
    tmp_path: Path, orders: str, options: dict[str, Any], *, expected: bool
) -> None:
    settings = Settings(home=tmp_path / "home", orders=str(tmp_path / orders), **options)
    assert has_order_reports(settings) is expected
