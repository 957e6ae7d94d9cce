"""All customers in one file: its form, its order, its summary, and that nobody sees half of it."""

import json
import tracemalloc
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pytest

from ecom_assets.commerce.customers.contracts import Customers
from ecom_assets.core.errors import DeliveryError, SettingError
from ecom_assets.core.settings.settings import load_settings
from ecom_assets.core.warehouse.local import connect
from ecom_assets.definitions import build_definitions
from ecom_assets.outputs.delivery import customers_file as customers_json
from ecom_assets.outputs.delivery.customers_file import FileLayout, write_customers
from ecom_assets_tests.builders import Row, as_table
from ecom_assets_tests.commerce.customers.customer_stories import one_of, shop_with

NOW = datetime(2026, 3, 10, 6)  # noqa: DTZ001 (the platform's instants are UTC, without zone)
SOMEBODY: Row = {
    "valid_from": date(2026, 3, 9),
    "valid_to": None,
    "is_current": True,
    "as_of_date": date(2026, 3, 9),
    "last_received_date": date(2026, 3, 9),
    "email_domain": "unknown",
    "market_segment": "other",
    "activity_status": "active",
    "recent_session_count": 0,
    "recent_engaged_s": 0.0,
    "engagement_level": "low",
    "year_revenue_amount": 0,
    "customer_tier": "basic",
    "data_quality_score": 100,
    "quality_band": "high",
}


LAYOUT = FileLayout(("US-West", "US-East", "EU-Central", "APAC", "other"))


def customers(*rows: Row) -> ir.Table:
    con = connect()
    con.con.register("customers", as_table([SOMEBODY | row for row in rows], Customers))
    return con.table("customers")


def written(path: Path, *rows: Row, layout: FileLayout = LAYOUT) -> dict[str, Any]:
    write_customers(customers(*rows), path, NOW, layout)
    actual: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return actual


def ids_in_order(path: Path, *names: tuple[str, str | None]) -> list[Any]:
    actual = written(
        path / "customers.json",
        *({"customer_id": customer_id, "full_name": name} for customer_id, name in names),
    )
    return [customer["customer_id"] for customer in actual["customers"]]


def test_customers_come_by_name_and_then_by_id_and_those_without_a_name_last(
    tmp_path: Path,
) -> None:
    actual = written(
        tmp_path / "customers.json",
        {"customer_id": "9", "full_name": "Zoë Ångström", "quality_band": "medium"},
        {"customer_id": "7", "full_name": "Ann Lee"},
        {"customer_id": "10", "full_name": "Ann Lee", "year_revenue_amount": Decimal("12.50")},
        {"customer_id": "1", "full_name": None, "quality_band": "low"},
        {
            "customer_id": "7",
            "full_name": "Ann Old",
            "is_current": False,
            "valid_from": date(2026, 1, 1),
        },
    )
    assert [customer["customer_id"] for customer in actual["customers"]] == ["7", "10", "9", "1"]
    assert actual["metadata"] == {
        "total_customers": 4,
        "export_timestamp": "2026-03-10T06:00:00Z",
        "data_quality_summary": {"high_quality": 2, "medium_quality": 1, "low_quality": 1},
    }
    assert actual["customers"][1]["year_revenue_amount"] == "12.50", "money is exact"
    assert actual["customers"][2]["full_name"] == "Zoë Ångström"


def test_names_sort_as_people_sort_them(tmp_path: Path) -> None:
    names = [
        "Änne Ohm",
        "anna Ode",
        "Łukasz Z",
        "Lukas Y",
        "Ólafur",
        "Oskar",
        "straße",
        "Strasse",
        "Øystein",
        "Zoe",
        "étude",
    ]
    answer = [(f"c{n:02}", name) for n, name in enumerate(names)]
    by_id = dict(answer)
    # As without accents: anna ode, anne ohm, etude, lukas y, lukasz z, olafur, oskar, oystein,
    # strasse twice, zoe.
    assert [by_id[customer_id] for customer_id in ids_in_order(tmp_path, *answer)] == [
        "anna Ode",
        "Änne Ohm",
        "étude",
        "Lukas Y",
        "Łukasz Z",
        "Ólafur",
        "Oskar",
        "Øystein",
        "straße",
        "Strasse",
        "Zoe",
    ]


def test_of_one_name_ids_decide_numbers_first_and_by_their_value(tmp_path: Path) -> None:
    ids = ["b", "10", "9", "a", "0b", "007", "7", "18446744073709551616", "0"]
    expected = ["0", "007", "7", "9", "10", "18446744073709551616", "0b", "a", "b"]
    for turned in (ids, ids[::-1]):
        assert (
            ids_in_order(
                tmp_path,
                *(
                    (customer_id, name)
                    for customer_id, name in zip(turned, ["Zoë", "zoe"] * 5, strict=False)
                ),
            )
            == expected
        )


def test_an_id_that_was_a_number_stays_one_and_a_text_stays_a_text(tmp_path: Path) -> None:
    actual = written(
        tmp_path / "customers.json",
        {"customer_id": "7", "is_number_id": True},
        {"customer_id": "8", "is_number_id": False},
        {"customer_id": "0b7c1f6e-1", "is_number_id": False},
        {"customer_id": "18446744073709551616", "is_number_id": True},
    )
    assert [customer["customer_id"] for customer in actual["customers"]] == [
        7,
        "8",
        18446744073709551616,
        "0b7c1f6e-1",
    ]


