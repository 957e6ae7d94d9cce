"""Today's code over a snapshot that was published before some columns were there: what is newer is
not known until the next publication, and nothing else differs.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ecom_assets.commerce.sales.contracts import Customer, RevenueDaily
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Table
from ecom_assets.interfaces.api.app import build_app
from ecom_assets.interfaces.api.store.served_data import require_current
from ecom_assets.orchestration.registry import MARTS
from ecom_assets.outputs.serving.assets import SERVED
from ecom_assets.outputs.serving.snapshot import OlderPublicationError
from ecom_assets_tests.interfaces.api.conftest import Api, served
from ecom_assets_tests.interfaces.api.test_every_route import ROUTES

CONTRACTS: dict[str, type[Table]] = {
    contract.qualified_name(): contract for contract in (*SERVED, *MARTS)
}
RELEASE: Mapping[str, str] = json.loads(
    Path(__file__).with_name("release_0_1_0.json").read_text(encoding="utf-8")
)
"""The columns of each table as release 0.1.0 published it."""
YEAR: dict[str, Any] = {"time_range": "year"}
QUESTION = {"series": ["purchase", "*"]}
Drop = Callable[[str, list[str]], list[str] | None]


@contextmanager
def served_without(settings: Settings, home: Path, dropped: Drop) -> Iterator[Api]:
    """Serve a copy of what is published, without some columns, or a table for which `dropped`
    returns None.
    """
    shutil.copytree(settings.home / "serving", home / "serving")
    older = settings.model_copy(update={"home": home})
    pointer = home / "serving" / "current.json"
    published = json.loads(pointer.read_text())
    with duckdb.connect(home / "serving" / published["file"]) as con:
        for name in [*published["tables"]]:
            columns = [row[0] for row in con.execute(f"DESCRIBE {name}").fetchall()]
            gone = dropped(name, columns)
            if gone is None:
                del published["tables"][name]
                con.execute(f"DROP TABLE {name}")
            for column in gone or ():
                con.execute(f'ALTER TABLE {name} DROP COLUMN "{column}"')
    pointer.write_text(json.dumps(published))
    with served(build_app(older)) as api:
        yield api


def of_table(contract: type[Table], *gone: str) -> Drop:
    def dropped(name: str, _columns: list[str]) -> list[str]:
        return [*gone] if name == contract.qualified_name() else []

    return dropped


def of_revenue(*gone: str) -> Drop:
    return of_table(RevenueDaily, *gone)


def test_a_measure_newer_than_the_snapshot_is_not_known_and_the_others_are_as_before(
    settings: Settings, api: Api, tmp_path: Path
) -> None:
    before: dict[str, Any] = api.json("/analytics/sales", **YEAR)["sales"]
    assert before["order_count"] > 0
    with served_without(settings, tmp_path, of_revenue("order_count")) as older:
        after = older.json("/analytics/sales", **YEAR)["sales"]
        days = older.json("/analytics/revenue/trend", granularity="day", limit=400, **YEAR)
    unknown = {"order_count", "average_order_value"}
    assert {name for name in before if before[name] != after[name]} == unknown
    assert {name: after[name] for name in unknown} == dict.fromkeys(unknown)
    sold = [day for day in days["points"] if day["refund_count"]]
    assert [day["order_count"] for day in sold] == [None] * len(sold)
    assert sold


def test_who_is_new_is_not_known_where_it_was_not_stored_who_paid(
    settings: Settings, api: Api, tmp_path: Path
) -> None:
    """As of release 0.1.0: how many ordered is as before, by all types together."""
    asked: dict[str, Any] = {"by": ["customer_type"], "measures": ["revenue_amount"]}
    before = api.json("/analytics/customers", **YEAR)["customers"]
    assert before["new_customer_count"] > 0
    columns = ("first_paid_date", "is_first_paid_renewal")
    with served_without(settings, tmp_path, of_table(Customer, *columns)) as older:
        after = older.json("/analytics/customers", **YEAR)["customers"]
        rows = older.post("/analytics/sales", asked | YEAR).json()
        known = api.post("/analytics/sales", asked | YEAR).json()
    unknown = {"new_customer_count", "returning_customer_count"}
    assert {name: after[name] for name in unknown} == dict.fromkeys(unknown)
    assert {name for name in before if before[name] != after[name]} == unknown
    assert {row["by"]["customer_type"] for row in known["sales"]} >= {"new", "returning"}
    assert {row["by"]["customer_type"] for row in rows["sales"]} <= {"(none)", "unknown"}
    assert rows["total"] == known["total"]


def test_a_column_that_is_never_null_is_refused_with_what_to_do(
    settings: Settings, tmp_path: Path
) -> None:
    with served_without(settings, tmp_path, of_revenue("sales_channel")) as older:
        answer = older.get("/analytics/sales", **YEAR)
    assert answer.status_code == 503
    assert "publish again with `ecom run --select serving/marts`" in answer.json()["detail"]
    with pytest.raises(OlderPublicationError, match="lacks sales_channel"):
        require_current(settings.model_copy(update={"home": tmp_path}), [RevenueDaily])


def newer_than_the_release(name: str, columns: list[str]) -> list[str] | None:
    if name not in RELEASE:
        return None
    return [column for column in columns if column not in RELEASE[name].split()]


def all_that_may_be_unknown(name: str, columns: list[str]) -> list[str]:
    contract = CONTRACTS.get(name)
    declared = contract.columns if contract else {}
    return [column for column in columns if column in declared and declared[column].may_be_unknown]


@pytest.mark.slow
@pytest.mark.parametrize("dropped", [newer_than_the_release, all_that_may_be_unknown])
def test_no_route_fails_over_an_older_snapshot_and_none_says_another_number(
    settings: Settings, api: Api, tmp_path: Path, dropped: Drop
) -> None:
    """What lacks only what may be unknown is answered; of the rest it is said what to do."""
    with served_without(settings, tmp_path, dropped) as older:
        answers = {path: older.get(path) for path in ROUTES}
        trend = older.post("/analytics/trend", QUESTION)
    answered = {path for path, answer in answers.items() if answer.status_code in {200, 409}}
    refused = {path: answer for path, answer in answers.items() if path not in answered}
    assert [path for path, answer in refused.items() if answer.status_code != 503] == []
    assert [path for path, answer in refused.items() if "ecom run" not in answer.text] == []
    for path in answered - OF_NOW:
        before, after = (dict(_numbers(of.json())) for of in (api.get(path), answers[path]))
        assert {
            name: after[name] for name in after if after[name] not in {None, before.get(name)}
        } == {}
    if dropped is all_that_may_be_unknown:
        assert trend.status_code == 200
        assert not refused
    else:
        assert answered >= OF_THE_RELEASE


OF_NOW = {path for path in ROUTES if "realtime" in path or "/operations/" in path}
"""The routes that are about this moment or this home, not about published tables."""
OF_THE_RELEASE = {
    "/v1/analytics/sales",
    "/v1/analytics/revenue/trend",
    "/v1/analytics/engagement",
    "/v1/analytics/cohorts",
    "/v1/analytics/customers",
    "/v1/analytics/customers/segments",
}


def _numbers(part: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the numbers of an answer that are in no list, whose order may follow a number."""
    if isinstance(part, dict):
        for name, value in part.items():
            yield from _numbers(value, f"{path}.{name}") if name not in DATED else ()
    elif not isinstance(part, list):
        yield path, part


DATED = {"definition", "range", "source_facts", "explain"}
