"""Contracts as documents of the Open Data Contract Standard, held to the
standard's own JSON schema.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from ecom_assets.commerce.sales.contracts import RevenueDaily, Sales
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.odcs import API_VERSION, document_per_table, file_name, one_document
from ecom_assets.orchestration.registry import ALL
from ecom_assets_tests.command import ecom
from ecom_assets_tests.each import each

STANDARD: dict[str, Any] = json.loads(
    (files("open_data_contract_standard") / "schema.json").read_text()
)
CHECKS = {
    "mart.sales": [("sums_hold", "Sales add up.", False), ("is_new", "Nothing is new.", True)]
}


def properties(document: Any) -> dict[str, Any]:
    return {column["name"]: column for column in document["schema"][0]["properties"]}


def test_it_is_the_newest_version_that_the_standard_has() -> None:
    assert STANDARD["properties"]["apiVersion"]["default"] == API_VERSION


def assert_valid(document: dict[str, Any]) -> None:
    assert [
        error.message for error in jsonschema.Draft201909Validator(STANDARD).iter_errors(document)
    ] == []
    OpenDataContractStandard.model_validate(document)


@pytest.mark.slow
def test_all_tables_are_valid_together() -> None:
    assert_valid(one_document(ALL, "1.0.0", CHECKS))


@each("table", ALL)
def test_every_table_is_valid_by_itself(table: type[Table]) -> None:
    alone = document_per_table(ALL, "1.0.0", CHECKS)
    assert set(alone) == {file_name(contract) for contract in ALL}
    assert_valid(alone[file_name(table)])


def test_the_standard_refuses_what_is_wrong() -> None:
    document = one_document([Sales], "1.0.0", {})
    document["schema"][0]["properties"][0]["logicalType"] = "money"
    assert list(jsonschema.Draft201909Validator(STANDARD).iter_errors(document))


def test_all_that_a_contract_says_is_in_it() -> None:
    document = document_per_table(ALL, "1.0.0", CHECKS)["mart.sales.odcs.yaml"]
    actual = properties(document)
    assert list(actual) == list(Sales.columns)
    assert (actual["uniq_id"]["primaryKey"], actual["uniq_id"]["unique"]) == (True, True)
    assert actual["customer_id"]["classification"] == "personal"
    assert "classification" not in actual["quantity"]
    assert actual["order_date"]["partitioned"] is True
    assert actual["status"]["enum"] == [{"value": "shipped"}, {"value": "refunded"}]
    assert actual["quantity"]["customProperties"] == [{"property": "unit", "value": "items"}]
    to = "mart.city.odcs.yaml#/schema/mart_city/properties/city_id"
    assert actual["city_id"]["relationships"] == [{"type": "foreignKey", "to": to}]
    assert (
        document["schema"][0]["dataGranularityDescription"]
        == "One row per order line, refunds negative; of a refund without an item one per item of "
        "its order"
    )
    quality = {row["name"]: row["severity"] for row in document["schema"][0]["quality"]}
    assert quality == {"key_is_unique": "error", "sums_hold": "error", "is_new": "warning"}


def test_limits_and_keys_of_several_columns_are_in_it() -> None:
    actual = properties(one_document([RevenueDaily], "1.0.0", {}))
    assert [actual[name]["primaryKeyPosition"] for name in RevenueDaily.key] == [1, 2, 3, 4, 5]
    assert not any(actual[name]["unique"] for name in RevenueDaily.key)
    assert actual["refunded_amount"]["logicalTypeOptions"] == {"maximum": 0}
    assert actual["average_order_value"]["required"] is False


def test_the_command_writes_a_file_per_table(tmp_path: Path) -> None:
    out = tmp_path / "contracts"
    result = ecom("contracts", "--format", "odcs", "--out", out, "--json", home=tmp_path / "home")
    assert result.exit_code == 0
    assert sorted(result.json["files"]) == sorted(str(path) for path in out.iterdir())
    written = yaml.safe_load((out / "mart.sessions.odcs.yaml").read_text())
    database = str(tmp_path / "home" / "warehouse.duckdb")
    assert written["servers"] == [{"server": "warehouse", "type": "duckdb", "database": database}]
    assert "contract_holds" in {row["name"] for row in written["schema"][0]["quality"]}
    jsonschema.Draft201909Validator(STANDARD).validate(written)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--table", "mart.sale"),
            "--table 'mart.sale' is not a table; did you mean 'mart.sales' or ",
        ),
        (
            ("--out", "/dev/null/x"),
            "--out /dev/null/x cannot be a folder (Not a directory); name another one.",
        ),
    ],
)
def test_wrong_use_is_explained_in_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    result = ecom("contracts", *arguments, home=tmp_path / "home")
    assert result.exit_code == 2
    assert result.sentence.startswith(sentence)


def test_without_a_folder_it_prints_one_document(tmp_path: Path) -> None:
    result = ecom(
        "contracts", "--table", "mart.city", "--table", "mart.sales", home=tmp_path / "home"
    )
    actual = yaml.safe_load(result.out)
    assert [row["name"] for row in actual["schema"]] == ["city", "sales"]
    references = {
        column["name"]: column.get("relationships") for column in actual["schema"][1]["properties"]
    }
    assert references["city_id"] == [
        {"type": "foreignKey", "to": "/schema/mart_city/properties/city_id"}
    ]
    assert references["item_id"] is None  # the table is not in the document