def test_the_address_stays_here_unless_it_is_asked_for(tmp_path: Path) -> None:
    somebody = {
        "customer_id": "7",
        "full_name": "Zoe",
        "email": "zoe@example.com",
        "email_domain": "example.com",
    }
    assert "zoe@" not in json.dumps(written(tmp_path / "customers.json", somebody))
    (answer,) = written(tmp_path / "customers.json", somebody)["customers"]
    assert answer["email_domain"] == "example.com"
    chosen = FileLayout(LAYOUT.segments, ("email", "customer_id"))
    (answer,) = written(tmp_path / "customers.json", somebody, layout=chosen)["customers"]
    assert [*answer.items()] == [("email", "zoe@example.com"), ("customer_id", "7")]


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        (
            "customer_id,mail",
            "JSON_FIELDS=.* is wrong: there is no field 'mail'; did you mean 'email'\\? Kn",
        ),
        ("city,city", "the field 'city' is named twice"),
    ],
)
def test_an_unknown_field_is_refused_with_the_known(
    monkeypatch: pytest.MonkeyPatch, named: str, sentence: str
) -> None:
    monkeypatch.setenv("ECOM_CUSTOMERS_JSON_FIELDS", named)
    with pytest.raises(SettingError, match=sentence):
        build_definitions(load_settings())


def test_the_summary_has_the_mean_score_and_the_flaws_by_frequency(tmp_path: Path) -> None:
    written(
        tmp_path / "all.json",
        {"customer_id": "1"},
        {
            "customer_id": "2",
            "data_quality_score": 80,
            "flawed_fields": "email,city",
            "engagement_source": "api",
        },
        {
            "customer_id": "3",
            "data_quality_score": 90,
            "flawed_fields": "city",
            "engagement_source": "sessions",
        },
    )
    summary = json.loads((tmp_path / "all_summary.json").read_text())
    assert summary["mean_data_quality_score"] == 90  # (100 + 80 + 90) / 3
    assert [*summary["flawed_fields"].items()] == [("city", 2), ("email", 1)]
    assert summary["engagement_source"] == {"sessions": 1, "api": 1, "none": 1}
    text = (tmp_path / "all_summary.txt").read_text()
    assert "\nMean data quality score: 90.00\n" in text
    assert "  city                    2  66.7%\n  email                   1  33.3%\n" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sources", "answer"),
    [
        ({}, (None, "unknown", None, None, "unknown")),
        ({"orders": "orders.csv"}, ("0.00", "basic", None, None, "unknown")),
        ({"events": "events.csv"}, ("0.00", "basic", 0, 0.0, "low")),
    ],
)
def test_what_no_source_has_is_unknown(
    tmp_path: Path, sources: dict[str, str], answer: tuple[object, ...]
) -> None:
    with shop_with(**sources) as shop:
        one_of(shop)
        write_customers(shop.table(Customers), tmp_path / "all.json", NOW, LAYOUT)
    (actual,) = json.loads((tmp_path / "all.json").read_text())["customers"]
    names = (
        "year_revenue_amount",
        "customer_tier",
        "recent_session_count",
        "recent_engaged_s",
        "engagement_level",
    )
    assert tuple(actual[name] for name in names) == answer
    summary = json.loads((tmp_path / "all_summary.json").read_text())
    tiers = {"basic": 0, "premium": 0, "enterprise": 0}
    assert summary["customer_tier"] == tiers | {answer[1]: 1}
    assert summary["engagement_level"] == {"high": 0, "medium": 0, "low": 0} | {answer[4]: 1}


def test_no_customers_are_a_file_without_any(tmp_path: Path) -> None:
    actual = written(tmp_path / "customers.json")
    assert (actual["metadata"]["total_customers"], actual["customers"]) == (0, [])


def test_the_summary_lies_beside_it_as_text_and_as_json(tmp_path: Path) -> None:
    written(
        tmp_path / "all.json",
        {"customer_id": "1"},
        {"customer_id": "2", "customer_tier": "premium"},
    )
    summary = json.loads((tmp_path / "all_summary.json").read_text())
    assert (summary["total_customers"], summary["customer_tier"]) == (
        2,
        {"basic": 1, "premium": 1, "enterprise": 0},
    )
    text = (tmp_path / "all_summary.txt").read_text()
    assert text.startswith("Customers: 2, exported at 2026-03-10T06:00:00Z\n")
    assert "  premium               1  50.0%\n" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "all.json",
        "all_summary.json",
        "all_summary.txt",
    ]


def test_a_file_that_could_not_be_finished_leaves_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = written(tmp_path / "customers.json", {"customer_id": "1"})

    def broken(*_: Any) -> Any:
        yield ['{"customer_id": "2"}']
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(customers_json, "_lines", broken)
    with pytest.raises(
        DeliveryError, match=r"cannot be written \(No space left on device\); make its"
    ):
        written(tmp_path / "customers.json", {"customer_id": "1"}, {"customer_id": "2"})
    assert json.loads((tmp_path / "customers.json").read_text()) == before
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.slow
def test_ten_times_the_customers_need_no_more_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customers_json, "BATCH_ROWS", 500)
    peaks = []
    for count in (1_000, 10_000):
        table = customers(
            *({"customer_id": f"{n:06}", "full_name": f"Name {n % 97}"} for n in range(count))
        )
        tracemalloc.start()
        actual = write_customers(table, tmp_path / "customers.json", NOW, LAYOUT)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert actual.customer_count == count
    assert peaks[1] < 1.5 * peaks[0]
